"""Imports on a running instance: as the page of commands has it, and with a worker that is killed."""

import hashlib
import os
import re
import subprocess

import pytest

from tests.live import ROOT, wait_until
from tests.storage.imports.servers import PASSWORD, USER, line

PAGE = (ROOT / "docs/send-large-data.md").read_text()
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
BIG = os.urandom(8_000_000)


@pytest.fixture
def project(live_portolan):
    with live_portolan.client() as api:
        yield api.post("/projects/", json={"name": "Imports", "source": "empty"}).json()["id"]


def test_printed_commands_import_a_folder(live_portolan, project, webdav, tmp_path):
    source = webdav.folder("printed", {"a.txt": b"a", "deep/b.txt": b"b"})
    env = os.environ | {
        "PORTOLAN_URL": live_portolan.url, "PORTOLAN_TOKEN": live_portolan.token(), "PROJECT": project,
        "KIND": "webdav", "SOURCE": source, "SOURCE_USER": USER, "SOURCE_PASSWORD": PASSWORD,
    }  # fmt: skip
    (block,) = [one for one in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) if "/imports/" in one]
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, block + done.stdout + done.stderr
    sums = [
        f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in (("a.txt", b"a"), ("deep/b.txt", b"b"))
    ]
    assert (tmp_path / "manifest-sha256.txt").read_text() == "".join(sums)
    assert PASSWORD not in live_portolan.service_log("worker") + live_portolan.service_log("portal")


def test_killed_worker_goes_on_where_the_file_stopped(live_portolan, project, web):
    web.folder("killed", {"big.mrc": BIG})
    with line(web.url, cuts=[]) as slow, live_portolan.client() as api:
        slow.hold_at = 5_000_000
        wanted = {"kind": "http", "addresses": [f"http://127.0.0.1:{slow.port}/killed/big.mrc"], "start": True}
        at = f"/projects/{project}/imports/" + api.post(f"/projects/{project}/imports/", json=wanted).json()["id"] + "/"
        wait_until(lambda: api.get(at).json()["received"] > 4_000_000, seconds=60, what="most of the file")
        live_portolan.kill("worker")
        slow.hold_at = None
        slow.go_on.set()
        wait_until(lambda: api.get(at).json()["state"] == "done", seconds=120, what="the end")
        found = api.get(f"/projects/{project}/files/content/", params={"path": "big.mrc"}).content
    assert found == BIG
    assert slow.through < len(BIG) + 4_000_000
