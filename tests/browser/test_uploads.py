"""Uploads, checksums and datasets as a person clicks them."""

import os
import random
from pathlib import Path

import pytest

from tests.browser.conftest import NARROW, shoot, violations
from tests.live import wait_until

# Many more by hand: UPLOAD_FILES=10000.
FILES = int(os.environ.get("UPLOAD_FILES", "60"))
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def project(instance) -> str:
    with instance.client() as api:
        return api.post("/projects/", json={"name": "Uploads by click"}).json()["id"]


def root_of(instance, project: str) -> Path:
    return next((instance.home / "projects").glob(f"**/{project}"))


def choose(page, path: Path, *, folder: bool = False) -> None:
    """The files are chosen, once the page's script listens (it shows the buttons then)."""
    page.locator("label[data-upload-button]").last.wait_for()
    page.locator(
        f"[data-upload-button] input{'[webkitdirectory]' if folder else ':not([webkitdirectory])'}"
    ).set_input_files(path)


def slow_line(page, bytes_a_second: int) -> None:
    limits = {"offline": False, "latency": 5, "downloadThroughput": -1, "uploadThroughput": bytes_a_second}
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", limits)


def test_folder_keeps_its_tree_taken_names_are_asked_and_each_file_is_verified(open_page, instance, project, tmp_path):
    for name in ("day 1/a.mrc", "day 1/raw/b.mrc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode() * 1000)
    there = root_of(instance, project) / "day 1"
    there.mkdir()
    (there / "a.mrc").write_text("old")
    page = open_page()
    page.goto(f"{instance.url}/projects/{project}/files/")
    choose(page, tmp_path / "day 1", folder=True)
    panel = page.locator("[data-uploads]")
    panel.get_by_text("is there already").wait_for()
    assert violations(page) == []
    shoot(page, "upload-conflict")
    panel.get_by_role("button", name="Keep both").click()
    panel.get_by_text("verified").nth(1).wait_for()
    wait_until(lambda: (there / "a (2).mrc").exists())
    assert (there / "a.mrc").read_text() == "old"
    assert (there / "raw/b.mrc").read_bytes() == b"day 1/raw/b.mrc" * 1000


DROP = """() => {
  const file = (name) => ({ isFile: true, name, file: (yes) => yes(new File(["text"], name)) });
  const folder = (name, ...inside) => {
    const parts = [inside, []];
    return { name, createReader: () => ({ readEntries: (yes) => yes(parts.shift() ?? []) }) };
  };
  const top = folder("day 2", file("a.txt"), folder("empty"), folder("deep", folder("also empty")));
  const items = [{ webkitGetAsEntry: () => top }];
  const event = new Event("drop", { bubbles: true, cancelable: true });
  Object.defineProperty(event, "dataTransfer", { value: { types: ["Files"], items } });
  document.querySelector("[data-drop]").dispatchEvent(event);
}"""


def test_dropped_folder_keeps_its_empty_folders(open_page, instance, project):
    page = open_page()
    page.goto(f"{instance.url}/projects/{project}/files/")
    page.locator("label[data-upload-button]").last.wait_for()
    page.evaluate(DROP)
    there = root_of(instance, project) / "day 2"
    for name in ("empty", "deep/also empty", "a.txt"):
        wait_until(lambda name=name: (there / name).exists(), what=name)
    page.get_by_role("link", name="day 2").wait_for()


def test_upload_goes_on_while_one_looks_at_other_pages(open_page, instance, project, tmp_path):
    (tmp_path / "movie.mrc").write_bytes(random.Random(1).randbytes(6_000_000))
    page = open_page()
    page.goto(f"{instance.url}/projects/{project}/files/")
    slow_line(page, 1_500_000)
    choose(page, tmp_path / "movie.mrc")
    page.locator("[data-uploads]").get_by_text("movie.mrc").wait_for()
    page.get_by_role("link", name="People").click()
    page.wait_for_url("**/people/")
    page.get_by_role("heading", name="Uploads by click").wait_for()
    assert page.locator("[data-uploads]").is_visible()
    page.get_by_role("link", name="Files", exact=True).click()
    page.locator("[data-uploads]").get_by_text("verified").wait_for()
    found = root_of(instance, project) / "movie.mrc"
    wait_until(found.exists)
    assert found.read_bytes() == (tmp_path / "movie.mrc").read_bytes()


def test_cut_upload_goes_on_when_the_same_file_is_picked_again_after_a_reload(open_page, instance, project, tmp_path):
    movie = tmp_path / "movie.mrc"
    movie.write_bytes(random.Random(2).randbytes(7_000_000))
    page = open_page()
    begun, offsets = [], []
    page.on("request", lambda sent: begun.append(sent.url) if sent.url.endswith("/uploads/") else None)
    page.on(
        "request", lambda sent: offsets.append(int(sent.headers["upload-offset"])) if sent.method == "PATCH" else None
    )
    page.goto(f"{instance.url}/projects/{project}/files/")
    slow_line(page, 1_500_000)
    choose(page, movie)
    panel = page.locator("[data-uploads]")
    # The door has the first piece of 2 MiB where more than that is on its way.
    wait_until(lambda: page.evaluate("document.querySelector('[data-uploads] li progress')?.value ?? 0") > 0.4)
    panel.get_by_role("button", name="Pause: movie.mrc").click()
    panel.get_by_text("Paused, 0 of 1 uploaded").wait_for()
    panel.get_by_role("button", name="Go on: movie.mrc").click()
    panel.get_by_role("button", name="Pause: movie.mrc").wait_for()
    page.reload()
    page.get_by_text("1 upload stopped midway").wait_for()
    assert violations(page) == []
    shoot(page, "upload-unfinished")
    before = len(offsets)
    slow_line(page, -1)
    choose(page, movie)
    panel.get_by_text("verified").wait_for()
    assert page.get_by_text("stopped midway").is_hidden()
    assert len(begun) == 1
    assert offsets[before] >= 2 * 1024**2
    assert (root_of(instance, project) / "movie.mrc").read_bytes() == movie.read_bytes()
    page.locator("table.files").get_by_role("link", name="movie.mrc", exact=True).wait_for()


def test_hundreds_of_files_keep_their_tree_and_the_list_follows(open_page, instance, project, tmp_path):
    paths = [f"grid/square {number % 7}/hole {number % 3}/movie {number}.tif" for number in range(FILES)]
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    there = root_of(instance, project)
    (there / "grid/square 0/hole 0").mkdir(parents=True)
    (there / paths[0]).write_text("old")
    (there / paths[21]).write_text("old")
    page = open_page()
    page.goto(f"{instance.url}/projects/{project}/files/")
    choose(page, tmp_path / "grid", folder=True)
    panel = page.locator("[data-uploads]")
    panel.get_by_label("The same for all that follow").check()
    panel.get_by_role("button", name="Replace").click()
    panel.locator(f"strong:text-is('{FILES} uploaded')").wait_for(timeout=120_000 + 300 * FILES)
    assert {path: (there / path).read_text() for path in paths} == {path: path for path in paths}
    page.locator("table.files").get_by_role("link", name="grid", exact=True).wait_for()
    assert panel.locator("li").count() <= 100
    assert violations(page) == []
    shoot(page, "upload-many")
    panel.get_by_role("button", name="Close").click()
    assert panel.is_hidden()


def test_list_is_filtered_sorted_and_used_with_the_keyboard(open_page, instance, project):
    there = root_of(instance, project) / "grid 7"
    there.mkdir()
    for number in (1, 2, 10):
        (there / f"movie {number}.mrc").write_bytes(b"x" * number)
    page = open_page()
    page.goto(f"{instance.url}/projects/{project}/files/?path=grid%207")
    page.get_by_role("searchbox").press_sequentially("movie 1")
    page.get_by_text("2 found").wait_for()
    page.get_by_role("searchbox").fill("none")
    page.get_by_role("heading", name="No name here fits").wait_for()
    assert violations(page) == []
    page.get_by_role("link", name="Show all").click()
    page.get_by_role("link", name="Size").click()
    page.locator("th[aria-sort=descending]").wait_for()
    assert page.locator("table.files tbody tr").first.get_attribute("data-name") == "movie 10.mrc"
    shoot(page, "files-sorted")
    page.get_by_role("link", name="movie 10.mrc", exact=True).focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    assert page.get_by_label("Tick movie 2.mrc").is_checked()


def test_folder_is_marked_complete_checked_and_unlocked_with_a_reason(open_page, instance, project):
    there = root_of(instance, project) / "grid 7"
    there.mkdir()
    (there / "movie 1.mrc").write_bytes(b"x")
    (there / "movie 10.mrc").write_bytes(b"x" * 10)
    page = open_page()
    page.goto(f"{instance.url}/projects/{project}/files/?path=grid%207")
    page.get_by_role("button", name="Mark complete").click()
    page.locator("[data-yes]").click()
    page.get_by_text("complete", exact=True).wait_for()
    assert violations(page) == []
    shoot(page, "trust")
    with page.expect_download() as told:
        page.get_by_role("link", name="Manifest").click()
    assert "movie 10.mrc" in Path(told.value.path()).read_text()
    page.goto(f"{instance.url}/projects/{project}/files/?path=grid%207&look=grid%207/movie%201.mrc")
    page.locator("#file-sum").wait_for()
    assert violations(page) == []
    shoot(page, "details")
    page.set_viewport_size(NARROW)
    shoot(page, "details-narrow")
    page.goto(f"{instance.url}/projects/{project}/files/trust/")
    shoot(page, "trust-narrow")
    page.get_by_text("Unlock…").click()
    page.get_by_label("Why (is recorded)").fill("A movie is missing")
    page.get_by_role("button", name="Unlock it").click()
    page.get_by_text("A movie is missing").wait_for()
