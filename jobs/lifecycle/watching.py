"""What the sites say of the jobs they have: one question per site for all of them."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from common.errors import NotFound, StateConflict
from jobs.backends.base import NativeObservation, Phase, SiteUnavailable
from jobs.backends.supervisor import EXIT_FILE
from jobs.lifecycle import gathering, going, staging
from jobs.lifecycle.gathering import SEEN_EVERY
from jobs.lifecycle.locks import only_one
from jobs.lifecycle.places import AREA, Places, places_of, read_json, read_tail
from jobs.lifecycle.points import reached
from jobs.lifecycle.sites import asking
from jobs.lifecycle.starting import STDOUT
from jobs.models import Attempt, ComputeSite, Element, Job, Observation
from jobs.registry import get_tool
from jobs.results import progress_in
from jobs.states import Does, JobState
from storage.paths import inner

# A held job is asked for as well: when its site knows it again, it goes on by itself.
AT_SITE = (JobState.QUEUED, JobState.RUNNING, JobState.HELD, JobState.CANCELLING)
MIRROR_EVERY = timedelta(seconds=5)
ABSENT_AFTER = timedelta(minutes=10)
TAIL_BYTES = 8192
# How many rows one statement names.
SEEN_AT_ONCE = 2000
# Logs that one look at a site reads.
MOST_LOGS = 50


def take_turn(site: ComputeSite, *, least: timedelta) -> bool:
    """True for one caller, when nobody has begun to ask the site within ``least``."""
    now = timezone.now()
    quiet = Q(polled_at__isnull=True) | Q(polled_at__lt=now - least) | Q(polled_at__gt=now + least)
    return bool(ComputeSite.objects.filter(quiet, pk=site.pk).update(polled_at=now))


def observe(site: ComputeSite) -> list[UUID]:
    """The site was asked once; what it said is noted. The ids of jobs that need a worker now are returned.

    A site that does not answer changes nothing but its own row; nothing happens while another worker asks it.
    """
    with only_one(site.pk) as mine:
        return _observed(site) if mine else []


def _observed(site: ComputeSite) -> list[UUID]:
    asked = Attempt.objects.filter(site=site, ended_at__isnull=True, job__state__in=AT_SITE).exclude(native_id="")
    arrays = list(asked.filter(does=Does.ELEMENTS).select_related("job__project", "site"))
    known = list(
        asked.exclude(does=Does.ELEMENTS).values_list(
            "pk", "native_id", "last_word", "last_seen_at", "job__state", "job__reason"
        )
    )
    if not known and not arrays:
        return []
    elements = gathering.to_ask_for(arrays)
    reached("observe.before_poll")
    try:
        with asking(site) as backend:
            answers = backend.poll([row[1] for row in known] + [one.native_id for one in elements])
    except SiteUnavailable:
        return []
    reached("observe.after_poll")
    now = timezone.now()
    seen = [pk for pk, native_id, _, at, *_ in known if native_id in answers and (at is None or now - at > SEEN_EVERY)]
    for start in range(0, len(seen), SEEN_AT_ONCE):
        Attempt.objects.filter(pk__in=seen[start : start + SEEN_AT_ONCE]).update(last_seen_at=now)
    news: list[UUID] = []
    running: list[UUID] = []
    for pk, native_id, word, _, state, reason in known:
        answer = answers.get(native_id)
        if _is_news(answer, word, JobState(state), reason):
            news.append(pk)
        if answer is not None and answer.phase is Phase.RUNNING:
            running.append(pk)
    ready = _noted(Attempt.objects.filter(pk__in=news), answers)
    _look_at_logs(running)
    return ready + _arrays_noted(arrays, elements, answers)


def _arrays_noted(arrays: list[Attempt], elements: list[Element], answers: dict[str, NativeObservation]) -> list[UUID]:
    ready = []
    for attempt in arrays:
        mine = [one for one in elements if one.attempt_id == attempt.pk]
        with suppress(StateConflict, NotFound):  # as below
            if gathering.note(attempt, mine, answers):
                ready.append(attempt.job_id)
    return ready


def _is_news(answer: NativeObservation | None, word: str, state: JobState, reason: str) -> bool:
    """False for what is as it was; most of what a site says is."""
    if answer is None or answer.word[:100] != word or state not in (JobState.QUEUED, JobState.RUNNING):
        return True
    if answer.phase is Phase.RUNNING:
        return state is not JobState.RUNNING
    return answer.phase is not Phase.QUEUED or answer.reason[:500] != reason


def _look_at_logs(running: list[UUID]) -> None:
    """The progress of running jobs is noted; of very many, that of some of them at each look, in turns."""
    turns = -(-len(running) // MOST_LOGS) or 1
    turn = int(time.monotonic()) % turns
    mine = Attempt.objects.filter(pk__in=running[turn::turns])
    for attempt in mine.select_related("job__project__folder__site"):
        with suppress(NotFound):
            note_progress(attempt.job)


def _noted(attempts: QuerySet[Attempt], answers: dict[str, NativeObservation]) -> list[UUID]:
    ready, usual = [], []
    for attempt in attempts.select_related("job__project__folder__site", "site"):
        answer = answers.get(attempt.native_id)
        if answer is not None and _is_usual(attempt.job, answer):
            usual.append((attempt, answer))
            continue
        with suppress(StateConflict, NotFound):  # somebody moved it meanwhile; the next look sees what is now
            if _note(attempt, answer) if answer else _note_absent(attempt):
                ready.append(attempt.job_id)
    ready += going.note_all(usual)
    reached("observe.recorded")
    return ready


def _is_usual(job: Job, answer: NativeObservation) -> bool:
    """True for what happens to every job: it begins to run, or it has ended."""
    over = answer.phase in (Phase.ENDED, Phase.LOST) and job.job_state in (JobState.QUEUED, JobState.RUNNING)
    return over or (answer.phase is Phase.RUNNING and job.job_state is JobState.QUEUED)


def _note(attempt: Attempt, answer: NativeObservation) -> bool:
    """The observation is kept and the job's state follows it; True when a worker has to go on with the job."""
    word, job = answer.word[:100], attempt.job
    if word != attempt.last_word:
        with transaction.atomic():
            Observation.objects.create(attempt=attempt, word=word, detail={"reason": answer.reason})
            Attempt.objects.filter(pk=attempt.pk).update(last_word=word)
    if answer.phase in (Phase.ENDED, Phase.LOST):
        said = {"site": answer.reason, "cause": answer.cause, "lost": answer.phase is Phase.LOST}
        _end(attempt, evidence=said)
        return True
    if answer.phase is Phase.RUNNING and attempt.began_at is None:
        Attempt.objects.filter(pk=attempt.pk).update(began_at=timezone.now())
    if job.job_state in (JobState.QUEUED, JobState.HELD) and answer.phase is Phase.RUNNING:
        job.move_to(JobState.RUNNING)
    elif job.job_state is JobState.HELD and answer.phase is Phase.QUEUED:
        job.move_to(JobState.QUEUED, reason=answer.reason)
    elif answer.phase is Phase.QUEUED and answer.reason != job.reason:
        Job.objects.filter(pk=job.pk, state=JobState.QUEUED).update(reason=answer.reason[:500])
    if answer.phase is Phase.RUNNING:
        note_progress(job)
    return False


