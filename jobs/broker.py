"""Which site and queue run a job, and why, in words.

Every site is weighed: tool, permission, state, resources, limits, health, bytes to copy, and the wait that past jobs
had there. Of those that can, the soonest is taken; one that does not answer, whose test job failed, that is full, or
has less than the tool would like comes after all others, and one whose GPUs would not be used has to be much sooner. A
queue whose test job failed is passed over while another of its site can run the job. Nothing is asked of the sites
themselves.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from uuid import UUID

from django.db.models import Q, prefetch_related_objects
from django.utils import timezone

from accounts.groups import groups_of
from accounts.models import User
from common.errors import Unavailable, UserError
from jobs import past
from jobs.models import ComputeSite, Job, Queue
from jobs.registry import ToolInfo
from jobs.requests import Split, Wanted
from storage.models import StorageSite

LEFT_FOR_THE_REST_MB = 1024
# A queue with GPUs is left to those who use them, unless it is so many seconds sooner than others.
IDLE_GPUS = 3600.0
SCALED = {"cores": "cores", "memory_mb": "MB of memory"}


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What is to be placed: ``bytes`` of inputs lie at ``storage``; ``site`` and ``queue`` are the person's wish.

    ``without`` is a site that is not weighed, ``stays`` a site and a queue to be kept where they can. ``split`` is
    how the job runs on sites that take ``arrays`` (their keys).
    """

    tool: ToolInfo
    user: User
    storage: StorageSite
    wanted: Wanted
    bytes: int = 0
    site: str | None = None
    queue: str | None = None
    without: str = ""
    stays: tuple[str, str] | None = None
    split: Split | None = None
    arrays: frozenset[UUID] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One queue of a site, weighed. ``refused`` says why it can't be; else ``notes`` what speaks for or against it.

    ``failed``: the last small job that tried it failed.
    """

    site: ComputeSite
    queue: Queue
    wanted: Wanted
    elements: int = 0
    failed: bool = False
    refused: str = ""
    code: str = ""
    beside: str = ""
    notes: list[str] = field(default_factory=list)
    rank: tuple[float, ...] = ()

    @property
    def name(self) -> str:
        """The site's name, with the queue's where it has several."""
        return f"{self.site.name}, {self.queue.name}" if self.queue.name else self.site.name

    def told(self, *, chosen: bool) -> dict[str, object]:
        """As it is kept with the job."""
        words = self.refused or " ".join(self.notes)
        return {"site": self.site.name, "queue": self.queue.name, "chosen": chosen, "possible": not self.refused,
                "words": words}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Where a job is to run and with what; ``reasons`` says why, a sentence each, ``weighed`` the same as data.

    With ``elements`` it runs in so many, and the rest is of one of them.
    """

    site: ComputeSite
    queue: str
    cores: int
    memory_mb: int
    tasks: int
    gpus: int
    wall_seconds: int | None
    reasons: list[str]
    weighed: list[dict[str, object]]
    elements: int = 0


