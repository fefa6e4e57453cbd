"""A link in use: found, not ended, from where it may be used, and what its issuer may still do; asked again as it runs.

A row and its issuer's role are remembered for ``MEMO_SECONDS`` in a process, so that revoking and removing act in less
than a second, in mid-transfer too.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from django.utils import timezone

from common.errors import Forbidden, NotFound, PortolanError, UserError
from projects.permissions import may
from projects.roles import Action
from storage.links import tokens
from storage.links.rights import NEEDS, WRITING, Operation, Right
from storage.links.tokens import Narrowing, is_within
from storage.listing import root_of
from storage.models import TransferLink
from storage.paths import clean

MEMO_SECONDS = 0.5
MOST_REMEMBERED = 2000


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A link's row and the rights that it gives at this moment."""

    link: TransferLink
    rights: frozenset[Right]


@dataclass(frozen=True, kw_only=True)
class Pass:
    """One request's use of a link. Paths given to ``place`` are those of the link's address."""

    link: TransferLink
    narrowed: Narrowing
    address: str
    root: Path

    @property
    def base(self) -> str:
        """The path in the project that the link's address stands for."""
        above = self.link.path.rpartition("/")[0] if self.link.is_file else self.link.path
        return "/".join(part for part in (above, self.narrowed.root) if part)

    @property
    def limits(self) -> list[str]:
        """The paths in the project beyond all of which this request must stay."""
        above = self.link.path.rpartition("/")[0] if self.link.is_file else self.link.path
        below = ["/".join(part for part in (above, limit) if part) for limit in self.narrowed.limits]
        return [self.link.path, self.base, *below]

    def place(self, asked: str) -> str:
        """The path in the project of ``asked``; Forbidden ``path_outside`` beyond what the link or its token opens."""
        path = "/".join(part for part in (self.base, clean(asked.strip("/"))) if part)
        if not self.sees(path):
            raise Forbidden("This link does not open that path.", code="path_outside")
        return path

    def sees(self, path: str) -> bool:
        """True when ``path`` of the project is open to this request."""
        return all(is_within(path, limit) for limit in self.limits)

    def shown(self, path: str) -> str:
        """``path`` of the project as the link's address has it."""
        return path[len(self.base) :].lstrip("/") if self.base else path

    def require(self, *operations: Operation) -> None:
        """Nothing happens when all ``operations`` are allowed now; else Forbidden, or NotFound when the link ended."""
        standing = standing_of(self.link.pk)
        self._check_token()
        for operation in operations:
            rights, activities = NEEDS[operation]
            if not rights <= standing.rights or not standing.rights:
                raise Forbidden(
                    f"This link does not allow to {operation}.",
                    code="right_missing",
                    hint=f"It allows: {', '.join(sorted(standing.rights)) or 'nothing any more'}.",
                )
            if not activities <= self.narrowed.activities:
                raise Forbidden(f"This token was narrowed and does not allow to {operation}.", code="right_missing")

    def allows(self, *operations: Operation) -> bool:
        """True when all ``operations`` are allowed now."""
        try:
            self.require(*operations)
        except (Forbidden, NotFound):
            return False
        return True

    def _check_token(self) -> None:
        if self.narrowed.before is not None and self.narrowed.before <= timezone.now():
            raise NotFound("This token has ended.", code="link_ended")


def enter(link_id: UUID, token: str, address: str) -> Pass:
    """The use of a link by ``token`` from ``address``.

    Forbidden ``bad_link_token`` (also for a link that never was), ``unknown_caveat`` or ``network_refused``; NotFound
    ``link_ended``/``link_revoked``.
    """
    return _entered(link_id, tokens.read(token, link_id), address)


def enter_by_key(link_id: UUID, address: str) -> Pass:
    """The use of a link from ``address`` by a key that our own sshd has checked; refused as by ``enter``."""
    return _entered(link_id, Narrowing(), address)


def _entered(link_id: UUID, narrowed: Narrowing, address: str) -> Pass:
    standing = standing_of(link_id)
    found = Pass(link=standing.link, narrowed=narrowed, address=address, root=root_of(standing.link.folder))
    found._check_token()
    _check_address(found)
    return found


def _check_address(found: Pass) -> None:
    wanted = [*found.narrowed.networks]
    if found.link.networks:
        wanted.append(tokens.networks_of(found.link.networks))
    if not wanted:
        return
    try:
        here = ipaddress.ip_address(found.address)
    except ValueError as error:
        raise Forbidden("It is not known where this request comes from.", code="network_refused") from error
    here = getattr(here, "ipv4_mapped", None) or here
    if not all(any(here in network for network in networks) for networks in wanted):
        raise Forbidden(f"This link can't be used from {found.address}.", code="network_refused")


_remembered: dict[UUID, tuple[float, Standing | PortolanError]] = {}
_guard = threading.Lock()


def standing_of(link_id: UUID) -> Standing:
    """How the link stands now (at most ``MEMO_SECONDS`` ago); NotFound when it has ended."""
    at, known = _remembered.get(link_id, (0.0, None))
    if known is None or time.monotonic() - at > MEMO_SECONDS:
        known = _remember(link_id)
    if isinstance(known, PortolanError):
        raise type(known)(known.message, code=known.code, hint=known.hint)
    return known


def forget(link_id: UUID) -> None:
    """The next question goes to the database."""
    with _guard:
        _remembered.pop(link_id, None)


def _remember(link_id: UUID) -> Standing | PortolanError:
    at = time.monotonic()
    try:
        known: Standing | PortolanError = _look(link_id)
    except (Forbidden, NotFound) as error:
        known = error
    with _guard:
        if len(_remembered) >= MOST_REMEMBERED:
            _remembered.clear()
        _remembered[link_id] = (at, known)
    return known


def _look(link_id: UUID) -> Standing:
    related = TransferLink.objects.select_related("folder__site", "folder__project", "created_by")
    link = related.filter(pk=link_id).first()
    if link is None:
        raise NotFound("This link has been taken away.", code="link_revoked")
    if link.revoked_at is not None:
        raise NotFound("This link was revoked.", code="link_revoked", hint="Ask who gave it to you for a new one.")
    if not link.live:
        raise NotFound("This link has ended.", code="link_ended", hint="Ask who gave it to you for a new one.")
    return Standing(link=link, rights=_rights_now(link))


def _rights_now(link: TransferLink) -> frozenset[Right]:
    """The link's rights, cut down to what its issuer may do now."""
    issuer, project = link.created_by, link.folder.project
    asked = frozenset(Right(right) for right in link.rights)
    if not issuer.is_active or not may(issuer, Action.DOWNLOAD, project):
        return frozenset()
    return asked if may(issuer, Action.WRITE, project) else asked - WRITING


def check_rights(rights: list[str]) -> list[str]:
    """``rights`` once each in the usual order; UserError ``bad_rights`` for none or an unknown one."""
    unknown = [right for right in rights if right not in Right.values]
    if unknown or not rights:
        raise UserError(f"Rights are some of: {', '.join(Right.values)}.", code="bad_rights", field="rights")
    return [right for right in Right.values if right in rights]
