"""The states of a job and the moves between them: one enum, one table."""

from django.db import models


class JobState(models.TextChoices):
    """Where a job stands. Values are stable; labels are what people read."""

    CREATED = "created", "Created"
    STAGING_IN = "staging_in", "Preparing inputs"
    SUBMITTING = "submitting", "Handing over to the site"
    QUEUED = "queued", "Waiting in the queue"
    RUNNING = "running", "Running"
    STAGING_OUT = "staging_out", "Collecting results"
    HELD = "held", "On hold"
    CANCELLING = "cancelling", "Cancelling"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"

    @property
    def final(self) -> bool:
        """True when nothing more will happen to the job by itself."""
        return self in FINAL

    @property
    def colour(self) -> str:
        """The name of the colour token that the pages use."""
        return COLOURS[self]


class Does(models.TextChoices):
    """What an attempt does of a job: everything, the elements of an array that are not in yet, or their merge."""

    ALL = "", "Everything"
    ELEMENTS = "elements", "Elements"
    MERGE = "merge", "Merge"


class ElementState(models.TextChoices):
    """Where one try of an element stands. ``dropped`` is one whose result is not wanted any more."""

    WAITING = "waiting", "Waiting"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    DROPPED = "dropped", "Given up"

    @property
    def colour(self) -> str:
        """The name of the colour token that the pages use."""
        return {"done": "success", "failed": "danger", "running": "active", "waiting": "info"}.get(self, "neutral")


S = JobState
FINAL: frozenset[JobState] = frozenset({S.SUCCEEDED, S.FAILED, S.CANCELLED})
ACTIVE: frozenset[JobState] = frozenset(JobState) - FINAL

MOVES: dict[JobState, frozenset[JobState]] = {
    S.CREATED: frozenset({S.STAGING_IN, S.HELD, S.CANCELLING, S.FAILED}),
    S.STAGING_IN: frozenset({S.SUBMITTING, S.HELD, S.CANCELLING, S.FAILED}),
    S.SUBMITTING: frozenset({S.QUEUED, S.RUNNING, S.STAGING_OUT, S.HELD, S.CANCELLING, S.FAILED}),
    S.QUEUED: frozenset({S.RUNNING, S.STAGING_OUT, S.HELD, S.CANCELLING, S.FAILED}),
    S.RUNNING: frozenset({S.STAGING_OUT, S.HELD, S.CANCELLING, S.FAILED}),
    # Back to the beginning with a new attempt, when a node or the site failed.
    S.STAGING_OUT: frozenset({S.SUCCEEDED, S.FAILED, S.HELD, S.CANCELLING, S.STAGING_IN}),
    S.HELD: frozenset(
        {S.CREATED, S.STAGING_IN, S.SUBMITTING, S.QUEUED, S.RUNNING, S.STAGING_OUT, S.CANCELLING, S.FAILED}
    ),
    S.CANCELLING: frozenset({S.CANCELLED, S.FAILED}),
    S.SUCCEEDED: frozenset(),
    # By a person who repairs it: all over again with a new attempt, or from the phase on that failed.
    S.FAILED: frozenset({S.STAGING_IN, S.SUBMITTING, S.STAGING_OUT}),
    S.CANCELLED: frozenset(),
}

COLOURS: dict[JobState, str] = {
    S.CREATED: "neutral",
    S.STAGING_IN: "info",
    S.SUBMITTING: "info",
    S.QUEUED: "info",
    S.RUNNING: "active",
    S.STAGING_OUT: "active",
    S.HELD: "warning",
    S.CANCELLING: "warning",
    S.SUCCEEDED: "success",
    S.FAILED: "danger",
    S.CANCELLED: "neutral",
}
