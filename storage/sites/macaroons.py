"""Macaroons of a site: asked for, or made with the secret that the site shares with us; looked at before use."""

from __future__ import annotations

import base64
import binascii
import json
import uuid
from datetime import UTC, datetime
from typing import Any

from pymacaroons import Macaroon
from pymacaroons.exceptions import MacaroonException

from common.errors import Unavailable

WORDS = "%Y-%m-%dT%H:%M:%SZ"


def minted(*, location: str, secret: str, path: str, activities: list[str], ends_at: datetime) -> str:
    """A macaroon with the site's own secret (base64). It names nobody, for the site would look that up."""
    try:
        key = base64.b64decode("".join(secret.split()), validate=True)
    except binascii.Error as error:
        raise Unavailable("The site's secret is not base64.", code="site_secret") from error
    made = Macaroon(location=location, identifier=str(uuid.uuid4()), key=key)
    for caveat in (f"activity:{','.join(activities)}", f"path:{path}", f"before:{_words(ends_at)}"):
        made.add_first_party_caveat(caveat)
    return str(made.serialize())


def narrowed(token: str, *caveats: str) -> str:
    """``token`` with more caveats; nobody needs to be asked for that."""
    made = _read(token)
    for caveat in caveats:
        made.add_first_party_caveat(caveat)
    return str(made.serialize())


def told(answer: bytes, *, activities: list[str], ends_at: datetime) -> str:
    """The macaroon in a site's answer, with our own end on it; Unavailable when it gives more than was asked."""
    try:
        token = json.loads(answer)["macaroon"]
    except (ValueError, KeyError, TypeError) as error:
        raise Unavailable("The site answered without a macaroon.", code="site_answer") from error
    caveats = [_split(caveat.caveat_id) for caveat in _read(token).caveats]
    given = [set(value.split(",")) for name, value in caveats if name == "activity"]
    if not given or set.intersection(*given) - {*activities, "READ_METADATA"}:
        raise Unavailable("The site's macaroon allows more than was asked for.", code="site_answer")
    if not any(name in ("path", "root") for name, _ in caveats):
        raise Unavailable("The site's macaroon is not kept to a path.", code="site_answer")
    # Our own end as well: some sites round the time, or know a default of their own.
    return narrowed(token, f"before:{_words(ends_at)}")


def _split(caveat: Any) -> tuple[str, str]:
    text = caveat.decode() if isinstance(caveat, bytes) else str(caveat)
    name, _, value = text.partition(":")
    return name, value


def _read(token: Any) -> Macaroon:
    try:
        return Macaroon.deserialize(str(token))
    except (MacaroonException, ValueError, TypeError, IndexError) as error:
        raise Unavailable("The site's macaroon can't be read.", code="site_answer") from error


def _words(at: datetime) -> str:
    return at.astimezone(UTC).strftime(WORDS)
