"""``/healthz``: this process answers. ``/readyz``: what it stands on answers too. ``/metrics``: for monitoring."""

import hmac
import ipaddress
import shutil
from collections.abc import Callable

import httpx
import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.cache import never_cache
from django_prometheus.exports import ExportToDjangoView

LEAST_FREE_BYTES = 1_000_000_000
CHECK_SECONDS = 2.0


@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """200 as long as the process answers."""
    return JsonResponse({"status": "ok"})


@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when the database answers, 503 when not; ``degraded`` names what else does not.

    Without Redis jobs start late, without the door nothing can be uploaded, on a full disk no job starts: pages and
    results can still be looked at, so requests should keep coming.
    """
    parts = {name: "ok" if check() else "failed" for name, check in CHECKS.items()}
    failed = [name for name, word in parts.items() if word != "ok"]
    word = "failed" if "database" in failed else "degraded" if failed else "ok"
    return JsonResponse({"status": word, **parts}, status=503 if word == "failed" else 200)


@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' text, for this machine and for who holds ``METRICS_TOKEN``; 404 for everybody else."""
    if not _may_see_metrics(request):
        raise Http404
    return ExportToDjangoView(request)


def _may_see_metrics(request: HttpRequest) -> bool:
    given = request.headers.get("Authorization", "")
    if settings.METRICS_TOKEN:
        return hmac.compare_digest(given.encode(), f"Bearer {settings.METRICS_TOKEN}".encode())
    try:
        near = ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        near = False
    return near and "X-Forwarded-For" not in request.headers


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def _redis_answers() -> bool:
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=CHECK_SECONDS, socket_connect_timeout=CHECK_SECONDS
    )
    try:
        return bool(client.ping())
    except (redis.RedisError, OSError):
        return False
    finally:
        client.close()


def _door_answers() -> bool:
    try:
        httpx.options(f"{settings.DOOR_CHECK_URL}/uploads/", timeout=CHECK_SECONDS)
    except httpx.HTTPError:
        return False
    return True


def _disk_has_room() -> bool:
    try:
        return shutil.disk_usage(settings.PORTOLAN_HOME).free >= LEAST_FREE_BYTES
    except OSError:
        return False


CHECKS: dict[str, Callable[[], bool]] = {
    "database": _database_answers,
    "redis": _redis_answers,
    "door": _door_answers,
    "disk": _disk_has_room,
}

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
]
