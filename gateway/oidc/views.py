"""To the institute and back, and out again."""

from typing import Any

import structlog
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.providers.base import AuthProcess
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from accounts.access_tokens import client_of
from accounts.id_tokens import logout_claims
from accounts.logins import end_sessions, sessions_named
from accounts.requests import PersonRequest
from accounts.views import HINTS
from common.errors import Forbidden, NotFound, PortolanError, Unavailable
from gateway.oidc.adapter import safe_next
from gateway.oidc.provider import InstituteExchange, configured

LONGEST_HINT = 1000

log = structlog.get_logger(__name__)


@never_cache
@require_POST
def start(request: HttpRequest, provider_id: str) -> HttpResponse:
    """The browser is on its way to the institute, and comes back to ``next``."""
    return _away(request, provider_id, AuthProcess.LOGIN)


@never_cache
@login_required
@require_POST
def start_link(request: PersonRequest, provider_id: str) -> HttpResponse:
    """The browser is on its way to the institute, whose login is then one more of this person's."""
    return _away(request, provider_id, AuthProcess.CONNECT, data=str(request.user.pk))


@never_cache
@require_GET
def callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    """The person is signed in, or told why not."""
    return Callback.adapter_view(InstituteExchange(request, provider_id))(request)


@csrf_exempt
@never_cache
@require_POST
def logout_told(request: HttpRequest, provider_id: str) -> HttpResponse:
    """The sessions that the institute ended are ended here (OpenID Connect Back-Channel Logout 1.0)."""
    try:
        provider = configured(provider_id)
        ended = end_sessions(sessions_named(provider, logout_claims(provider, request.POST.get("logout_token"))))
    except Unavailable:
        return JsonResponse({"error": "temporarily_unavailable"}, status=503)
    except NotFound as error:
        return JsonResponse({"error": "invalid_request", "error_description": error.message}, status=404)
    except PortolanError as error:
        log.warning("a logout token was refused", provider=provider_id, why=error.message)
        return JsonResponse({"error": "invalid_request", "error_description": error.message}, status=400)
    log.info("an institute ended sessions", provider=provider_id, sessions=ended)
    return HttpResponse(status=200)


class Callback(OAuth2CallbackView):
    """allauth's way back, with the issuer checked (RFC 9207) before the code is given away."""

    adapter: InstituteExchange

    def _get_state(self, request: HttpRequest, provider: Any) -> tuple[Any, HttpResponse | None]:
        state, refused = super()._get_state(request, provider)
        self.adapter.state = state or {}
        issuer = self.adapter.institute.issuer
        needed = client_of(self.adapter.institute).says("authorization_response_iss_parameter_supported")
        if state is not None and request.GET.get("iss", "" if needed else issuer) != issuer:
            raise Forbidden("This answer came from another provider.", code="login_refused")
        return state, refused


def _away(request: HttpRequest, provider_id: str, process: str, data: str | None = None) -> HttpResponse:
    configured(provider_id)
    provider = get_adapter(request).get_provider(request, provider=provider_id)
    hints = {name: request.POST[name] for name in HINTS if 0 < len(request.POST.get(name, "")) <= LONGEST_HINT}
    going = safe_next(request, request.POST.get("next"))
    return provider.redirect(request, process, next_url=going, data=data, hints=hints)
