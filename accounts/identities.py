"""The account behind an institute's login: found by (issuer, subject) alone, made when it is new."""

import hashlib
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from accounts.models import ExternalIdentity, User
from accounts.providers import Provider
from common.errors import Forbidden

NAME_LENGTH, EMAIL_LENGTH = 150, 254
ENTITLEMENTS = ("eduperson_entitlement", "entitlements")


def identity_of(provider: Provider, subject: str, claims: Mapping[str, Any]) -> ExternalIdentity:
    """The login of ``subject`` at ``provider``, with an account that is made now when it was never seen before.

    What ``claims`` say (a name, an address) describes a new account and finds none: an e-mail address is anybody's to
    enter at their institute.
    """
    known = ExternalIdentity.objects.filter(issuer=provider.issuer, subject=subject).first()
    if known is not None:
        return known
    try:
        with transaction.atomic():
            user = User(username=username_of(provider, subject), email=_email(claims), **_names(claims))
            user.set_unusable_password()
            user.save()
            return ExternalIdentity.objects.create(user=user, issuer=provider.issuer, subject=subject)
    except IntegrityError:  # another request of the same person was quicker
        return ExternalIdentity.objects.get(issuer=provider.issuer, subject=subject)


def refuse_outsiders(provider: Provider, claims: Mapping[str, Any]) -> None:
    """Nothing happens for who has the entitlement that the gateway asks for; else Forbidden says where to apply."""
    needed = provider.required_entitlement
    if needed and needed not in entitlements_in(claims):
        where = f" Apply at {provider.apply_url}." if provider.apply_url else ""
        hint = f"It may also be that the token was not asked for with the scope that tells it.{where}"
        message = f"This portal is for people whom {provider.name} gives the entitlement {needed}."
        raise Forbidden(message, code="entitlement_missing", hint=hint)


def entitlements_in(claims: Mapping[str, Any]) -> set[str]:
    """The entitlements as told, whatever shape they are told in."""
    found: set[str] = set()
    for name in ENTITLEMENTS:
        told = claims.get(name)
        values = told if isinstance(told, list) else [told]
        found.update(value for value in values if isinstance(value, str))
    return found


def username_of(provider: Provider, subject: str) -> str:
    """A name that nobody else has and that tells nothing: people are shown by their names."""
    whole = f"{provider.issuer}\0{subject}".encode()
    return f"{provider.id}-{hashlib.sha256(whole).hexdigest()[:20]}"


def _names(claims: Mapping[str, Any]) -> dict[str, str]:
    first, last = _text(claims.get("given_name")), _text(claims.get("family_name"))
    if not first and not last:
        first, _, last = _text(claims.get("name")).partition(" ")
    return {"first_name": first[:NAME_LENGTH], "last_name": last[:NAME_LENGTH]}


def _email(claims: Mapping[str, Any]) -> str:
    address = _text(claims.get("email"))
    try:
        validate_email(address)
    except ValidationError:
        return ""
    return address if len(address) <= EMAIL_LENGTH else ""


def _text(value: object) -> str:
    kept = (sign for sign in value if sign.isprintable()) if isinstance(value, str) else ()
    return "".join(kept).strip()
