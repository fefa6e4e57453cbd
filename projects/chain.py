"""The form in which an event of the trail is sealed: its digest covers what it says and the digest before it.

Whoever changes one event must change every later one, so a digest noted elsewhere tells. The form is a promise:
digests that were noted years ago are compared with it.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

START = "0" * 64


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """What a digest covers. ``project`` None is the gateway's own chain, ``actor`` None the portal itself."""

    project: UUID | None
    sequence: int
    uid: UUID
    at: datetime
    actor: UUID | None
    actor_name: str
    action: str
    subject: str
    details: Any
    previous: str


def canonical(event: Sealed) -> bytes:
    """The one text of the event: JSON with sorted keys, no spaces, ASCII only, times in UTC with microseconds."""
    words = {
        "action": event.action,
        "actor": str(event.actor) if event.actor else None,
        "actor_name": event.actor_name,
        "at": event.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "details": _plain(event.details),
        "id": str(event.uid),
        "previous": event.previous,
        "project": str(event.project) if event.project else None,
        "sequence": event.sequence,
        "subject": event.subject,
    }
    return json.dumps(words, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def digest_of(event: Sealed) -> str:
    """SHA-256 of the canonical form, in hexadecimal."""
    return hashlib.sha256(canonical(event)).hexdigest()


def _plain(value: Any) -> Any:
    """The value as every database gives it back: PostgreSQL writes 1e22 as a whole number, SQLite does not."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value
