"""The usage policy: which one holds, and who has accepted it. Without a text there is none, and nobody is asked."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.models import PolicyAcceptance, User
from common.errors import Forbidden, NotFound, StateConflict

if TYPE_CHECKING:  # the framework loads this module while it is itself being loaded
    from rest_framework.views import APIView


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A usage policy: plain text, and the version that people accept."""

    version: str
    text: str


def current() -> Policy | None:
    """The policy that holds now; None where the operator has set none."""
    if not settings.USAGE_POLICY_FILE:
        return None
    file = Path(settings.USAGE_POLICY_FILE)
    return _read(file, file.stat().st_mtime_ns, settings.USAGE_POLICY_VERSION)


@lru_cache(maxsize=4)
def _read(file: Path, changed: int, version: str) -> Policy:
    text = file.read_text(encoding="utf-8")
    return Policy(version=version or hashlib.sha256(text.encode()).hexdigest()[:12], text=text)


def must_accept(user: User) -> Policy | None:
    """The policy that ``user`` has yet to accept; None when there is nothing to accept."""
    policy = current()
    return policy if policy is not None and user.policy_version != policy.version else None


def accept(user: User, *, version: str) -> PolicyAcceptance:
    """``user`` has accepted the policy of that version, now or before; kept with the time.

    NotFound ``no_policy`` where there is none; StateConflict ``policy_changed`` for a version that does not hold now.
    """
    policy = current()
    if policy is None:
        raise NotFound("There is no usage policy here.", code="no_policy")
    if version != policy.version:
        raise StateConflict(
            "The usage policy has changed meanwhile.", code="policy_changed", hint="Read it again, then accept it."
        )
    with transaction.atomic():
        accepted, _ = PolicyAcceptance.objects.get_or_create(
            user=user, version=version, defaults={"digest": hashlib.sha256(policy.text.encode()).hexdigest()}
        )
        User.objects.filter(pk=user.pk).update(policy_version=version)
    user.policy_version = version
    return accepted


class PolicyAccepted(BasePermission):
    """The API is for people who have accepted the usage policy; others are told where to read it."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """True, or Forbidden ``policy_not_accepted``; nobody is asked before they have said who they are."""
        user = request.user
        if isinstance(user, User) and must_accept(user) is not None:
            raise Forbidden(
                "You have not accepted the usage policy yet.",
                code="policy_not_accepted",
                hint=f"Read and accept it at {settings.PORTAL_URL}/policy/, or with /api/v1/me/policy/.",
            )
        return True
