"""``manage.py prepare``: tables, static files and default rows of an instance."""

from typing import Any

from django.core.management.base import BaseCommand

from gateway.running.setup import prepare


class Command(BaseCommand):
    """Can be repeated; what is there is kept."""

    help = "Make this instance ready: tables, static files, default sites."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """The instance is ready to be started."""
        prepare()
