"""Settings of the test suite: a home of its own, quick hashes, tasks that run only when a test says so."""

import os
import tempfile
from pathlib import Path

os.environ.setdefault("PORTOLAN_HOME", tempfile.mkdtemp(prefix="portolan-test-"))

from gateway.settings import *  # noqa: F403
from gateway.settings import DATABASES, PORTOLAN_HOME

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 100_000}}}
CELERY_BROKER_URL = os.environ.get("TEST_BROKER_URL", "memory://")
STORAGE_ROOT = Path(PORTOLAN_HOME) / "projects"
SAMPLE_DIR = Path(PORTOLAN_HOME) / "samples"
(Path(PORTOLAN_HOME) / "staticfiles").mkdir(parents=True, exist_ok=True)
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # In a file as in life: the one in memory has no waiting for locks, so two threads at once would just fail.
    DATABASES["default"]["TEST"] = {"NAME": str(Path(PORTOLAN_HOME) / "test.sqlite3")}
# A test that wants institutes says which (tests/oidc).
OIDC = {}

JOB_RETRIES = 0
SSH_DOOR_PORT = 2222
