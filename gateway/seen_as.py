"""Looking at a project as somebody with a weaker role would: it only narrows, and nothing can be changed meanwhile."""

from collections.abc import Callable
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from common.errors import Forbidden
from gateway.errors import API_PREFIX, problem_response

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class SeenAsMiddleware:
    """The session's ``seen_as`` narrows the person's role in that project; ``request.seen_as`` is for the banner."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:  # noqa: D102
        seen = request.session.get("seen_as")
        if seen is None or not request.user.is_authenticated:
            return self.get_response(request)
        request.seen_as = seen  # type: ignore[attr-defined]
        request.user.seen_as = (UUID(seen["project"]), seen["role"])
        ways_out = {reverse("projects:look_as_self"), reverse("accounts:logout")}
        if request.method in SAFE or request.path in ways_out:
            return self.get_response(request)
        hint = "End it with the button at the top of each page."
        error = Forbidden(
            f"You look at “{seen['name']}” as a {seen['role']} would; nothing can be changed meanwhile.",
            code="seen_as",
            hint=hint,
        )
        if request.path.startswith(API_PREFIX):
            return problem_response(error, 403, request.path)
        return render(request, "error.html", {"error": error, "status": 403}, status=403)
