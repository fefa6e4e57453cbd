"""``manage.py reconcile [--site NAME] [--repair]``: database, scheduler and disk side by side."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobs.services.reconciling import reconcile


class Command(BaseCommand):
    """Without ``--repair`` nothing is changed. Status 1 when something could not be asked or mended."""

    help = "Show where database, scheduler and disk differ, and with --repair put right what can be."

    def add_arguments(self, parser: CommandParser) -> None:
        """One site or all; look or repair."""
        parser.add_argument("--site", default="", help="One site's name; all sites without it.")
        parser.add_argument("--repair", action="store_true", help="Put right what can be; else nothing is changed.")

    def handle(self, *args: Any, **options: Any) -> None:
        """A paragraph for each difference."""
        done = reconcile(None, site=options["site"], repair=options["repair"])
        for one in done.differences:
            did = "done: " if one in done.mended else "would: " if one.repair else "for you to decide"
            self.stdout.write(f"{one.site or 'disk'}: {one.about} [{one.kind}]")
            self.stdout.write(f"  database: {one.database}; scheduler: {one.scheduler}; disk: {one.disk}")
            self.stdout.write(f"  {one.words}\n  {did}{one.repair}")
        for words in done.problems:
            self.stderr.write(words)
        self.stdout.write(f"{len(done.differences)} difference(s), {len(done.mended)} mended.")
        if done.problems:
            raise CommandError("Not everything could be asked or mended.")
