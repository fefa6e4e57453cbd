"""Making an instance ready: tables, static files, and the rows without which nothing can be done."""

from django.conf import settings
from django.core.management import call_command

from accounts.providers import providers
from gateway.running import places
from jobs.broker import ensure_local_site
from storage.links import ssh_keys
from storage.services.folders import ensure_default_site


def prepare(*, static: bool = True) -> None:
    """The home, the tables, the static files and the default sites are there; what was there is kept.

    BadProvider before anything is done where a variable of the institutes' logins must be changed.
    """
    providers()
    places.private(settings.PORTOLAN_HOME)
    for folder in (places.run_dir(settings.PORTOLAN_HOME), places.log_dir(settings.PORTOLAN_HOME)):
        places.private(folder)
    call_command("migrate", interactive=False, verbosity=0)
    if static:
        call_command("collectstatic", interactive=False, verbosity=0)
    ensure_default_site()
    ensure_local_site()
    if ssh_keys.is_open():
        ssh_keys.ensure_keys()
