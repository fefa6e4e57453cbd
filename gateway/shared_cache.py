"""The cache of all processes together: in Redis while it answers, in the process's own memory while it does not.

What is kept here are counts and answers that can be asked for again, so losing it costs time and never work. Values
are JSON: whoever could write into Redis still makes no object of theirs here.
"""

import json
import time
from functools import cache
from typing import Any

import structlog
from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

ANSWER_SECONDS = 0.5
AWAY_SECONDS = 5.0
ENTRIES = 100_000
PREFIX = "portolan"
# What Redis says of the time left to a key that never ends.
ENDLESS = -1

log = structlog.get_logger(__name__)


class JSONText:
    """How values lie in Redis; whole numbers lie there as such, so that Redis can count them up."""

    def dumps(self, value: Any) -> bytes | int:
        """The value's JSON text; TypeError for what JSON does not have."""
        return value if type(value) is int else json.dumps(value).encode()

    def loads(self, data: bytes) -> Any:
        """The value again."""
        return json.loads(data)


class Parts:
    """What the caches of one address share in a process: both stores, and until when Redis is not asked."""

    def __init__(self, location: str) -> None:
        options = {
            "serializer": JSONText,
            "socket_timeout": ANSWER_SECONDS,
            "socket_connect_timeout": ANSWER_SECONDS,
            "retry": Retry(NoBackoff(), 0),
        }
        self.shared = RedisCache(location, {"KEY_PREFIX": PREFIX, "OPTIONS": options})
        self.own = LocMemCache(f"beside {location} {id(self)}", {"OPTIONS": {"MAX_ENTRIES": ENTRIES}})
        self.away_until = 0.0


# Django makes a cache object for every request that it serves asynchronously; the connections are kept here instead.
parts = cache(Parts)


class SharedCache(BaseCache):
    """Django's cache in Redis; each call is answered from memory instead while Redis is away."""

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        self.parts = parts(location)

    def add(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """True when nothing was there; ``value`` is now."""
        return bool(self._ask("add", key, value, self._seconds(timeout), version))

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        """What is there, else ``default``."""
        return self._ask("get", key, default, version)

    def set(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        """``value`` is there."""
        self._ask("set", key, value, self._seconds(timeout), version)

    def touch(self, key: str, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """True when something was there; its time begins anew."""
        return bool(self._ask("touch", key, self._seconds(timeout), version))

    def delete(self, key: str, version: int | None = None) -> bool:
        """True when something was there; nothing is now."""
        return bool(self._ask("delete", key, version))

    def incr(self, key: str, delta: int = 1, version: int | None = None) -> int:
        """The number that is there, one (or ``delta``) more than before; ValueError when none was."""
        found = int(self._ask("incr", key, delta, version))
        if found == delta:
            self._give_an_end(key, version)
        return found

    def has_key(self, key: str, version: int | None = None) -> bool:
        """True when something is there."""
        return bool(self._ask("has_key", key, version))

    def clear(self) -> None:
        """Nothing is there, here and in this process's memory; what else is in Redis stays."""
        self.parts.own.clear()
        try:
            client = self.parts.shared._cache.get_client(write=True)
            for key in client.scan_iter(match=f"{PREFIX}:*", count=1000):
                client.delete(key)
        except (RedisError, OSError):
            pass  # then it is empty for this process anyway

    def _give_an_end(self, key: str, version: int | None) -> None:
        """What ended just before it was counted up, and so was counted from nothing, ends again some time."""
        try:
            client = self.parts.shared._cache.get_client(write=True)
            name = self.parts.shared.make_and_validate_key(key, version)
            if client.ttl(name) == ENDLESS:
                client.expire(name, int(self.default_timeout or 0))
        except (RedisError, OSError):
            pass  # then it was counted in memory

    def _seconds(self, timeout: Any) -> Any:
        return self.default_timeout if timeout is DEFAULT_TIMEOUT else timeout

    def _ask(self, what: str, *words: Any) -> Any:
        if time.monotonic() >= self.parts.away_until:
            try:
                return getattr(self.parts.shared, what)(*words)
            except (RedisError, OSError) as error:
                self.parts.away_until = time.monotonic() + AWAY_SECONDS
                log.warning("redis is away; the cache is this process's own", error=type(error).__name__)
        return getattr(self.parts.own, what)(*words)