def ensure_local_site() -> ComputeSite:
    """There is a compute site; the first one is this machine, with all its cores and most of its memory."""
    site = ComputeSite.objects.order_by("created_at").first()
    if site is None:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
        memory = max(whole - LEFT_FOR_THE_REST_MB, whole // 2)
        cores = len(os.sched_getaffinity(0))
        site, _ = ComputeSite.objects.get_or_create(name="local", defaults={"cores": cores, "memory_mb": memory})
    return site


def choose(ask: Ask) -> Choice:
    """Where the job runs; UserError beside ``site``, ``queue``, ``cores`` … where what is asked can't be had."""
    found = weigh(ask)
    if ask.site and not any(one.site.name == ask.site for one in found):
        raise UserError(f"There is no compute site “{ask.site}”.", code="unknown_site", field="site")
    if ask.queue and not any(one.queue.name == ask.queue for one in found if ask.site in (None, "", one.site.name)):
        raise UserError(f"There is no queue “{ask.queue}” there.", code="unknown_queue", field="queue")
    meant = [one for one in found if ask.site in (None, "", one.site.name) and ask.queue in (None, "", one.queue.name)]
    able = sorted((one for one in meant if not one.refused), key=lambda one: (*_moves(ask, one), *one.rank))
    if not able:
        raise _none_of(meant, ask)
    best = next(one for one in able if not _passed_over(one, able))
    why = "chosen by you" if ask.site else "chosen" if len(able) > 1 else "the only one that can"
    if ask.stays and not any(_moves(ask, best)):
        why = "it stays there"
    best = replace(best, notes=[f"{why[:1].upper()}{why[1:]}.", *best.notes])
    others = [one for one in found if (one.site.pk, one.queue.name) != (best.site.pk, best.queue.name)]
    return Choice(
        site=best.site, queue=best.queue.name, cores=best.wanted.cores, memory_mb=best.wanted.memory_mb,
        tasks=best.wanted.tasks, gpus=best.wanted.gpus, wall_seconds=best.wanted.wall_seconds,
        reasons=[f"{one.name}: {one.refused or ' '.join(one.notes)}" for one in (best, *others)],
        weighed=[best.told(chosen=True), *(one.told(chosen=False) for one in others)],
        elements=best.elements,
    )  # fmt: skip


def _passed_over(one: Candidate, able: list[Candidate]) -> bool:
    """True where its test job failed, and another queue of its site is able and did not fail."""
    return one.failed and any(other.site.pk == one.site.pk and not other.failed for other in able)


def _moves(ask: Ask, one: Candidate) -> tuple[bool, bool]:
    """Whether the job would leave its site, and its queue; neither where it need not stay."""
    site, queue = ask.stays or (one.site.name, one.queue.name)
    return one.site.name != site, one.queue.name != queue


def weigh(ask: Ask) -> list[Candidate]:
    """Every queue of every site that is switched on, or that the person named."""
    shown = ComputeSite.objects.filter(Q(enabled=True) | Q(name=ask.site or "")).exclude(name=ask.without)
    weighed = list(shown.order_by("created_at").prefetch_related("queues"))
    if not weighed and not ComputeSite.objects.exists():
        ensure_local_site()
        return weigh(ask)
    # Most sites are open to all and see all folders: nothing more is to be known of them.
    closed = [site for site in weighed if not site.open_to_all]
    prefetch_related_objects(closed, "people", "groups")
    prefetch_related_objects([site for site in weighed if site.work_root], "shares")
    groups = set(groups_of(ask.user).values_list("pk", flat=True)) if closed else set()
    found = []
    for site in weighed:
        refused = _refused(site, ask, groups)
        queues = queues_of(site)
        waits = {} if refused[0] else past.waits(site, [queue.name for queue in queues])
        found += [_weighed(site, queue, ask, refused, waits) for queue in queues]
    return found


def queues_of(site: ComputeSite) -> list[Queue]:
    """The site's queues; one of the site's own size where it has no rows."""
    rows = list(site.queues.all())
    wall = site.settings.get("wall_seconds")
    return rows or [Queue(site=site, cores=site.cores, memory_mb=site.memory_mb, wall_seconds=wall)]


def may_use(site: ComputeSite, user: User, groups: Iterable[object]) -> bool:
    """True when the person, or one of the groups (their keys) they are in, may use the site."""
    if site.open_to_all or user in site.people.all():
        return True
    return bool({group.pk for group in site.groups.all()} & set(groups))


def _refused(site: ComputeSite, ask: Ask, groups: Iterable[object]) -> tuple[str, str]:
    """(code, words) of what rules the whole site out; empty when nothing does."""
    if not site.enabled:
        return "site_disabled", "takes no jobs now."
    if site.draining_since is not None:
        why = f" ({site.drain_reason})" if site.drain_reason else ""
        return "site_disabled", f"takes no new jobs now{why}."
    if not may_use(site, ask.user, groups):
        return "site_forbidden", "is not open to you or your groups."
    if not site.has_tool(ask.tool.name):
        return "no_tool", f"does not have {ask.tool.title}."
    return "", ""


def _weighed(
    site: ComputeSite, queue: Queue, ask: Ask, refused: tuple[str, str], waits: Mapping[str, float]
) -> Candidate:
    if refused[0]:
        return Candidate(site=site, queue=queue, wanted=ask.wanted, code=refused[0], refused=refused[1], beside="site")
    split = ask.split if ask.split is not None and site.pk in ask.arrays else None
    fitted, short = _fitted(split.each if split else ask.wanted, queue)
    if isinstance(short, tuple):
        field_, words = short
        return Candidate(site=site, queue=queue, wanted=fitted, code="too_large", refused=words, beside=field_)
    copying, notes = _copying(site, ask)
    wait = waits.get(queue.name)
    notes += short
    if split:
        notes.append(f"It is split into {split.elements} elements that run side by side.")
    elif ask.split is not None:
        notes.append("The site takes no arrays of jobs, so it runs in one piece.")
    if wait is not None:
        notes.append(f"Jobs began after about {in_words(wait)} there.")
    idle = IDLE_GPUS if queue.gpus and not fitted.gpus else 0.0
    notes += ["Its GPUs would not be used."] if idle else []
    full = _full(site, ask.user)
    notes += [full] if full else []
    notes += [] if site.answers else ["It does not answer just now."]
    failed = _failed(site, queue)
    notes += [failed] if failed else []
    worse = (bool(short), bool(failed) or not site.healthy, bool(full))
    rank = (*worse, copying + (wait or 0.0) + idle, site.created_at.timestamp(), queue.position)
    elements = split.elements if split else 0
    return Candidate(
        site=site, queue=queue, wanted=fitted, elements=elements, failed=bool(failed), notes=notes, rank=rank
    )


def _fitted(wanted: Wanted, queue: Queue) -> tuple[Wanted, list[str] | tuple[str, str]]:
    """What the job gets in the queue, with notes where it is less than the tool would like; or (field, why not)."""
    if wanted.gpus > queue.gpus:
        return wanted, ("site", "has no GPU queue." if not queue.gpus else f"has {queue.gpus} GPUs on a node.")
    notes, got = [], wanted
    if wanted.tasks > 1 and not queue.mpi:
        notes.append(
            f"The tool would like {wanted.tasks} MPI processes with cores of their own; they share those of one."
        )
        got = replace(wanted, tasks=1)
    for name, unit in SCALED.items():
        asked, most = getattr(wanted, name), getattr(queue, name)
        if name in wanted.firm and not 1 <= asked <= most:
            return wanted, (name, f"has {most} {unit}. Ask for 1 to {most}.")
        if asked > most:
            notes.append(f"The tool would like {asked} {unit}; it has {most}.")
            got = replace(got, **{name: most})
    limit = queue.wall_seconds
    if limit and (wanted.wall_seconds or 0) > limit:
        words = f"lets jobs run for {in_words(limit)}; this one asks for {in_words(wanted.wall_seconds or 0)}."
        if "wall_seconds" in wanted.firm:
            return wanted, ("wall_seconds", words)
        notes.append(f"It {words}")
    got = replace(got, wall_seconds=min(filter(None, (limit, wanted.wall_seconds)), default=None))
    return got, notes


def _copying(site: ComputeSite, ask: Ask) -> tuple[float, list[str]]:
    """Seconds that the inputs need to get there, in words too."""
    if not site.stages(ask.storage):
        return 0.0, []
    seconds = ask.bytes / past.bytes_a_second(site)
    return seconds, [f"{size_in_words(ask.bytes)} to copy, about {in_words(seconds)}."]


def _failed(site: ComputeSite, queue: Queue) -> str:
    """When the last small job that tried the queue failed, and how; empty when it did not."""
    canary = site.canary_of(queue.name)
    if not canary.failed:
        return ""
    ago = f" {in_words((timezone.now() - canary.ended_at).total_seconds())} ago" if canary.ended_at else ""
    return f"Its test job failed{ago}: {canary.words}"


def _full(site: ComputeSite, user: User) -> str:
    """Why a job would have to wait for others; empty when it would not."""
    there = Job.objects.active().filter(site=site)
    if site.most_jobs_each and (mine := there.filter(submitted_by=user).count()) >= site.most_jobs_each:
        return f"You have {mine} of {site.most_jobs_each} jobs there; this one would wait."
    if site.most_jobs and (all_of_them := there.count()) >= site.most_jobs:
        return f"It has {all_of_them} of {site.most_jobs} jobs; this one would wait."
    return ""


def _none_of(meant: list[Candidate], ask: Ask) -> UserError | Unavailable:
    if ask.site or ask.wanted.firm or len(meant) == 1:
        worst = max(meant, key=lambda one: one.code == "too_large")
        if worst.code == "site_disabled" and not ask.site:
            return Unavailable("No compute site takes jobs now.", code="no_site", hint="Ask the operator.")
        words = f"{worst.name} {worst.refused}"
        return UserError(words, code=worst.code, field=worst.beside, hint="Choose another site, or ask for less.")
    if not meant:
        return Unavailable("No compute site takes jobs now.", code="no_site", hint="Ask the operator.")
    words = " ".join(f"{one.name} {one.refused}" for one in meant)
    return Unavailable(f"No site can run this job. {words}", code="no_site", hint="Ask the operator.")


def in_words(seconds: float) -> str:
    """A span of time as people say it."""
    for unit, size in (("day", 86400), ("hour", 3600), ("min", 60)):
        if seconds >= size:
            count = round(seconds / size, 1 if seconds < 10 * size and unit != "min" else 0)
            shown = f"{count:g}"
            return f"{shown} {unit}" if unit == "min" or shown == "1" else f"{shown} {unit}s"
    return f"{seconds:.0f} s"


def size_in_words(count: int) -> str:
    """A number of bytes as people say it."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
