"""Django's handle on the app."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from accounts.providers import BadProvider, providers
from accounts.scopes import Scope


class AccountsConfig(AppConfig):
    """The ``accounts`` app."""

    name = "accounts"
    default_auto_field = "django.db.models.BigAutoField"


@register
def check_providers(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """The variables of the institutes' logins make sense, or what to change in them."""
    try:
        providers()
    except BadProvider as error:
        return [Error(error.message, hint=error.hint, id="accounts.E001")]
    return []


@register
def check_access_token_scopes(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """What institutes' access tokens may be used for is said in words that mean something."""
    unknown = sorted(set(settings.ACCESS_TOKEN_SCOPES) - set(Scope.values))
    if not unknown:
        return []
    hint = f"Choose from {', '.join(Scope.values)}."
    return [Error(f"ACCESS_TOKEN_SCOPES names {', '.join(unknown)}.", hint=hint, id="accounts.E002")]
