"""Operators: who looks after the gateway itself. To everybody else their pages and addresses are not there."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from django.contrib.auth.decorators import login_required
from django.http.response import HttpResponseBase

from accounts.models import User
from accounts.requests import PersonRequest
from accounts.scopes import Scope
from common.errors import Forbidden, NotFound

P = ParamSpec("P")
R = TypeVar("R", bound=HttpResponseBase)
View = Callable[Concatenate[PersonRequest, P], R]


def check_operator(user: User) -> None:
    """Nothing happens for an operator; NotFound for others, Forbidden for a token that is too narrow."""
    if not user.is_staff:
        raise NotFound("There is nothing here.")
    if not user.allows_scope(Scope.ADMIN) or (user.token is not None and user.token.project_ids):
        hint = "Make a token with the scope “admin” that is not kept to some projects."
        raise Forbidden("This token can't be used for the gateway itself.", code="scope_missing", hint=hint)


def for_operators(view: View[P, R]) -> View[P, R]:
    """The page for operators; to others it is not there."""

    @login_required
    @wraps(view)
    def guarded(request: PersonRequest, *args: P.args, **kwargs: P.kwargs) -> R:
        check_operator(request.user)
        return view(request, *args, **kwargs)

    return guarded
