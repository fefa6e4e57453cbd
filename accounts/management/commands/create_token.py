"""``manage.py create_token --user NAME``: an API token for scripts, on standard output."""

import re
from argparse import ArgumentParser
from datetime import UTC, datetime, time, timedelta

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.models import User
from accounts.scopes import Scope
from accounts.services import make_token_until
from common.errors import PortolanError


def end_of(text: str) -> datetime:
    """The moment that ``90d`` (from now) or ``2027-01-01`` (the end of that day, UTC) means; else ValueError."""
    days = re.fullmatch(r"([0-9]{1,4})d", text, re.ASCII)
    if days:
        return timezone.now() + timedelta(days=int(days[1]))
    return datetime.combine(datetime.strptime(text, "%Y-%m-%d").date(), time(23, 59, 59), tzinfo=UTC)


class Command(BaseCommand):
    """Prints a new token and nothing else, so that a script may take it as it is."""

    help = "Print a new API token of a user. It is shown this once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The options of the command line."""
        parser.add_argument("--user", required=True, metavar="NAME")
        parser.add_argument("--scope", action="append", choices=Scope.values, help="May be given again; default: all.")
        parser.add_argument(
            "--expires", default="90d", metavar="90d|2027-01-01", help="At most 365 days. Default: 90d."
        )
        parser.add_argument("--label", default="made on the command line")

    def handle(self, *args: object, **options: str) -> None:
        """The token exists and is printed; CommandError says what is wrong."""
        user = User.objects.filter(username=options["user"], is_active=True).first()
        if user is None:
            raise CommandError(f"There is no active user “{options['user']}”.")
        try:
            end = end_of(options["expires"])
        except ValueError:
            raise CommandError("--expires is a number of days like 90d, or a day like 2027-01-01.") from None
        scopes = [Scope(word) for word in options["scope"] or Scope.values]
        try:
            _, secret = make_token_until(user, label=options["label"], scopes=scopes, end=end)
        except PortolanError as error:
            raise CommandError(error.message) from error
        self.stdout.write(secret)
