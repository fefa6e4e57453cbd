"""Passwords can't be guessed by trying: wrong ones are counted for a while, and then nobody is let in.

The counts live in the cache, so they hold for all processes of the portal together while Redis is there.
"""

import hashlib
from collections.abc import Iterator

from django.core.cache import cache

from common.errors import TooOften

WHILE_SECONDS = 300
# For one name from one address; for one name from all addresses; for all names from one address (an institute's
# people may share one). A stranger who knows a name can't lock its owner out with a few wrong passwords.
TRIES, TRIES_FOR_NAME, TRIES_FROM_ADDRESS = 10, 100, 100


def refuse_guessing(username: str, address: str) -> None:
    """Nothing happens while there are tries left; else TooOften."""
    if any(cache.get(key, 0) >= limit for key, limit in _keys(username, address)):
        minutes = WHILE_SECONDS // 60
        hint = f"Wait {minutes} minutes, then try again; ask the operator for a new password if it is lost."
        message = "Too many wrong passwords in a short while."
        raise TooOften(message, code="too_many_passwords", hint=hint, wait=WHILE_SECONDS)


def note_failure(username: str, address: str) -> None:
    """One try less; after a while without one all are there again."""
    for key, _ in _keys(username, address):
        cache.add(key, 0, timeout=WHILE_SECONDS)
        try:
            cache.incr(key)
        except ValueError:  # it ended in between
            cache.set(key, 1, timeout=WHILE_SECONDS)


def forget(username: str, address: str) -> None:
    """The person's own wrong passwords from this address no longer count."""
    cache.delete(next(_keys(username, address))[0])


def _keys(username: str, address: str) -> Iterator[tuple[str, int]]:
    # Hashed: somebody may type their password into the field of the name.
    name = hashlib.sha256(username.strip().lower().encode("utf-8", "replace")).hexdigest()
    yield f"sign-in:{name}:{address}", TRIES
    yield f"sign-in:{name}", TRIES_FOR_NAME
    yield f"sign-in-from:{address}", TRIES_FROM_ADDRESS
