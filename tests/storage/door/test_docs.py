"""What docs/uploads.md says to type does what it says."""

import os
import re
import subprocess

from storage.door.app import STATUS_OF_CODE
from tests.live import ROOT

PAGE = (ROOT / "docs/uploads.md").read_text()


def test_printed_commands_upload_a_file(place, data, tmp_path):
    (tmp_path / "movie one.mrc").write_bytes(data)
    (block,) = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    env = os.environ | {
        "DOOR": f"http://localhost:{place.door.port}",
        "TOKEN": place.door.do("token", user="contributor", scopes=["data"]),
        "PROJECT": place.id,
        "FILE": str(tmp_path / "movie one.mrc"),
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block], env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (place.root / "raw/movie one.mrc").read_bytes() == data


def test_every_status_of_the_protocol_is_told():
    for status in set(STATUS_OF_CODE.values()) - {405}:
        assert str(status) in PAGE
