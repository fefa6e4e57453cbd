"""Django's handle on the app."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, register

from accounts.providers import BadProvider, providers


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
