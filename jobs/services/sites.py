"""What operators may command of compute sites; everybody may see them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from accounts.models import Group, User
from accounts.operators import check_operator
from common.errors import NotFound, PortolanError, StateConflict, UserError
from jobs import broker, tasks
from jobs.lifecycle.installed import checked_tools
from jobs.lifecycle.places import places_of
from jobs.lifecycle.site_settings import checked_settings
from jobs.lifecycle.sites import SCHEDULERS
from jobs.models import ComputeSite, Job, Queue
from jobs.registry import get_tool
from jobs.requests import size_of, wanted
from jobs.states import ACTIVE, JobState
from projects.audit import record
from storage.models import StorageSite
from storage.services.folders import folder_of

PLAIN = (
    "scheduler", "cores", "memory_mb", "enabled", "settings", "work_root", "tools", "most_jobs", "most_jobs_each",
    "open_to_all",
)  # fmt: skip
AT_THE_SITE = (JobState.SUBMITTING, JobState.QUEUED, JobState.HELD)


@dataclass(frozen=True, kw_only=True)
class DrainPlan:
    """What becomes of a site's jobs when it is drained: numbers of jobs, and where those go that move."""

    running: int = 0
    queued: int = 0
    moves: dict[str, int] = field(default_factory=dict)
    waits: int = 0


def sites() -> QuerySet[ComputeSite]:
    """All compute sites by name, each with the number of its unfinished jobs as ``unfinished``."""
    counted = ComputeSite.objects.annotate(unfinished=Count("jobs", filter=Q(jobs__state__in=ACTIVE), distinct=True))
    return counted.prefetch_related("queues", "shares", "people", "groups").order_by("name")


def site(name: str) -> ComputeSite:
    """The site of this name; NotFound when there is none."""
    found = sites().filter(name=name).first()
    if found is None:
        raise NotFound(f"There is no compute site “{name}”.", code="site_not_found")
    return found


def save_site(user: User, name: str, given: dict[str, Any], *, new: bool = False) -> ComputeSite:
    """The site is as ``given`` says (what is left out stays as it is); UserError beside what is wrong.

    ``shares`` are names of storage sites, ``people`` user names, ``groups`` ids, ``queues`` the list of all queues.
    """
    check_operator(user)
    if new and ComputeSite.objects.filter(name=name).exists():
        raise StateConflict(f"There is a site “{name}” already.", code="name_taken", field="name")
    row = ComputeSite(name=name) if new else site(name)
    for key in PLAIN:
        if key in given:
            setattr(row, key, given[key])
    _check(row)
    linked = _linked(given)
    with transaction.atomic():
        row.save()
        for key, rows in linked.items():
            getattr(row, key).set(rows)
        if "queues" in given:
            _save_queues(row, given["queues"])
        record(None, user, "site.added" if new else "site.changed", name, fields=sorted(given))
    return site(name)


def start_probe(user: User, name: str) -> ComputeSite:
    """A worker will probe the site; its row says what was found."""
    check_operator(user)
    found = site(name)
    ComputeSite.objects.filter(pk=found.pk).update(probe={"running": True}, probed_at=timezone.now())
    tasks.ring_probe(found.pk)
    return site(name)


def drain_site(user: User, name: str, *, reason: str = "", dry_run: bool = False) -> DrainPlan:
    """The site takes no new jobs; those not handed over yet move to where they can run. The plan of it is returned."""
    check_operator(user)
    found = site(name)
    jobs = Job.objects.filter(site=found)
    plan = DrainPlan(
        running=jobs.filter(state__in=(JobState.RUNNING, JobState.STAGING_OUT, JobState.CANCELLING)).count(),
        queued=jobs.filter(state__in=(*AT_THE_SITE, JobState.STAGING_IN)).count(),
    )
    if not dry_run:
        with transaction.atomic():
            ComputeSite.objects.filter(pk=found.pk).update(draining_since=timezone.now(), drain_reason=reason[:300])
            record(None, user, "site.drained", name, reason=reason)
    waits, moves = 0, dict[str, int]()
    for job in jobs.filter(state=JobState.CREATED).select_related("project", "submitted_by"):
        choice = _elsewhere(job, found)
        if choice is None:
            waits += 1
        elif dry_run or _moved(job, choice):
            moves[choice.site.name] = moves.get(choice.site.name, 0) + 1
    return DrainPlan(running=plan.running, queued=plan.queued, moves=moves, waits=waits)


