"""Logs: one JSON object a line (``LOG_FORMAT=console`` for reading along), with the request's id and no secret."""

import logging.config
import re
import time
import uuid
from collections.abc import Callable
from typing import Any

import structlog
from celery import signals
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from structlog.types import EventDict, Processor, WrappedLogger

HEADER = "X-Request-ID"
GOOD_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
# Personal tokens, any bearer token, an upload's address, a password in a URL.
SECRET = re.compile(
    r"ptl_[A-Za-z0-9_-]{6,}|(?<=[Bb]earer )\S+|(?<=/uploads/)[A-Za-z0-9_-]{20,}|(?<=://)[^/@\s:]*:[^/@\s]+(?=@)"
)
SECRET_NAMES = frozenset({"password", "token", "secret", "authorization", "cookie", "set-cookie", "secret_key"})
QUIET_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})

log = structlog.get_logger("portolan.request")


def without_secrets(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """The event with everything that looks like a secret replaced by “…”."""
    return {key: "…" if key.lower() in SECRET_NAMES else _clean(value) for key, value in event.items()}


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return SECRET.sub("…", value)
    if isinstance(value, dict):
        return {key: "…" if str(key).lower() in SECRET_NAMES else _clean(item) for key, item in value.items()}
    return [_clean(item) for item in value] if isinstance(value, list | tuple) else value


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def logging_settings(style: str) -> dict[str, Any]:
    """Django's LOGGING for ``json`` or ``console`` lines, through structlog for every library's records too."""
    renderer: Processor = structlog.dev.ConsoleRenderer() if style == "console" else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": _shared(),
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            without_secrets,
            renderer,
        ],
    }
    own = {"handlers": ["stderr"], "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"structured": formatter},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": "INFO"},
        "loggers": {
            "uvicorn": own | {"level": "INFO"},
            "uvicorn.error": {"handlers": [], "propagate": True},
            "django": own | {"level": "INFO"},
            # Refusals are answers, not incidents; their line is the request's.
            "django.request": own | {"level": "ERROR"},
            **{name: own | {"level": "WARNING"} for name in ("httpx", "httpx2", "asyncssh")},
        },
    }


class RequestLogMiddleware:
    """Every answer carries its request's id, and one line says what was asked, by whom, and how it ended."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:  # noqa: D102
        given = request.headers.get(HEADER, "")
        request_id = given if GOOD_ID.fullmatch(given) else uuid.uuid4().hex
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        began = time.monotonic()
        response = self.get_response(request)
        response[HEADER] = request_id
        if request.path not in QUIET_PATHS and not request.path.startswith("/static/"):
            _note(request, response, time.monotonic() - began)
        return response


def _note(request: HttpRequest, response: HttpResponse, seconds: float) -> None:
    user = getattr(request, "user", None)
    log.info(
        "request",
        method=request.method,
        path=request.path,
        status=response.status_code,
        ms=round(seconds * 1000, 1),
        user=str(user.pk) if user is not None and user.is_authenticated else None,
    )


def connect_celery() -> None:
    """Celery's processes log as the portal does, and a task's lines carry the id of the request behind it."""
    signals.setup_logging.connect(_set_up, weak=False)
    signals.before_task_publish.connect(_send_id, weak=False)
    signals.task_prerun.connect(_take_id, weak=False)


def _set_up(**_: Any) -> None:
    logging.config.dictConfig(settings.LOGGING)


def _send_id(headers: dict[str, Any] | None = None, **_: Any) -> None:
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    if headers is not None and request_id:
        headers["request_id"] = request_id


def _take_id(task_id: str = "", task: Any = None, **_: Any) -> None:
    structlog.contextvars.clear_contextvars()
    request_id = getattr(task.request, "request_id", None) or (task.request.headers or {}).get("request_id")
    structlog.contextvars.bind_contextvars(task=task.name, task_id=task_id)
    if request_id:
        structlog.contextvars.bind_contextvars(request_id=request_id)
