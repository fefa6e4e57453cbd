"""From a new job to one that a site has: the folder is made, the inputs are looked at again, the intent is recorded."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone

from common.errors import NotFound, UserError
from jobs.backends.base import Backend, JobRejected, JobSpec, SiteUnavailable
from jobs.backends.supervisor import FENCE
from jobs.cwl import CommandLine, Tool, build_command, write_work_files
from jobs.cwl.model import all_files_in
from jobs.lifecycle import parts, staging
from jobs.lifecycle.installed import installed
from jobs.lifecycle.places import Places, control_of, folder_for, places_of, read_json, write_json, write_text
from jobs.lifecycle.points import reached
from jobs.lifecycle.sites import asking
from jobs.models import Attempt, ComputeSite, Element, Job
from jobs.registry import ToolInfo, get_tool
from jobs.states import Does, JobState
from storage.paths import Inner, clean, ensure_dir, exists_beneath, path_beneath, remove_beneath

# The search path of a site that has nothing in common with this machine.
ELSEWHERE = "/usr/local/bin:/usr/bin:/bin"
INPUTS_FILE, STDOUT, STDERR = "inputs.json", "stdout.log", "stderr.log"
COMMAND_FILE, MERGE_FILE, TMP = "command.txt", "merge-command.txt", "tmp"


def begin(job: Job) -> None:
    """A worker has taken the job up; while its site has as many as it takes, the job waits and says so."""
    with transaction.atomic():
        site = job.site
        if _is_limited(site):  # then one after the other, so that the count holds
            site = ComputeSite.objects.select_for_update().get(pk=job.site_id)
        words = _no_room(job, site)
        if words:
            Job.objects.filter(pk=job.pk, state=job.state).update(reason=words, touched_at=timezone.now())
            return
        job.move_to(JobState.STAGING_IN)
    reached("created.moved")


def _is_limited(site: ComputeSite) -> bool:
    return bool(site.draining_since or site.most_jobs or site.most_jobs_each)


def _no_room(job: Job, site: ComputeSite) -> str:
    """Why the job has to wait for others of its site; empty when it need not. Each counts from here to its end."""
    if site.draining_since is not None:
        return f"Waits: {site.name} takes no new jobs now. {site.drain_reason}".strip()
    there = Job.objects.active().filter(site=site).exclude(state=JobState.CREATED)
    mine = there.filter(submitted_by=job.submitted_by_id)
    if site.most_jobs_each and (count := mine.count()) >= site.most_jobs_each:
        return f"Waits: {site.name} takes {site.most_jobs_each} jobs of one person at once; {count} of yours are there."
    if site.most_jobs and there.count() >= site.most_jobs:
        return f"Waits: {site.name} takes {site.most_jobs} jobs at once."
    return ""


def prepare(job: Job) -> None:
    """The job folder is there with ``inputs.json`` and ``command.txt``, and the intent to submit is recorded.

    Raises UserError or NotFound, which fail the job, when an input is no longer what it was at submission.
    """
    info = get_tool(job.tool)
    if info.digest != job.tool_digest:
        raise UserError(
            "The tool was updated after this job was submitted.", code="tool_changed", hint="Run it again as it is now."
        )
    places = places_of(job)
    _make_folder(job, places)
    reached("prepare.folder_made")
    attempt, indices = _next_attempt(job)
    _end_earlier(attempt, places)
    elements = parts.rows_of(attempt, indices)
    tasks = tasks_of(job, attempt, info, places, elements)
    write_json(places.root, f"{places.folder}/{INPUTS_FILE}", _inputs_of(job, info))
    write_text(places.root, f"{places.folder}/{_commands_file(attempt)}", _told(tasks))
    reached("prepare.written")
    if attempt.staged:
        attempt.save()
        parts.add_rows(elements)
        staging.stage_in(attempt, info, places, *(task.command for task in tasks))
    with transaction.atomic():
        if not attempt.staged:
            attempt.save()
            parts.add_rows(elements)
        job.move_to(JobState.SUBMITTING)
        reached("prepare.before_record")
    reached("prepare.recorded")


def _next_attempt(job: Job) -> tuple[Attempt, list[int]]:
    """A new attempt and the elements it runs; or the one whose copying was cut, so that it goes on where it was."""
    does, indices = parts.to_do(job)
    last = _newest(job)
    if last is not None and _was_cut(last, job, does, indices):
        return last, indices
    number = last.number + 1 if last is not None else 1
    staged = job.site.stages(folder_for(job).site)
    return Attempt(job=job, number=number, site=job.site, queue=job.queue, does=does, staged=staged), indices


def _was_cut(last: Attempt, job: Job, does: Does, indices: Sequence[int]) -> bool:
    copying = last.staged and last.site_id == job.site_id and not last.submitted_at and not last.ended_at
    return copying and last.does == does and indices == [one.index for one in last.elements.all()]


def _end_earlier(attempt: Attempt, places: Places) -> None:
    """The sites of earlier attempts were asked to end what may still run of them; they write elsewhere anyway.

    What never began of them does not begin any more.
    """
    if attempt.number == 1:
        return
    earlier = Attempt.objects.filter(job=attempt.job, number__lt=attempt.number, exit_code=None, signal=None)
    for one in earlier.select_related("site"):
        if one.does != Does.ELEMENTS:
            with suppress(SiteUnavailable):
                keep_out(one, places)
        if one.native_id:
            with suppress(SiteUnavailable), asking(one.site) as backend:
                parts.end(backend, one)


def keep_out(attempt: Attempt, places: Places) -> None:
    """A copy of the attempt that comes from now on finds the fence and leaves; one that runs goes on."""
    if attempt.does == Does.ELEMENTS:
        parts.fence(attempt, places, attempt.elements.all())
    else:
        ensure_dir(places.root, Inner(f"{control_of(attempt)}/{FENCE}"))
    if attempt.staged and attempt.cleaned_at is None:
        staging.fence(attempt)


def hand_over(job: Job) -> None:
    """The site has the job, exactly once: it is asked for the attempt's name before anything is submitted again."""
    attempt = latest(job)
    reached("hand_over.before_find")
    try:
        with asking(attempt.site) as backend:
            found = _found(backend, attempt) if attempt.tried_at else None
            if found is None:
                specs = _specs_of(job, attempt)
                Attempt.objects.filter(pk=attempt.pk, tried_at__isnull=True).update(tried_at=timezone.now())
                reached("hand_over.before_submit")
                found = _submitted(backend, attempt, specs)
    except JobRejected as refused:
        raise UserError(refused.message, code="site_refused", hint=refused.hint) from refused
    reached("hand_over.after_submit")
    with transaction.atomic():
        native_id = found[0]
        if attempt.does == Does.ELEMENTS:
            parts.note_ids(attempt, found)
            native_id = attempt.native_name
        Attempt.objects.filter(pk=attempt.pk).update(native_id=native_id, submitted_at=timezone.now())
        job.move_to(JobState.QUEUED)
    reached("hand_over.recorded")


