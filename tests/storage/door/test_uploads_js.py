"""The pages' upload module in a real browser, against a real door; the portal's answers are given by the desk."""

import json
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Playwright, Route

from tests.live import ROOT, wait_until
from tests.storage.door.conftest import Place, Refused

pytestmark = pytest.mark.slow
PORTAL = "http://localhost:8000"
PAGE = """<!doctype html><input name="csrfmiddlewaretoken" value="csrf-of-the-page"><input type="file" id="pick">
<script type="module">
  import { UploadManager } from "/uploads.js";
  const manager = new UploadManager({ projectId: "the-project", parallelFrom: 4e6 });
  Object.assign(window, { manager, finished: [], changes: 0 });
  manager.addEventListener("change", () => (window.changes += 1));
  manager.addEventListener("done", (event) => window.finished.push(event.detail.path));
  const pick = document.querySelector("#pick");
  pick.addEventListener("change", () =>
    manager.add([...pick.files].map((file) => ({ file, relativePath: `raw/${file.name}` })), "/day 1/"));
</script>"""


@pytest.fixture(scope="module")
def module(tmp_path_factory) -> str:
    made = tmp_path_factory.mktemp("js") / "uploads.js"
    esbuild = ROOT / "node_modules/.bin/esbuild"
    argv = [str(esbuild), str(ROOT / "static/src/uploads.js"), "--bundle", "--format=esm", f"--outfile={made}"]
    subprocess.run(argv, check=True, timeout=60, capture_output=True)
    return made.read_text()


class Portal:
    """What the browser sees as the portal: the page, the module, and the one endpoint."""

    def __init__(self, place: Place, module: str) -> None:
        self.place, self.module = place, module
        self.begun: list[dict] = []
        self.urls: list[str] = []
        self.full_for = 0

    def answer(self, route: Route) -> None:
        path = route.request.url.removeprefix(PORTAL)
        if path == "/":
            route.fulfill(body=PAGE, content_type="text/html")
        elif path == "/uploads.js":
            route.fulfill(body=self.module, content_type="text/javascript")
        elif path == "/api/v1/projects/the-project/uploads/":
            self._begin(route)
        else:
            route.fulfill(status=404)

    def _begin(self, route: Route) -> None:
        assert route.request.headers["x-csrftoken"] == "csrf-of-the-page"
        if self.full_for:
            self.full_for -= 1
            route.fulfill(status=429, headers={"Retry-After": "1"}, json={"detail": "Too many requests."})
            return
        asked = json.loads(route.request.post_data)
        self.begun.append(asked)
        try:
            self.urls.append(self.place.begin(**asked))
        except Refused as refused:
            route.fulfill(status=409, json={"detail": "It is there already.", "code": refused.args[0]})
            return
        route.fulfill(status=201, json={"url": self.urls[-1]})


@pytest.fixture
def portal(place, module) -> Portal:
    return Portal(place, module)


@pytest.fixture
def page(portal, playwright: Playwright) -> Iterator[Page]:
    # The intercepted page counts as a public one, which newer browsers keep from this machine.
    flags = ["--no-sandbox", "--disable-features=LocalNetworkAccessChecks,PrivateNetworkAccessChecks"]
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=flags)
    context = browser.new_context()
    context.route(f"{PORTAL}/**", portal.answer)
    made = context.new_page()
    made.goto(PORTAL)
    yield made
    browser.close()


def pick(page: Page, *files: Path) -> None:
    page.set_input_files("#pick", [str(file) for file in files])


def until(page: Page, condition: str) -> None:
    page.wait_for_function(condition, timeout=30_000)


def slow_line(page: Page, bytes_a_second: int) -> None:
    session = page.context.new_cdp_session(page)
    limits = {"offline": False, "latency": 5, "downloadThroughput": -1, "uploadThroughput": bytes_a_second}
    session.send("Network.emulateNetworkConditions", limits)


def make(folder: Path, size: int, name: str = "movie.mrc") -> Path:
    file = folder / name
    file.write_bytes(random.Random(name).randbytes(size))
    return file


