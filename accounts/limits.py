"""How often one may do something: counts of a window of time, kept in the cache and so shared by all processes."""

import ipaddress
import time
from dataclasses import dataclass

from django.core.cache import cache

from common.errors import TooOften


@dataclass(frozen=True, kw_only=True)
class Room:
    """What is left of a limit now. ``over`` is True when this time was one too many."""

    most: int
    used: int
    seconds: int

    @property
    def over(self) -> bool:
        """True beyond the limit."""
        return self.used > self.most

    def headers(self) -> dict[str, str]:
        """The three fields of draft-ietf-httpapi-ratelimit-headers-06."""
        left = str(max(0, self.most - self.used))
        return {
            "RateLimit-Limit": str(self.most),
            "RateLimit-Remaining": left,
            "RateLimit-Reset": str(self.seconds),
        }


@dataclass(frozen=True, kw_only=True)
class Limit:
    """At most ``most`` times in each window of ``seconds``, for each of those who are counted."""

    name: str
    most: int
    seconds: int

    def take(self, who: object) -> Room:
        """One more is counted for ``who``."""
        key = self._key(who)
        cache.add(key, 0, timeout=2 * self.seconds)
        try:
            used = int(cache.incr(key))
        except ValueError:  # the cache dropped the key in between
            used = 1
        return self._room(used)

    def look(self, who: object) -> Room:
        """What the next time would meet; nothing is counted."""
        return self._room(int(cache.get(self._key(who), 0)) + 1)

    def _key(self, who: object) -> str:
        return f"limit:{self.name}:{who}:{int(time.time() // self.seconds)}"

    def _room(self, used: int) -> Room:
        left = self.seconds - time.time() % self.seconds
        return Room(most=self.most, used=used, seconds=int(left) + 1)


# Tokens that a person makes, on the page and by REST together.
TOKENS = Limit(name="tokens", most=30, seconds=3600)
# Bearer tokens that were refused, from one address. Those that are known go on working from there.
REFUSALS = Limit(name="refused-tokens", most=60, seconds=300)


def count_token(user_id: object) -> None:
    """One more token may be made now; else TooOften."""
    room = TOKENS.take(user_id)
    if room.over:
        hint = "One token can be used by a script as often as needed; make one for each script, not for each run."
        message = f"At most {TOKENS.most} tokens can be made in an hour."
        raise TooOften(message, code="too_many_tokens", hint=hint, wait=room.seconds)


def place_of(address: str) -> str:
    """Whom an address is counted as: itself, or its network of 64 bits where one customer has all of that."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if found.version == 4:
        return str(found)
    return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))
