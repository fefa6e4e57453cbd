"""What past jobs teach: how long queues let one wait, how fast inputs travel, how long a tool runs. Medians only."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from statistics import median

from django.utils import timezone

from jobs.models import Attempt, ComputeSite, Job
from jobs.states import JobState

LAST, SINCE = 20, timedelta(days=30)
USUAL_BYTES_A_SECOND = 100 * 10**6


def waits(site: ComputeSite, queues: Collection[str]) -> dict[str, float]:
    """Seconds from hand-over to start by queue of these, as the last jobs there waited."""
    began_lately = Attempt.objects.filter(site=site, began_at__gt=timezone.now() - SINCE, submitted_at__isnull=False)
    recent = began_lately.filter(queue__in=queues).order_by("-began_at")
    most = LAST if len(queues) == 1 else 10 * LAST
    seen: dict[str, list[float]] = {}
    for queue, submitted, began in recent.values_list("queue", "submitted_at", "began_at")[:most]:
        if submitted is not None and began is not None and len(seen.setdefault(queue, [])) < LAST:
            seen[queue].append(max(0.0, (began - submitted).total_seconds()))
    return {queue: median(found) for queue, found in seen.items() if found}


def bytes_a_second(site: ComputeSite) -> float:
    """How fast inputs went to the site; a usual rate before the first ones did."""
    told = Attempt.objects.filter(site=site, staged=True).exclude(staging={}).order_by("-created_at")
    rates = [
        one["bytes"] / one["seconds"]
        for one in told.values_list("staging", flat=True)[:LAST]
        if one.get("seconds") and one.get("bytes", 0) > 10**6
    ]
    return median(rates) if rates else USUAL_BYTES_A_SECOND


def expected_seconds(tool: str) -> float | None:
    """How long the tool's last jobs ran, by median; None before the first one."""
    past = Job.objects.filter(tool=tool, state=JobState.SUCCEEDED, started_at__isnull=False).order_by("-finished_at")
    times = [
        (finished - started).total_seconds()
        for started, finished in past.values_list("started_at", "finished_at")[:LAST]
        if started is not None and finished is not None
    ]
    return float(median(times)) if times else None
