"""Who may call what: ``permissions.csv`` as rows, and what the gateway really answers to each kind of person.

A row is a page (``GET projects:people``) or an operation of the API (``members_add``). A cell is ``yes`` (let in; what
is asked may still be wrong), ``no`` (known here, not allowed), ``hidden`` (as if it were not there) or ``sign in``.
``scope`` is what a personal token needs; ``-`` needs none, and no token opens a page.
"""

import csv
import inspect
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.core.cache import cache as counts
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from accounts.models import ExternalIdentity, Group, Seat
from gateway.schema import EXAMPLE_IDS
from jobs.models import ComputeSite
from storage.models import StorageSite
from tests.gateway.operations import ABOUT, operations
from tests.gateway.pages import ARGUMENTS, FORMS, GROUP, IDENTITY, QUERIES, SITE

TABLE = Path(__file__).with_name("permissions.csv")
ROLES = ("anonymous", "stranger", "viewer", "contributor", "manager", "owner", "operator")
CELLS = {"yes", "no", "hidden", "sign in"}
COLUMNS = ("what", "scope", *ROLES)
# What a provider's server posts, with a signed token and no session (tests/oidc/test_ending.py).
FOR_PROGRAMS = {"oidc:logout"}


ISSUER = "https://login.example.org"
# A provider that is never asked: the matrix only wants its buttons to lead away.
INSTITUTE = {
    "OIDC_PROVIDERS": "example",
    "OIDC_EXAMPLE_ISSUER": ISSUER,
    "OIDC_EXAMPLE_CLIENT_ID": "gateway",
    "OIDC_EXAMPLE_CLIENT_SECRET": "gateway-secret",
}


@dataclass(frozen=True, kw_only=True)
class Page:
    """One method of a page, with the address and the form that the matrix sends."""

    what: str
    method: str
    address: str
    form: dict[str, Any] = field(default_factory=dict)

    def send(self, client: Client):
        """The answer."""
        return client.get(self.address) if self.method == "GET" else client.post(self.address, self.form)


@cache
def table() -> dict[str, dict[str, str]]:
    """The reviewed rows by what they are of."""
    with TABLE.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    found = {row["what"]: row for row in rows}
    assert len(found) == len(rows), "a row is there twice"
    assert all(row[role] in CELLS for row in rows for role in ROLES), "a cell is none of the four words"
    return found


@cache
def pages() -> dict[str, Page]:
    """Every page with every method that does something of its own."""
    found = {}
    for name, pattern in _patterns(get_resolver().url_patterns, ""):
        for method in _methods(pattern.callback):
            what = f"{method} {name}"
            address = _address(name, pattern)
            query = urlencode(QUERIES.get(name, {}), doseq=True)
            address = f"{address}?{query}" if query and method == "GET" else address
            found[what] = Page(what=what, method=method, address=address, form=FORMS.get(name, {}))
    return found


def _patterns(entries: list[URLPattern | URLResolver], space: str) -> Iterator[tuple[str, URLPattern]]:
    for entry in entries:
        if isinstance(entry, URLResolver):
            if entry.namespace != "api":
                yield from _patterns(entry.url_patterns, f"{space}{entry.namespace}:" if entry.namespace else space)
        elif entry.name and f"{space}{entry.name}" not in FOR_PROGRAMS:
            yield f"{space}{entry.name}", entry


def _address(name: str, pattern: URLPattern) -> str:
    values = {**EXAMPLE_IDS, **ARGUMENTS}
    needed = list(pattern.pattern.converters)
    unknown = set(needed) - set(values)
    assert not unknown, f"{name} takes {unknown}: add values to ARGUMENTS in tests/gateway/pages.py"
    return reverse(name, kwargs={key: values[key] for key in needed})


