"""How often one may ask: a window of a minute per person (or address), told in each answer's headers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts.limits import Limit, place_of

if TYPE_CHECKING:  # the framework loads this module while it is itself being loaded
    from rest_framework.views import APIView

WINDOW_SECONDS = 60


class PerMinute(BaseThrottle):
    """At most ``API_REQUESTS_PER_MINUTE`` a minute; 429 with ``Retry-After`` beyond it."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        """True while there is room in this minute; notes the ``RateLimit-*`` headers either way."""
        limit = Limit(name="api", most=settings.API_REQUESTS_PER_MINUTE, seconds=WINDOW_SECONDS)
        who = request.user.pk if request.user.is_authenticated else place_of(self.get_ident(request))
        self.room = limit.take(who)
        request._request.rate_limit = self.room.headers()  # type: ignore[attr-defined]
        return not self.room.over

    def wait(self) -> float:
        """Seconds until there is room again."""
        return self.room.seconds
