"""What a person may see of jobs: the job itself, its logs, its command, what changed between two."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import close_old_connections, connection

from accounts.models import User
from common.errors import NotFound, UserError
from jobs.lifecycle import parts
from jobs.lifecycle.places import places_of, read_json, read_tail
from jobs.lifecycle.starting import COMMAND_FILE, STDERR, STDOUT
from jobs.models import Element, Job, Result
from jobs.registry import ToolInfo
from jobs.states import JobState
from projects.permissions import get_project
from projects.roles import Action
from storage.paths import exists_beneath, open_regular

STREAMS = {"stdout": STDOUT, "stderr": STDERR}
LOG_LIMIT = 2**20
LOOK_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class LogChunk:
    """A piece of a log; go on at ``next_offset``. ``complete`` says that nothing more will come."""

    text: str
    next_offset: int
    complete: bool


@dataclass(frozen=True, kw_only=True)
class Change:
    """An input that differs between two jobs; None where it is not given."""

    path: str
    before: Any
    after: Any


@dataclass(frozen=True, kw_only=True)
class JobNews:
    """What is new of a job: state, words, progress, the sizes of its logs and how many results it has."""

    state: str
    reason: str
    progress: dict[str, Any]
    stdout_size: int
    stderr_size: int
    results: int


def get_job(user: User, action: Action, job_id: UUID | str) -> Job:
    """The job, when ``user`` may do ``action`` in its project; NotFound for strangers, Forbidden for weak roles."""
    found = Job.objects.select_related("project", "site", "submitted_by", "rerun_of")
    job = found.filter(pk=job_id).first() if _is_uuid(job_id) and user.is_authenticated else None
    if job is None:
        raise _no_job()
    try:
        get_project(user, action, job.project_id)
    except NotFound:
        raise _no_job() from None
    return job


def elements_of(user: User, job_id: UUID | str) -> list[Element]:
    """Where each element of a job that is split stands, in order; none for other jobs and before they are made."""
    return parts.standing(get_job(user, Action.VIEW, job_id))


def read_log(
    user: User, job_id: UUID | str, stream: str, offset: int = 0, limit: int = 65536, element: int | None = None
) -> LogChunk:
    """The log from byte ``offset`` on, at most ``limit`` bytes, cut where a letter ends.

    ``element`` (from 1 on) chooses that element's own log; a job in elements has one for each, and its merge the job's.
    """
    job = get_job(user, Action.VIEW, job_id)
    if stream not in STREAMS:
        raise UserError("The stream is stdout or stderr.", code="bad_stream", field="stream")
    if offset < 0:
        raise UserError("The offset is 0 or more.", code="bad_offset", field="offset")
    # The state is read before the log: what is written in between is seen by the next call.
    places = places_of(job)
    path = f"{places.folder}/{STREAMS[stream]}"
    if element is not None:
        if not 1 <= element <= job.elements:
            raise UserError(f"The job has {job.elements} elements.", code="bad_element", field="element")
        path = parts.log_of_element(job, element - 1, STREAMS[stream])
    data, size = _read(places.root, path, offset, max(4, min(limit, LOG_LIMIT)))
    start = min(offset, size)
    text, used = _whole_letters(data, last=job.job_state.final and start + len(data) >= size)
    at = start + used
    return LogChunk(text=text, next_offset=at, complete=job.job_state.final and at >= size)


def command_of(user: User, job_id: UUID | str) -> str:
    """The command line that the job's site ran, quoted for a shell; empty before it was made."""
    places = places_of(get_job(user, Action.VIEW, job_id))
    return read_tail(places.root, f"{places.folder}/{COMMAND_FILE}", LOG_LIMIT).strip()


def numbers_of(user: User, result: Result) -> dict[str, Any]:
    """The JSON object that a small result holds; empty when it is gone or is something else."""
    places = places_of(get_job(user, Action.VIEW, result.job_id))
    return (read_json(places.root, result.path) or {}) if result.size <= LOG_LIMIT else {}


