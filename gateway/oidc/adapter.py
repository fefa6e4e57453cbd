"""Where django-allauth hands over: the account is found by (issuer, subject) in ``accounts``, and by nothing else.

Its own tables stay empty: ``ExternalIdentity`` is the one truth about who an institute's login is.
"""

from typing import Any, NoReturn
from urllib.parse import urlencode

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from allauth.socialaccount.providers.base import AuthError, AuthProcess
from django.contrib import messages
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponseRedirect
from django.shortcuts import render, resolve_url
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from requests import RequestException

from accounts.logins import SESSION, link, log_in, note_session
from accounts.providers import Provider, providers
from accounts.views import LAST_CHOICE
from common.errors import Forbidden, PortolanError, Unavailable, UserError
from gateway.oidc.provider import configured

BACKEND = "django.contrib.auth.backends.ModelBackend"
LAST_CHOICE_SECONDS = 365 * 24 * 3600


class InstituteLogin(DefaultSocialAccountAdapter):
    """The providers come from the environment; a login ends in our own services."""

    def list_apps(self, request: HttpRequest, provider: str | None = None, client_id: str | None = None) -> list[Any]:
        """The configured providers, as allauth wants them told; its table is not asked."""
        wanted = (None, "openid_connect")
        return [_app(one) for one in providers() if provider in wanted or provider == one.id]

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> NoReturn:
        """The person is signed in, or the login is linked, and the browser goes on; allauth does no more."""
        provider = configured(sociallogin.account.provider)
        told, state = sociallogin.account.extra_data, sociallogin.state
        words = (provider, sociallogin.account.uid, told["userinfo"], sociallogin.token.token_secret)
        going = safe_next(request, state.get("next"))
        if state.get("process") == AuthProcess.CONNECT:
            user = request.user
            if not user.is_authenticated or str(user.pk) != state.get("data"):
                raise Forbidden("Somebody else is signed in now than who began to link.", code="login_refused")
            link(user, *words)
            messages.success(request, f"You can sign in with {provider.name} from now on.")
            raise ImmediateHttpResponse(HttpResponseRedirect(going))
        try:
            identity = log_in(*words)
        except Forbidden as error:
            if error.code != "entitlement_missing":
                raise
            page = render(request, "accounts/gate.html", {"institute": provider}, status=403)
            raise ImmediateHttpResponse(page) from None
        login(request, identity.user, backend=BACKEND)  # with a new session key
        note_session(identity, told["id_token"].get("sid"), str(request.session.session_key))
        request.session[SESSION] = {"provider": provider.id, "id_token": told["raw"]}
        answer = HttpResponseRedirect(going)
        answer.set_cookie(
            LAST_CHOICE, provider.id, LAST_CHOICE_SECONDS, secure=request.is_secure(), httponly=True, samesite="Lax"
        )
        raise ImmediateHttpResponse(answer)

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: str | None = None,
        exception: Exception | None = None,
        extra_context: dict[str, Any] | None = None,
    ) -> NoReturn:
        """Who changed their mind is back at the sign-in page; else an error says what to do."""
        if isinstance(exception, PortolanError):
            raise exception
        if isinstance(exception, RequestException):
            raise Unavailable(
                f"{provider.name} does not answer.", code="provider_unavailable", hint="Try again in a moment."
            )
        state = (extra_context or {}).get("state") or {}
        if error == AuthError.CANCELLED:
            messages.info(request, f"You did not sign in with {provider.name}.")
            back = f"{reverse('accounts:login')}?{urlencode({'next': safe_next(request, state.get('next'))})}"
            raise ImmediateHttpResponse(HttpResponseRedirect(back))
        message = f"The sign-in with {provider.name} was not completed: it is too old, or was used before."
        raise UserError(message, code="login_not_completed", hint="Go to the sign-in page and begin again.")


def safe_next(request: HttpRequest, wanted: object) -> str:
    """``wanted`` when it is a page of this portal, else the start page."""
    text = wanted if isinstance(wanted, str) else ""
    fine = url_has_allowed_host_and_scheme(text, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return text if fine else resolve_url("home")


def _app(provider: Provider) -> SocialApp:
    return SocialApp(
        provider="openid_connect",
        provider_id=provider.id,
        name=provider.name,
        client_id=provider.client_id,
        secret=provider.client_secret,
        settings={"server_url": provider.issuer, "scope": list(provider.scopes), "oauth_pkce_enabled": True},
    )
