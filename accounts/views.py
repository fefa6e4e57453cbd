"""Pages of a person's account."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from accounts import guessing
from accounts.access_tokens import client_of
from accounts.logins import SESSION, unlink, ways_in
from accounts.providers import provider_called, provider_of, providers
from accounts.requests import PersonRequest
from common.errors import Forbidden, Unavailable

LAST_CHOICE = "portolan_login"
# AARC-G061 and, before it, AARC-G049: which of its own institutes a proxy should offer first.
HINTS = ("aarc_idp_hint", "idphint")


class SignIn(LoginView):
    """The form to sign in; who has guessed too often is asked to wait, also with the right password."""

    template_name = "accounts/login.html"
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The institutes, the one asked for (``?idp=``) or chosen last first, and whether passwords are for anybody."""
        asked = self.request.GET.get("idp") or self.request.COOKIES.get(LAST_CHOICE)
        institutes = sorted(providers(), key=lambda provider: provider.id != asked)
        hints = {name: self.request.GET[name] for name in HINTS if name in self.request.GET}
        here = {"institutes": institutes, "hints": hints, "local": settings.LOCAL_ACCOUNTS, "asked": asked}
        return super().get_context_data(**here, **kwargs)

    def post(self, request: HttpRequest, *args: str, **kwargs: Any) -> HttpResponse:
        """The person is signed in, or the form is shown again; TooOften after too many wrong passwords."""
        if not settings.LOCAL_ACCOUNTS:
            raise Forbidden("This portal has no passwords of its own.", code="no_passwords", hint="Use your institute.")
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


class SignOut(LogoutView):
    """The session ends here, and at the institute that began it where that can be asked for."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The person is signed out; the browser is sent to the institute's own page for it, if there is one."""
        began = request.session.get(SESSION)
        answer = super().post(request, *args, **kwargs)
        away = _sign_out_address(began if isinstance(began, dict) else {})
        return HttpResponseRedirect(away) if away else answer


def _sign_out_address(began: dict[str, str]) -> str:
    """Where the institute signs out (OpenID Connect RP-Initiated Logout 1.0); "" when it can't be asked."""
    provider = provider_called(began.get("provider", ""))
    if provider is None:
        return ""
    try:
        address = client_of(provider).endpoint("end_session_endpoint")
    except Unavailable:
        return ""
    back = settings.PORTAL_URL + reverse("accounts:login")
    words = {"id_token_hint": began["id_token"], "client_id": provider.client_id, "post_logout_redirect_uri": back}
    return f"{address}?{urlencode(words)}" if address else ""


@login_required
@never_cache
def account(request: PersonRequest) -> HttpResponse:
    """The person's own account: which logins lead to it, and which more could."""
    known = [(one, provider_of(one.issuer)) for one in request.user.identities.order_by("created_at")]
    there = {"identities": known, "institutes": providers(), "removable": ways_in(request.user) > 1}
    password = settings.LOCAL_ACCOUNTS and request.user.has_usable_password()
    return render(request, "accounts/account.html", {**there, "password": password})


@login_required
@require_POST
def identity_unlink(request: PersonRequest, identity_id: UUID) -> HttpResponse:
    """The login leads to this account no more."""
    unlink(request.user, identity_id)
    messages.success(request, "The login is unlinked.")
    return redirect("accounts:account")
