"""Where an instance keeps what it needs while it runs. No Django here: the settings import this."""

import hashlib
import os
from pathlib import Path

# A socket's path must fit into sockaddr_un (108 bytes with the closing NUL).
LONGEST_SOCKET_PATH = 100


def run_dir(home: Path) -> Path:
    """The folder of process ids, the lock and beat's schedule."""
    return home / "run"


def log_dir(home: Path) -> Path:
    """The folder of the services' logs."""
    return home / "log"


def redis_socket(home: Path) -> Path:
    """Where the instance's private Redis listens: in its home or, where that path is too long, under ``/tmp``."""
    usual = run_dir(home) / "redis.sock"
    if len(os.fsencode(usual)) <= LONGEST_SOCKET_PATH:
        return usual
    name = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    return Path("/tmp") / f"portolan-{os.getuid()}-{name}" / "redis.sock"  # noqa: S108 - private() checks the owner


def private(folder: Path) -> Path:
    """``folder`` exists, is ours and only we may enter it; PermissionError when it is somebody else's."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = os.lstat(folder)
    if found.st_uid != os.getuid() or folder.is_symlink():
        raise PermissionError(f"{folder} belongs to somebody else.")
    folder.chmod(0o700)
    return folder
