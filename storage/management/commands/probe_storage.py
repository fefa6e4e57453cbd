"""``manage.py probe_storage NAME``: what works at a storage site, and what to change."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from storage.models import StorageSite
from storage.sites import probing


class Command(BaseCommand):
    """Status 1 when something does not work."""

    help = "Try a storage site: that it can be written to, and that its credentials open no more than they say."

    def add_arguments(self, parser: CommandParser) -> None:
        """The site's name."""
        parser.add_argument("name")

    def handle(self, *args: Any, **options: Any) -> None:
        """A line for each thing that was tried; the site's row says it as well."""
        site = StorageSite.objects.filter(name=options["name"]).first()
        if site is None:
            raise CommandError(f"There is no storage site “{options['name']}”.")
        probed = probing.probe(site)
        probing.note(site, probed)
        for one in probed.found:
            self.stdout.write(f"{'ok ' if one.ok else 'BAD'} {one.title}: {one.words}{' ' * bool(one.hint)}{one.hint}")
        if not probed.ok:
            raise CommandError("Something does not work.")
