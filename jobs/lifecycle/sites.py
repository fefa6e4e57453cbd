"""From a site's row to its scheduler, and how the site's health is noted."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db.models import F, Value
from django.db.models.expressions import Combinable
from django.utils import timezone

from common.errors import UserError
from jobs.backends.base import Backend, SiteUnavailable
from jobs.backends.gridengine import GridEngineBackend, GridEngineOptions
from jobs.backends.kubernetes import KubernetesBackend, KubernetesOptions, Volume
from jobs.backends.limits import Limits
from jobs.backends.local import LocalBackend
from jobs.backends.pbs import PbsBackend, PbsOptions
from jobs.backends.runner import Here, Runner
from jobs.backends.slurm import SlurmBackend, SlurmOptions
from jobs.backends.ssh import Ssh
from jobs.lifecycle.site_settings import checked_settings, machine_of
from jobs.models import ComputeSite

NEWS = 0.1
# So often a site's good health is written down, and what its rate of errors is then.
NO_NEWS, NO_TROUBLE = timedelta(seconds=2), 0.01


def runner_of(site: ComputeSite) -> Runner:
    """Where the site's commands run; UserError when its settings don't tell."""
    environment = site.settings.get("environment") or {}
    if site.settings.get("runner") == "ssh":
        return Ssh(machine_of(site.settings), environment)
    return Here(environment)


def _local(site: ComputeSite) -> Backend:
    root = site.settings.get("root") or Path(settings.PORTOLAN_HOME) / "run" / "local"
    return LocalBackend(Path(root), cores=site.cores, memory_mb=site.memory_mb)


def _slurm(site: ComputeSite) -> Backend:
    told = _told(site, "partition", "account", "qos", "gpu_type")
    return SlurmBackend(runner_of(site), SlurmOptions(**told, options=_options(site)))


def _grid_engine(site: ComputeSite) -> Backend:
    told = _told(site, "queue", "project", "parallel_environment", "memory_resource", "gpu_resource")
    return GridEngineBackend(runner_of(site), GridEngineOptions(**told, options=_options(site)))


def _limits(site: ComputeSite) -> Limits:
    return Limits(cores=site.cores, memory_mb=site.memory_mb)


def _pbs(site: ComputeSite) -> Backend:
    torque = bool(site.settings.get("torque"))
    options = PbsOptions(torque=torque, **_told(site, "queue", "account"), options=_options(site))
    return PbsBackend(runner_of(site), _limits(site), options)


def _kubernetes(site: ComputeSite) -> Backend:
    names = ("context", "namespace", "pull_policy", "gpu_resource", "user", "group", "node_selector")
    told = {name: site.settings[name] for name in names if name in site.settings}
    options = KubernetesOptions(
        kubeconfig=Path(site.settings["kubeconfig"]),
        image=site.settings["image"],
        volumes=tuple(Volume(**one) for one in site.settings.get("volumes") or ()),
        **told,
    )
    return KubernetesBackend(runner_of(site), _limits(site), options)


def _told(site: ComputeSite, *names: str) -> dict[str, str]:
    return {name: str(site.settings.get(name) or "") for name in names}


def _options(site: ComputeSite) -> tuple[str, ...]:
    return tuple(site.settings.get("options") or ())


SCHEDULERS: dict[str, Callable[[ComputeSite], Backend]] = {
    "local": _local,
    "slurm": _slurm,
    "gridengine": _grid_engine,
    "pbs": _pbs,
    "kubernetes": _kubernetes,
}


def backend_of(site: ComputeSite) -> Backend:
    """The scheduler of the site; SiteUnavailable when no code for it is installed or its settings are wrong."""
    make = SCHEDULERS.get(site.scheduler)
    if make is None:
        raise SiteUnavailable(f"There is no scheduler “{site.scheduler}” here.")
    try:
        checked_settings(site.scheduler, site.settings)
        return make(site)
    except UserError as wrong:
        raise SiteUnavailable(wrong.message) from wrong


def with_arrays() -> frozenset[UUID]:
    """The keys of the sites that take arrays of jobs."""
    found = set()
    for site in ComputeSite.objects.all():
        with suppress(SiteUnavailable):
            if backend_of(site).arrays:
                found.add(site.pk)
    return frozenset(found)


@contextmanager
def asking(site: ComputeSite) -> Iterator[Backend]:
    """The site's scheduler; that it answered, or what its problem was, is noted. SiteUnavailable goes on."""
    rows = ComputeSite.objects.filter(pk=site.pk)
    try:
        yield backend_of(site)
    except SiteUnavailable as problem:
        rows.update(last_problem=str(problem)[:2000], last_problem_at=timezone.now(), error_rate=_weighed(1.0))
        raise
    if not _is_known_well(site):
        rows.update(last_answer_at=timezone.now(), error_rate=_weighed(0.0))


def _is_known_well(site: ComputeSite) -> bool:
    """True when the row, as it was read, tells of an answer just now and of no trouble: another one is no news."""
    answer, problem = site.last_answer_at, site.last_problem_at
    fresh = answer is not None and timezone.now() - answer < NO_NEWS and (problem is None or problem < answer)
    return fresh and site.error_rate < NO_TROUBLE


def _weighed(failed: float) -> Combinable:
    """The rate after one more question: what is older than twenty questions hardly counts."""
    return F("error_rate") * (1 - NEWS) + Value(failed * NEWS)
