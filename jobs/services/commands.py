"""What a person may command: submit a job, run it again, cancel it."""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, overload
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Max

from accounts.groups import groups_of
from accounts.models import User
from common.errors import NotFound, StateConflict, Unprocessable, UserError
from jobs import broker, tasks
from jobs.cwl import CommandLine, ToolError, build_command
from jobs.lifecycle.starting import placed_order
from jobs.models import Job, JobEvent
from jobs.past import expected_seconds
from jobs.registry import ToolInfo, get_tool
from jobs.requests import size_of
from jobs.services.inputs import digest_text, job_order_of
from jobs.services.looking import get_job
from jobs.services.placing import placed
from jobs.states import JobState
from projects.audit import record
from projects.models import Project
from projects.permissions import get_project
from projects.roles import Action
from storage.listing import scan
from storage.models import Folder, FolderState
from storage.services.folders import folder_of, folder_root

KEY_LENGTH, TITLE_LENGTH, CANCEL_TRIES = 200, 200, 5


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a submission would do; nothing was made. ``files`` and ``bytes`` are of the inputs."""

    tool: str
    site: str
    queue: str
    cores: int
    memory_mb: int
    tasks: int
    gpus: int
    wall_seconds: int | None
    elements: int
    job_order: dict[str, Any]
    command: str
    reasons: list[str] = field(default_factory=list)
    weighed: list[dict[str, object]] = field(default_factory=list)
    files: int = 0
    bytes: int = 0
    expected_seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class _Request:
    """A submission as it was asked for."""

    project: Project
    user: User
    tool: str
    inputs: dict[str, Any]
    title: str
    site: str | None
    cores: int | None
    memory_mb: int | None
    queue: str | None
    wall_seconds: int | None
    key: str | None
    rerun_of: Job | None = None

    @property
    def digest(self) -> str:
        """The same for the same request."""
        body: dict[str, Any] = {"tool": self.tool, "inputs": self.inputs, "title": self.title, "site": self.site}
        body |= {"cores": self.cores, "memory_mb": self.memory_mb}
        body |= {name: value for name in ("queue", "wall_seconds") if (value := getattr(self, name))}
        body |= {"rerun_of": str(self.rerun_of.pk)} if self.rerun_of else {}
        return hashlib.sha256(digest_text(body).encode()).hexdigest()


@overload
def submit_job(
    user: User, project_id: UUID | str, *, tool: str, inputs: dict[str, Any], title: str = "", site: str | None = None,
    cores: int | None = None, memory_mb: int | None = None, queue: str | None = None, wall_seconds: int | None = None,
    idempotency_key: str | None = None,
    dry_run: Literal[False] = False,
) -> Job: ...  # fmt: skip


@overload
def submit_job(
    user: User, project_id: UUID | str, *, tool: str, inputs: dict[str, Any], title: str = "", site: str | None = None,
    cores: int | None = None, memory_mb: int | None = None, queue: str | None = None, wall_seconds: int | None = None,
    idempotency_key: str | None = None,
    dry_run: Literal[True],
) -> Plan: ...  # fmt: skip


def submit_job(
    user: User,
    project_id: UUID | str,
    *,
    tool: str,
    inputs: dict[str, Any],
    title: str = "",
    site: str | None = None,
    cores: int | None = None,
    memory_mb: int | None = None,
    queue: str | None = None,
    wall_seconds: int | None = None,
    idempotency_key: str | None = None,
    dry_run: bool = False,
) -> Job | Plan:
    """A new job is in the database and a worker was called; with ``dry_run`` the plan of it, and nothing is made.

    The same key with the same request is the same job. Raises UserError (``unknown_tool``, ``invalid_inputs`` with
    ``errors`` by field, ``too_large``), Unprocessable ``idempotency_mismatch``, and what ``get_project`` raises.
    """
    project = get_project(user, Action.RUN, project_id)
    asked = _Request(
        project=project, user=user, tool=tool, inputs=inputs, title=title.strip()[:TITLE_LENGTH], site=site or None,
        cores=cores, memory_mb=memory_mb, queue=queue or None, wall_seconds=wall_seconds, key=_key(idempotency_key),
    )  # fmt: skip
    return _plan(asked) if dry_run else _submit(asked)


def rerun_job(user: User, job_id: UUID | str, *, changes: dict[str, Any], idempotency_key: str | None = None) -> Job:
    """A new job of the same tool, with the earlier inputs and ``changes`` over them; None takes an input away."""
    earlier = get_job(user, Action.RUN, job_id)
    inputs = {**earlier.inputs, **changes}
    asked = _Request(
        project=earlier.project, user=user, tool=earlier.tool,
        inputs={name: value for name, value in inputs.items() if value is not None},
        title=earlier.title, **_place_again(earlier, user), key=_key(idempotency_key), rerun_of=earlier,
    )  # fmt: skip
    return _submit(asked)


def cancel_job(user: User, job_id: UUID | str) -> Job:
    """The job is being cancelled, or was already; StateConflict ``job_ended`` when it has ended otherwise."""
    job = get_job(user, Action.RUN, job_id)
    for _ in range(CANCEL_TRIES):
        if job.job_state in (JobState.CANCELLING, JobState.CANCELLED):
            return job
        if job.job_state.final:
            raise StateConflict(f"The job has {job.job_state.label.lower()} already.", code="job_ended")
        try:
            with transaction.atomic():
                job.move_to(JobState.CANCELLING, reason=f"Cancelled by {user.display_name}.", actor=user)
                record(job.project, user, "job.cancelled", f"#{job.number} {job.tool}", job=str(job.pk))
                transaction.on_commit(partial(tasks.ring, job.pk))
            return job
        except StateConflict:
            job.refresh_from_db()
    raise StateConflict("The job changes just now; try again.", code="job_busy")


def _submit(asked: _Request) -> Job:
    known = _known(asked)
    if known is not None:
        return known
    info, folder = get_tool(asked.tool), _ready_folder(asked.project)
    order = job_order_of(info, folder, asked.inputs)
    choice = _placed(asked, info, folder, order)
    _command(info, folder, order, choice)
    try:
        with transaction.atomic():
            return _made(asked, info, folder, choice, order)
    except IntegrityError:
        known = _known(asked)
        if known is None:
            raise
        return known


def _placed(asked: _Request, info: ToolInfo, folder: Folder, order: dict[str, Any]) -> broker.Choice:
    return placed(
        asked.user, info, folder, order, site=asked.site, queue=asked.queue,
        cores=asked.cores, memory_mb=asked.memory_mb, wall_seconds=asked.wall_seconds,
    )  # fmt: skip


def _place_again(earlier: Job, user: User) -> dict[str, Any]:
    """Where and with what the job ran, as far as that can still be had; else the broker looks anew."""
    site, nothing = earlier.site, dict.fromkeys(("site", "queue", "cores", "memory_mb", "wall_seconds"))
    if not site.takes_jobs or not broker.may_use(site, user, groups_of(user).values_list("pk", flat=True)):
        return nothing
    queue = next((one for one in broker.queues_of(site) if one.name == earlier.queue), None)
    if queue is None:
        return nothing
    limits = [limit for limit in (earlier.wall_seconds, queue.wall_seconds) if limit]
    return {
        "site": site.name,
        "queue": queue.name or None,
        "cores": min(earlier.cores, queue.cores),
        "memory_mb": min(earlier.memory_mb, queue.memory_mb),
        "wall_seconds": min(limits, default=None),
    }


def _made(asked: _Request, info: ToolInfo, folder: Folder, choice: broker.Choice, order: dict[str, Any]) -> Job:
    # The project's row is the queue for its next number.
    Project.objects.select_for_update().get(pk=asked.project.pk)
    job = Job.objects.create(
        project=asked.project,
        number=_next_number(asked.project, folder),
        tool=info.name,
        tool_digest=info.digest,
        title=asked.title,
        inputs=asked.inputs,
        job_order=order,
        site=choice.site,
        queue=choice.queue,
        cores=choice.cores,
        memory_mb=choice.memory_mb,
        tasks=choice.tasks,
        gpus=choice.gpus,
        wall_seconds=choice.wall_seconds,
        elements=choice.elements,
        choice=choice.weighed,
        submitted_by=asked.user,
        rerun_of=asked.rerun_of,
        idempotency_key=asked.key,
        request_digest=asked.digest,
    )
    JobEvent.objects.create(job=job, to_state=JobState.CREATED, reason=" ".join(choice.reasons)[:500], actor=asked.user)
    record(asked.project, asked.user, "job.submitted", f"#{job.number} {job.tool}", job=str(job.pk))
    transaction.on_commit(partial(tasks.ring, job.pk))
    return job


def _known(asked: _Request) -> Job | None:
    """The job that this key already made; Unprocessable when it was made by another request."""
    if asked.key is None:
        return None
    job = Job.objects.filter(project=asked.project, submitted_by=asked.user, idempotency_key=asked.key).first()
    if job is not None and job.request_digest != asked.digest:
        raise Unprocessable(
            "This idempotency key was used for another request.",
            code="idempotency_mismatch",
            hint="Use a new key for a new request.",
        )
    return job


def _next_number(project: Project, folder: Folder) -> int:
    last = Job.objects.filter(project=project).aggregate(last=Max("number"))["last"]
    if last is None:  # a cloned or registered-again folder has job folders from before
        names = (entry.name.partition("-")[0] for entry in scan(folder_root(folder), "jobs"))
        last = max((int(name) for name in names if name.isascii() and name.isdigit() and len(name) < 9), default=0)
    return int(last) + 1


def _plan(asked: _Request) -> Plan:
    info, folder = get_tool(asked.tool), _ready_folder(asked.project)
    order = job_order_of(info, folder, asked.inputs)
    choice = _placed(asked, info, folder, order)
    command = _command(info, folder, order, choice)
    files, size = size_of(order)
    return Plan(
        tool=info.name,
        site=choice.site.name,
        queue=choice.queue,
        cores=choice.cores,
        memory_mb=choice.memory_mb,
        tasks=choice.tasks,
        gpus=choice.gpus,
        wall_seconds=choice.wall_seconds,
        elements=choice.elements,
        job_order=order,
        command=shlex.join(_told(word, info, folder) for word in command.argv),
        reasons=choice.reasons,
        weighed=choice.weighed,
        files=files,
        bytes=size,
        expected_seconds=expected_seconds(info.name),
    )


def _command(info: ToolInfo, folder: Folder, order: dict[str, Any], choice: broker.Choice) -> CommandLine:
    """The command as it would be; UserError ``invalid_inputs`` for values that pass the schema but not CWL."""
    root = folder_root(folder).resolve()
    try:
        return build_command(
            info.tool,
            placed_order(order, root, must_exist=True),
            outdir=root / "jobs" / "new",
            tmpdir=root / "jobs" / "new",
            cores=choice.cores,
            ram_mb=choice.memory_mb,
        )
    except ToolError as error:
        where = error.field.split(".")[0] if error.field else ""
        errors = {f"inputs.{where}" if where else "inputs": [error.message]}
        raise UserError(error.message, code="invalid_inputs", errors=errors) from error


def _told(word: str, info: ToolInfo, folder: Folder) -> str:
    """A word of the command without the machine's own directories."""
    roots: dict[Path, str] = {folder_root(folder).resolve(): ".", info.tool.folder.parent: "tools"}
    for root, name in roots.items():
        word = word.replace(str(root), name)
    return word


def _ready_folder(project: Project) -> Folder:
    folder = folder_of(project)
    if folder.state == FolderState.PREPARING:
        raise StateConflict("The project's first files are still being copied.", code="folder_preparing",
                            hint="Wait until they are there.")  # fmt: skip
    if not folder_root(folder).is_dir():
        raise NotFound("The project's folder is not there.", code="no_folder", hint="Ask the operator.")
    return folder


def _key(key: str | None) -> str | None:
    if key and len(key) > KEY_LENGTH:
        words = f"An idempotency key has at most {KEY_LENGTH} letters."
        raise UserError(words, code="bad_key", field="Idempotency-Key")
    return key or None
