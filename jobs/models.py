"""Compute sites, jobs, their attempts, the evidence behind their states, and their results."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.db import models, transaction
from django.db.models import Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.models import Group, User
from common.errors import StateConflict
from common.models import UUIDModel
from jobs.backends.base import element_name
from jobs.states import ACTIVE, MOVES, Does, ElementState, JobState
from projects.models import Project
from storage.models import StorageSite

SICK = 0.5


@dataclass(frozen=True, kw_only=True)
class Canary:
    """The small job that tries a queue. ``ok`` to ``ended_at`` are of the last one that ended, ``ok`` null: not known.

    While one is ``under_way``, ``word`` is the scheduler's for it, and ``problem`` says why it may not be there.
    """

    queue: str
    under_way: bool
    at: datetime | None
    word: str
    problem: str
    ok: bool | None
    words: str
    hint: str
    seconds: float | None
    ended_at: datetime | None

    @property
    def failed(self) -> bool:
        """True when the last one ended badly, or did not end."""
        return self.ok is False


class ComputeSite(UUIDModel):
    """Where jobs run: a scheduler, the runner of its commands, and a work root.

    ``work_root`` "" means that the site sees all project folders at the same paths. Else it sees those of ``shares``,
    and the inputs of other projects' jobs are copied below ``work_root``, a directory on the site.

    ``tools`` says what is installed:
    ``{tool or "*": {"setup": [[word, …]], "environment": {…}, "wrapper": [word, …]}}``.
    An empty one means every tool, as it is; else the tools that are named, or all when ``*`` is. ``setup`` are commands
    that come first (``module load relion``), ``wrapper`` are words before the tool's own (``apptainer exec image``).
    """

    name = models.CharField(max_length=60, unique=True)
    scheduler = models.CharField(max_length=30, default="local")
    cores = models.PositiveIntegerField(default=1, help_text="Cores that jobs may use together.")
    memory_mb = models.PositiveIntegerField(default=2048, help_text="Memory that jobs may use together.")
    enabled = models.BooleanField(default=True)
    settings: models.JSONField = models.JSONField(default=dict, blank=True)
    work_root = models.CharField(max_length=1000, blank=True)
    shares = models.ManyToManyField(StorageSite, blank=True, related_name="+")
    tools: models.JSONField = models.JSONField(default=dict, blank=True)
    most_jobs = models.PositiveIntegerField(null=True, blank=True, help_text="Unfinished jobs at once.")
    most_jobs_each = models.PositiveIntegerField(null=True, blank=True, help_text="The same, of one person.")
    open_to_all = models.BooleanField(default=True, help_text="Else only the people and groups that are named.")
    people = models.ManyToManyField(User, blank=True, related_name="+")
    groups = models.ManyToManyField(Group, blank=True, related_name="+")
    draining_since = models.DateTimeField(null=True, blank=True, help_text="It takes no new jobs since then.")
    drain_reason = models.CharField(max_length=300, blank=True)
    polled_at = models.DateTimeField(null=True, blank=True, help_text="When somebody last began to ask it.")
    last_answer_at = models.DateTimeField(null=True, blank=True)
    last_problem = models.TextField(blank=True)
    last_problem_at = models.DateTimeField(null=True, blank=True)
    error_rate = models.FloatField(default=0.0, help_text="Of the last twenty questions or so: 0 none, 1 all failed.")
    probe: models.JSONField = models.JSONField(default=dict, blank=True, help_text="What the last probe found.")
    probed_at = models.DateTimeField(null=True, blank=True)
    canaries: models.JSONField = models.JSONField(
        default=dict, blank=True, help_text="The last small job sent to each queue, by name."
    )

    def __str__(self) -> str:
        return self.name

    @property
    def takes_jobs(self) -> bool:
        """True unless it was switched off or is being drained."""
        return self.enabled and self.draining_since is None

    @property
    def healthy(self) -> bool:
        """False when it is off, does not answer, or the last canary of each of its queues failed."""
        return self.enabled and self.answers and not self.canary_failed

    @property
    def answers(self) -> bool:
        """False when it failed to answer since its last answer, or at half of the last questions."""
        problem, answer = self.last_problem_at, self.last_answer_at
        return (problem is None or (answer is not None and answer >= problem)) and self.error_rate < SICK

    @property
    def canary_failed(self) -> bool:
        """True when the last canary of each of its queues failed: none is left to send jobs to."""
        # Most sites have none that failed: their queues need not be read.
        failed = {name for name in self.canaries if self.canary_of(name).failed}
        return bool(failed) and failed.issuperset(self.queue_names)

    @property
    def queue_names(self) -> list[str]:
        """Its queues by name, the first one first; the usual one, which has no name, where it has no rows."""
        return [queue.name for queue in self.queues.all()] or [""]

    def canary_of(self, queue: str) -> Canary:
        """How the canary of the queue of this name stands; without words and times where none was sent."""
        told = self.canaries.get(queue, {})
        under_way = "name" in told
        last = told.get("last", {}) if under_way else told
        at, ended = told.get("at"), last.get("ended_at")
        return Canary(
            queue=queue, under_way=under_way, at=datetime.fromisoformat(at) if at else None,
            word=told.get("word") or "", problem=told.get("problem") or "", ok=last.get("ok"),
            words=last.get("words") or "", hint=last.get("hint") or "", seconds=last.get("seconds"),
            ended_at=datetime.fromisoformat(ended) if ended else None,
        )  # fmt: skip

    @property
    def queue_canaries(self) -> list[Canary]:
        """How the canary of each of its queues stands, in the order of the queues."""
        return [self.canary_of(name) for name in self.queue_names]

    def has_tool(self, name: str) -> bool:
        """True when the tool can be run there."""
        return not self.tools or name in self.tools or "*" in self.tools

    def stages(self, storage: StorageSite) -> bool:
        """True when files of ``storage`` have to be copied to the site."""
        return bool(self.work_root) and storage not in self.shares.all()


class Queue(UUIDModel):
    """One queue or partition of a site, and the largest job that it takes."""

    site = models.ForeignKey(ComputeSite, on_delete=models.CASCADE, related_name="queues")
    name = models.CharField(max_length=100, blank=True, help_text="As the scheduler calls it; empty for its usual one.")
    position = models.PositiveIntegerField(default=0, help_text="Of queues that fit alike the lowest is taken.")
    cores = models.PositiveIntegerField(default=1, help_text="On one node.")
    memory_mb = models.PositiveIntegerField(default=2048, help_text="On one node.")
    nodes = models.PositiveIntegerField(default=1)
    wall_seconds = models.PositiveIntegerField(null=True, blank=True)
    gpus = models.PositiveIntegerField(default=0, help_text="On one node.")
    mpi = models.BooleanField(default=False)

    class Meta:
        ordering: ClassVar = ["position", "name"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["site", "name"], name="queue_once")]

    def __str__(self) -> str:
        return self.name


class JobQuerySet(models.QuerySet["Job"]):
    """Querysets know visibility."""

    def visible_to(self, user: User) -> JobQuerySet:
        """Jobs of projects that ``user`` may see."""
        return self.filter(project__in=Project.objects.visible_to(user))

    def move_to(self, state: JobState) -> set[UUID]:
        """The jobs are in ``state`` and an event row each says so, but for those that can't get there; their keys.

        For what a site tells of many jobs at once: neither a final state nor one after it. Each job's row is locked.
        """
        may = [old for old, news in MOVES.items() if state in news and not old.final]
        now = timezone.now()
        with transaction.atomic(savepoint=False):
            rows = self.filter(state__in=may).order_by("pk").select_for_update(of=("self",))
            found = dict(rows.values_list("pk", "state"))
            changes: dict[str, Any] = {"state": state, "reason": "", "touched_at": now}
            if state is JobState.RUNNING:
                changes["started_at"] = Coalesce("started_at", Value(now))
            Job.objects.filter(pk__in=found).update(**changes)
            JobEvent.objects.bulk_create(
                JobEvent(job_id=pk, from_state=old, to_state=state) for pk, old in found.items()
            )
        return set(found)

    def active(self) -> JobQuerySet:
        """Jobs to which something may still happen."""
        return self.filter(state__in=ACTIVE)


class Job(UUIDModel):
    """One use of a tool in a project. Its folder is ``jobs/<number>-<tool>/`` in the project's folder."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="jobs")
    number = models.PositiveIntegerField()
    tool = models.CharField(max_length=60)
    tool_digest = models.CharField(max_length=64, help_text="SHA-256 over the tool's folder at submission.")
    title = models.CharField(max_length=200, blank=True)
    inputs: models.JSONField = models.JSONField(help_text="As the user gave them.")
    job_order: models.JSONField = models.JSONField(default=dict, help_text="Patterns resolved, defaults filled in.")
    site = models.ForeignKey(ComputeSite, on_delete=models.PROTECT, related_name="jobs")
    queue = models.CharField(max_length=100, blank=True)
    cores = models.PositiveIntegerField(default=1, help_text="Of one task.")
    memory_mb = models.PositiveIntegerField(default=1024, help_text="On each node.")
    tasks = models.PositiveIntegerField(default=1, help_text="MPI processes.")
    nodes = models.PositiveIntegerField(default=0, help_text="0: as the site likes.")
    gpus = models.PositiveIntegerField(default=0, help_text="On each node.")
    wall_seconds = models.PositiveIntegerField(null=True, blank=True)
    elements = models.PositiveIntegerField(
        default=0, help_text="Of the array that it is split into; cores, memory and time are of each. 0: not split."
    )
    choice: models.JSONField = models.JSONField(
        default=list, blank=True, help_text="Each site and queue that was weighed: {site, queue, chosen, words}."
    )
    state = models.CharField(max_length=12, choices=JobState.choices, default=JobState.CREATED, db_index=True)
    reason = models.CharField(max_length=500, blank=True, help_text="Why it is held, failed or cancelled, in words.")
    failure: models.JSONField = models.JSONField(default=dict, blank=True, help_text="{code, message, hint, input}")
    progress: models.JSONField = models.JSONField(
        default=dict, blank=True, help_text="{done, total, text} as the tool says."
    )
    submitted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="jobs"
    )
    rerun_of = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="reruns")
    idempotency_key = models.CharField(max_length=200, null=True, blank=True)
    request_digest = models.CharField(max_length=64, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    touched_at = models.DateTimeField(default=timezone.now, help_text="When a worker last looked at it.")

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-created_at", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "number"], name="job_number_once"),
            models.UniqueConstraint(fields=["project", "submitted_by", "idempotency_key"], name="one_key_one_job"),
        ]
        # What the lists ask for, in their order, so that a page costs the same beside 10 or 10,000 jobs.
        indexes: ClassVar = [
            models.Index(fields=["project", "-created_at", "id"], name="jobs_of_project"),
            models.Index(fields=["tool", "state", "-finished_at"], name="jobs_of_tool"),
            models.Index(fields=["-finished_at"], name="jobs_ended"),
            models.Index(fields=["project"], condition=models.Q(finished_at__isnull=True), name="jobs_under_way"),
        ]

    @property
    def folder_path(self) -> str:
        """The job folder's path in the project folder."""
        return f"jobs/{self.number}-{self.tool}"

    @property
    def outputs_path(self) -> str:
        """Where finished outputs are; the folder appears whole, by one rename."""
        return f"{self.folder_path}/outputs"

    @property
    def job_state(self) -> JobState:
        """The state as the enum."""
        return JobState(self.state)

    def move_to(self, state: JobState, *, reason: str = "", actor: User | None = None) -> None:
        """The job is in ``state`` and one event row says so; StateConflict when it had moved meanwhile."""
        old = self.job_state
        if state not in MOVES[old]:
            raise StateConflict(f"A job that is {old.label.lower()} can't become {state.label.lower()}.")
        now = timezone.now()
        changes: dict[str, Any] = {"state": state, "reason": reason[:500], "touched_at": now}
        if state is JobState.RUNNING and self.started_at is None:
            changes["started_at"] = now
        if state.final:
            changes["finished_at"] = now
        elif old.final:
            changes |= {"finished_at": None, "failure": {}}
        with transaction.atomic(savepoint=False):
            moved = Job.objects.filter(pk=self.pk, state=old).update(**changes)
            if moved:
                JobEvent.objects.create(job=self, from_state=old, to_state=state, reason=reason[:500], actor=actor)
        if not moved:
            raise StateConflict(f"The job is no longer {old.label.lower()}.")
        for name, value in changes.items():
            setattr(self, name, value)


