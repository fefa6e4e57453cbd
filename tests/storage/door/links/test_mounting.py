"""A link mounted as a folder of the machine by ``rclone mount``, worked with by plain file operations."""

import os
import random
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import which

import pytest

from tests.live import wait_until

pytestmark = pytest.mark.slow


def _why_not() -> str:
    """Why nothing can be mounted here; empty where it can."""
    if which("fusermount3") is None:
        return "fuse3 is not installed (deploy/need test)"
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return f"/dev/fuse can't be used here: {error.strerror}; a container needs it as a device, and CAP_SYS_ADMIN"
    return ""


@contextmanager
def mounted(link, place: Path) -> Iterator[Path]:
    """The link's folder is at ``place`` while this is open, and everything written is at the door afterwards."""
    place.mkdir()
    argv = ["rclone", "mount", ":webdav:", str(place), f"--webdav-url={link.url}", "--webdav-vendor=other",
            "--vfs-cache-mode=writes", "--vfs-write-back=0s", f"--cache-dir={place}.cache"]  # fmt: skip
    env = os.environ | {"RCLONE_CONFIG": "/dev/null", "RCLONE_WEBDAV_BEARER_TOKEN": link.token}
    log = place.with_suffix(".log")
    with log.open("wb") as told, subprocess.Popen(argv, env=env, stdout=told, stderr=told) as rclone:
        try:
            wait_until(lambda: place.is_mount() or rclone.poll() is not None, what="the mount")
            if not place.is_mount() and "fusermount" in log.read_text():
                pytest.skip(f"the kernel let nothing be mounted: {log.read_text()[-300:]}")
            assert place.is_mount(), log.read_text()
            yield place
        finally:
            if place.is_mount():
                subprocess.run(["fusermount3", "-u", str(place)], check=True, timeout=30)
            else:
                rclone.kill()
            with suppress(subprocess.TimeoutExpired):
                rclone.wait(30)
            rclone.kill()


def arrived(path: Path, data: bytes) -> Callable[[], bool]:
    return lambda: path.exists() and path.read_bytes() == data


@pytest.mark.skipif(bool(_why_not()), reason=_why_not() or "it can")
def test_a_link_is_mounted_and_used_as_a_folder(link, tmp_path):
    small, large = b"by hand\n", random.Random(12).randbytes(9_000_000)
    (link.root / "sub").mkdir()
    (link.root / "sub" / "movie 1.mrc").write_bytes(large)
    with mounted(link, tmp_path / "here") as here:
        assert sorted(path.name for path in here.iterdir()) == ["sub"]
        assert (here / "sub" / "movie 1.mrc").read_bytes() == large
        with (here / "sub" / "movie 1.mrc").open("rb") as file:
            file.seek(5_000_000)
            assert file.read(1000) == large[5_000_000:5_001_000]
        (here / "new").mkdir()
        (here / "new" / "note.txt").write_bytes(small)
        (here / "new" / "copy.mrc").write_bytes(large)
        wait_until(arrived(link.root / "new" / "note.txt", small), what="the small file")
        wait_until(arrived(link.root / "new" / "copy.mrc", large), what="the large file")
        (here / "new" / "note.txt").rename(here / "renamed.txt")
        (here / "new" / "copy.mrc").unlink()
        assert sorted(path.name for path in here.iterdir()) == ["new", "renamed.txt", "sub"]
    assert (link.root / "renamed.txt").read_bytes() == small
    assert list((link.root / "new").iterdir()) == []
    assert link.door.do("trash", project=link.project) == ["raw/new/copy.mrc"]
    assert not (tmp_path / "here").is_mount()