def charts_so_far(user: User, job_id: UUID | str, info: ToolInfo) -> list[Result]:
    """The charts that a running job has begun to draw, in the tool's order, as results that are in no table yet."""
    job = get_job(user, Action.VIEW, job_id)
    attempt = job.attempts.last()
    if attempt is None:
        return []
    names = {one.name: one.output.globs[0] for one in info.tool.outputs if one.output and one.output.globs}
    root, found = places_of(job).root, []
    for place, hint in enumerate(info.results):
        path = f"{attempt.work_path}/{names.get(hint.output, '')}"
        if hint.viewer == "chart" and hint.output in names and "*" not in path and exists_beneath(root, path):
            made = {"output": hint.output, "title": hint.title, "viewer": hint.viewer, "position": place}
            found.append(Result(job=job, path=path, size=0, **made))
    return found


def job_difference(a: Job, b: Job) -> list[Change]:
    """The inputs and resources in which ``b`` differs from ``a``, by name."""
    before = {**_flat("", a.inputs), "cores": a.cores, "memory_mb": a.memory_mb, "site": a.site.name}
    after = {**_flat("", b.inputs), "cores": b.cores, "memory_mb": b.memory_mb, "site": b.site.name}
    names = sorted({*before, *after})
    if a.tool_digest != b.tool_digest:
        before, after = before | {"tool": a.tool_digest[:12]}, after | {"tool": b.tool_digest[:12]}
        names.append("tool")
    return [
        Change(path=name, before=before.get(name), after=after.get(name))
        for name in names
        if before.get(name) != after.get(name)
    ]


async def job_changes(user: User, job_id: UUID | str) -> AsyncIterator[JobNews]:
    """News of the job whenever there are any, looked for once a second; ends after the news of its end.

    The right to see it is checked at each look, so somebody who is taken out of the project hears no more.
    """
    known = None
    while True:
        news = await sync_to_async(_news_now)(user, job_id)
        if news != known:
            known = news
            yield news
        if JobState(news.state).final:
            return
        await asyncio.sleep(LOOK_SECONDS)


def _news_now(user: User, job_id: UUID | str) -> JobNews:
    try:
        return _news(user, job_id)
    finally:
        if not connection.in_atomic_block:
            close_old_connections()  # somebody who only listens holds none


def _news(user: User, job_id: UUID | str) -> JobNews:
    job = get_job(user, Action.VIEW, job_id)
    places = places_of(job)
    sizes = {name: _size(places.path(f"{places.folder}/{file}")) for name, file in STREAMS.items()}
    return JobNews(
        state=job.state,
        reason=job.reason,
        progress=job.progress,
        stdout_size=sizes["stdout"],
        stderr_size=sizes["stderr"],
        results=job.results.count(),
    )


def _size(path: os.PathLike[str]) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0


def _read(root: Any, path: str, offset: int, limit: int) -> tuple[bytes, int]:
    if not exists_beneath(root, path):
        return b"", 0
    with os.fdopen(open_regular(root, path), "rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        stream.seek(min(offset, size))
        return stream.read(limit), size


def _whole_letters(data: bytes, *, last: bool) -> tuple[str, int]:
    """The text and how many bytes of it were used: a letter that is cut at the end is left for the next call."""
    used = len(data)
    for back in range(1, min(4, used) + 1) if not last else ():
        byte = data[used - back]
        if byte >= 0xC0:
            needed = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            used -= back if needed > back else 0
            break
        if byte < 0x80:
            break
    # A limit smaller than one letter must not stand still for ever.
    used = used or (len(data) if len(data) >= 4 else 0)
    return data[:used].decode("utf-8", errors="replace"), used


def _flat(above: str, value: Any) -> dict[str, Any]:
    if isinstance(value, dict) and not {"class", "pattern", "folder"} & set(value):
        found: dict[str, Any] = {}
        for name, one in value.items():
            found |= _flat(f"{above}.{name}" if above else name, one)
        return found
    return {above: value}


def _is_uuid(text: UUID | str) -> bool:
    try:
        return bool(UUID(str(text)))
    except ValueError:
        return False


def _no_job() -> NotFound:
    return NotFound("There is no such job, or you are not a member of its project.", code="job_not_found")
