"""``make demo ONCE=1`` from a fresh clone: the first time and the second."""

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from bench.common import seconds_of
from tests.live import ROOT, free_ports

SECONDS = 1800


def demo() -> dict[str, Any]:
    """Seconds of both; the Debian packages were there before, the package caches of uv and npm may be warm."""
    with tempfile.TemporaryDirectory() as name:
        clone = Path(name) / "portolan"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True, timeout=120)
        port, door_port = free_ports(2)
        own = {"PORTOLAN_HOME", "PORT", "DOOR_PORT", "DATABASE_URL", "DJANGO_SETTINGS_MODULE", "VIRTUAL_ENV"}
        env = {key: value for key, value in os.environ.items() if key not in own}
        env |= {"PORT": str(port), "DOOR_PORT": str(door_port)}

        def once() -> None:
            argv = ["make", "demo", "ONCE=1"]
            subprocess.run(argv, cwd=clone, env=env, check=True, stdout=subprocess.DEVNULL, timeout=SECONDS)

        return {"first_s": seconds_of(once), "second_s": seconds_of(once)}
