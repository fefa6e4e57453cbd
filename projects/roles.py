"""Roles, and what each may do: the one table that decides."""

from collections.abc import Iterable
from enum import StrEnum

from django.db import models

from accounts.scopes import Scope


class Role(models.TextChoices):
    """A member's role in a project, weakest first."""

    VIEWER = "viewer", "Viewer"
    CONTRIBUTOR = "contributor", "Contributor"
    MANAGER = "manager", "Manager"
    OWNER = "owner", "Owner"


RANK: dict[str, int] = {role: rank for rank, role in enumerate(Role.values)}


class Action(StrEnum):
    """What can be done in a project."""

    VIEW = "view"
    DOWNLOAD = "download"
    WRITE = "write"
    RUN = "run"
    MANAGE = "manage"
    OWN = "own"


# What the actions mean, in words, for previews: "14 people get: view, run; not manage people".
DEEDS: dict[Action, str] = {
    Action.VIEW: "view",
    Action.DOWNLOAD: "download",
    Action.WRITE: "upload, change and delete files",
    Action.RUN: "run tools",
    Action.MANAGE: "manage people",
    Action.OWN: "archive and name owners",
}


# action -> (weakest role that may, scope that a token needs, also when the project is archived)
RULES: dict[Action, tuple[Role, Scope, bool]] = {
    Action.VIEW: (Role.VIEWER, Scope.READ, True),
    Action.DOWNLOAD: (Role.VIEWER, Scope.READ, True),
    Action.WRITE: (Role.CONTRIBUTOR, Scope.DATA, False),
    Action.RUN: (Role.CONTRIBUTOR, Scope.JOBS, False),
    Action.MANAGE: (Role.MANAGER, Scope.ADMIN, True),
    Action.OWN: (Role.OWNER, Scope.ADMIN, True),
}


def at_least(role: str, needed: str) -> bool:
    """True when ``role`` is as strong as ``needed``."""
    return RANK[role] >= RANK[needed]


def deeds_of(role: str) -> tuple[list[str], list[str]]:
    """What ``role`` may do, and what it may not, in words."""
    may = [DEEDS[action] for action, (needed, _, _) in RULES.items() if at_least(role, needed)]
    return may, [words for words in DEEDS.values() if words not in may]


def strongest(roles: Iterable[str]) -> Role | None:
    """The strongest of ``roles``; None of none."""
    return max((Role(role) for role in roles), key=RANK.__getitem__, default=None)
