"""The people of a demo: one for each kind of work, with passwords that are this instance's own."""

import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from accounts.models import ApiToken, User
from accounts.scopes import Scope
from accounts.services import make_token, revoke_token

TOKEN_LABEL = "made by make demo"  # noqa: S105 - a label, not a secret
TOKEN_DAYS = 30


@dataclass(frozen=True, kw_only=True)
class Person:
    """A demo account."""

    username: str
    full_name: str
    what: str
    operator: bool = False


PEOPLE = (
    Person(username="researcher", full_name="Rosa Researcher", what="runs jobs and looks at results"),
    Person(username="project-admin", full_name="Paul Admin", what="manages the people of projects"),
    Person(username="operator", full_name="Olga Operator", what="looks after the instance", operator=True),
)


def ensure_people() -> dict[str, str]:
    """The demo accounts are there; answers their passwords, the same at every call (kept in the home, mode 0600)."""
    file = settings.PORTOLAN_HOME / "demo-passwords.json"
    passwords = {person.username: secrets.token_urlsafe(9) for person in PEOPLE}
    if file.exists():
        passwords |= json.loads(file.read_text())
    _write_private(file, json.dumps(passwords, indent=1))
    for person in PEOPLE:
        user, made = User.objects.get_or_create(
            username=person.username,
            defaults={"email": f"{person.username}@example.org", "is_staff": person.operator},
        )
        if made or not user.check_password(passwords[person.username]):
            user.first_name, _, user.last_name = person.full_name.partition(" ")
            user.is_superuser = person.operator
            user.set_password(passwords[person.username])
            user.save()
    return passwords


def fresh_token(username: str) -> str:
    """A new token of every scope; the ones made here before are revoked."""
    user = User.objects.get(username=username)
    for old in ApiToken.objects.filter(user=user, label=TOKEN_LABEL, revoked_at=None):
        revoke_token(user, old.pk)
    return make_token(user, label=TOKEN_LABEL, scopes=list(Scope), days=TOKEN_DAYS)[1]


def introduction(passwords: dict[str, str]) -> Iterator[str]:
    """One line a person, with the password."""
    for person in PEOPLE:
        yield f"  {person.username:<14} {passwords[person.username]:<16} {person.what}"


def _write_private(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as handle:
        handle.write(text)
