"""From a command that has ended to results that can be shown, or to a failure that says what to change."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import repeat
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from common.errors import QuotaExceeded, Unavailable
from jobs.backends import supervisor
from jobs.backends.base import Backend, Phase, SiteUnavailable
from jobs.cwl import OutputError, collect_outputs
from jobs.cwl.model import all_files_in
from jobs.lifecycle import gathering, parts, staging
from jobs.lifecycle.crate import write_crate
from jobs.lifecycle.places import AREA, Places, control_of, folder_for, places_of, read_json, read_tail, write_json
from jobs.lifecycle.points import reached
from jobs.lifecycle.sites import asking, backend_of
from jobs.lifecycle.starting import STDERR, command_for, keep_out, latest
from jobs.lifecycle.watching import note_progress
from jobs.lifecycle.weighing import weighed, without_evidence
from jobs.models import Attempt, Job, Result
from jobs.provenance import all_summed
from jobs.registry import ToolInfo, get_tool
from jobs.repairs import RETRIED
from jobs.results import Failure, failure_of, found_outputs, full_disk
from jobs.states import Does, JobState
from storage.paths import exists_beneath, inner, remove_beneath, rename_beneath
from storage.quota import measured_below, note_change

log = logging.getLogger(__name__)
OUTPUTS_FILE = "outputs.json"
ERROR_BYTES = 64 * 1024
HASH_BYTES = 20 * 2**30
# As far as clocks that are kept may be apart.
CLOCKS = timedelta(minutes=1)


def collect(job: Job) -> None:
    """The job has succeeded with its results, or failed with what to change; nothing happens while evidence is due."""
    attempt, places, info = latest(job), places_of(job), get_tool(job.tool)
    reached("collect.begun")
    if attempt.does == Does.ELEMENTS:
        _collect_elements(job, attempt, info, places)
        return
    if attempt.staged:
        staging.bring_home(job, attempt, places)
    evidence = read_json(places.root, inner(AREA, attempt.pk.hex, supervisor.EXIT_FILE))
    if evidence is None:
        if _may_still_come(attempt):
            return
        without = without_evidence(attempt.evidence, info.title, job.memory_mb, attempt.site.name)
        fail(job, full_disk(info.title) if _is_full(places) and without.code == "site_error" else without, attempt)
        return
    evidence = weighed(evidence, attempt.evidence.get("cause") or "")
    keep_evidence(attempt, evidence)
    note_progress(job)
    failed = evidence.get("cause") or evidence.get("exit_code") not in info.tool.success_codes
    failure = None
    if failed:
        words = _said(job, attempt, info, places)
        failure = failure_of(evidence, words, title=info.title, memory_mb=job.memory_mb)
        if failure is not None and failure.code in ("tool_failed", "killed", "not_started") and _is_full(places):
            failure = full_disk(info.title)
    if failure is None:
        try:
            outputs = _outputs(job, attempt, info, places, int(evidence["exit_code"]))
        except OutputError as missing:
            hint = "Look at the log for what the tool left undone, change the inputs and run it again."
            failure = Failure(code="output_missing", message=missing.message, hint=missing.hint or hint)
    if failure is not None:
        fail(job, failure, attempt)
        return
    succeed(job, attempt, info, places, outputs)


def _collect_elements(job: Job, attempt: Attempt, info: ToolInfo, places: Places) -> None:
    """The array's results are about to be merged, or the job has failed; nothing happens while evidence is due."""
    failure = gathering.gather(job, attempt, info, places)
    if failure is not None:
        fail(job, failure, attempt)
    elif job.job_state is JobState.STAGING_IN:
        _drop_scratch(attempt, places)
        _drop_copies(attempt)


def _said(job: Job, attempt: Attempt, info: ToolInfo, places: Places) -> str:
    """The end of stderr, also where the tool sends it to a file of its own."""
    where = f"{places.folder}/{STDERR}"
    if info.tool.stderr and attempt.does == Does.ALL:
        where = f"{attempt.work_path}/{command_for(job, attempt, info, places, must_exist=False).stderr}"
    return read_tail(places.root, where, ERROR_BYTES)


def _is_full(places: Places) -> bool:
    """True when not even words about it could be written, to stderr or as an exit file."""
    room = os.statvfs(places.root)
    return room.f_bavail * room.f_frsize < ERROR_BYTES


