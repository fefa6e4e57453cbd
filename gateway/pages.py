"""A form that is refused goes back to the page it came from, with the reason on it."""

from collections.abc import Callable
from urllib.parse import urlsplit

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from common.errors import QuotaExceeded, StateConflict, UserError

SHOWN_BESIDE = (UserError, StateConflict, QuotaExceeded)


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