def _end(attempt: Attempt, **known: Any) -> None:
    """The attempt has ended and its results are due, both or neither: an ended attempt is not asked for again."""
    with transaction.atomic():
        Attempt.objects.filter(pk=attempt.pk).update(ended_at=timezone.now(), **known)
        if attempt.job.job_state is not JobState.CANCELLING:
            attempt.job.move_to(JobState.STAGING_OUT)


def _note_absent(attempt: Attempt) -> bool:
    """Absent is absent: neither done nor failed, unless its exit file tells how it ended."""
    job = attempt.job
    places = places_of(job)
    if _has_ended(attempt, places):
        _end(attempt)
        return True
    since = attempt.last_seen_at or attempt.submitted_at
    waiting = job.job_state in (JobState.QUEUED, JobState.RUNNING)
    if since and timezone.now() - since > ABSENT_AFTER and waiting:
        words = f"{attempt.site.name} no longer knows this job, and it left no exit code. Last seen {since:%H:%M}."
        more = "It goes on when the site knows it again; or ask the operator, or cancel it and run it again."
        job.move_to(JobState.HELD, reason=f"{words} {more}")
    return job.job_state is JobState.CANCELLING


def _has_ended(attempt: Attempt, places: Places) -> bool:
    if read_json(places.root, inner(AREA, attempt.pk.hex, EXIT_FILE)) is not None:
        return True
    try:
        return attempt.staged and staging.ended(attempt)
    except SiteUnavailable:
        return False


def to_mirror(site: ComputeSite) -> list[UUID]:
    """Attempts that run on copies of their files, whose logs were not brought home for a moment."""
    late = timezone.now() - MIRROR_EVERY
    running = Attempt.objects.filter(site=site, staged=True, ended_at__isnull=True, job__state=JobState.RUNNING)
    return list(running.filter(Q(mirrored_at__isnull=True) | Q(mirrored_at__lt=late)).values_list("pk", flat=True))


def mirror(attempt_id: UUID | str) -> None:
    """The logs and charts of a running attempt are here as they are there, and its progress is noted."""
    attempt = Attempt.objects.select_related("job__project", "site").get(pk=attempt_id)
    with only_one(attempt.pk) as mine:
        if mine and attempt.ended_at is None:
            info = get_tool(attempt.job.tool)
            globs = {one.name: one.output.globs for one in info.tool.outputs if one.output}
            names = [name for hint in info.results if hint.viewer == "chart" for name in globs.get(hint.output, ())]
            with suppress(SiteUnavailable):
                charts = [one for one in names if "*" not in one and attempt.does != Does.ELEMENTS]
                staging.mirror(attempt.job, attempt, places_of(attempt.job), charts)
                note_progress(attempt.job)


def note_progress(job: Job) -> None:
    """The job's progress is what its tool said last; of a job in elements, how many of them are done."""
    if job.elements:
        gathering.note_progress(job)
        return
    places = places_of(job)
    found = progress_in(read_tail(places.root, f"{places.folder}/{STDOUT}", TAIL_BYTES))
    if found is not None and found != job.progress:
        Job.objects.filter(pk=job.pk).update(progress=found)


def young(site: ComputeSite, *, within: timedelta) -> bool:
    """True while the site has a job whose state may change any moment: handed over, or being ended, ``within``."""
    late = timezone.now() - within
    active = Attempt.objects.filter(site=site, ended_at__isnull=True, job__state__in=AT_SITE)
    return active.filter(Q(submitted_at__gt=late) | Q(job__touched_at__gt=late)).exists()