def succeed(job: Job, attempt: Attempt, info: ToolInfo, places: Places, outputs: dict[str, Any]) -> None:
    """Outputs are under their final names, the crate is written, and job and results say so."""
    results = _results(job, places, list(found_outputs(info, outputs)))
    write_json(places.root, f"{places.folder}/{OUTPUTS_FILE}", _told(outputs, places))
    write_crate(job, attempt, info, places, results)
    parts.drop_work(job, places)
    reached("collect.crate_written")
    with transaction.atomic():
        job.results.all().delete()
        Result.objects.bulk_create(results)
        size, files = measured_below(places.path(places.folder))
        note_change(folder_for(job), size=size, files=files)
        job.move_to(JobState.SUCCEEDED)
        reached("collect.before_record")
    reached("collect.recorded")
    _drop_scratch(attempt, places)
    _drop_copies(attempt)


def fail(job: Job, failure: Failure, attempt: Attempt | None = None) -> None:
    """The job has failed, and says what to change. What its command left in ``work-<n>/`` stays to be looked at.

    On a full disk it fails without its crate: the user has to know, to make room. A failure of a node or of the site
    is tried again as a new attempt instead, a few times.
    """
    if attempt is not None and _is_tried_again(job, failure, attempt):
        return
    if attempt is not None:
        try:
            write_crate(job, attempt, get_tool(job.tool), places_of(job), [], error=failure.message)
        except (Unavailable, QuotaExceeded) as problem:
            log.warning("job %s: no crate of its failure: %s", job.pk, problem)
    with transaction.atomic():
        Job.objects.filter(pk=job.pk).update(failure=failure.as_dict())
        job.move_to(JobState.FAILED, reason=failure.message)
    job.failure = failure.as_dict()
    if attempt is not None:
        _drop_scratch(attempt, places_of(job))
        _drop_copies(attempt)


def _is_tried_again(job: Job, failure: Failure, attempt: Attempt) -> bool:
    left = _retries_left(attempt)
    if failure.code not in RETRIED or left <= 0 or job.job_state is not JobState.STAGING_OUT:
        return False
    with transaction.atomic():
        Attempt.objects.filter(pk=attempt.pk, ended_at__isnull=True).update(ended_at=timezone.now())
        more = f"It is tried again by itself, {left} more time{'s' * (left > 1)} at most."
        job.move_to(JobState.STAGING_IN, reason=f"{failure.message} {more}")
        reached("retry.before_record")
    reached("retry.recorded")
    return True


def _retries_left(attempt: Attempt) -> int:
    if attempt.does == Does.ELEMENTS:
        return gathering.retries_left(attempt)
    tries = Attempt.objects.filter(job=attempt.job_id, does=attempt.does, number__lte=attempt.number).count()
    return settings.JOB_RETRIES + 1 - tries


def cancel(job: Job) -> None:
    """The job is cancelled once nothing of it runs; until then its site has been asked to end it."""
    if not job.attempts.exists():
        job.move_to(JobState.CANCELLED)
        return
    attempt, places = latest(job), places_of(job)
    reached("cancel.before_site")
    with asking(attempt.site) as backend:
        over = _is_over(backend, attempt, places)
    reached("cancel.after_site")
    if not over:
        return
    if attempt.staged:
        with suppress(SiteUnavailable):  # its logs are good to have, but it is over without them
            staging.bring_home(job, attempt, places)
    evidence = read_json(places.root, inner(AREA, attempt.pk.hex, supervisor.EXIT_FILE))
    if evidence is not None:
        keep_evidence(attempt, evidence)
    with transaction.atomic():
        Attempt.objects.filter(pk=attempt.pk, ended_at__isnull=True).update(ended_at=timezone.now())
        gathering.drop_unended(attempt)
        job.move_to(JobState.CANCELLED)
        reached("cancel.before_record")
    reached("cancel.recorded")
    _drop_scratch(attempt, places)
    _drop_copies(attempt)


def _is_over(backend: Backend, attempt: Attempt, places: Places) -> bool:
    if attempt.does == Does.ELEMENTS:
        return _array_is_over(backend, attempt, places)
    native_id = attempt.native_id or backend.find(attempt.native_name)
    if native_id is None:
        # The site never had it. Should a lost call still reach the site, that copy finds this fence and leaves.
        keep_out(attempt, places)
        return True
    if not attempt.native_id:
        Attempt.objects.filter(pk=attempt.pk).update(native_id=native_id)
    backend.cancel(native_id)
    # A copy whose call was lost may still come after the one that is known.
    with suppress(SiteUnavailable, Unavailable, QuotaExceeded):
        keep_out(attempt, places)
    seen = backend.poll([native_id]).get(native_id)
    return seen is None or seen.phase in (Phase.ENDED, Phase.LOST)


