"""The instance's own secret key, for those who set none."""

import os
import secrets
from pathlib import Path


def secret_key(path: Path) -> str:
    """The key kept in ``path``; a new random one is written there (mode 0600) at the first call."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_urlsafe(50))
    return path.read_text().strip()
