"""Every page in light and dark, wide and narrow: no finding of axe, nothing wider than the screen, no broken script."""

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NARROW, WIDE, shoot, violations
from tests.live import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
LOOKS = [("light", WIDE), ("dark", WIDE), ("light", NARROW), ("dark", NARROW)]
SSH = {"host": "login.example.org", "user": "portolan", "key_file": "/k/key", "known_hosts_file": "/k/hosts"}
SETTINGS = {"partition": "cpu", "options": ["--constraint=avx2"], "runner": "ssh", "ssh": SSH}
QUEUES = [{"name": "cpu", "cores": 32, "memory_mb": 256000}, {"name": "gpu", "cores": 8, "memory_mb": 64000, "gpus": 4}]
TOOLS = {"*": {"setup": [["module", "load", "relion"]], "wrapper": ["apptainer", "exec", "/images/relion.sif"]}}

COUNT_SETTLED = """
document.addEventListener("htmx:afterSettle", () => {
  document.body.dataset.settled = Number(document.body.dataset.settled || 0) + 1;
});
"""


@pytest.fixture(scope="module")
def places(instance):
    """Addresses of all pages, by name, with a project from the sample that holds a failed job."""
    with instance.client() as api:
        project = api.post("/projects/", json={"name": "All pages", "source": "sample"}).json()["id"]
        wait_until(lambda: api.get(f"/projects/{project}/").json()["folder"]["state"] == "ready", what="the sample")
        wait_until(lambda: _started(api, project), what="a job")
        job = api.get(f"/projects/{project}/jobs/").json()["results"][0]["id"]
        wait_until(lambda: api.get(f"/jobs/{job}/").json()["final"], seconds=60, what="the job's end")
        wanted = {"path": "samples", "rights": ["list", "read"], "expected_bytes": 10**6}
        link = api.post(f"/projects/{project}/links/", json=wanted).json()["link"]["id"]
        wanted = {"kind": "http", "addresses": [f"{instance.door_url}/nothing/"], "target": "raw"}
        brought = api.post(f"/projects/{project}/imports/", json=wanted).json()["id"]
        halle = {"name": "halle", "scheduler": "slurm", "settings": SETTINGS, "enabled": False}
        api.post("/sites/", json=halle | {"queues": QUEUES, "installed": TOOLS})
    made = f"from tests.browser import rows; rows.tried_site('halle'); print(rows.split_job('{project}'))"
    split = instance.manage("shell", "--no-imports", "-c", made).split()[-1]
    at = f"/projects/{project}"
    return {
        "start": "/", "projects": "/projects/", "new-project": "/projects/new/", "files": f"{at}/files/?path=samples",
        "text": f"{at}/files/?path=samples&look=samples/samples.json", "trash": f"{at}/files/trash/",
        "people": f"{at}/people/", "activity": f"{at}/activity/", "settings": f"{at}/settings/", "jobs": f"{at}/jobs/",
        "map": f"{at}/files/?path=samples/resolution&look=samples/resolution/half1.mrc", "tools": "/tools/",
        "tool": "/tools/resolution_map/", "form": f"{at}/run/resolution_map/?sample=1", "job": f"/jobs/{job}/",
        "again": f"{at}/run/resolution_map/?from={job}", "elements": f"/jobs/{split}/", "tokens": "/tokens/",
        "operator": "/operator/", "operator-activity": "/operator/activity/",
        "accounts": "/operator/accounts/", "acls": "/operator/acls/",
        "sites": "/operator/sites/", "site": "/operator/sites/local/", "site-new": "/operator/sites/add/",
        "site-rows": "/operator/sites/halle/",
        "reconcile": "/operator/reconcile/", "policy": "/policy/",
        "links": f"{at}/links/?path=samples", "link": f"{at}/links/{link}/", "send": f"{at}/send/",
        "imports": f"{at}/imports/?path=raw", "import": f"{at}/imports/{brought}/",
    }  # fmt: skip


def _started(api: httpx.Client, project: str) -> bool:
    half = "samples/resolution/half1.mrc"
    # A movie is no half map: the job fails, and its page says why.
    movies = api.get(f"/projects/{project}/files/", params={"path": "samples/movies"}).json()["results"]
    other = next(entry["path"] for entry in movies if entry["name"].endswith((".mrc", ".mrcs", ".tif", ".tiff")))
    inputs = {"half1": half, "half2": other}
    return api.post(f"/projects/{project}/jobs/", json={"tool": "resolution_map", "inputs": inputs}).is_success


