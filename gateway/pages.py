"""What all pages share: nobody else keeps them, odd text is refused, and a refused form goes back to its page."""

from collections.abc import Callable
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from accounts.models import User
from accounts.policy import must_accept
from common.errors import QuotaExceeded, StateConflict, UserError

BEFORE_POLICY = frozenset({"/policy/", "/logout/", "/healthz", "/readyz", "/metrics"})
SHOWN_BESIDE = (UserError, StateConflict, QuotaExceeded)


def shared(request: HttpRequest) -> dict[str, object]:
    """What every template knows."""
    return {"has_policy": bool(settings.USAGE_POLICY_FILE)}


class PrivatePagesMiddleware:
    """Pages are kept by no shared cache and shown again only after asking; NUL, which no database takes, is refused."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:  # noqa: D102
        if request.path.startswith("/api/"):
            return self.get_response(request)
        if any("\0" in text for given in (request.GET, request.POST) for name in given for text in given.getlist(name)):
            error = UserError("The request holds a character that no text has (NUL).", code="bad_text")
            return render(request, "error.html", {"error": error, "status": 400}, status=400)
        response = self.get_response(request)
        response.headers.setdefault("Cache-Control", "private, no-cache")
        return response


class UsagePolicyMiddleware:
    """Who is signed in accepts the usage policy before any other page; then the page asked for comes."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:  # noqa: D102
        free = request.path.startswith(("/api/", settings.STATIC_URL)) or request.path in BEFORE_POLICY
        if free or not isinstance(request.user, User) or must_accept(request.user) is None:
            return self.get_response(request)
        asked = request.get_full_path() if request.method == "GET" and not request.headers.get("HX-Request") else "/"
        where = f"{reverse('accounts:policy')}?{urlencode({'next': asked})}"
        if request.headers.get("HX-Request"):
            return HttpResponse(headers={"HX-Redirect": where})
        return HttpResponseRedirect(where)


class RefusedFormMiddleware:
    """Small forms need no error handling of their own; pages with many fields show their errors beside them."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:  # noqa: D102
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """The page the form was on, when it is one of ours; None leaves the error to its own page."""
        came_from = urlsplit(request.headers.get("Referer", ""))
        ours = came_from.netloc == request.get_host() and not request.path.startswith("/api/")
        if request.method != "POST" or not ours or not isinstance(exception, SHOWN_BESIDE):
            return None
        messages.error(request, f"{exception.message} {exception.hint}".strip())
        return HttpResponseRedirect(came_from._replace(scheme="", netloc="", fragment="").geturl(), status=303)
