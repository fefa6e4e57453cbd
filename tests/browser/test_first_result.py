"""Journey 1: from signing in to a result that can be turned, with few clicks, on real RELION."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import shoot, violations

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
MOST_CLICKS = 12
ASK_AGAIN = """
from accounts.models import User
User.objects.filter(username="researcher").update(policy_version="")
"""


class Clicks:
    """Clicks and counts them."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.count = 0

    def on(self, role: str, name: str | re.Pattern[str]) -> None:
        self.page.get_by_role(role, name=name).first.click()  # type: ignore[arg-type]
        self.count += 1


def test_from_signing_in_to_a_resolution_map(browser, instance):
    instance.manage("shell", "--no-imports", "-c", ASK_AGAIN)
    page = browser.new_context().new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if "Content Security Policy" in said.text else None)
    clicks = Clicks(page)
    page.goto(instance.url)
    page.get_by_label("User name").fill("researcher")
    page.get_by_label("Password").fill("a long password")
    clicks.on("button", "Sign in")
    expect(page.get_by_role("heading", name="Usage policy")).to_be_visible()
    shoot(page, "policy")
    assert violations(page) == []
    clicks.on("button", "I accept")
    page.goto(f"{instance.url}/projects/new/")
    page.get_by_label("Name", exact=True).fill("First result")
    page.get_by_role("radio", name=re.compile("The sample data")).check()
    clicks.count += 3
    clicks.on("button", "Make the project")
    expect(page.get_by_role("link", name="samples", exact=True)).to_be_visible(timeout=60_000)
    clicks.on("link", "Run a tool")
    clicks.on("link", "Resolution map")
    clicks.on("link", "Use sample values")
    expect(page.get_by_label("First half map")).to_have_value("samples/resolution/half1.mrc")
    clicks.on("button", "Start")
    expect(page.get_by_role("heading", name="Resolution map #")).to_be_visible()
    expect(page.locator("#live")).to_have_attribute("data-state", "succeeded", timeout=180_000)
    assert clicks.count <= MOST_CLICKS
    results_are_shown(page)
    page.reload()
    results_are_shown(page)
    page.wait_for_load_state("networkidle")
    shoot(page, "result-wide")
    assert violations(page) == []
    assert errors == []


def results_are_shown(page: Page) -> None:
    """The surface is drawn, the curve is there, the picture has loaded, the numbers stand in a table."""
    stage = page.locator(".volume[data-drawn]").first
    stage.scroll_into_view_if_needed()
    expect(stage).to_be_visible(timeout=60_000)
    curve = page.locator("article", has_text="Fourier shell correlation").locator("svg.marks").first
    curve.scroll_into_view_if_needed()
    expect(curve).to_be_visible(timeout=30_000)
    picture = page.locator("img.viewer-image").first
    picture.scroll_into_view_if_needed()
    expect(picture).to_have_js_property("complete", True)
    assert picture.evaluate("image => image.naturalWidth") > 0
    table = page.locator("table.viewer-table").first
    page.locator("summary", has_text="Fourier shell correlation in numbers").click()
    expect(table.locator("tbody tr").first).to_be_visible(timeout=30_000)
    page.evaluate("scrollTo(0, 0)")
