"""Pages of a person's account."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from accounts import guessing
from accounts.forms import TokenForm
from accounts.requests import PersonRequest
from accounts.services import make_token, revoke_token


class SignIn(LoginView):
    """The form to sign in; who has guessed too often is asked to wait, also with the right password."""

    template_name = "accounts/login.html"
    redirect_authenticated_user = True

    def post(self, request: HttpRequest, *args: str, **kwargs: Any) -> HttpResponse:
        """The person is signed in, or the form is shown again; TooOften after too many wrong passwords."""
        guessing.refuse_guessing(*self._who())
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """The person is signed in, and their earlier typing errors no longer count."""
        guessing.forget(*self._who())
        return super().form_valid(form)

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        """The form is shown again, and the try is counted."""
        guessing.note_failure(*self._who())
        return super().form_invalid(form)

    def _who(self) -> tuple[str, str]:
        return self.request.POST.get("username", ""), self.request.META.get("REMOTE_ADDR", "")


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
