"""What kind of failure a job had, in which phase, and what can be done about it with one click."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from jobs.models import Attempt, Element, Job
from jobs.states import JobState


class FailureClass(StrEnum):
    """Whose fault it is: that decides what helps. Only ``node`` and ``site`` are tried again without being asked."""

    MEMORY = "out_of_memory"
    TIME = "wall_time"
    NODE = "node_failure"
    PREEMPTED = "preempted"
    SITE = "site_error"
    USER = "user_error"


class Action(StrEnum):
    """What a person may do with a failed job. ``recover`` goes on in the phase that failed, the others begin anew.

    Of a job in elements all but ``restart`` keep those that are done.
    """

    MORE_MEMORY = "more_memory"
    MORE_TIME = "more_time"
    OTHER_SITE = "other_site"
    RETRY = "retry"
    RESTART = "restart"
    RECOVER = "recover"


class FailedPhase(StrEnum):
    """How far the job came."""

    SET_UP = "set_up"
    ON_SITE = "on_site"
    BRING_BACK = "bring_back"


@dataclass(frozen=True, kw_only=True)
class Repair:
    """One thing that can be done; ``words`` say what it does to this job, or why it is not ``possible`` now."""

    action: Action
    title: str
    words: str
    possible: bool = True


CLASSES = {
    "out_of_memory": FailureClass.MEMORY,
    "wall_time": FailureClass.TIME,
    "node_failure": FailureClass.NODE,
    "preempted": FailureClass.PREEMPTED,
    "site_error": FailureClass.SITE,
    "not_started": FailureClass.SITE,
    "site_refused": FailureClass.SITE,
    "stopped": FailureClass.SITE,
}
RETRIED = frozenset({"node_failure", "site_error"})
FACTOR = 2
LEAST_SECONDS = 3600


def class_of(failed: Job | Element) -> FailureClass:
    """The kind of the failure, by its code."""
    return CLASSES.get(str(failed.failure.get("code")), FailureClass.USER)


def phase_of(attempt: Attempt | None) -> FailedPhase:
    """Where the job's last attempt was when it failed."""
    if attempt is None or not attempt.native_id:
        return FailedPhase.SET_UP
    return FailedPhase.BRING_BACK if attempt.exit_code == 0 else FailedPhase.ON_SITE


def more_memory(job: Job, attempt: Attempt | None) -> int:
    """The memory to try next: twice as much, or more where its peak was seen to be higher."""
    peak = float((attempt.evidence.get("peak_memory_mb") or 0) if attempt else 0)
    return max(FACTOR * job.memory_mb, int(peak * 1.5))


def more_seconds(job: Job) -> int:
    """The wall time to try next."""
    return FACTOR * (job.wall_seconds or LEAST_SECONDS)


def repairs_of(job: Job, attempt: Attempt | None) -> list[Repair]:
    """What can be done about a failed job, the likeliest help first; nothing for one that did not fail."""
    if job.job_state is not JobState.FAILED:
        return []
    kind, phase, found = class_of(job), phase_of(attempt), []
    if kind is FailureClass.MEMORY:
        memory = more_memory(job, attempt)
        found.append(Repair(action=Action.MORE_MEMORY, title="Try with more memory",
                            words=f"It starts again with {memory} MB instead of {job.memory_mb} MB."))  # fmt: skip
    if kind is FailureClass.TIME:
        found.append(Repair(action=Action.MORE_TIME, title="Try with more time",
                            words=f"It starts again and may run for {more_seconds(job) // 60} min."))  # fmt: skip
    if phase is FailedPhase.SET_UP:
        found.append(Repair(action=Action.RECOVER, title="Go on setting up",
                            words="What was copied already is kept."))  # fmt: skip
    if phase is FailedPhase.BRING_BACK:
        found.append(Repair(action=Action.RECOVER, title="Collect the results again",
                            words="The tool does not run again; what it left is looked at once more."))  # fmt: skip
    if phase is FailedPhase.ON_SITE and kind in (FailureClass.NODE, FailureClass.SITE):
        found.append(Repair(action=Action.RECOVER, title="Look once more",
                            words="Its exit code and results may have arrived since."))  # fmt: skip
    if job.elements:
        found.append(Repair(action=Action.RETRY, title="Retry what failed",
                            words="Elements that are done are kept; only the others run again."))  # fmt: skip
    words = "It starts again from the beginning, as a new attempt with the same inputs."
    found.append(Repair(action=Action.RESTART, title="Start again", words=words))
    if kind is not FailureClass.USER:
        found.append(Repair(action=Action.OTHER_SITE, title="Try another site",
                            words=f"It starts again anywhere but on {job.site.name}."))  # fmt: skip
    return found
