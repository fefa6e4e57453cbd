"""``manage.py probe_site NAME``: what works on a compute site, and what to change."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobs.lifecycle import probe
from jobs.models import ComputeSite


class Command(BaseCommand):
    """Status 1 when something does not work."""

    help = "Try a compute site: commands, clock, work root, programs, and a job that is taken and cancelled."

    def add_arguments(self, parser: CommandParser) -> None:
        """The site's name."""
        parser.add_argument("name")

    def handle(self, *args: Any, **options: Any) -> None:
        """A line for each thing that was tried."""
        site = ComputeSite.objects.filter(name=options["name"]).first()
        if site is None:
            raise CommandError(f"There is no compute site “{options['name']}”.")
        checks = probe(site)
        for one in checks:
            self.stdout.write(f"{'ok ' if one.ok else 'BAD'} {one.title}: {one.words}{' ' * bool(one.hint)}{one.hint}")
        if not all(one.ok for one in checks):
            raise CommandError("Something does not work.")