def test_files_arrive_in_their_folders_and_empty_ones_too(page, portal, tmp_path):
    files = [make(tmp_path, size, f"{size} ü.mrc") for size in (0, 1, 70_000, 3_000_000)]
    pick(page, files[0])
    until(page, "finished.length === 1")
    page.evaluate("document.querySelector('#pick').multiple = true")
    pick(page, *files[1:])
    until(page, "finished.length === 4")
    for file in files:
        assert (portal.place.root / "day 1/raw" / file.name).read_bytes() == file.read_bytes()
    assert page.evaluate("manager.items().every((i) => i.state === 'done' && i.sent === i.size)")
    assert page.evaluate("localStorage.length") == 0


def test_paused_upload_goes_on_and_tells_speed_and_time(page, portal, tmp_path):
    file = make(tmp_path, 6_000_000)
    slow_line(page, 2_000_000)
    pick(page, file)
    until(page, "manager.items()[0].sent > 1e6 && manager.items()[0].speed > 0 && manager.items()[0].secondsLeft < 60")
    page.evaluate("manager.pauseAll()")
    assert page.evaluate("manager.items()[0].state") == "paused"
    wait_until(lambda: portal.place.head(portal.urls[0]).status_code == 200, what="the pause")
    page.evaluate("manager.resumeAll()")
    until(page, "finished.length === 1")
    assert len(portal.begun) == 1
    assert (portal.place.root / "day 1/raw/movie.mrc").read_bytes() == file.read_bytes()


def test_upload_goes_on_after_the_page_was_closed(page, portal, tmp_path):
    file = make(tmp_path, 3_900_000)
    slow_line(page, 3_000_000)
    pick(page, file)
    until(page, "manager.items()[0].sent > 2.5e6")
    page.goto("about:blank")
    page.goto(PORTAL)
    wait_until(lambda: int(portal.place.head(portal.urls[0]).headers.get("upload-offset", 0)) > 1_000_000)
    pick(page, file)
    until(page, "finished.length === 1")
    assert len(portal.begun) == 1
    assert (portal.place.root / "day 1/raw/movie.mrc").read_bytes() == file.read_bytes()


def test_cancelled_upload_leaves_nothing(page, portal, tmp_path):
    slow_line(page, 1_000_000)
    pick(page, make(tmp_path, 6_000_000))
    until(page, "manager.items()[0].sent > 500000")
    page.evaluate("manager.cancel(manager.items()[0].id)")
    wait_until(lambda: portal.place.row(portal.urls[0])["state"] == "cancelled", what="the end")
    assert page.evaluate("[manager.items()[0].state, localStorage.length]") == ["cancelled", 0]


def test_ended_upload_that_the_browser_remembers_is_begun_anew(page, portal, tmp_path):
    file = make(tmp_path, 6_000_000)
    slow_line(page, 2_000_000)
    pick(page, file)
    until(page, "manager.items()[0].sent > 500000")
    page.evaluate("manager.pauseAll()")
    portal.place.door.do("cancel", user="contributor", upload=portal.place.ids[portal.urls[0]])
    page.evaluate("manager.resumeAll()")
    until(page, "finished.length === 1")
    assert len(portal.begun) == 2


def test_refusal_is_told_in_the_portals_words_and_may_be_tried_again(page, portal, tmp_path):
    place = portal.place.root / "day 1/raw/movie.mrc"
    place.parent.mkdir(parents=True)
    place.write_text("here")
    pick(page, make(tmp_path, 1000))
    until(page, "manager.items()[0].state === 'conflict'")
    found = page.evaluate("manager.items()[0]")
    assert (found["error"], found["code"]) == ("It is there already.", "name_taken")
    place.unlink()
    page.evaluate("manager.resolve(manager.items()[0].id, 'replace')")
    until(page, "finished.length === 1")


