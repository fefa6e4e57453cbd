"""Uppy, a client of tus that other people's pages use, in a real browser against a real door."""

import subprocess

import pytest

from tests.live import ROOT
from tests.storage.door.test_uploads_js import make, page, portal, slow_line, until

pytestmark = pytest.mark.slow
__all__ = ["page", "portal"]


@pytest.fixture(scope="module")
def module(tmp_path_factory) -> str:
    """Uppy with the few lines that a page needs."""
    made = tmp_path_factory.mktemp("uppy") / "uppy.js"
    source = ROOT / "tests/storage/door/uppy.mjs"
    argv = [str(ROOT / "node_modules/.bin/esbuild"), str(source), "--bundle", "--format=esm", f"--outfile={made}"]
    subprocess.run(argv, check=True, timeout=60, capture_output=True)
    return made.read_text()


def test_uppy_uploads_pauses_and_goes_on(page, portal, place, tmp_path):
    files = [make(tmp_path, 5_000_000, "movie ü.mrc"), make(tmp_path, 10, "notes.txt")]
    token = place.door.do("token", user="contributor", scopes=["read", "data"])
    endpoint = f"http://localhost:{place.door.port}/uploads/"
    asked = {"endpoint": endpoint, "headers": {"Authorization": f"Bearer {token}"}, "project": place.id}
    page.evaluate("document.querySelector('#pick').multiple = true")
    page.set_input_files("#pick", [str(file) for file in files])
    slow_line(page, 2_000_000)
    page.evaluate("async (asked) => (await import('/uploads.js')).start(asked)", asked)
    until(page, "uppy.getFiles().some((file) => file.progress.bytesUploaded > 1.2e6)")
    page.evaluate("uppy.pauseAll()")
    until(page, "uppy.getFiles().find((file) => file.size > 1e6).isPaused")
    slow_line(page, -1)
    page.evaluate("uppy.resumeAll()")
    until(page, "window.uppyDone !== undefined")
    assert page.evaluate("[uppyDone, uppyFailed]") == [2, []]
    for file in files:
        assert (portal.place.root / "uppy" / file.name).read_bytes() == file.read_bytes()