def _found(backend: Backend, attempt: Attempt) -> list[str] | None:
    """The native ids of what the site has of the attempt; None when it never had it, or not all of an array."""
    if attempt.does == Does.ELEMENTS:
        return backend.find_array(attempt.native_name, len(parts.of_array(attempt)))
    found = backend.find(attempt.native_name)
    return None if found is None else [found]


def _submitted(backend: Backend, attempt: Attempt, specs: list[JobSpec]) -> list[str]:
    if attempt.does != Does.ELEMENTS:
        return [backend.submit(specs[0])]
    rule, site = get_tool(attempt.job.tool).scatter, attempt.site
    limits = [most for most in (rule.at_once if rule else 0, site.most_jobs_each, site.most_jobs) if most]
    return backend.submit_array(attempt.native_name, specs, at_once=min(limits, default=0))


def latest(job: Job) -> Attempt:
    """The job's newest attempt."""
    attempt = _newest(job)
    if attempt is None:
        raise NotFound("This job was not handed over to a site yet.", code="no_attempt")
    return attempt


def _newest(job: Job) -> Attempt | None:
    attempt = job.attempts.order_by("-number").first()
    if attempt is not None and attempt.site_id == job.site_id:
        attempt.site = job.site  # which was read with the job
    return attempt


def command_for(job: Job, attempt: Attempt, info: ToolInfo, places: Places, *, must_exist: bool = True) -> CommandLine:
    """The command of the attempt; nothing on disk is changed.

    With ``must_exist`` the inputs are looked for; without it they are named as they were (they may be gone by now).
    """
    return _command(job, info.tool, job.job_order, places, attempt.work_path, control_of(attempt), must_exist)