@pytest.mark.parametrize("choice", ["skip", "rename", "replace"])
def test_taken_names_are_skipped_renamed_or_replaced_and_the_choice_may_be_for_all(page, portal, tmp_path, choice):
    above = portal.place.root / "day 1/raw"
    above.mkdir(parents=True)
    files = [make(tmp_path, 1000 + number, f"{number}.mrc") for number in range(3)]
    for file in files:
        (above / file.name).write_text("old")
    page.evaluate("document.querySelector('#pick').multiple = true")
    pick(page, *files)
    until(page, "manager.items().some((i) => i.state === 'conflict')")
    page.evaluate(
        f"manager.resolve(manager.items().find((i) => i.state === 'conflict').id, '{choice}', {{ all: true }})"
    )
    until(page, "manager.items().every((i) => ['done', 'skipped'].includes(i.state))")
    for file in files:
        there, beside = above / file.name, above / f"{file.stem} (2).mrc"
        assert (there.read_bytes() == file.read_bytes()) == (choice == "replace")
        assert beside.exists() == (choice == "rename")
        assert choice != "rename" or beside.read_bytes() == file.read_bytes()


def test_large_file_goes_in_parallel_parts_and_on_after_the_page_was_closed(page, portal, tmp_path):
    file = make(tmp_path, 17_000_000)
    slow_line(page, 6_000_000)
    pick(page, file)
    until(page, "manager.items()[0].sent > 9e6")
    parts = portal.place.client.get(f"{portal.urls[0]}/parts/").json()["parts"]
    assert len(parts) == 3
    page.goto("about:blank")
    page.goto(PORTAL)
    received = portal.place.client.get(f"{portal.urls[0]}/parts/").json()["received"]
    assert received >= 2 * 1024**2
    pick(page, file)
    until(page, "finished.length === 1")
    assert len(portal.begun) == 1
    assert page.evaluate("manager.items()[0].verified")
    assert (portal.place.root / "day 1/raw/movie.mrc").read_bytes() == file.read_bytes()


def test_piece_with_a_wrong_checksum_is_sent_again(page, portal, tmp_path):
    file = make(tmp_path, 3_000_000)
    page.evaluate("""() => {
      const real = crypto.subtle.digest.bind(crypto.subtle);
      window.digests = 0;
      crypto.subtle.digest = async (...asked) => {
        const found = await real(...asked);
        if (!window.digests++) new Uint8Array(found)[0] ^= 1;
        return found;
      };
    }""")
    pick(page, file)
    until(page, "finished.length === 1")
    assert page.evaluate("window.digests") == 3
    assert (portal.place.root / "day 1/raw/movie.mrc").read_bytes() == file.read_bytes()


def test_name_taken_meanwhile_is_told_and_nothing_is_lost(page, portal, tmp_path):
    file = make(tmp_path, 3_000_000)
    slow_line(page, 2_000_000)
    pick(page, file)
    until(page, "manager.items()[0].sent > 500000")
    place = portal.place.root / "day 1/raw/movie.mrc"
    place.parent.mkdir(parents=True)
    place.write_text("other")
    until(page, "manager.items()[0].state === 'failed'")
    assert "made while this was uploading" in page.evaluate("manager.items()[0].error")
    place.unlink()
    page.evaluate("manager.resume(manager.items()[0].id)")
    until(page, "finished.length === 1")
    assert place.read_bytes() == file.read_bytes()


def test_limit_of_questions_per_minute_is_waited_for(page, portal, tmp_path):
    portal.full_for = 2
    pick(page, make(tmp_path, 1000))
    until(page, "finished.length === 1")


def test_door_that_was_restarted_is_found_again(page, portal, tmp_path):
    file = make(tmp_path, 6_000_000)
    slow_line(page, 2_000_000)
    pick(page, file)
    until(page, "manager.items()[0].sent > 1e6")
    portal.place.door.kill()
    portal.place.door.start()
    until(page, "finished.length === 1")
    assert (portal.place.root / "day 1/raw/movie.mrc").read_bytes() == file.read_bytes()
