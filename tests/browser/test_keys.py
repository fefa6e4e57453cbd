"""The card and the page of keys for the SSH door, looked at; the pages come from the portal's code without a server."""

import pytest
from playwright.sync_api import Browser, Route

from storage.services import links
from tests.browser.conftest import NARROW, WIDE, shoot, violations
from tests.live import ROOT

pytestmark = pytest.mark.slow
PORTAL = "http://localhost"


@pytest.fixture
def made_pages(browser_of, contributor, project, settings) -> dict[str, bytes]:
    """What the portal answers: the link's page with its card, a key that was refused, and a new one."""
    settings.SSH_DOOR_PORT, settings.SSH_DOOR_KEYS = 2222, settings.PORTOLAN_HOME / "ssh"
    made = links.create_link(contributor, project.pk, path="", rights=["list", "read"], expires_in=3600)
    client, at = browser_of(contributor), f"/projects/{project.pk}/links/{made.link.pk}/"
    return {
        "key-card": client.get(at).content,
        "key-refused": client.post(f"{at}key/", {"public_key": "nonsense"}).content,
        "key-shown": client.post(f"{at}key/", {"public_key": ""}).content,
    }


def test_a_key_can_be_asked_for_and_copied_by_everybody(browser: Browser, made_pages):
    assert b"This is not a public key" in made_pages["key-refused"]
    assert b"BEGIN OPENSSH PRIVATE KEY" in made_pages["key-shown"]

    def answer(route: Route) -> None:
        path = route.request.url.removeprefix(PORTAL).strip("/")
        if path in made_pages:
            route.fulfill(body=made_pages[path], content_type="text/html; charset=utf-8")
        elif (ROOT / path).is_file():
            route.fulfill(path=ROOT / path)
        else:
            route.fulfill(status=404)

    for colours in ("light", "dark"):
        for screen in (WIDE, NARROW):
            page = browser.new_context(viewport=screen, color_scheme=colours).new_page()  # type: ignore[arg-type]
            page.route("**/*", answer)
            for name in made_pages:
                page.goto(f"{PORTAL}/{name}")
                page.wait_for_load_state("load")
                assert violations(page) == []
                assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
                shoot(page, f"{name}-{screen['width']}-{colours}")
            page.context.close()
