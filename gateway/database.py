"""How long a process keeps its connections to the database: a new one costs PostgreSQL more than most questions."""

from collections.abc import Callable

from django.db import close_old_connections, connection, connections
from django.http import HttpRequest, HttpResponse

POSTGRESQL = "django.db.backends.postgresql"
KEEP_SECONDS = 60
# A request waits so long for a connection of another one, or for a database that is away.
WAIT_SECONDS = 5
MOST_CONNECTIONS = 32
POOL = {
    "min_size": 0,
    "max_size": MOST_CONNECTIONS,
    "max_idle": KEEP_SECONDS,
    "timeout": WAIT_SECONDS,
    "reconnect_timeout": WAIT_SECONDS,
}


def keep_connections(**_: object) -> None:
    """A thread of this process keeps its connection to PostgreSQL from one task to the next, for a minute at most."""
    own = connections.settings["default"]
    if own["ENGINE"] == POSTGRESQL:
        own["CONN_MAX_AGE"] = own.get("CONN_MAX_AGE") or KEEP_SECONDS


def drop_old_connections(**_: object) -> None:
    """No task begins with a connection that is too old or broken; settings.CELERY_DB_REUSE_MAX leaves this to us."""
    close_old_connections()


def pool_connections() -> None:
    """Requests take their connections to PostgreSQL from a pool of this process, and give them back."""
    own = connections.settings["default"]
    if own["ENGINE"] == POSTGRESQL and not own.get("CONN_MAX_AGE"):
        own["OPTIONS"].setdefault("pool", POOL)


class FreeStreamsMiddleware:
    """An answer that is sent for long holds no connection meanwhile, unless it asks for one again."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:  # noqa: D102
        response = self.get_response(request)
        if response.streaming and not connection.in_atomic_block:
            close_old_connections()
        return response
