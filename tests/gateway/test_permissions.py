"""The permission matrix: every kind of person at every page and every operation, against the reviewed table."""

from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.urls import reverse

from accounts.provider_client import ProviderClient
from accounts.scopes import Scope
from accounts.services import make_token
from tests.gateway.matrix import (
    INSTITUTE,
    ISSUER,
    ROLES,
    TABLE,
    answers,
    everything,
    furnish,
    pages,
    proposed,
    table,
    undone,
    verdict,
)
from tests.gateway.operations import operations

pytestmark = pytest.mark.django_db
# Pages for programs; they take no form and know nobody. Signing in and out is everybody's.
OPEN = {what for what, row in table().items() if row["anonymous"] == "yes"}
POSTS = [what for what, page in pages().items() if page.method == "POST"]


@pytest.fixture(autouse=True)
def _institute(settings, monkeypatch):
    settings.OIDC = INSTITUTE
    monkeypatch.setattr(ProviderClient, "endpoint", lambda _, name: f"{ISSUER}/{name}")
    monkeypatch.setattr(ProviderClient, "says", lambda _, name: True)


def test_everything_has_a_row(world):
    furnish(world)
    missing, gone = set(everything()) - set(table()), set(table()) - set(everything())
    lines = "\n".join(proposed(world, what) for what in sorted(missing))
    assert not missing, (
        f"Judge these lines (what the gateway does now), put the scope for “?” and add them to {TABLE.name}; what a "
        f"page's form needs goes to pages.py:\n{lines}"
    )
    assert not gone, f"Take these rows out of {TABLE.name}: {sorted(gone)}"


@pytest.mark.parametrize("role", ROLES)
def test_everybody_is_let_in_where_the_table_says_so_and_nowhere_else(world, role):
    furnish(world)
    wrong = []
    known = {what: one for what, one in everything().items() if what in table()}
    for what, answer in answers(world, role, known).items():
        found, said = verdict(answer), table()[what][role]
        wrong += [f"{what} for {role}: {found}, and the table says {said}"] if found != said else []
        if what in operations() and found != "yes":
            wrong += [f"{what}: no problem document"] if "problem+json" not in answer.headers["Content-Type"] else []
        if what in operations() and found == "sign in":
            wrong += [] if answer.headers["WWW-Authenticate"].startswith("Bearer") else [f"{what}: Bearer is not asked"]
    assert wrong == []


def test_roles_only_add_up():
    order = ("viewer", "contributor", "manager", "owner")
    for what, row in table().items():
        allowed = [row[role] == "yes" for role in order]
        # What the owner doesn't see is somebody's own: a request, a group that they keep.
        assert allowed == sorted(allowed) or row["owner"] == "hidden", what
        assert row["stranger"] in {"hidden", "yes"}, what
        assert row["anonymous"] in {"sign in", "yes"}, what
        assert row["scope"] in {*Scope.values, "-"}, what
        assert what in operations() or row["scope"] == "-", what


def test_no_token_opens_a_page(world):
    _, secret = make_token(world.people["owner"], label="all", scopes=list(Scope))
    client = Client(headers={"Authorization": f"Bearer {secret}"}, raise_request_exception=False)
    furnish(world)
    for what, page in pages().items():
        if what not in OPEN:
            assert verdict(page.send(client)) == "sign in", what


def test_nothing_is_changed_in_a_session_without_the_csrf_token(world):
    furnish(world)
    for what in POSTS:
        for role in ("owner", "operator"):
            client = Client(enforce_csrf_checks=True)
            client.force_login(world.people[role])
            assert pages()[what].send(client).status_code == 403, what
    for name, operation in operations().items():
        if operation.method != "get" and name in table():
            client = Client(enforce_csrf_checks=True)
            client.force_login(world.people["operator" if table()[name]["operator"] == "yes" else "owner"])
            assert operation.send(client).status_code == 403, name
    assert Client(enforce_csrf_checks=True).post("/login/", {"username": "owner"}).status_code == 403


AWAY = ["https://evil.example/x", "//evil.example/x", "/\\evil.example", "https:evil.example", "\thttps://evil.example",
        "http://testserver.evil.example/", "javascript:alert(1)", "https://testserver@evil.example/"]  # fmt: skip


def sent_with(world, what, to):
    """Where the page leads somebody who may use it and who brings ``to`` as where to go next."""
    page, client = pages()[what], Client(raise_request_exception=False)
    if what not in OPEN:
        client.force_login(world.people["operator" if table()[what]["operator"] == "yes" else "owner"])
    query = dict.fromkeys(("next", "came_from", "return", "url", "redirect_to", "continue"), to)
    with undone(world):
        if page.method == "GET":
            answer = client.get(page.address, query)
        else:
            form = {"username": "owner", "password": "a long password", **page.form, **query}
            answer = client.post(page.address, form, query_params=query)
    return answer.headers.get("Location", answer.headers.get("HX-Redirect", ""))


def test_no_page_leads_to_another_host(world):
    furnish(world)
    led = {what for what in pages() if what in table() and "here=1" in sent_with(world, what, "/projects/?here=1")}
    assert "POST accounts:login" in led
    for what in led:
        for away in AWAY:
            to = sent_with(world, what, away)
            parts = urlsplit(to.replace("\\", "/").strip())
            assert parts.netloc in {"", "testserver"}, f"{what} leads to {to}"
            assert parts.scheme in {"", "http"}, f"{what} leads to {to}"


def test_signing_in_returns_to_the_page_asked_for(world):
    page = reverse("projects:people", args=[world.project.pk])
    asked = Client().get(page).headers["Location"]
    answer = Client().post(asked, {"username": "owner", "password": "a long password"})
    assert answer.headers["Location"] == page
