"""A researcher signs in with two institutes, in a real browser on a real instance."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NARROW, WIDE, shoot, violations
from tests.live import new_instance
from tests.oidc.institutes import Institute

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def connected():
    """An instance with both institutes, and the institutes."""
    instance = new_instance()
    found = {kind: Institute(kind, portals=(instance.url,)) for kind in ("egi", "helmholtz")}
    instance.extra |= {"OIDC_PROVIDERS": "egi,helmholtz", "LOCAL_ACCOUNTS": "1"}
    try:
        for one in found.values():
            one.start()
            instance.extra |= one.variables()
        instance.start()
        yield instance, found
    finally:
        instance.stop()
        for one in found.values():
            one.stop()


def sign_in(page: Page, url: str, institute: str, person: str) -> None:
    """The page is the one after the sign-in: the usage policy, or the start page."""
    page.goto(url)
    page.get_by_role("button", name=institute).click()
    page.get_by_role("link", name=person).click()
    page.wait_for_url(lambda address: address.startswith(url.split("/login")[0]))


def looks(page: Page, name: str) -> list[str]:
    """What axe finds, and what is wider than a narrow screen; pictures of both widths are kept."""
    wrong = violations(page)
    shoot(page, f"{name}-1280")
    page.set_viewport_size(NARROW)
    over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    shoot(page, f"{name}-390")
    page.set_viewport_size(WIDE)
    return wrong + ([f"{name} is {over} px too wide"] if over > 0 else [])


def test_a_researcher_signs_in_links_a_second_login_and_signs_out(browser, connected):
    instance, found = connected
    wrong: list[str] = []
    context = browser.new_context(viewport=WIDE)
    page = context.new_page()
    ours = lambda said: said.type == "error" and said.location["url"].startswith(instance.url)  # noqa: E731
    page.on("console", lambda said: wrong.append(said.text) if ours(said) else None)

    page.goto(f"{instance.url}/login/")
    wrong += looks(page, "login-institutes")

    sign_in(page, f"{instance.url}/login/?next=/account/", "EGI Check-in", "Alice Admin")
    page.get_by_role("button", name="I accept").click()
    expect(page.get_by_role("heading", name="Your account")).to_be_visible()
    page.get_by_role("button", name="Link Helmholtz ID").click()
    page.get_by_role("link", name="Alice Admin").click()
    expect(page.get_by_text("You can sign in with Helmholtz ID from now on.")).to_be_visible()
    expect(page.get_by_role("button", name="Unlink Helmholtz ID")).to_be_visible()
    wrong += looks(page, "account")

    page.get_by_label("Your account").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(lambda address: address.startswith(found["egi"].origin))
    page.goto(f"{instance.url}/account/")
    expect(page.get_by_role("button", name="EGI Check-in")).to_be_visible()

    # The second institute still knows the browser, and asks nothing.
    page.get_by_role("button", name="Helmholtz ID").click()
    expect(page.get_by_role("heading", name="Your account")).to_be_visible()
    expect(page.get_by_text("alice@example.org").first).to_be_visible()
    assert wrong == []
    context.close()


def test_an_institute_that_signs_somebody_out_ends_the_session_here(browser, connected):
    instance, found = connected
    context = browser.new_context()
    page = context.new_page()
    sign_in(page, f"{instance.url}/login/", "EGI Check-in", "Bob Member")
    page.goto(found["egi"].endpoint("end_session_endpoint"))
    page.get_by_role("button", name="Yes, sign me out").click()
    page.goto(f"{instance.url}/account/")
    expect(page.get_by_role("button", name="EGI Check-in")).to_be_visible()
    context.close()