def _command(
    job: Job, tool: Tool, order: Mapping[str, Any], places: Places, work: str, control: Inner, must_exist: bool
) -> CommandLine:
    return build_command(
        tool,
        placed_order(order, places.root, must_exist=must_exist),
        outdir=places.path(work),
        tmpdir=places.path(control) / TMP,
        cores=job.cores,
        ram_mb=job.memory_mb,
        must_exist=must_exist,
    )


@dataclass(frozen=True, kw_only=True)
class Task:
    """One command of an attempt: its native name and its places; ``out`` and ``err`` are logs in the project folder."""

    name: str
    command: CommandLine
    work: str
    control: Inner
    out: str
    err: str


def tasks_of(job: Job, attempt: Attempt, info: ToolInfo, places: Places, elements: Sequence[Element]) -> list[Task]:
    """The command that the attempt runs, or those of the elements of its array in their places."""
    if attempt.does == Does.ELEMENTS:
        return [element_task(job, attempt, info, places, element) for element in elements]
    command = command_for(job, attempt, info, places) if attempt.does == Does.ALL else None
    if command is None:
        order, control = parts.merge_order(job, info), control_of(attempt)
        command = _command(job, parts.rule_of(info).merge, order, places, attempt.work_path, control, must_exist=True)
    out, err = f"{places.folder}/{STDOUT}", f"{places.folder}/{STDERR}"
    return [Task(name=attempt.native_name, command=command, work=attempt.work_path,
                 control=control_of(attempt), out=out, err=err)]  # fmt: skip


def element_task(
    job: Job, attempt: Attempt, info: ToolInfo, places: Places, element: Element, *, must_exist: bool = True
) -> Task:
    """The command of one element."""
    work, control = parts.work_of_element(attempt, element), parts.control_of_element(attempt, element)
    order = parts.element_order(job, info, element.index)
    return Task(
        name=element.native_name,
        command=_command(job, info.tool, order, places, work, control, must_exist),
        work=work,
        control=control,
        out=parts.log_of_element(job, element.index, STDOUT),
        err=parts.log_of_element(job, element.index, STDERR),
    )


def _commands_file(attempt: Attempt) -> str:
    return MERGE_FILE if attempt.does == Does.MERGE else COMMAND_FILE


def _told(tasks: Sequence[Task]) -> str:
    return "".join(f"{shlex.join(task.command.argv)}\n" for task in tasks)


def placed_order(value: Any, root: Path, *, must_exist: bool) -> Any:
    """The job order with each file's path in the folder made absolute; a link is followed only inside the folder."""
    if isinstance(value, list):
        return [placed_order(one, root, must_exist=must_exist) for one in value]
    if not isinstance(value, Mapping):
        return value
    placed = {key: placed_order(one, root, must_exist=must_exist) for key, one in value.items()}
    if value.get("class") in ("File", "Directory") and "path" in value:
        placed["path"] = str(_placed(root, str(value["path"]), must_exist=must_exist))
        for key in ("size", "modified"):
            placed.pop(key, None)
    return placed


def _placed(root: Path, path: str, *, must_exist: bool) -> Path:
    try:
        return path_beneath(root, path)
    except NotFound as error:
        if not must_exist:
            return root / clean(path)
        raise UserError(
            f"The input “{path}” is no longer in the project.",
            code="input_missing",
            hint="Put it back (from the trash, or upload it again), then run the job again.",
        ) from error


def _make_folder(job: Job, places: Places) -> None:
    ensure_dir(places.root, places.folder)
    known = read_json(places.root, f"{places.folder}/{INPUTS_FILE}")
    if known is not None and known.get("job", {}).get("id") != str(job.pk):
        raise UserError(
            f"“{places.folder}” belongs to another job.",
            code="folder_taken",
            hint="Move that folder to another name, then run the job again.",
        )


def _inputs_of(job: Job, info: ToolInfo) -> dict[str, Any]:
    """What is needed to know the job again from its folder alone."""
    who = job.submitted_by
    return {
        "job": {"id": str(job.pk), "number": job.number, "title": job.title, "project": str(job.project_id)},
        "tool": {"name": job.tool, "digest": job.tool_digest, "title": info.title, "software": info.software},
        "site": {"name": job.site.name, "queue": job.queue, "cores": job.cores, "memory_mb": job.memory_mb},
        "submitted": {"by": who.display_name if who else "", "at": job.created_at.isoformat()},
        "inputs": job.inputs,
        "job_order": job.job_order,
    }


