"""An institute's provider as django-allauth sees it: with a nonce, and with nothing that a query can change."""

import secrets
from typing import Any

from allauth.socialaccount.models import SocialAccount, SocialLogin, SocialToken
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from accounts.access_tokens import client_of
from accounts.id_tokens import id_token_claims
from accounts.models import User
from accounts.provider_client import NotAccepted, ProviderClient
from accounts.providers import Provider, provider_called
from common.errors import Forbidden, NotFound


def configured(provider_id: str) -> Provider:
    """The provider of this id; NotFound when there is none."""
    found = provider_called(provider_id)
    if found is None:
        raise NotFound("This portal has no such login.", code="provider_not_found")
    return found


class InstituteExchange(OpenIDConnectOAuth2Adapter):
    """The exchange with one provider; its addresses and keys are those that the REST interface uses as well."""

    basic_auth = True
    # The state of this sign-in, put here when it was taken out of the session.
    state: dict[str, Any]

    def __init__(self, request: HttpRequest, provider_id: str) -> None:
        super().__init__(request, provider_id)
        self.institute = configured(provider_id)

    @property
    def _client(self) -> ProviderClient:
        return client_of(self.institute)

    @property
    def access_token_url(self) -> str:
        """Where the code is given for tokens."""
        return self._client.endpoint("token_endpoint")

    @property
    def authorize_url(self) -> str:
        """Where the browser is sent to."""
        return self._client.endpoint("authorization_endpoint")

    def get_callback_url(self, request: HttpRequest, app: object) -> str:
        """Where the browser comes back to."""
        return request.build_absolute_uri(reverse("oidc:callback", args=[self.provider_id]))

    def complete_login(self, request: HttpRequest, app: object, token: SocialToken, **words: Any) -> SocialLogin:
        """Who signed in, with all that was told checked; Forbidden otherwise. Nobody is looked up here."""
        told = id_token_claims(self.institute, words["response"].get("id_token"), str(self.state.get("nonce") or ""))
        try:
            claims = self._client.userinfo(token.token)
        except NotAccepted:
            raise Forbidden(f"{self.institute.name} does not accept its own token.", code="login_refused") from None
        if claims.get("sub") != told["sub"]:  # OpenID Connect Core 5.3.2
            raise Forbidden(f"{self.institute.name} told of two people.", code="login_refused")
        kept = {"userinfo": claims, "id_token": told, "raw": words["response"]["id_token"]}
        account = SocialAccount(provider=self.provider_id, uid=told["sub"], extra_data=kept)
        return SocialLogin(account=account, user=User())


class InstituteProvider(OpenIDConnectProvider):
    """Code flow with PKCE (S256), state and nonce."""

    oauth2_adapter_class = InstituteExchange
    pkce_enabled_default = True

    def redirect(
        self, request: HttpRequest, process: str, next_url: str | None = None, data: Any = None, **kwargs: Any
    ) -> HttpResponse:
        """The browser is sent to the provider; ``hints`` go along, and no parameter of the request does."""
        nonce = secrets.token_urlsafe(32)
        scope = self.get_scope()
        asked = {**kwargs.pop("hints", {}), "nonce": nonce}
        if "offline_access" in scope:  # OpenID Connect Core 11
            asked["prompt"] = "consent"
        return super().redirect(request, process, next_url, data, scope=scope, auth_params=asked, nonce=nonce, **kwargs)
