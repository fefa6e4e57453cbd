"""An upload of 2 GiB through the door, against ``cp``; and how much memory the door took."""

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import psutil

from bench.common import gateway_of, instance, seconds_of

SIZE = 2 * 2**30
BLOCK = 2**22


def upload() -> dict[str, Any]:
    """Seconds and ratio; both ways end with the bytes on the disk (fsync)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "source.bin"
        _fill(source)
        with instance() as live:
            gateway = gateway_of(live)
            project = gateway.project("Upload", "empty")
            idle = door_peak(live.pid("door"))
            sent = seconds_of(lambda: gateway.upload(project, "big.bin", source))
            peak = door_peak(live.pid("door"))
            copied = seconds_of(lambda: _copy(source, live.home / "copy.bin"))
            same = _digest(next((live.home / "projects").glob(f"**/{project}/big.bin"))) == _digest(source)
    return {
        "bytes": SIZE,
        "cp_s": copied,
        "upload_s": sent,
        "ratio": sent / copied,
        "door_idle_peak_mb": idle,
        "door_peak_mb": peak,
        "same_bytes": same,
    }


def door_peak(pid: int) -> float:
    """The highest resident memory of the door's processes so far, together, in MB."""
    total = 0
    for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        total += next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)
    return total / 1024


def _fill(path: Path) -> None:
    with path.open("wb") as file:
        for _ in range(SIZE // BLOCK):
            file.write(os.urandom(BLOCK))


def _copy(source: Path, target: Path) -> None:
    subprocess.run(["cp", str(source), str(target)], check=True, timeout=600)
    subprocess.run(["sync", str(target)], check=True, timeout=600)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
