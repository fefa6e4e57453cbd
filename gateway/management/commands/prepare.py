"""``manage.py prepare``: tables, static files and default rows of an instance."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from gateway.running.setup import prepare


class Command(BaseCommand):
    """Can be repeated; what is there is kept."""

    help = "Make this instance ready: tables, static files, default sites."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """``--no-static``: the static files come with the image."""
        parser.add_argument("--no-static", action="store_true", help="leave the static files as they are")

    def handle(self, *args: Any, **options: Any) -> None:
        """The instance is ready to be started."""
        prepare(static=not options["no_static"])
