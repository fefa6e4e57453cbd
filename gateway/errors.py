"""Error → HTTP: the only place that knows the codes (RFC 9457 for the API, a page for people)."""

import logging
import uuid
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import DisallowedHost, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from rest_framework import exceptions
from rest_framework.response import Response

from common.errors import (
    Forbidden,
    NotFound,
    PortolanError,
    QuotaExceeded,
    StateConflict,
    TooOften,
    Unavailable,
    Unprocessable,
    UserError,
)

log = logging.getLogger(__name__)

STATUS: dict[type[PortolanError], int] = {
    UserError: 400,
    Forbidden: 403,
    NotFound: 404,
    StateConflict: 409,
    QuotaExceeded: 413,
    Unprocessable: 422,
    TooOften: 429,
    Unavailable: 503,
}
PROBLEM_TYPE = "application/problem+json"
API_PREFIX = "/api/"
RETRY_SECONDS = 10
KEPT_HEADERS = frozenset({"Allow", "Content-Range", "Retry-After", "WWW-Authenticate"})
# Answers that Django itself gives before a view is found or after it failed: status -> (code, what is wrong).
DJANGO_SAYS: dict[int, tuple[str, str]] = {
    400: ("bad_request", "The request could not be understood."),
    403: ("forbidden", "This is not allowed."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not know this method."),
    413: ("too_large", "The body of the request is too large."),
    416: ("range_outside", "The file does not have the bytes that were asked for."),
}


def status_of(error: PortolanError) -> int:
    """The HTTP status of an error's family."""
    return next((code for family, code in STATUS.items() if isinstance(error, family)), 500)


def problem_document(error: PortolanError, status: int, instance: str) -> dict[str, Any]:
    """The RFC 9457 problem document of ``error``: ``code`` is stable, ``detail`` says what, ``hint`` what to do."""
    document: dict[str, Any] = {
        "type": f"https://portolan.science/problems/{error.code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": error.code,
        "detail": error.message,
        "instance": instance,
    }
    if error.hint:
        document["hint"] = error.hint
    if error.errors:
        document["errors"] = error.errors
    return document


def problem(exc: Exception, context: dict[str, Any]) -> Response | None:
    """The answer to any expected error of an API view; None lets ``ApiProblemMiddleware`` make it a 500."""
    error, headers = _translate(exc)
    if error is None:
        return None
    status = exc.status_code if isinstance(exc, exceptions.APIException) else status_of(error)
    body = problem_document(error, status, context["request"].path)
    return Response(body, status=status, headers=headers, content_type=PROBLEM_TYPE)


def retry_headers(error: PortolanError) -> dict[str, str]:
    """``Retry-After`` where trying again later may help."""
    seconds = error.wait or (RETRY_SECONDS if isinstance(error, Unavailable) else 0)
    return {"Retry-After": str(seconds)} if seconds else {}


def problem_response(error: PortolanError, status: int, instance: str) -> JsonResponse:
    """The same answer outside the views of the API."""
    document = problem_document(error, status, instance)
    return JsonResponse(document, status=status, content_type=PROBLEM_TYPE, headers=retry_headers(error))


def too_large(limit: int) -> PortolanError:
    """What is said of a body of more than ``limit`` bytes."""
    message = f"The body of a request has at most {limit // 1024} KiB."
    return PortolanError(message, code="too_large", hint="Files go to the door: make an upload and send them there.")


def _translate(exc: Exception) -> tuple[PortolanError | None, dict[str, str]]:
    if isinstance(exc, PortolanError):
        return exc, retry_headers(exc)
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
        headers["Retry-After"] = str(max(1, round(exc.wait)))  # type: ignore[attr-defined]
    if isinstance(exc, exceptions.ValidationError):
        errors = _flatten(exc.detail)
        words = "; ".join(f"{field}: {' '.join(said)}" for field, said in list(errors.items())[:3])
        return PortolanError(f"Some values are not right. {words}", code="invalid", errors=errors), headers
    code = getattr(exc.detail, "code", exc.default_code)
    return PortolanError(str(exc.detail), code=str(code)), headers


def _flatten(detail: Any, prefix: str = "") -> dict[str, list[str]]:
    if isinstance(detail, dict):
        found: dict[str, list[str]] = {}
        for key, value in detail.items():
            found.update(_flatten(value, f"{prefix}.{key}" if prefix else str(key)))
        return found
    if isinstance(detail, list) and any(isinstance(value, dict | list) for value in detail):
        return _flatten({str(place): value for place, value in enumerate(detail) if value}, prefix)
    values = detail if isinstance(detail, list) else [detail]
    return {prefix or "non_field_errors": [str(value) for value in values]}


class ApiProblemMiddleware:
    """What is under ``/api/`` answers an error with a problem document, whoever found it. Stands outermost."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:  # noqa: D102
        if not request.path.startswith(API_PREFIX):
            return self.get_response(request)
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        if _length(request) > limit:
            return problem_response(too_large(limit), 413, request.path)
        try:
            request.get_host()
        except DisallowedHost:
            return problem_response(UserError("This host is not served here.", code="bad_host"), 400, request.path)
        response = self.get_response(request)
        for name, value in getattr(request, "rate_limit", {}).items():
            response.headers[name] = value
        response.headers.setdefault("Cache-Control", "no-store")
        if response.status_code < 400 or not response.headers.get("Content-Type", "").startswith("text/html"):
            return response
        if response.status_code >= 500:
            return _unexpected(request, None, response.status_code)
        code, words = DJANGO_SAYS.get(response.status_code, ("error", response.reason_phrase))
        told = problem_response(PortolanError(words, code=code), response.status_code, request.path)
        for name in KEPT_HEADERS & set(response.headers):
            told.headers[name] = response.headers[name]
        return told

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """The answer to what a view outside the REST framework raised, and to what nobody expected."""
        if not request.path.startswith(API_PREFIX) or isinstance(exception, Http404 | PermissionDenied):
            return None
        if isinstance(exception, PortolanError):
            return problem_response(exception, status_of(exception), request.path)
        return _unexpected(request, exception, 500)


def _unexpected(request: HttpRequest, exception: Exception | None, status: int) -> HttpResponse:
    """The reasons are in the log only, under a number that the answer tells."""
    number = uuid.uuid4().hex
    log.error("Unexpected error %s at %s %s", number, request.method, request.path, exc_info=exception)
    hint = f"Tell the operator this number: {number}."
    error = PortolanError("Something went wrong on our side.", code="internal_error", hint=hint)
    document = problem_document(error, status, request.path) | {"error_id": number}
    return JsonResponse(document, status=status, content_type=PROBLEM_TYPE)


def _length(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0


class PageErrorMiddleware:
    """Pages answer an expected error with its page and its status."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:  # noqa: D102
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """The error page for the families of ``common.errors``; anything else stays a 500."""
        if not isinstance(exception, PortolanError) or request.path.startswith(API_PREFIX):
            return None
        status = status_of(exception)
        response = render(request, "error.html", {"error": exception, "status": status}, status=status)
        for name, value in retry_headers(exception).items():
            response.headers[name] = value
        return response
