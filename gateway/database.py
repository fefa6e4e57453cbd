"""How long a process keeps its connections to the database: a new one costs PostgreSQL more than most questions."""

from django.db import connections

POSTGRESQL = "django.db.backends.postgresql"
KEEP_SECONDS = 60


def keep_connections(**_: object) -> None:
    """A thread of this process keeps its connection to PostgreSQL from one task to the next, for a minute at most."""
    own = connections.settings["default"]
    if own["ENGINE"] == POSTGRESQL:
        own["CONN_MAX_AGE"] = own.get("CONN_MAX_AGE") or KEEP_SECONDS
