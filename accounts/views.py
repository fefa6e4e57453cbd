"""Pages of a person's account."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from accounts.forms import TokenForm
from accounts.requests import PersonRequest
from accounts.services import make_token, revoke_token


@login_required
@never_cache
def tokens(request: PersonRequest) -> HttpResponse:
    """The person's tokens; a POST makes one and shows its secret this once."""
    form = TokenForm(request.POST or None, initial={"scopes": ["read"], "days": 90})
    made: dict[str, object] = {}
    if request.method == "POST" and form.is_valid():
        token, secret = make_token(request.user, **form.cleaned_data)
        made = {"token": token, "secret": secret}
        form = TokenForm()
    mine = request.user.tokens.all()[:200]
    return render(request, "accounts/tokens.html", {"form": form, "tokens": mine, **made})


@login_required
@require_POST
def token_revoke(request: PersonRequest, token_id: UUID) -> HttpResponse:
    """The token can't be used any more."""
    revoke_token(request.user, token_id)
    messages.success(request, "The token is revoked.")
    return redirect("accounts:tokens")
