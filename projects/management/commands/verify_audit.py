"""``manage.py verify_audit``: is every trail still what was written?"""

from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from projects.audit import Link, verify

OWN = "gateway"


class Command(BaseCommand):
    """Prints the end of every chain; status 1 when one is broken, and its first broken link is named."""

    help = "Verify the audit trails. Keep what it prints elsewhere, and give it back with --expect another day."

    def add_arguments(self, parser: CommandParser) -> None:
        """``--expect FILE``: ends of chains that were printed before."""
        parser.add_argument(
            "--expect", type=Path, metavar="FILE", help="what an earlier call printed: nothing of it may be gone"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """A line a chain, ``<project or gateway> <events> <digest>``; what is wrong goes to standard error."""
        expected = _read(options["expect"]) if options["expect"] else []
        whole = broken = 0
        for verdict in verify(expected):
            name = str(verdict.head.project or OWN)
            if verdict.problem:
                broken += 1
                self.stderr.write(f"BROKEN {name}: {verdict.problem}.")
            else:
                whole += 1
                self.stdout.write(f"{name} {verdict.head.sequence} {verdict.head.digest}")
        if broken:
            raise CommandError(f"{broken} of {whole + broken} chains are broken.")


def _read(path: Path) -> list[Link]:
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} can't be read: {error}.", returncode=2) from error
    return [_link(path, line) for line in text.splitlines() if line.strip()]


def _link(path: Path, line: str) -> Link:
    try:
        name, sequence, digest = line.split()
        project = None if name == OWN else UUID(name)
        if len(digest) != 64:
            raise ValueError(digest)
        return Link(project=project, sequence=int(sequence), digest=digest)
    except ValueError as error:
        raise CommandError(f"{path}: “{line[:100]}” is no line of verify_audit.", returncode=2) from error
