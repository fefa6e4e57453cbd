"""Health, readiness and metrics."""

import pytest
from django.db import DatabaseError

from gateway import health


@pytest.fixture
def all_well(monkeypatch):
    for name in ("redis", "door", "disk"):
        monkeypatch.setitem(health.CHECKS, name, lambda: True)


def test_healthz_needs_nothing(client):
    assert client.get("/healthz").json() == {"status": "ok"}


def test_readyz_is_ok_when_every_part_answers(client, db, all_well):
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "database": "ok", "redis": "ok", "door": "ok", "disk": "ok"}


@pytest.mark.parametrize("part", ["redis", "door", "disk"])
def test_a_part_that_pages_can_do_without_degrades(client, db, all_well, monkeypatch, part):
    monkeypatch.setitem(health.CHECKS, part, lambda: False)
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["status"] == "degraded"
    assert answer.json()[part] == "failed"


def test_without_the_database_it_is_not_ready(client, all_well, monkeypatch):
    class Broken:
        def cursor(self):
            raise DatabaseError

    monkeypatch.setattr(health, "connection", Broken())
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["status"] == "failed"


def test_an_absent_redis_and_an_absent_door_are_seen(settings, tmp_path):
    settings.REDIS_URL = f"unix://{tmp_path / 'none.sock'}"
    settings.DOOR_CHECK_URL = "http://localhost:1"
    assert not health._redis_answers()
    assert not health._door_answers()


def test_metrics_are_for_this_machine(client, db):
    assert b"django_http_requests" in client.get("/metrics").content
    assert client.get("/metrics", headers={"X-Forwarded-For": "203.0.113.7"}).status_code == 404
    assert client.get("/metrics", REMOTE_ADDR="203.0.113.7").status_code == 404


def test_metrics_with_a_token_need_the_token(client, db, settings):
    settings.METRICS_TOKEN = "let me see"
    assert client.get("/metrics").status_code == 404
    assert client.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 404
    given = {"Authorization": "Bearer let me see"}
    assert client.get("/metrics", headers=given, REMOTE_ADDR="203.0.113.7").status_code == 200
