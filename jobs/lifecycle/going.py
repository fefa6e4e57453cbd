"""What happens to every job at its site, it begins to run and it ends, noted for many of them at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from jobs.backends.base import NativeObservation, Phase
from jobs.models import Attempt, Job, Observation
from jobs.states import JobState

AT_ONCE = 500
Told = tuple[Attempt, NativeObservation]


def note_all(told: Sequence[Told]) -> list[UUID]:
    """What the site said of these attempts is kept and their jobs' states follow it; the keys of jobs that have ended.

    For jobs that wait or run. One that was moved by somebody meanwhile is left as it is: the next look sees it.
    """
    ready: list[UUID] = []
    for start in range(0, len(told), AT_ONCE):
        some = told[start : start + AT_ONCE]
        _keep_words([one for one in some if one[1].word[:100] != one[0].last_word])
        _run([attempt for attempt, answer in some if answer.phase is Phase.RUNNING])
        ready += _end([one for one in some if one[1].phase is not Phase.RUNNING])
    return ready


def _keep_words(news: Sequence[Told]) -> None:
    if not news:
        return
    with transaction.atomic():
        Observation.objects.bulk_create(
            Observation(attempt=attempt, word=answer.word[:100], detail={"reason": answer.reason})
            for attempt, answer in news
        )
        for word in {answer.word[:100] for _, answer in news}:
            keys = [attempt.pk for attempt, answer in news if answer.word[:100] == word]
            Attempt.objects.filter(pk__in=keys).update(last_word=word)


def _run(attempts: Sequence[Attempt]) -> None:
    if attempts:
        begun = [attempt.pk for attempt in attempts if attempt.began_at is None]
        Attempt.objects.filter(pk__in=begun).update(began_at=timezone.now())
        Job.objects.filter(pk__in=_jobs(attempts), state=JobState.QUEUED).move_to(JobState.RUNNING)


def _end(told: Sequence[Told]) -> list[UUID]:
    """The attempts have ended and their results are due, both or neither: an ended attempt is not asked for again."""
    ready: list[UUID] = []
    for evidence in _different(_evidence(answer) for _, answer in told):
        keys = sorted(attempt.pk for attempt, answer in told if _evidence(answer) == evidence)
        with transaction.atomic():
            # Attempts before jobs, as everywhere, so that nobody waits for each other.
            rows = Attempt.objects.select_for_update().filter(pk__in=keys).order_by("pk")
            jobs = dict(rows.values_list("job_id", "pk"))
            moved = Job.objects.filter(
                pk__in=jobs, state__in=(JobState.QUEUED, JobState.RUNNING)
            ).move_to(JobState.STAGING_OUT)  # fmt: skip
            mine = Attempt.objects.filter(pk__in=[jobs[key] for key in moved])
            mine.update(ended_at=timezone.now(), evidence=evidence)
        ready += moved
    return ready


def _evidence(answer: NativeObservation) -> dict[str, Any]:
    return {"site": answer.reason, "cause": answer.cause, "lost": answer.phase is Phase.LOST}


def _different(found: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    different: list[dict[str, Any]] = []
    for one in found:
        if one not in different:
            different.append(one)
    return different


def _jobs(attempts: Iterable[Attempt]) -> list[UUID]:
    return [attempt.job_id for attempt in attempts]
