"""Making a project's directory and filling it for the first time."""

from pathlib import Path

from storage.models import Folder
from storage.paths import DIR_MODE, plain_errors


def folder_root(folder: Folder) -> Path:
    """The directory of ``folder``: ``<site root>/<project id>``."""
    return Path(folder.site.root) / str(folder.project_id)


def make_root(folder: Folder) -> Path:
    """The directory of ``folder`` exists and is returned."""
    root = folder_root(folder)
    with plain_errors(""):
        Path(folder.site.root).mkdir(mode=DIR_MODE, parents=True, exist_ok=True)
        root.mkdir(mode=DIR_MODE, exist_ok=True)
    return root