class Attempt(UUIDModel):
    """One try of a job on one site. The native name is made from the id, so it can be asked for."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField()
    site = models.ForeignKey(ComputeSite, on_delete=models.PROTECT, related_name="attempts")
    queue = models.CharField(max_length=100, blank=True)
    does = models.CharField(max_length=10, choices=Does.choices, default=Does.ALL, blank=True)
    staged = models.BooleanField(default=False, help_text="Its files were copied to the site.")
    staging: models.JSONField = models.JSONField(
        default=dict, blank=True, help_text="{files, bytes, seconds} of the way in."
    )
    native_id = models.CharField(max_length=100, blank=True)
    tried_at = models.DateTimeField(
        null=True, blank=True, help_text="When it was first about to be submitted; before, no site can have it."
    )
    submitted_at = models.DateTimeField(null=True, blank=True)
    began_at = models.DateTimeField(null=True, blank=True, help_text="When its site first said that it runs.")
    mirrored_at = models.DateTimeField(null=True, blank=True, help_text="When its logs were last brought home.")
    cleaned_at = models.DateTimeField(null=True, blank=True, help_text="When its copies at the site were removed.")
    last_seen_at = models.DateTimeField(null=True, blank=True)
    last_word = models.CharField(max_length=100, blank=True)
    exit_code = models.IntegerField(null=True, blank=True)
    signal = models.IntegerField(null=True, blank=True)
    evidence: models.JSONField = models.JSONField(default=dict, blank=True, help_text="The exit file, as found.")
    ended_at = models.DateTimeField(null=True, blank=True)
    tidied_at = models.DateTimeField(null=True, blank=True, help_text="When its control files were removed.")

    class Meta:
        ordering: ClassVar = ["number"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["job", "number"], name="attempt_number_once")]
        indexes: ClassVar = [
            models.Index(fields=["job"], name="attempts_to_tidy", condition=models.Q(tidied_at__isnull=True)),
            models.Index(fields=["site", "-began_at"], name="attempts_by_start"),
        ]

    @property
    def native_name(self) -> str:
        """The scheduler's name of the attempt, the same at every call."""
        return f"portolan-{self.pk.hex}"

    @property
    def work_path(self) -> str:
        """Where the command runs and writes, in the project folder; it can be looked at while the job runs."""
        return f"{self.job.folder_path}/work-{self.number}"


