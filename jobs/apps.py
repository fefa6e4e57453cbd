"""Django's handle on the app."""

from django.apps import AppConfig
from django.core import checks

from jobs.registry import check_tools


class JobsConfig(AppConfig):
    """The ``jobs`` app."""

    name = "jobs"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """``manage.py check`` looks at the tools too."""
        checks.register(check_tools, "jobs")
