"""An upload that was begun elsewhere goes on by the script that the portal serves."""

import os
import subprocess
import sys

import pytest

from tests.live import ROOT
from tests.storage.door.test_parts import slot

SCRIPT = ROOT / "static" / "portolan-upload.py"


def go_on(url: str, file) -> subprocess.CompletedProcess:
    env = os.environ | {"PORTOLAN_UPLOAD": url}
    return subprocess.run([sys.executable, str(SCRIPT), str(file)], env=env, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("begun", ["not", "stream", "parts"])
def test_script_goes_on_where_the_browser_was(place, data, tmp_path, begun):
    (tmp_path / "movie.mrc").write_bytes(data)
    url = place.begin(size=len(data))
    if begun == "stream":
        place.patch(url, data[:1_000_000])
    if begun == "parts":
        slot(place, url, 0, 2 * 1024**2)
        slot(place, url, 2 * 1024**2, len(data) - 2 * 1024**2)
        place.patch(f"{url}/parts/0", data[:300_000])
    done = go_on(url, tmp_path / "movie.mrc")
    assert done.returncode == 0, done.stderr
    assert "all 3145745 bytes are there" in done.stdout
    assert (place.root / "raw/movie.mrc").read_bytes() == data
    assert go_on(url, tmp_path / "movie.mrc").returncode == 0


def test_script_refuses_another_file_and_tells_the_servers_words(place, tmp_path):
    (tmp_path / "movie.mrc").write_bytes(b"abc")
    assert "another file" in go_on(place.begin(size=10), tmp_path / "movie.mrc").stderr
    assert "no such upload" in go_on(f"http://localhost:{place.door.port}/uploads/x", tmp_path / "movie.mrc").stderr
