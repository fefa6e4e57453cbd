"""A link's bearer token: a macaroon in dCache's dialect, whose holder can narrow it further without asking anybody.

The root key is derived from the portal's secret key and the link's id, so the row holds no secret, and a token is
worth nothing once the row says so. Caveats only ever narrow: each is a condition more, and one that is not understood
is refused. The dialect: ``activity:`` (a list; several are intersected), ``before:`` (an ISO 8601 time), ``ip:`` (a
list of addresses and networks), ``root:`` (the address's root moves down), ``path:`` (only what is below is there;
several add up, each below the one before), ``home:`` (a hint for clients; it narrows nothing).
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from django.conf import settings
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from pymacaroons import Macaroon, Verifier

from common.errors import Forbidden, UserError
from storage.links.rights import Activity
from storage.models import TransferLink
from storage.paths import clean

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LOCATION = "portolan"
LONGEST, MOST_CAVEATS = 8192, 100


@dataclass(frozen=True, kw_only=True)
class Narrowing:
    """What a token's caveats leave. ``root`` and ``limits`` are paths below the link's own root."""

    activities: frozenset[Activity] = frozenset(Activity)
    before: datetime | None = None
    networks: tuple[tuple[Network, ...], ...] = ()
    root: str = ""
    limits: tuple[str, ...] = field(default=())


def mint(link: TransferLink) -> str:
    """The token of ``link``, as its issuer gets it once.

    It has no caveat yet (the row knows path, rights and end), so that it is short: some clients take no password of
    more than 255 letters.
    """
    return str(Macaroon(location=LOCATION, identifier=str(link.pk), key=_root_key(link.pk)).serialize())


def read(token: str, link_id: UUID) -> Narrowing:
    """What ``token`` leaves of the link, when its signature holds; Forbidden ``bad_link_token`` else."""
    if not token or len(token) > LONGEST or not token.isascii():
        raise _bad()
    try:
        macaroon = Macaroon.deserialize(token)
        caveats = [caveat.caveat_id for caveat in macaroon.caveats]
        verifier = Verifier()
        verifier.satisfy_general(lambda predicate: True)
        right = macaroon.identifier == str(link_id) and len(caveats) <= MOST_CAVEATS
        right = right and not macaroon.third_party_caveats() and verifier.verify(macaroon, _root_key(link_id))
    except Exception as error:
        # The library answers garbage with whatever its parsing meets; all of it means the same here.
        raise _bad() from error
    if not right:
        raise _bad()
    found = Narrowing()
    for caveat in caveats:
        found = _narrowed(found, caveat)
    return found


def networks_of(texts: list[str]) -> tuple[Network, ...]:
    """``texts`` as networks; UserError ``bad_network`` for one that is none."""
    try:
        return tuple(ipaddress.ip_network(text.strip(), strict=False) for text in texts)
    except ValueError as error:
        raise UserError(f"{error}.", code="bad_network", field="networks", hint="For example 192.0.2.0/24.") from error


def _root_key(link_id: UUID) -> str:
    return hmac.new(settings.SECRET_KEY.encode(), b"transfer-link:" + link_id.bytes, hashlib.sha256).hexdigest()


def _narrowed(found: Narrowing, caveat: str | bytes) -> Narrowing:
    text = caveat.decode("utf-8", "replace") if isinstance(caveat, bytes) else caveat
    key, colon, value = text.partition(":")
    read_it = _READERS.get(key) if colon else None
    if read_it is None:
        raise Forbidden("The token has a condition that is not known here.", code="unknown_caveat")
    try:
        return read_it(found, value.strip())
    except (ValueError, UserError) as error:
        raise Forbidden(f"The token's condition “{key}” can't be read.", code="unknown_caveat") from error


def _activity(found: Narrowing, value: str) -> Narrowing:
    named = frozenset(Activity(word.strip()) for word in value.split(","))
    return _with(found, activities=found.activities & named)


def _before(found: Narrowing, value: str) -> Narrowing:
    when = parse_datetime(value)
    if when is None:
        raise ValueError(value)
    when = when if timezone.is_aware(when) else when.replace(tzinfo=UTC)
    return _with(found, before=when if found.before is None else min(found.before, when))


def _ip(found: Narrowing, value: str) -> Narrowing:
    return _with(found, networks=(*found.networks, networks_of(value.split(","))))


def _root(found: Narrowing, value: str) -> Narrowing:
    return _with(found, root=_below(found.root, value))


def _path(found: Narrowing, value: str) -> Narrowing:
    last = found.limits[-1] if found.limits else found.root
    above = last if is_within(last, found.root) else found.root
    return _with(found, limits=(*found.limits, _below(above, value)))


def _home(found: Narrowing, value: str) -> Narrowing:
    clean(value.strip("/"))
    return found


_READERS = {"activity": _activity, "before": _before, "ip": _ip, "root": _root, "path": _path, "home": _home}


def _below(above: str, value: str) -> str:
    return "/".join(part for part in (above, clean(value.strip("/"))) if part)


def is_within(path: str, above: str) -> bool:
    """True when ``path`` is ``above`` or below it, name by name."""
    return not above or path == above or path.startswith(f"{above}/")


def _with(found: Narrowing, **changes: object) -> Narrowing:
    return Narrowing(**{**vars(found), **changes})  # type: ignore[arg-type]


def _bad() -> Forbidden:
    return Forbidden(
        "This link needs its token: “Authorization: Bearer <token>”, or the token as the password.",
        code="bad_link_token",
    )
