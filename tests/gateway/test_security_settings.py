"""What the settings make of a portal with a public https address."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = (
    "SESSION_COOKIE_SECURE", "SESSION_COOKIE_HTTPONLY", "SESSION_COOKIE_SAMESITE", "SESSION_COOKIE_AGE",
    "CSRF_COOKIE_SECURE", "CSRF_COOKIE_SAMESITE", "SECURE_HSTS_SECONDS", "SECURE_SSL_REDIRECT",
    "SECURE_CONTENT_TYPE_NOSNIFF", "X_FRAME_OPTIONS", "SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME", "CSRF_COOKIE_HTTPONLY",
)  # fmt: skip


def settings_of(tmp_path, url: str, **more: str) -> dict[str, object]:
    """The settings of a portal whose address is ``url``."""
    code = f"import json; from gateway import settings; print(json.dumps({{n: getattr(settings, n) for n in {NAMES}}}))"
    env = {"PATH": os.environ["PATH"], "PORTOLAN_HOME": str(tmp_path), "PORTAL_URL": url} | more
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=True
    )
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture
def public(tmp_path):
    return settings_of(tmp_path, "https://portolan.example.org")


def test_cookies_of_a_public_portal_are_safe(public):
    assert public["SESSION_COOKIE_SECURE"]
    assert public["CSRF_COOKIE_SECURE"]
    assert public["SESSION_COOKIE_HTTPONLY"]
    assert public["CSRF_COOKIE_HTTPONLY"]
    assert public["SESSION_COOKIE_NAME"].startswith("__Host-")
    assert public["CSRF_COOKIE_NAME"].startswith("__Host-")
    assert public["SESSION_COOKIE_SAMESITE"] == public["CSRF_COOKIE_SAMESITE"] == "Lax"
    assert public["SESSION_COOKIE_AGE"] <= 12 * 3600


def test_a_public_portal_insists_on_https(public):
    assert public["SECURE_HSTS_SECONDS"] >= 180 * 24 * 3600
    assert public["SECURE_CONTENT_TYPE_NOSNIFF"]
    assert public["X_FRAME_OPTIONS"] == "DENY"


def test_a_portal_at_home_works_without_https(tmp_path):
    home = settings_of(tmp_path, "http://localhost:8000")
    assert not home["SESSION_COOKIE_SECURE"]
    assert home["SECURE_HSTS_SECONDS"] == 0


def test_the_time_that_browsers_insist_on_https_can_be_set(tmp_path):
    found = settings_of(tmp_path, "https://portolan.example.org", HSTS_SECONDS="60")
    assert found["SECURE_HSTS_SECONDS"] == 60
