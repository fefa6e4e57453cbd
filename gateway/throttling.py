"""How often one may ask: a fixed window per person (or address), told in each answer's headers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

if TYPE_CHECKING:  # the framework loads this module while it is itself being loaded
    from rest_framework.views import APIView

WINDOW_SECONDS = 60


class PerMinute(BaseThrottle):
    """At most ``API_REQUESTS_PER_MINUTE`` a minute; 429 with ``Retry-After`` beyond it."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        """True while there is room in this minute; notes the ``RateLimit-*`` headers either way."""
        limit = settings.API_REQUESTS_PER_MINUTE
        now = time.time()
        window = int(now // WINDOW_SECONDS)
        self.left_seconds = WINDOW_SECONDS - now % WINDOW_SECONDS
        who = request.user.pk if request.user.is_authenticated else self.get_ident(request)
        used = _count(f"api-rate:{who}:{window}")
        request._request.rate_limit = {  # type: ignore[attr-defined]
            "RateLimit-Limit": str(limit),
            "RateLimit-Remaining": str(max(0, limit - used)),
            "RateLimit-Reset": str(int(self.left_seconds) + 1),
        }
        return used <= limit

    def wait(self) -> float:
        """Seconds until there is room again."""
        return self.left_seconds + 1


def _count(key: str) -> int:
    cache.add(key, 0, timeout=2 * WINDOW_SECONDS)
    try:
        return int(cache.incr(key))
    except ValueError:  # the cache dropped the key in between
        return 1
