"""``manage.py run_tool TOOL.cwl [JOB.json] --outdir DIR``: run one tool here, without a database."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from jobs.cwl import __main__ as cwl_main


class Command(BaseCommand):
    """Prints the output object as JSON; exit status 33 for an unsupported feature, as ``cwltest`` expects."""

    help = "Run a CWL CommandLineTool on this machine and print its output object as JSON."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """The same arguments as ``python -m jobs.cwl``."""
        cwl_main.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Exits with the runner's status."""
        sys.exit(cwl_main.execute(options))
