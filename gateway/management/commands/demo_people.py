"""``manage.py demo_people``: the accounts of a demo."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from gateway.running.people import PEOPLE, ensure_people, fresh_token, introduction


class Command(BaseCommand):
    """Not for a deployment that real people use."""

    help = "Make the demo accounts and print their passwords; with --token print a token of one of them instead."

    def add_arguments(self, parser: CommandParser) -> None:
        """``--token NAME``."""
        parser.add_argument("--token", metavar="NAME", choices=[person.username for person in PEOPLE])

    def handle(self, *args: Any, **options: Any) -> None:
        """The accounts are there."""
        passwords = ensure_people()
        if options["token"]:
            self.stdout.write(fresh_token(options["token"]))
        else:
            self.stdout.write("\n".join(introduction(passwords)))
