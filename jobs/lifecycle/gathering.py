"""What became of an array's elements: what the site says of each, how each ended, and what follows for the job."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from common.errors import PortolanError
from jobs.backends.base import NativeObservation, Phase, SiteUnavailable
from jobs.backends.supervisor import EXIT_FILE
from jobs.cwl import OutputError, collect_outputs
from jobs.lifecycle import again, parts, staging
from jobs.lifecycle.places import Places, places_of, read_json, read_tail
from jobs.lifecycle.points import reached
from jobs.lifecycle.sites import backend_of
from jobs.lifecycle.starting import element_task
from jobs.lifecycle.weighing import weighed, without_evidence
from jobs.models import Attempt, Element, Job, Observation
from jobs.registry import ToolInfo, get_tool
from jobs.repairs import RETRIED
from jobs.results import Failure, failure_of
from jobs.states import ElementState, JobState
from storage.paths import Inner

ABSENT_AFTER = timedelta(minutes=10)
# How fresh “last seen” is.
SEEN_EVERY = timedelta(seconds=10)
ERROR_BYTES = 64 * 1024
OPEN = (ElementState.WAITING, ElementState.RUNNING)


# --- while they run


def to_ask_for(attempts: Iterable[Attempt]) -> list[Element]:
    """The elements of these attempts that have not ended, as far as is known."""
    return list(Element.objects.filter(attempt__in=list(attempts), ended_at__isnull=True).exclude(native_id=""))


def note(attempt: Attempt, elements: list[Element], answers: Mapping[str, NativeObservation]) -> bool:
    """What the site said of the attempt's elements is kept; True when a worker has to go on with the job."""
    job, now = attempt.job, timezone.now()
    seen = [one for one in elements if one.native_id in answers]
    late = [one.pk for one in seen if one.last_seen_at is None or now - one.last_seen_at > SEEN_EVERY]
    Element.objects.filter(pk__in=late).update(last_seen_at=now)
    _note_news([(one, answers[one.native_id]) for one in seen], now)
    absent = [one for one in elements if one.native_id not in answers]
    ended = {one.pk for one in absent if has_ended(attempt, one)}
    Element.objects.filter(pk__in=ended).update(ended_at=now)
    lost = [one for one in absent if one.pk not in ended]
    if not attempt.staged and job.job_state is not JobState.CANCELLING:  # what a cancel ends has not failed
        _judge_early(attempt)
    note_progress(job)
    if _has_ended(attempt):
        return True
    _follow(attempt, [answers[one.native_id] for one in seen], lost)
    return job.job_state is JobState.CANCELLING or again.is_due(attempt)


def _has_ended(attempt: Attempt) -> bool:
    """True when all elements have ended: so has the attempt, and its results are due, both or neither."""
    job = attempt.job
    with transaction.atomic():
        # With this row locked no element is tried again meanwhile.
        Attempt.objects.select_for_update().get(pk=attempt.pk)
        if attempt.elements.filter(ended_at__isnull=True).exists():
            return False
        Attempt.objects.filter(pk=attempt.pk, ended_at__isnull=True).update(ended_at=timezone.now())
        if job.job_state is not JobState.CANCELLING:
            job.move_to(JobState.STAGING_OUT)
    return True


def _judge_early(attempt: Attempt) -> None:
    """Elements whose exit files are here already are told as done or failed while others run."""
    ended = list(attempt.elements.filter(state__in=OPEN, ended_at__isnull=False))
    if ended:
        with suppress(PortolanError):  # what is wrong is told when the job's results are collected
            info, places = get_tool(attempt.job.tool), places_of(attempt.job)
            for element in ended:
                _judge(attempt.job, attempt, element, info, places)


def _note_news(told: Iterable[tuple[Element, NativeObservation]], now: datetime) -> None:
    """What is new of these elements is kept; those to which the same happened share a statement."""
    alike: list[tuple[dict[str, Any], list[UUID]]] = []
    words = []
    for element, answer in told:
        word, changes = answer.word[:100], _changes(element, answer, now)
        if word != element.last_word:
            detail = {"reason": answer.reason, "element": element.number}
            words.append(Observation(attempt_id=element.attempt_id, word=word, detail=detail))
            changes["last_word"] = word
        same = next((keys for known, keys in alike if known == changes), None)
        if same is None:
            alike.append((changes, same := []))
        same.append(element.pk)
    Observation.objects.bulk_create(words)
    for changes, keys in alike:
        if changes:
            Element.objects.filter(pk__in=keys).update(**changes)


