"""The page of a person's tokens: it stands here, since each may be kept to some of the person's projects."""

from datetime import timedelta
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from accounts.forms import TokenForm
from accounts.limits import count_token
from accounts.models import ApiToken
from accounts.requests import PersonRequest
from accounts.scopes import Scope
from accounts.services import make_token, revoke_all, revoke_token
from projects.models import Project

SOON = timedelta(days=14)
SHOWN_ENDED = 100
MOST_PROJECTS = 500


@login_required
@never_cache
def tokens(request: PersonRequest) -> HttpResponse:
    """The person's tokens; a POST makes one and shows its secret this once."""
    projects = Project.objects.visible_to(request.user).order_by("name", "id")[:MOST_PROJECTS]
    form = TokenForm(request.POST or None, projects=projects)
    made: dict[str, object] = {}
    if request.method == "POST" and form.is_valid():
        count_token(request.user.pk)
        token, secret = make_token(request.user, **form.wanted())
        made = {"token": token, "secret": secret}
        form = TokenForm(projects=projects)
    return render(request, "projects/tokens.html", {"form": form, "scopes": Scope, **_mine(request), **made})


@login_required
@require_POST
def token_revoke(request: PersonRequest, token_id: UUID) -> HttpResponse:
    """The token can't be used any more."""
    revoke_token(request.user, token_id)
    messages.success(request, "The token is revoked.")
    return redirect("projects:tokens")


@login_required
@require_POST
def tokens_revoke(request: PersonRequest) -> HttpResponse:
    """None of the person's tokens can be used any more."""
    count = revoke_all(request.user)
    messages.success(request, f"{count} token{' is' if count == 1 else 's are'} revoked.")
    return redirect("projects:tokens")


def _mine(request: PersonRequest) -> dict[str, object]:
    """The tokens that work, and apart from them those that don't any more; each with its projects' names."""
    now = timezone.now()
    working = list(request.user.tokens.filter(revoked_at=None, expires_at__gt=now))
    ended = list(request.user.tokens.exclude(revoked_at=None, expires_at__gt=now)[:SHOWN_ENDED])
    asked = {name for token in working + ended for name in token.project_ids}
    names = {
        str(pk): name
        for pk, name in Project.objects.visible_to(request.user).filter(pk__in=asked).values_list("pk", "name")
    }
    return {
        "working": [_row(token, names) | {"soon": token.expires_at < now + SOON} for token in working],
        "ended": [_row(token, names) for token in ended],
    }


def _row(token: ApiToken, names: dict[str, str]) -> dict[str, object]:
    known = [names[name] for name in token.project_ids if name in names]
    return {"token": token, "projects": known, "beyond": len(token.project_ids) - len(known)}
