"""From a site's row to its scheduler, and how the site's health is noted."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from jobs.backends.base import Backend, SiteUnavailable
from jobs.backends.local import LocalBackend
from jobs.models import ComputeSite


def _local(site: ComputeSite) -> Backend:
    root = site.settings.get("root") or Path(settings.PORTOLAN_HOME) / "run" / "local"
    return LocalBackend(Path(root), cores=site.cores, memory_mb=site.memory_mb)


SCHEDULERS: dict[str, Callable[[ComputeSite], Backend]] = {"local": _local}


def backend_of(site: ComputeSite) -> Backend:
    """The scheduler of the site; SiteUnavailable when no code for it is installed."""
    make = SCHEDULERS.get(site.scheduler)
    if make is None:
        raise SiteUnavailable(f"There is no scheduler “{site.scheduler}” here.")
    return make(site)


@contextmanager
def asking(site: ComputeSite) -> Iterator[Backend]:
    """The site's scheduler; that it answered, or what its problem was, is noted. SiteUnavailable goes on."""
    rows = ComputeSite.objects.filter(pk=site.pk)
    try:
        yield backend_of(site)
    except SiteUnavailable as problem:
        rows.update(last_problem=str(problem)[:2000], last_problem_at=timezone.now())
        raise
    rows.update(last_answer_at=timezone.now())
