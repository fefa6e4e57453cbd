"""What the pages about links say to type does what they say."""

import os
import re
import subprocess

import pytest

from storage.door.links.front import STATUS_OF_CODE
from tests.live import ROOT

PAGE = (ROOT / "docs/send-large-data.md").read_text()


@pytest.mark.slow
def test_printed_commands_work_in_their_order(link, data, tmp_path):
    (tmp_path / "my-data").mkdir()
    (tmp_path / "my-data" / "movie.mrc").write_bytes(data * 3)
    (link.root / "results").mkdir()
    env = os.environ | {"LINK_URL": link.url, "LINK_TOKEN": link.token, "HOME": str(tmp_path)}
    env["RCLONE_CONFIG"] = "/dev/null"
    env["PATH"] = f"{ROOT / '.venv/bin'}:{env['PATH']}"
    for block in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block.replace("python3 ", "python ")],
            cwd=tmp_path, env=env, capture_output=True, text=True, timeout=90,
        )  # fmt: skip
        assert done.returncode == 0, block + done.stdout + done.stderr
    for name in ("fetched/movie.mrc", "movie.mrc", "raw/next.mrc"):
        assert (tmp_path / name).read_bytes() == data * 3
    assert (link.root / "next.mrc").read_bytes() == data * 3


def test_every_status_of_a_link_is_told():
    for status in STATUS_OF_CODE.values():
        assert str(status) in PAGE


def test_the_check_of_the_proxy_is_told_as_it_is_run():
    assert "manage.py check_proxy --project" in (ROOT / "docs/doors.md").read_text()
