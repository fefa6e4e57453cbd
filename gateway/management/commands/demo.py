"""``manage.py demo``: from nothing to three results in a running portal."""

import os
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from common.errors import PortolanError
from gateway.running import institutes
from gateway.running.cluster import SITE, DemoCluster
from gateway.running.running import serve
from gateway.running.services import Service
from gateway.running.story import Story


class Command(BaseCommand):
    """Ctrl-C ends every process that this started, running jobs too."""

    help = "Demo accounts, sample data and the three tools run through the REST API; then serves until Ctrl-C."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """``--once``: end after the results. ``--oidc``: institutes to sign in with. ``--slurm``: a cluster."""
        parser.add_argument("--once", action="store_true", help="end after the results, with 0 only when all are right")
        parser.add_argument("--oidc", action="store_true", help="with two sample institutes to sign in with")
        parser.add_argument("--slurm", action="store_true", help="with a private Slurm that runs the movie alignment")

    def handle(self, *args: Any, **options: Any) -> None:
        """The demo ran; CommandError (status 1) when ``--once`` did not get three right results."""
        # Services are told by the environment; people of the demo see what it is like to be asked.
        os.environ.setdefault("USAGE_POLICY_FILE", str(settings.BASE_DIR / "samples" / "usage-policy.txt"))
        extra: list[Service] = []
        if options["oidc"]:
            os.environ.update(institutes.variables(settings.PORT))
        story = Story(self._say, once=options["once"], oidc=options["oidc"], site=SITE if options["slurm"] else "")
        cluster = DemoCluster(self._say)

        def prepare() -> None:
            story.prepare()
            if options["slurm"]:
                cluster.start()

        try:
            if options["oidc"]:
                extra += institutes.services(settings.PORT, settings.PORTAL_URL)
            serve(prepare=prepare, say=self._say, started=story.start, done=story.done, end_jobs=True, extra=extra)
        except PortolanError as error:
            raise CommandError("\n".join(filter(None, [error.message, error.hint]))) from None
        finally:
            cluster.stop()
        if options["once"] and story.problem:
            raise CommandError(story.problem)

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()