def _specs_of(job: Job, attempt: Attempt) -> list[JobSpec]:
    """What the site is to run, an array's elements in their places; the work directories and their files are there."""
    places, info = places_of(job), get_tool(job.tool)
    elements = parts.of_array(attempt) if attempt.does == Does.ELEMENTS else []
    tasks = tasks_of(job, attempt, info, places, elements)
    if attempt.staged:
        # Nothing that a link points to travels, so what is put in place is a copy.
        tasks = [replace(task, command=_copying(task.command)) for task in tasks]
    _make_work(attempt, places, tasks, (attempt.work_path, control_of(attempt)))
    return [_spec_of(job, attempt, info, places, task) for task in tasks]


def spec_of_element(job: Job, attempt: Attempt, element: Element) -> JobSpec:
    """What the site is to run of an element beside its array; its work directory and the files in it are there."""
    places, info = places_of(job), get_tool(job.tool)
    task = element_task(job, attempt, info, places, element)
    _make_work(attempt, places, [task], (task.work, task.control))
    return _spec_of(job, attempt, info, places, task)


def _copying(command: CommandLine) -> CommandLine:
    return replace(command, work_files=tuple(replace(one, writable=True) for one in command.work_files))


def _spec_of(job: Job, attempt: Attempt, info: ToolInfo, places: Places, task: Task) -> JobSpec:
    command, cwd = task.command, places.path(task.work)
    for stream in (command.stdout, command.stderr):
        if stream:
            (cwd / stream).parent.mkdir(parents=True, exist_ok=True)
    there = installed(attempt.site, job.tool)
    spec = JobSpec(
        name=task.name,
        argv=[*there.wrapper, *command.argv],
        cwd=cwd,
        control=places.path(task.control),
        stdout=cwd / command.stdout if command.stdout else places.path(task.out),
        stderr=cwd / command.stderr if command.stderr else places.path(task.err),
        stdin=Path(command.stdin) if command.stdin else None,
        environment=_environment(attempt.site, command) | there.environment,
        cores=job.cores,
        memory_mb=job.memory_mb,
        wall_seconds=_shortest(command.time_limit, job.wall_seconds, attempt.site.settings.get("wall_seconds")),
        order=int(job.created_at.timestamp() * 1e6),
        queue=attempt.queue,
        nodes=job.nodes,
        tasks=job.tasks,
        gpus=job.gpus,
        setup=there.setup,
        comment=f"{job.tool} #{job.number}",
    )
    return staging.moved_spec(spec, attempt, places, info) if attempt.staged else spec


def _make_work(attempt: Attempt, places: Places, tasks: Sequence[Task], above: Sequence[str]) -> None:
    """The work and control directories are there, on the site too, with the files that the tool wants in place.

    They are in the directories ``above``, which begin empty.
    """
    there = any(exists_beneath(places.root, Inner(f"{task.control}/{FENCE}")) for task in tasks)
    if staging.fenced(attempt) if attempt.staged else there:
        return
    # What a worker left that died on its way to here; without a fence no command has begun.
    for path in above:
        remove_beneath(places.root, path)
    for task in tasks:
        for path in (task.work, task.control, Inner(f"{task.control}/{TMP}"), task.out.rpartition("/")[0]):
            ensure_dir(places.root, path)
        write_work_files(task.command)
    if attempt.staged:
        staging.send_work(attempt, places)


def _environment(site: ComputeSite, command: CommandLine) -> dict[str, str]:
    """The command's environment: nothing of the portal's own, which may hold secrets."""
    own, told = str(Path(sys.executable).parent), site.settings.get("path")
    path = f"{own}:{told or os.environ.get('PATH') or os.defpath}"
    if site.work_root:
        path = str(told or ELSEWHERE)
    return {
        "PATH": path,
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        # Open MPI makes sockets below TMPDIR, whose path is too long for them.
        "OMPI_MCA_orte_tmpdir_base": "/tmp",  # noqa: S108
        **command.environment,
    }


def _shortest(*limits: Any) -> int | None:
    found = [int(limit) for limit in limits if limit]
    return min(found) if found else None


def input_paths(job: Job) -> list[dict[str, Any]]:
    """The job's input files and folders as {class, path, size, modified}, as they were at submission."""
    return [item for item in all_files_in(job.job_order) if "path" in item]
