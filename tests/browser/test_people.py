"""A group gets access and loses it; a newcomer asks and is let in: in a browser, on a running instance."""

import json
import time

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import NARROW, WIDE, shoot, sign_in, violations
from tests.live import LivePortolan, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
ISSUER = "https://aai.egi.eu/auth/realms/egi"
TELL = """
from accounts.groups import refresh_groups
from accounts.models import ExternalIdentity, User
for name, groups in {people}.items():
    user = User.objects.get(username=name)
    identity, _ = ExternalIdentity.objects.get_or_create(user=user, issuer="{issuer}", subject=name)
    refresh_groups(identity, {{"entitlements": [f"urn:mace:egi.eu:group:{{group}}#aai.egi.eu" for group in groups]}})
"""


def tell(instance: LivePortolan, **people: list[str]) -> None:
    """What the AAI says of these people at a login."""
    instance.manage("shell", "--no-imports", "-c", TELL.format(people=json.dumps(people), issuer=ISSUER))


@pytest.fixture(scope="module")
def project(instance):
    for name in ("anna", "ben"):
        instance.token(name)
    tell(instance, researcher=["cryo"], anna=["cryo:role=member"])
    with instance.client() as api:
        return api.post("/projects/", json={"name": "Group access", "source": "empty"}).json()["id"]


@pytest.fixture
def page_of(browser, instance):
    """``page_of("anna")`` is a page where that person has signed in."""
    contexts = []

    def made(user: str) -> Page:
        contexts.append(browser.new_context(viewport=WIDE))
        page = contexts[-1].new_page()
        sign_in(page, instance.url, user)
        return page

    yield made
    for context in contexts:
        context.close()


def look(page: Page, name: str) -> None:
    """Nothing for axe to find, and nothing wider than the screen, on a wide and on a narrow one."""
    for screen in (WIDE, NARROW):
        page.set_viewport_size(screen)
        shoot(page, f"{name}-{screen['width']}")
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    page.set_viewport_size(WIDE)


def give(page: Page, address: str, role: str) -> None:
    """The group cryo has the role, through the form and its preview."""
    page.goto(address)
    page.get_by_role("link", name="Add a group").click()
    page.get_by_label("cryo").check()
    page.get_by_label("Role", exact=True).select_option(role)
    page.get_by_label("Last day").fill("2099-01-31")
    page.get_by_label("What for?").fill("Beam time 7")
    look(page, "grant-form")
    page.get_by_role("button", name="Show who gets what").click()
    page.get_by_text("2 people get: view, download").wait_for()
    look(page, "grant-preview")
    page.get_by_role("button", name="Give access").click()
    page.get_by_text("contributor from now on").wait_for()


def test_a_group_gets_access_and_loses_it(page_of, instance, project):
    people = f"{instance.url}/projects/{project}/people/"
    owner, anna = page_of("researcher"), page_of("anna")
    assert anna.goto(people).status == 404
    give(owner, people, "contributor")
    assert anna.goto(people).status == 200
    look(owner, "people")

    with instance.client("anna") as api:
        asked = {"tool": "behave", "inputs": {"act": "sleep", "seconds": 120}}
        job = api.post(f"/projects/{project}/jobs/", json=asked).json()["id"]
        wait_until(lambda: api.get(f"/jobs/{job}/").json()["state"] == "running", what="the job runs")
        owner.get_by_role("link", name="Remove… cryo").click()
        owner.get_by_text("1 job runs now").wait_for()
        look(owner, "remove")
        owner.get_by_label("Cancel it now").check()
        owner.get_by_label("Why?").fill("The beam time is over")
        began = time.monotonic()
        owner.get_by_role("button", name="Remove").click()
        owner.get_by_text("1 running job is being cancelled").wait_for()
        assert anna.goto(people).status == 404
        assert api.get(f"/projects/{project}/").status_code == 404
        assert time.monotonic() - began < 5
    with instance.client() as api:
        wait_until(lambda: api.get(f"/jobs/{job}/").json()["state"] == "cancelled", what="the job's end")


def test_an_entitlement_that_is_gone_ends_access_too(page_of, instance, project):
    people = f"{instance.url}/projects/{project}/people/"
    with instance.client() as api:
        words = {"entitlement": "urn:mace:egi.eu:group:cryo", "role": "viewer", "purpose": "Beam time 8"}
        grant = api.post(f"/projects/{project}/grants/", json=words).json()["id"]
        anna = page_of("anna")
        assert anna.goto(people).status == 200
        tell(instance, anna=[])
        assert anna.goto(people).status == 404
        assert api.delete(f"/projects/{project}/grants/{grant}/").status_code == 204
    tell(instance, anna=["cryo:role=member"])


def test_a_newcomer_asks_and_is_let_in_with_one_click(page_of, instance, project):
    place = f"{instance.url}/projects/{project}/"
    newcomer, owner = page_of("ben"), page_of("researcher")
    assert newcomer.goto(place).status == 404
    newcomer.get_by_role("link", name="Request access").click()
    newcomer.get_by_label("What do you want the access for?").fill("I prepared the grids")
    look(newcomer, "request")
    newcomer.get_by_role("button", name="Request access").click()
    newcomer.get_by_text("You asked for access").wait_for()
    owner.goto(f"{place}people/")
    owner.get_by_text("I prepared the grids").wait_for()
    look(owner, "people-waiting")
    owner.get_by_role("button", name="Approve ben").click()
    owner.get_by_text("ben is in now, as viewer").wait_for()
    assert newcomer.goto(place).status == 200


def test_the_last_owner_stays_and_a_role_is_looked_through(page_of, instance, project):
    people = f"{instance.url}/projects/{project}/people/"
    owner = page_of("researcher")
    owner.goto(people)
    owner.get_by_role("link", name="Leave this project").click()
    owner.get_by_role("button", name="Leave").click()
    owner.get_by_text("at least one owner").wait_for()
    owner.goto(people)
    owner.get_by_role("button", name="View", exact=True).click()
    owner.goto(people)
    owner.get_by_text("Nothing can be changed meanwhile.").wait_for()
    assert owner.get_by_role("link", name="Add a group").count() == 0
    look(owner, "seen-as")
    owner.get_by_role("button", name="Be myself again").click()
    owner.get_by_role("link", name="Add a group").wait_for()