def _array_is_over(backend: Backend, attempt: Attempt, places: Places) -> bool:
    array = parts.of_array(attempt)
    known = [one.native_id for one in array if one.native_id]
    found = known or backend.find_array(attempt.native_name, len(array))
    if not found:
        # As for a single job: the site has nothing of it, or a part that a killed worker had handed over.
        keep_out(attempt, places)
        names = [one.native_name for one in array]
        backend.cancel_array(attempt.native_name, names)
        return all(one.phase in (Phase.ENDED, Phase.LOST) for one in backend.poll(names).values())
    if not attempt.native_id:
        parts.note_ids(attempt, found)
        Attempt.objects.filter(pk=attempt.pk).update(native_id=attempt.native_name)
    parts.end(backend, attempt)
    with suppress(SiteUnavailable, Unavailable, QuotaExceeded):
        keep_out(attempt, places)
    every = [*found, *parts.beside(backend, attempt)]
    return all(one.phase in (Phase.ENDED, Phase.LOST) for one in backend.poll(every).values())


def keep_evidence(attempt: Attempt, evidence: dict[str, Any]) -> None:
    """The attempt's row says how its command ended."""
    attempt.exit_code, attempt.signal = evidence.get("exit_code"), evidence.get("signal")
    attempt.evidence, attempt.ended_at = evidence, _when(evidence.get("ended_at"), attempt)
    attempt.save(update_fields=["exit_code", "signal", "evidence", "ended_at"])


def _when(told: float | None, attempt: Attempt) -> datetime:
    """When the attempt ended by the node's clock; a time that can't be is not believed."""
    now = timezone.now()
    ended = datetime.fromtimestamp(told, tz=UTC) if told else now
    return ended if (attempt.submitted_at or ended) - CLOCKS <= ended <= now + CLOCKS else now


def _may_still_come(attempt: Attempt) -> bool:
    try:
        patience = backend_of(attempt.site).evidence_seconds
    except SiteUnavailable:
        return True
    lost = attempt.evidence.get("lost", bool(attempt.evidence.get("site")))
    ended = attempt.ended_at or timezone.now()
    return not lost and timezone.now() - ended < timedelta(seconds=patience)


def _outputs(job: Job, attempt: Attempt, info: ToolInfo, places: Places, exit_code: int) -> dict[str, Any]:
    """The declared outputs, whole, on disk and under their final names; OutputError when one is not there.

    Called again after a crash it finds what was renamed already.
    """
    done = exists_beneath(places.root, places.outputs)
    command = command_for(job, attempt, info, places, must_exist=False)
    where = places.path(places.outputs if done else attempt.work_path)
    outputs = collect_outputs(info.tool, job.job_order, where, exit_code, command=command, checksums=False)
    reached("collect.outputs_found")
    if done:
        return outputs
    for path in _synced(where):
        _sync(path)
    reached("collect.before_rename")
    rename_beneath(places.root, attempt.work_path, places.outputs)
    reached("collect.after_rename")
    return collect_outputs(
        info.tool, job.job_order, places.path(places.outputs), exit_code, command=command, checksums=False
    )


def _synced(where: Path) -> Iterator[Path]:
    """All files and directories of the outputs, links left out, what is inside before what holds it."""
    for above, _, names in os.walk(where, topdown=False):
        for name in names:
            path = Path(above, name)
            if path.is_file() and not path.is_symlink():
                yield path
        yield Path(above)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _results(job: Job, places: Places, found: list[Any]) -> list[Result]:
    files = [Path(one.path) for one in found if not one.is_folder]
    sums = dict(zip(files, all_summed(files, repeat(HASH_BYTES)), strict=True))
    return [_result(job, places, one, sums.get(Path(one.path), "")) for one in found]


def _result(job: Job, places: Places, one: Any, sha256: str) -> Result:
    return Result(
        job=job,
        output=one.output[:100],
        position=one.position,
        title=one.title,
        path=str(Path(one.path).relative_to(places.root)),
        viewer=one.viewer,
        format=one.format,
        size=one.size,
        sha256=sha256,
    )


def _told(outputs: dict[str, Any], places: Places) -> dict[str, Any]:
    """The CWL output object with paths in the project folder, free of this machine's own."""
    for item in all_files_in(outputs):
        item.pop("location", None)
        item["path"] = str(Path(item["path"]).relative_to(places.root))
    return outputs


def _drop_copies(attempt: Attempt) -> None:
    """What is at the site goes, but the fence of one that may still come; what can't go now is tried again later."""
    if attempt.staged and attempt.native_id:
        with suppress(SiteUnavailable):
            staging.clean_up(attempt)


def _drop_scratch(attempt: Attempt, places: Places) -> None:
    """The command's scratch space is gone; fence and exit file stay, they keep a late copy from running."""
    elements = list(attempt.elements.all()) if attempt.does == Does.ELEMENTS else []
    for control in [control_of(attempt), *(parts.control_of_element(attempt, one) for one in elements)]:
        remove_beneath(places.root, inner(*control.split("/")[1:], "tmp"))