def open_site(user: User, name: str) -> ComputeSite:
    """The site takes jobs again."""
    check_operator(user)
    with transaction.atomic():
        ComputeSite.objects.filter(name=name).update(draining_since=None, drain_reason="", enabled=True)
        record(None, user, "site.opened", name)
    return site(name)


def _elsewhere(job: Job, drained: ComputeSite) -> broker.Choice | None:
    """Where a job that was not handed over could run instead; None when nowhere."""
    if job.submitted_by is None:
        return None
    try:
        info, storage = get_tool(job.tool), folder_of(job.project).site
        request = wanted(info, job.job_order, places_of(job).root, cores=job.cores, memory_mb=job.memory_mb)
        ask = broker.Ask(tool=info, user=job.submitted_by, storage=storage, wanted=request,
                         bytes=size_of(job.job_order)[1], without=drained.name)  # fmt: skip
        return broker.choose(ask)
    except PortolanError:
        return None


def _moved(job: Job, choice: broker.Choice) -> bool:
    """True when the job, still not handed over, is to run elsewhere now."""
    values = {"site": choice.site, "queue": choice.queue, "tasks": choice.tasks, "gpus": choice.gpus}
    values |= {
        "wall_seconds": choice.wall_seconds,
        "choice": choice.weighed,
        "reason": "",
        "touched_at": timezone.now(),
    }
    done = Job.objects.filter(pk=job.pk, state=JobState.CREATED).update(**values)
    if done:
        transaction.on_commit(partial(tasks.ring, job.pk))
    return bool(done)


def _check(row: ComputeSite) -> None:
    if row.scheduler not in SCHEDULERS:
        known = ", ".join(sorted(SCHEDULERS))
        raise UserError(f"There is no scheduler “{row.scheduler}”.", code="bad_scheduler", field="scheduler",
                        hint=f"Known are {known}.")  # fmt: skip
    if not isinstance(row.settings, dict):
        raise UserError("The settings are an object.", code="bad_site_settings", field="settings")
    checked_settings(row.scheduler, row.settings)
    checked_tools(row.tools)
    if row.work_root and (not row.work_root.startswith("/") or "\0" in row.work_root or row.work_root.strip("/") == ""):
        raise UserError("The work root is the whole path of a directory.", code="bad_work_root", field="work_root")


def _linked(given: dict[str, Any]) -> dict[str, list[Any]]:
    kinds: dict[str, tuple[Any, str]] = {
        "shares": (StorageSite, "name"), "people": (User, "username"), "groups": (Group, "pk"),
    }  # fmt: skip
    found: dict[str, list[Any]] = {}
    for key, (model, by) in kinds.items():
        if key in given:
            names = [str(one) for one in given[key]]
            rows = list(model.objects.filter(**{f"{by}__in": [one for one in names if by != "pk" or _is_uuid(one)]}))
            missing = sorted(set(names) - {str(getattr(row, by)) for row in rows})
            if missing:
                raise UserError(f"Not known: {', '.join(missing)}.", code=f"unknown_{key}", field=key)
            found[key] = rows
    return found


def _save_queues(row: ComputeSite, queues: list[dict[str, Any]]) -> None:
    names = [str(one.get("name") or "") for one in queues]
    if len(set(names)) != len(names):
        raise UserError("Each queue has a name of its own.", code="queue_twice", field="queues")
    row.queues.exclude(name__in=names).delete()
    for position, one in enumerate(queues):
        values = {key: value for key, value in one.items() if key != "name"}
        Queue.objects.update_or_create(
            site=row, name=str(one.get("name") or ""), defaults={**values, "position": position}
        )


def _is_uuid(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False
