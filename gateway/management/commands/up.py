"""``manage.py up``: the whole instance under one process runner."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from common.errors import PortolanError
from gateway.running.running import serve
from gateway.running.setup import prepare


class Command(BaseCommand):
    """Portal, door, worker, beat and a private Redis, until Ctrl-C."""

    help = "Run portal, door, worker, beat and Redis until Ctrl-C. Running jobs go on and are found again."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """The instance ran, and its services have ended."""
        try:
            serve(prepare=prepare, say=self._say, started=self._started)
        except PortolanError as error:
            raise CommandError("\n".join(filter(None, [error.message, error.hint]))) from None

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()

    def _started(self) -> None:
        self._say(f"Portolan is ready at {settings.PORTAL_URL}/  (uploads at {settings.DOOR_URL}/). Ctrl-C ends it.")
        self._say(f"Logs: {settings.PORTOLAN_HOME / 'log'}")
