"""Who is in which group: what an institute's proxy tells at a login or a refresh, and what can be asked of it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.entitlements import Entitlement, Namespaces, parse_all, typed
from accounts.models import ExternalIdentity, Group, Seat, User
from accounts.providers import provider_of, providers
from common.errors import UserError

# (namespace, path, role, direct): what a seat says, without whose it is.
_Place = tuple[str, str, str, bool]
_BATCH = 400
MEMBER = "member"
log = logging.getLogger("portolan.groups")


def refresh_groups(identity: ExternalIdentity, claims: Mapping[str, object], *, complete: bool = True) -> None:
    """The identity is in just the groups that ``claims`` tell; those that are no longer told end their effect now.

    Claims without any entitlement mean no groups at all, so a caller that could not ask must not call. ``complete``
    False is for claims that may tell a part only (a token that was narrowed): then nothing ends.
    """
    told = parse_all(claims, namespaces_of(identity.issuer))
    provider = provider_of(identity.issuer)
    wanted = _places(told, no_role_is_member=provider is None or provider.no_role_is_member)
    with transaction.atomic():
        # Two refreshes of one identity come one after the other; the later claims win.
        ExternalIdentity.objects.select_for_update().filter(pk=identity.pk).first()
        held = _held(identity)
        now = timezone.now()
        kept = [seat for place, seat in held.items() if place in wanted]
        gone = [seat for place, seat in held.items() if place not in wanted] if complete else []
        _update(kept, seen_at=now, user=identity.user_id)
        _update(gone, ended_at=now)
        _seat(identity, wanted - held.keys())
    if gone or wanted - held.keys():
        log.info("groups of identity %s: %d told, %d ended", identity.pk, len(told), len(gone))


def namespaces_of(issuer: str) -> Namespaces:
    """The namespaces whose groups ``issuer`` may tell; none for an issuer that is not known."""
    return _tables().get(issuer, {})


def groups_of(user: User) -> QuerySet[Group]:
    """The groups that ``user`` is in now; with those that only one of their subgroups puts them in."""
    return Group.objects.of(user)


def read_entitlement(user: User, text: str, *, issuer: str = "") -> tuple[str, Entitlement]:
    """The issuer and the group that a pasted entitlement means; UserError ``bad_entitlement`` says what is wrong.

    Where several issuers speak for its namespace, the one that ``user`` comes from is meant, or ``issuer`` says which.
    """
    tables = {name: table for name, table in _tables().items() if not issuer or name == issuer}
    found = typed(text, {name: authorities for table in tables.values() for name, authorities in table.items()})
    speakers = [name for name, table in tables.items() if found.namespace in table]
    if len(speakers) > 1:
        own = set(user.identities.values_list("issuer", flat=True))
        speakers = [name for name in speakers if name in own]
    if len(speakers) != 1:
        hint = f"Say which login is meant: {', '.join(sorted(tables))}."
        message = "More than one login of this portal speaks for such groups."
        raise UserError(message, code="bad_entitlement", field="entitlement", hint=hint)
    typed(text, tables[speakers[0]])
    return speakers[0], found


def known_group(issuer: str, entitlement: Entitlement) -> Group:
    """The group's row, made with those of the groups around it where nobody was seen in it yet."""
    paths = [":".join(entitlement.path[: depth + 1]) for depth in range(len(entitlement.path))]
    found = _groups(issuer, {(entitlement.namespace, path) for path in paths})
    return found[entitlement.namespace, paths[-1]]


def _tables() -> dict[str, Namespaces]:
    """The namespaces by issuer: those of the configured providers, before what the settings say of others."""
    return {**settings.GROUP_NAMESPACES, **{provider.issuer: provider.groups for provider in providers()}}


def _places(told: Iterable[Entitlement], *, no_role_is_member: bool) -> set[_Place]:
    """Each entitlement's own place and, where it says membership, one in all groups around it.

    Some proxies say membership by ``role=member`` only; of others every value that names the group says it.
    """
    found: set[_Place] = set()
    for one in told:
        member = no_role_is_member or one.role == MEMBER
        if member or one.role:
            found.add((one.namespace, ":".join(one.path), one.role, member))
        around = range(1, len(one.path)) if member else ()
        found.update((one.namespace, ":".join(one.path[:depth]), "", False) for depth in around)
    return found


def _held(identity: ExternalIdentity) -> dict[_Place, Seat]:
    seats = Seat.objects.filter(identity=identity, ended_at=None).select_related("group")
    return {(seat.group.namespace, seat.group.path, seat.role, seat.direct): seat for seat in seats}


def _update(seats: list[Seat], **values: object) -> None:
    keys = [seat.pk for seat in seats]
    for start in range(0, len(keys), _BATCH):
        Seat.objects.filter(pk__in=keys[start : start + _BATCH]).update(**values)


def _seat(identity: ExternalIdentity, places: set[_Place]) -> None:
    """The identity has these seats; one that had ended before begins again."""
    if not places:
        return
    groups = _groups(identity.issuer, {(namespace, path) for namespace, path, _, _ in places})
    new = [
        Seat(group=groups[namespace, path], user_id=identity.user_id, identity=identity, role=role, direct=direct)
        for namespace, path, role, direct in places
    ]
    Seat.objects.bulk_create(
        new,
        batch_size=_BATCH,
        update_conflicts=True,
        unique_fields=["group", "identity", "role", "direct"],
        update_fields=["user", "seen_at", "ended_at", "created_at"],
    )


def _groups(issuer: str, names: set[tuple[str, str]]) -> dict[tuple[str, str], Group]:
    """The groups of these (namespace, path), made where they were not known."""
    rows = [Group(issuer=issuer, namespace=namespace, path=path) for namespace, path in sorted(names)]
    Group.objects.bulk_create(rows, batch_size=_BATCH, ignore_conflicts=True)
    found: dict[tuple[str, str], Group] = {}
    for namespace in {namespace for namespace, _ in names}:
        paths = sorted(path for space, path in names if space == namespace)
        for start in range(0, len(paths), _BATCH):
            known = Group.objects.filter(Q(issuer=issuer, namespace=namespace, path__in=paths[start : start + _BATCH]))
            found.update({(namespace, group.path): group for group in known})
    return found
