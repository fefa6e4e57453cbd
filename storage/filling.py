"""Making a project's directory and filling it for the first time."""

from pathlib import Path

from storage.listing import root_of
from storage.models import Folder
from storage.paths import DIR_MODE, plain_errors


def make_root(folder: Folder) -> Path:
    """The directory of ``folder`` exists and is returned."""
    root = root_of(folder)
    with plain_errors(""):
        Path(folder.site.root).mkdir(mode=DIR_MODE, parents=True, exist_ok=True)
        root.mkdir(mode=DIR_MODE, exist_ok=True)
    return root
