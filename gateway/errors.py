"""Error → HTTP: the only place that knows the codes (RFC 9457 for the API, a page for people)."""

from collections.abc import Callable
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from rest_framework import exceptions
from rest_framework.response import Response

from common.errors import (
    Forbidden,
    NotFound,
    PortolanError,
    QuotaExceeded,
    StateConflict,
    Unavailable,
    UserError,
)

STATUS: dict[type[PortolanError], int] = {
    UserError: 400,
    Forbidden: 403,
    NotFound: 404,
    StateConflict: 409,
    QuotaExceeded: 413,
    Unavailable: 503,
}
PROBLEM_TYPE = "application/problem+json"


def status_of(error: PortolanError) -> int:
    """The HTTP status of an error's family."""
    return next((code for family, code in STATUS.items() if isinstance(error, family)), 500)


def problem_document(error: PortolanError, status: int, instance: str) -> dict[str, Any]:
    """The RFC 9457 problem document of ``error``, with a stable ``code``."""
    document: dict[str, Any] = {
        "type": f"https://portolan.science/problems/{error.code}",
        "title": error.message,
        "status": status,
        "code": error.code,
        "detail": error.hint or error.message,
        "instance": instance,
    }
    if error.errors:
        document["errors"] = error.errors
    return document


def problem(exc: Exception, context: dict[str, Any]) -> Response | None:
    """The answer to any expected error of an API view; None lets Django make it a 500."""
    error, headers = _translate(exc)
    if error is None:
        return None
    status = exc.status_code if isinstance(exc, exceptions.APIException) else status_of(error)
    body = problem_document(error, status, context["request"].path)
    return Response(body, status=status, headers=headers, content_type=PROBLEM_TYPE)


def _translate(exc: Exception) -> tuple[PortolanError | None, dict[str, str]]:
    if isinstance(exc, PortolanError):
        return exc, {"Retry-After": "10"} if isinstance(exc, Unavailable) else {}
    if isinstance(exc, Http404):
        return NotFound("There is nothing here."), {}
    if isinstance(exc, PermissionDenied):
        return Forbidden(str(exc) or "This is not allowed."), {}
    if not isinstance(exc, exceptions.APIException):
        return None, {}
    headers = {}
    if getattr(exc, "auth_header", None):
        headers["WWW-Authenticate"] = exc.auth_header  # type: ignore[attr-defined]
    if getattr(exc, "wait", None):
        headers["Retry-After"] = str(int(exc.wait))  # type: ignore[attr-defined]
    if isinstance(exc, exceptions.ValidationError):
        errors = _flatten(exc.detail)
        return PortolanError("Some values are not right.", code="invalid", errors=errors), headers
    return PortolanError(str(exc.detail), code=str(exc.default_code)), headers


def _flatten(detail: Any, prefix: str = "") -> dict[str, list[str]]:
    if isinstance(detail, dict):
        found: dict[str, list[str]] = {}
        for key, value in detail.items():
            found.update(_flatten(value, f"{prefix}.{key}" if prefix else str(key)))
        return found
    values = detail if isinstance(detail, list) else [detail]
    return {prefix or "non_field_errors": [str(value) for value in values]}


class PageErrorMiddleware:
    """Pages answer an expected error with its page and its status."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:  # noqa: D102
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """The error page for the families of ``common.errors``; anything else stays a 500."""
        if not isinstance(exception, PortolanError):
            return None
        status = status_of(exception)
        return render(request, "error.html", {"error": exception, "status": status}, status=status)
