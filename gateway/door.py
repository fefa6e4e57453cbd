"""The door as an ASGI application; ``gateway.serve_door`` is its server."""

import ctypes
import gc
import os
from contextlib import suppress

import django
from django.conf import settings

# Two arenas for all threads: one for each would keep what it freed (M_ARENA_MAX of glibc's mallopt(3)).
with suppress(AttributeError):
    ctypes.CDLL(None).mallopt(-8, 2)
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
# The door needs people, projects and folders; tools, tasks and pages would double its memory.
settings.INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "accounts",
    "projects",
    "storage",
]
# Each thread keeps its connection for a while: opening one takes longer than what most requests ask of it.
settings.DATABASES["default"]["CONN_MAX_AGE"] = 300
if settings.DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":  # its cache is each connection's own
    settings.DATABASES["default"]["OPTIONS"]["init_command"] += " PRAGMA cache_size=-512;"
django.setup()

from gateway.errors import problem_document, status_of  # noqa: E402
from storage.door.app import Door  # noqa: E402

app = Door(
    door_url=settings.DOOR_URL,
    origins=frozenset({settings.PORTAL_URL, *settings.CSRF_TRUSTED_ORIGINS}),
    status_of=status_of,
    document_of=problem_document,
)

# What loading all this left behind goes back to the system: a tenth of the process.
gc.collect()
with suppress(AttributeError):
    ctypes.CDLL(None).malloc_trim(0)