def _changes(element: Element, answer: NativeObservation, now: datetime) -> dict[str, Any]:
    if answer.phase in (Phase.ENDED, Phase.LOST):
        said = {"site": answer.reason, "cause": answer.cause, "lost": answer.phase is Phase.LOST}
        return {"ended_at": now, "evidence": said}
    if answer.phase is Phase.RUNNING and element.state == ElementState.WAITING:
        return {"state": ElementState.RUNNING, "began_at": now}
    return {}


def has_ended(attempt: Attempt, element: Element) -> bool:
    """True when the exit file of an element that the site does not know tells that it has ended."""
    if read_json(places_of(attempt.job).root, _exit_file(attempt, element)) is not None:
        return True
    try:
        return attempt.staged and element.index in staging.ended_elements(attempt)
    except SiteUnavailable:
        return False


def _follow(attempt: Attempt, said: list[NativeObservation], lost: list[Element]) -> None:
    """The job's state is that of its array: running once an element runs, held when one has vanished for long."""
    job, now = attempt.job, timezone.now()
    running = next((one for one in said if one.phase is Phase.RUNNING), None)
    waiting = next((one for one in said if one.phase is Phase.QUEUED), None)
    told = running or waiting
    if told is not None and told.word != attempt.last_word:
        Attempt.objects.filter(pk=attempt.pk).update(last_word=told.word[:100])
    if said and (attempt.last_seen_at is None or now - attempt.last_seen_at > SEEN_EVERY):
        Attempt.objects.filter(pk=attempt.pk).update(last_seen_at=now)
    if running and attempt.began_at is None:
        Attempt.objects.filter(pk=attempt.pk).update(began_at=now)
    since = [one.last_seen_at or attempt.submitted_at or now for one in lost]
    if any(now - one > ABSENT_AFTER for one in since):
        if job.job_state in (JobState.QUEUED, JobState.RUNNING):
            words = f"{attempt.site.name} no longer knows {len(lost)} of its elements, and they left no exit code."
            job.move_to(JobState.HELD, reason=f"{words} It goes on when the site knows them again; or cancel it.")
    elif running and job.job_state in (JobState.QUEUED, JobState.HELD):
        job.move_to(JobState.RUNNING)
    elif waiting and job.job_state is JobState.HELD:
        job.move_to(JobState.QUEUED, reason=waiting.reason)
    elif waiting and not running and waiting.reason != job.reason:
        Job.objects.filter(pk=job.pk, state=JobState.QUEUED).update(reason=waiting.reason[:500])


def note_progress(job: Job) -> None:
    """The job's progress is how many of its elements are done; one that has ended and is not looked at counts."""
    rows = Element.objects.filter(attempt__job=job).order_by("attempt__number")
    newest = {index: how for index, *how in rows.values_list("index", "state", "ended_at")}
    failed = sum(state == ElementState.FAILED for state, _ in newest.values())
    done = sum(state == ElementState.DONE or (state in OPEN and ended is not None) for state, ended in newest.values())
    more = f", {failed} failed" if failed else ""
    found = {"done": done, "total": job.elements, "text": f"elements {done} of {job.elements} done{more}"}
    if found != job.progress:
        Job.objects.filter(pk=job.pk).update(progress=found)
        job.progress = found


# --- when they have ended


def gather(job: Job, attempt: Attempt, info: ToolInfo, places: Places) -> Failure | None:
    """How each element ended is known, and the job goes on to merge them; the failure of the job where some failed.

    None as well while the evidence of some is still on its way.
    """
    if attempt.staged:
        staging.bring_home(job, attempt, places)
    open_ones = list(attempt.elements.filter(state__in=OPEN))
    judged = [_judge(job, attempt, element, info, places) for element in open_ones]
    note_progress(job)
    if not all(judged):
        return None
    rows = list(attempt.elements.exclude(state=ElementState.DROPPED))
    failed = [one for one in rows if one.state == ElementState.FAILED]
    first = failed[0] if failed else None
    Attempt.objects.filter(pk=attempt.pk).update(
        exit_code=first.exit_code if first else 0, signal=first.signal if first else None
    )
    reached("gather.judged")
    if first is not None:
        return _failure_of(job, failed)
    with transaction.atomic():
        done = f"All {job.elements} elements are done; their results are being merged."
        job.move_to(JobState.STAGING_IN, reason=done)
        reached("gather.before_record")
    reached("gather.recorded")
    return None


