"""What an institute's proxy says of a person's groups: entitlements after AARC-G069 and, before it, AARC-G002.

``urn:NID:DELEGATED[:SUBNAMESPACE…]:group:GROUP[:SUBGROUP…][:role=ROLE][#AUTHORITY]``

A value counts only where its namespace is, as a whole, one that the issuer may speak for, with an authority that goes
with it. Percent-encoding is compared with upper-case digits and never decoded: ``evil%3Arole%3Dmanager`` is one
group's odd name. The authority is checked and then forgotten: it is no part of what a group is (RFC 8141, 2.3.3).
Everything else that proxies send beside groups (capabilities, old forms, nonsense) is passed over and harms no login.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from common.errors import UserError

# The namespaces of one issuer, each with the authorities that may stand behind ``#``; "" where none need be given.
Namespaces = Mapping[str, frozenset[str]]

CLAIMS = ("entitlements", "eduperson_entitlement")
LONGEST, DEEPEST = 1024, 16
# Of one claim so many values are looked at, and of one person so many different groups are kept.
MOST_VALUES, MOST_GROUPS = 10_000, 2_000

_ENCODED = r"%[0-9A-Fa-f]{2}"
# What RFC 8141 lets stand in the name, without ":" (which divides) and "/" (which no group's name holds).
_PART = rf"(?:[A-Za-z0-9\-._~!$&'()*+,;=@]|{_ENCODED})+"
_NID = r"[A-Za-z0-9][A-Za-z0-9-]{0,30}[A-Za-z0-9]"
_AUTHORITY = r"[A-Za-z0-9\-._~!$&'()*+,;=:@/?%]+"
# The namespace ends at the first ":group:", so that a group can't be named after another namespace.
_GROUP = re.compile(
    rf"(?P<nid>(?i:urn):{_NID})(?P<below>(?::{_PART})+?):group:(?P<path>{_PART}(?::{_PART})*)(?:#(?P<authority>{_AUTHORITY}))?"
)
_ROLE = "role="


@dataclass(frozen=True, kw_only=True)
class Entitlement:
    """Being in a group: its name's parts from the outermost on, and the role where one is told (else "")."""

    namespace: str
    path: tuple[str, ...]
    role: str = ""

    @property
    def urn(self) -> str:
        """The group and role, as a proxy writes them, without the authority."""
        return ":".join([self.namespace, "group", *self.path, *([_ROLE + self.role] if self.role else [])])


def parse(value: object, namespaces: Namespaces) -> Entitlement | None:
    """The group that ``value`` speaks of, or None for anything that is not a group of ``namespaces``."""
    found = _match(value)
    if found is None:
        return None
    entitlement, authority = found
    allowed = namespaces.get(entitlement.namespace)
    return entitlement if allowed is not None and authority in allowed else None


def parse_all(claims: Mapping[str, object], namespaces: Namespaces) -> frozenset[Entitlement]:
    """All groups that either claim tells; at most ``MOST_GROUPS``, the first ones told."""
    found: dict[Entitlement, None] = {}
    for value in _values(claims):
        entitlement = parse(value, namespaces)
        if entitlement is not None:
            found[entitlement] = None
            if len(found) == MOST_GROUPS:
                break
    return frozenset(found)


def typed(text: str, namespaces: Namespaces) -> Entitlement:
    """The group that a person has pasted; UserError ``bad_entitlement`` says what is wrong with it.

    The authority may be left out, since it is no part of the group.
    """
    found = _match(text.strip())
    if found is None:
        hint = "Paste it as your AAI shows it, like urn:geant:helmholtz.de:group:Team#login.helmholtz.de."
        raise UserError(
            "This is not an entitlement of a group.", code="bad_entitlement", field="entitlement", hint=hint
        )
    entitlement, authority = found
    allowed = namespaces.get(entitlement.namespace)
    if allowed is None:
        known = ", ".join(sorted(namespaces)) or "none"
        message = f"No login of this portal speaks for groups of “{entitlement.namespace}”."
        raise UserError(message, code="bad_entitlement", field="entitlement", hint=f"Known here: {known}.")
    if authority and authority not in allowed:
        message = f"“{authority}” does not speak for groups of “{entitlement.namespace}” here."
        hint = f"Known here: {', '.join(sorted(allowed - {''}))}."
        raise UserError(message, code="bad_entitlement", field="entitlement", hint=hint)
    return entitlement


def name_of(path: str) -> str:
    """A group's path (its parts with ":" between) for people to read; never for comparing."""
    parts = (unquote(part, errors="replace") for part in path.split(":"))
    return " / ".join("".join(letter if letter.isprintable() else "\ufffd" for letter in part) for part in parts)


def _values(claims: Mapping[str, object]) -> Iterator[object]:
    for name in CLAIMS:
        told = claims.get(name)
        if isinstance(told, str):  # one value, and no list around it
            yield told
        elif isinstance(told, list | tuple):
            yield from told[:MOST_VALUES]


def _match(value: object) -> tuple[Entitlement, str] | None:
    if not isinstance(value, str) or len(value) > LONGEST or not value.isascii():
        return None
    found = _GROUP.fullmatch(value)
    if found is None:
        return None
    parts = _upper(found["path"]).split(":")
    role = ""
    if len(parts) > 1 and parts[-1].startswith(_ROLE):
        role = parts.pop().removeprefix(_ROLE)
        if not role:
            return None
    # A role is told of the innermost group only, and once.
    if len(parts) > DEEPEST or any(part.startswith(_ROLE) for part in parts):
        return None
    namespace = found["nid"].lower() + _upper(found["below"])
    return Entitlement(namespace=namespace, path=tuple(parts), role=role), found["authority"] or ""


def _upper(text: str) -> str:
    return re.sub(_ENCODED, lambda code: code.group().upper(), text)