class Element(UUIDModel):
    """One try of one element of a job's array. Its newest row in the last attempt that had it tells where it stands.

    ``before`` is the try before it, where the rows were read together.
    """

    attempt = models.ForeignKey(Attempt, on_delete=models.CASCADE, related_name="elements")
    index = models.PositiveIntegerField(help_text="In the job, from 0 on.")
    place = models.PositiveIntegerField(help_text="In the attempt's array, from 0 on.")
    retry = models.PositiveIntegerField(
        default=0, help_text="0 in the array; else the how manieth job of its own that tries it again beside it."
    )
    state = models.CharField(max_length=10, choices=ElementState.choices, default=ElementState.WAITING)
    native_id = models.CharField(max_length=120, blank=True)
    last_word = models.CharField(max_length=100, blank=True)
    last_seen_at = models.DateTimeField(null=True, blank=True)
    began_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    exit_code = models.IntegerField(null=True, blank=True)
    signal = models.IntegerField(null=True, blank=True)
    evidence: models.JSONField = models.JSONField(default=dict, blank=True, help_text="The exit file, as found.")
    failure: models.JSONField = models.JSONField(default=dict, blank=True, help_text="{code, message, hint, input}")

    class Meta:
        ordering: ClassVar = ["place", "retry"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["attempt", "index", "retry"], name="element_try_once")]

    before: Element | None = None

    @property
    def native_name(self) -> str:
        """The scheduler's name of it, the same at every call."""
        name = element_name(self.attempt.native_name, self.place)
        return f"{name}-r{self.retry}" if self.retry else name

    @property
    def number(self) -> int:
        """As people count it."""
        return self.index + 1

    @property
    def element_state(self) -> ElementState:
        """The state as the enum."""
        return ElementState(self.state)


class Observation(models.Model):
    """What a scheduler said of an attempt, when, in its own words."""

    id = models.BigAutoField(primary_key=True)
    attempt = models.ForeignKey(Attempt, on_delete=models.CASCADE, related_name="observations")
    at = models.DateTimeField(default=timezone.now)
    word = models.CharField(max_length=100)
    detail: models.JSONField = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering: ClassVar = ["id"]


class JobEvent(models.Model):
    """One change of a job's state."""

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(default=timezone.now)
    from_state = models.CharField(max_length=12, blank=True)
    to_state = models.CharField(max_length=12)
    reason = models.CharField(max_length=500, blank=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering: ClassVar = ["id"]


class Result(UUIDModel):
    """A typed output file of a job, with its viewer."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="results")
    output = models.CharField(max_length=100, help_text="The output's name in the tool.")
    position = models.PositiveIntegerField(default=0)
    title = models.CharField(max_length=200)
    path = models.CharField(max_length=2000, help_text="Path in the project folder.")
    viewer = models.CharField(max_length=30)
    format = models.CharField(max_length=200, blank=True)
    size = models.BigIntegerField()
    sha256 = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering: ClassVar = ["position", "path"]
