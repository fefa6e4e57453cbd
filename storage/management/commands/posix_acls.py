"""``manage.py posix_acls``: do the folders' access lists on disk say what the roles say?"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from storage import acls


class Command(BaseCommand):
    """Looks by default; writes with ``--repair``. Status 1 when something differs (still)."""

    help = "Compare POSIX access lists with roles, and repair them."

    def add_arguments(self, parser: CommandParser) -> None:
        """``--repair``: write what the roles say."""
        parser.add_argument("--repair", action="store_true", help="write what the roles say where it differs")

    def handle(self, *args: Any, **options: Any) -> None:
        """Every difference is printed; with ``--repair`` it is mended first."""
        found = acls.check_all()
        if options["repair"]:
            for one in found:
                acls.mirror(one.folder)
                self.stdout.write(f"Repaired: {one.folder.project.name} ({one.folder.project_id})")
            found = acls.check_all()
        for one in found:
            self.stdout.write(f"{one.folder.project.name} ({one.folder.project_id})")
            for line in [*one.differences, *(f"{name}: no such account on this machine." for name in one.unknown)]:
                self.stdout.write(f"  {line}")
        if any(one.differences for one in found):
            raise CommandError("Access lists differ from the roles; see above. --repair writes them.")
        self.stdout.write(f"{acls.mirrored().count()} mirrored folders looked at.")
