"""Roles, and what each may do: the one table that decides."""

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