def _methods(view: Any) -> list[str]:
    """GET where the view answers it; POST where it has a form of its own."""
    of_class = getattr(view, "view_class", None)
    if of_class is not None:
        return [m for m in ("GET", "POST") if hasattr(of_class, m.lower()) and m.lower() in of_class.http_method_names]
    chain, posts_only = view, False
    while True:
        freed = getattr(chain, "__closure__", None) or ()
        words = [cell.cell_contents for cell in freed if isinstance(cell.cell_contents, list | tuple)]
        posts_only = posts_only or ["POST"] in words
        if not hasattr(chain, "__wrapped__"):
            break
        chain = chain.__wrapped__
    if posts_only:
        return ["POST"]
    # A view may leave the form to a function beside it.
    beside = [chain.__globals__.get(name) for name in chain.__code__.co_names]
    own = [one for one in beside if inspect.isfunction(one) and one.__module__ == chain.__module__]
    source = "".join(inspect.getsource(one) for one in (chain, *own))
    return ["GET", "POST"] if "request.POST" in source or '"POST"' in source else ["GET"]


def everything() -> dict[str, Any]:
    """All that needs a row: what it is -> what sends it."""
    return {name: one for name, one in operations().items() if name not in ABOUT} | pages()


def weakest(what: str) -> str:
    """The weakest kind of person that is let in and may be a member of a project, or ``operator``."""
    return next(role for role in ROLES[2:] if table()[what][role] == "yes")


def scope_of(what: str) -> str:
    """The scope that a personal token needs, or nothing."""
    return table()[what]["scope"].strip("-")


def in_a_project(what: str) -> bool:
    """True for what is a project's: its owner has it, and operators who are no members don't."""
    return (table()[what]["owner"], table()[what]["operator"]) == ("yes", "hidden")


def furnish(world: Any) -> None:
    """What addresses speak of and no example does is there: two sites, a group kept here, and two logins."""
    for subject, key in (("1", IDENTITY), ("2", None)):
        words = {"issuer": ISSUER, "subject": subject, "user": world.people["owner"]}
        ExternalIdentity.objects.create(**words, **({"pk": key} if key else {}))
    StorageSite.objects.create(pk=SITE, name="second", root=str(settings.STORAGE_ROOT))
    ComputeSite.objects.create(pk=SITE, name="second", cores=1, memory_mb=1000)
    group = Group.objects.create(pk=GROUP, path="kept", name="Kept here")
    for role, keeper in (("contributor", False), ("manager", True), ("owner", True)):
        Seat.objects.create(group=group, user=world.people[role], keeper=keeper)
    Seat.objects.create(group=group, user_id=EXAMPLE_IDS["user_id"])


def verdict(answer: Any) -> str:
    """What the answer says of the person's rights."""
    if answer.status_code == 401 or answer.headers.get("Location", "").startswith("/login/?"):
        return "sign in"
    if answer.status_code in {403, 404}:
        return {403: "no", 404: "hidden"}[answer.status_code]
    assert answer.status_code < 500, answer.content
    return "yes"


def client_of(world: Any, role: str) -> Client:
    """A browser of such a person."""
    client = Client(raise_request_exception=False)
    if role != "anonymous":
        client.force_login(world.stranger if role == "stranger" else world.people[role])
    return client


@contextmanager
def undone(world: Any) -> Iterator[None]:
    """What is done in the block has no effect afterwards: not in the database, on disk, or on any limit."""
    kept = Path(settings.PORTOLAN_HOME) / "kept"
    shutil.copytree(world.root, kept, symlinks=True)
    try:
        with transaction.atomic():
            yield
            transaction.set_rollback(True)
    finally:
        shutil.rmtree(world.root)
        shutil.move(kept, world.root)
        counts.clear()


def answers(world: Any, role: str, wanted: dict[str, Any]) -> dict[str, Any]:
    """What such a person gets for each of ``wanted``, one independent of the other."""
    found = {}
    for what, one in wanted.items():
        reads = one.method.upper() == "GET"
        with nullcontext() if reads else undone(world):
            if role in world.people and not reads:
                world.with_token(world.people[role])
            found[what] = one.send(client_of(world, role))
    return found


def proposed(world: Any, what: str) -> str:
    """The line that says what the gateway does now; a person has to judge whether it is right."""
    one = everything()[what]
    cells = [verdict(answers(world, role, {what: one})[what]) for role in ROLES]
    return ",".join([what, "?" if what in operations() else "-", *cells])
