"""The SSH door as a process: ``python -m gateway.ssh_door ADDRESS``. It ends by SIGTERM, with all its sessions."""

import os
import signal
import sys

import django
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
# As for the other door: people, projects and folders are enough.
settings.INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "accounts",
    "projects",
    "storage",
]
django.setup()

from common.errors import PortolanError  # noqa: E402
from storage.door.ssh.keeper import Keeper  # noqa: E402


def main(address: str) -> int:
    """The door was open until a signal came; the exit status."""
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda came, frame: asked.append(came))
    try:
        return Keeper(address=address, port=settings.SSH_DOOR_PORT, stopped=lambda: bool(asked)).serve()
    except PortolanError as error:
        print(f"{error.message} {error.hint}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"))
