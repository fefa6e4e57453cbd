"""``manage.py operator NAME``: an account looks after the gateway, or no longer does."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User


class Command(BaseCommand):
    """For accounts of institutes above all, which ``createsuperuser`` can't make."""

    help = "Make an account an operator's; with --remove no longer one."

    def add_arguments(self, parser: CommandParser) -> None:
        """``NAME`` and ``--remove``."""
        parser.add_argument("name", help="the account's user name")
        parser.add_argument("--remove", action="store_true", help="no longer an operator")

    def handle(self, *args: Any, **options: Any) -> None:
        """The account is an operator's, or is not; CommandError when there is none."""
        found = User.objects.filter(username=options["name"])
        if not found.update(is_staff=not options["remove"], is_superuser=not options["remove"]):
            raise CommandError(f"There is no account “{options['name']}”.")
        self.stdout.write(f"{options['name']} is {'no longer' if options['remove'] else 'now'} an operator.")
