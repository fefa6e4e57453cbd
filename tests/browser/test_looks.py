"""Files as they are looked at: what a page of HTML may not do, contrast and frames of measured images."""

import mrcfile
import numpy as np
import pytest

from tests.browser.conftest import violations
from tests.live import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
REPORT = """<h1>Report</h1><p id="told">as written</p>
<script>document.querySelector("#told").textContent = "it ran"; parent.document.title = "it ran";</script>"""


def test_html_runs_nothing_and_the_frames_of_a_stack_are_chosen(open_page, instance):
    with instance.client() as api:
        project = api.post("/projects/", json={"name": "Looks"}).json()["id"]
    root = next((instance.home / "projects").glob(f"**/{project}"))
    (root / "report.html").write_text(REPORT)
    with mrcfile.new(root / "stack.mrcs") as stack:
        stack.set_data(np.random.default_rng(1).normal(size=(7, 64, 64)).astype("f4"))
        stack.set_image_stack()
    page = open_page()
    page.goto(f"{instance.url}/projects/{project}/files/?look=report.html")
    page.frame_locator("iframe").get_by_text("as written").wait_for()
    assert page.title() == "Files · Looks · Portolan"
    page.goto(f"{instance.url}/projects/{project}/files/?look=stack.mrcs")
    frame = page.get_by_label("Frame")
    frame.wait_for()
    frame.fill("6")
    picture = page.locator(".viewer-image")
    wait_until(lambda: "index=6" in (picture.get_attribute("src") or ""), what="the last frame")
    page.get_by_label("Contrast").fill("5")
    wait_until(lambda: "high=95" in (picture.get_attribute("src") or ""), what="the contrast")
    assert "index=6" in picture.get_attribute("src")
    wait_until(lambda: picture.evaluate("(image) => image.complete && image.naturalWidth") > 0, what="the picture")
    assert violations(page) == []