@pytest.mark.parametrize(("colours", "screen"), LOOKS)
def test_every_page_can_be_used_by_everybody(open_page, instance, places, colours, screen):
    page = open_page(color_scheme=colours, viewport=screen)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(f"{page.url} {error}"))
    page.on("console", lambda said: wrong.append(f"{page.url} {said.text}") if said.type == "error" else None)
    for name, address in places.items():
        page.goto(instance.url + address)
        page.wait_for_load_state("load")
        wrong += violations(page)
        over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        wrong += [f"{name} is {over} px too wide"] if over > 0 else []
        shoot(page, f"{name}-{screen['width']}-{colours}")
    assert wrong == []


def test_sign_in_and_a_missing_page_can_be_used_by_everybody(browser, instance):
    page = browser.new_context().new_page()
    for address in ("/login/", "/nothing/"):
        page.goto(instance.url + address)
        assert violations(page) == []
        shoot(page, address.strip("/"))


def test_a_form_is_filled_and_sent_with_the_keyboard_alone(open_page, instance, places):
    page = open_page()
    page.goto(instance.url + places["again"])
    page.evaluate(COUNT_SETTLED)
    page.get_by_label("Second half map").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    for number, name in enumerate(("samples", "resolution", "half2.mrc"), start=1):
        # A button does something once the list that it came with has settled.
        page.locator(f"body[data-settled='{number}']").wait_for(state="attached")
        dialog.get_by_role("button", name=name).press("Enter")
    assert page.get_by_label("Second half map").input_value() == "samples/resolution/half2.mrc"


def test_a_wrong_value_is_told_beside_its_field_and_at_the_top(open_page, instance, places):
    page = open_page()
    page.goto(instance.url + places["form"])
    page.get_by_label("First half map").fill("samples/none.mrc")
    page.get_by_role("button", name="Start").click()
    assert page.get_by_label("First half map").get_attribute("aria-invalid") == "true"
    assert violations(page) == []
    page.get_by_role("alert").get_by_role("link").first.click()
    assert page.evaluate("document.activeElement.id || location.hash").endswith("in-half1")
    assert page.get_by_label("Second half map").input_value() == "samples/resolution/half2.mrc"


@pytest.mark.parametrize("scripts", [True, False])
def test_queues_are_added_by_the_keyboard_alone_and_without_scripts(open_page, instance, places, scripts):
    page = open_page(java_script_enabled=scripts, viewport=NARROW)
    page.goto(f"{instance.url}/operator/sites/add/")
    page.get_by_label("Name", exact=True).fill(f"keys-{scripts}")
    page.get_by_label("Switched on").uncheck()
    page.get_by_role("button", name="Add a queue").press("Enter")
    expect(page.locator("#queues-0-name")).to_be_focused()
    page.keyboard.type("long")
    page.get_by_label("Longest time").fill("a day")
    page.get_by_label("Longest time").press("Enter")  # which saves, and presses none of the rows' buttons
    error = page.get_by_text("Write hours:minutes:seconds").last
    error.wait_for()
    assert page.get_by_label("Longest time").get_attribute("aria-invalid") == "true"
    if scripts:
        assert violations(page) == []
        shoot(page, "site-wrong-390-light")
    page.get_by_label("Longest time").fill("24:00:00")
    page.get_by_role("button", name="Add the site").press("Enter")
    page.get_by_role("heading", name=f"keys-{scripts}").wait_for()
    assert page.locator("#queues-0-name").input_value() == "long"


def test_a_link_is_made_and_its_commands_can_be_copied_by_everybody(open_page, instance, places):
    for screen in (WIDE, NARROW):
        page = open_page(viewport=screen)
        page.goto(instance.url + places["links"])
        page.get_by_label("What is it for?").fill("For Ada")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Ready commands").wait_for()
        assert page.get_by_role("button", name="Copy").count() >= 4
        page.get_by_text("QR code for a phone").click()
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_a_file_is_uploaded_deleted_and_brought_back(open_page, instance, places, tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("good ice")
    page = open_page()
    page.goto(instance.url + places["files"])
    page.locator("label[data-upload-button]").last.wait_for()
    page.get_by_label("Upload files").set_input_files(file)
    page.get_by_role("link", name="notes.txt", exact=True).wait_for(timeout=20_000)
    page.get_by_role("button", name="Close", exact=True).click()
    page.get_by_label("Tick notes.txt").check()
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("link", name="notes.txt", exact=True).wait_for()