def _judge(job: Job, attempt: Attempt, element: Element, info: ToolInfo, places: Places) -> bool:
    """True when it is known how the element ended: done with all its outputs, or failed with what to change."""
    evidence = read_json(places.root, _exit_file(attempt, element))
    if evidence is None:
        if _may_still_come(attempt, element):
            return False
        failure: Failure | None = without_evidence(element.evidence, info.title, job.memory_mb, attempt.site.name)
    else:
        evidence = weighed(evidence, element.evidence.get("cause") or "")
        failure = _ended_badly(job, attempt, element, info, places, evidence)
    told = evidence or element.evidence
    began, ended = _moment(told.get("started_at")), _moment(told.get("ended_at"))
    Element.objects.filter(pk=element.pk).update(
        state=ElementState.FAILED if failure else ElementState.DONE,
        exit_code=told.get("exit_code"),
        signal=told.get("signal"),
        evidence=told,
        failure=failure.as_dict() if failure else {},
        # One that ended at once was never seen running; its exit file knows when it began all the same.
        began_at=began or element.began_at,
        ended_at=ended or element.ended_at or timezone.now(),
    )
    return True


def _moment(told: float | None) -> datetime | None:
    return datetime.fromtimestamp(told, tz=UTC) if told else None


def _ended_badly(
    job: Job, attempt: Attempt, element: Element, info: ToolInfo, places: Places, evidence: dict[str, Any]
) -> Failure | None:
    task = element_task(job, attempt, info, places, element, must_exist=False)
    if evidence.get("cause") or evidence.get("exit_code") not in info.tool.success_codes:
        err = f"{task.work}/{task.command.stderr}" if task.command.stderr else task.err
        words = read_tail(places.root, err, ERROR_BYTES)
        return failure_of(evidence, words, title=info.title, memory_mb=job.memory_mb)
    order, where = parts.element_order(job, info, element.index), places.path(task.work)
    try:
        collect_outputs(info.tool, order, where, int(evidence["exit_code"]), command=task.command, checksums=False)
    except OutputError as missing:
        hint = "Look at the element's log for what the tool left undone."
        return Failure(code="output_missing", message=missing.message, hint=missing.hint or hint)
    return None


def _may_still_come(attempt: Attempt, element: Element) -> bool:
    try:
        patience = backend_of(attempt.site).evidence_seconds
    except SiteUnavailable:
        return True
    ended = element.ended_at or attempt.ended_at or timezone.now()
    return not element.evidence.get("lost") and timezone.now() - ended < timedelta(seconds=patience)


def _exit_file(attempt: Attempt, element: Element) -> Inner:
    return Inner(f"{parts.control_of_element(attempt, element)}/{EXIT_FILE}")


def _failure_of(job: Job, failed: list[Element]) -> Failure:
    """The failure of the first element speaks for the job, unless all failed of what helps by itself."""
    telling = next((one for one in failed if one.failure.get("code") not in RETRIED), failed[0])
    found = telling.failure
    words = f"{len(failed)} of {job.elements} elements failed. Element {telling.number}: {found.get('message')}"
    names = {name: str(found.get(name) or "") for name in ("code", "hint", "input")}
    return Failure(message=words, **names)


def retries_left(attempt: Attempt) -> int:
    """How many more times the attempt's failed elements may be tried without being asked."""
    failed = attempt.elements.filter(state=ElementState.FAILED).values_list("index", flat=True)
    tries = Element.objects.filter(attempt__job=attempt.job_id, index__in=list(failed)).values_list("index", flat=True)
    counted = list(tries)
    return settings.JOB_RETRIES + 1 - max((counted.count(index) for index in set(counted)), default=1)


def drop_unended(attempt: Attempt) -> None:
    """Elements of a cancelled attempt that have no end of their own are given up."""
    rows = attempt.elements.filter(state__in=OPEN)
    rows.update(state=ElementState.DROPPED, ended_at=timezone.now())
