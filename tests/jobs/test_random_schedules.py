"""Random schedules of workers, crashes and failing clusters, through every adapter: one effect, a true end.

The portal is the real one up to the commands of the scheduler; the clusters are scripted, and run the first part of the
real job script, so that it is the real fence that keeps a second copy out. ``SCHEDULES`` says how many a cluster.
"""

import os
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from jobs.states import MOVES, JobState
from tests.jobs.backends.scripted import FAULTS
from tests.jobs.backends.scripted_sites import KINDS
from tests.jobs.portal import ON_THE_CLUSTER, RETRIES, crash_soon, portal  # noqa: F401 - fixtures

SPOILT = ("late", "empty", "garbled", "partial")
ACTS = ("advance", "advance", "observe", "cancel", "crash", *ON_THE_CLUSTER, *FAULTS)
SCHEDULES = int(os.environ.get("SCHEDULES", "0"))


@pytest.mark.parametrize("kind", KINDS)
@settings(
    max_examples=SCHEDULES or 2,
    deadline=None,
    derandomize=not SCHEDULES,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@example(schedule=[("lost", 1), ("advance", 1), ("advance", 1), ("begin", 1)])
@example(schedule=[("late", 1), ("advance", 1), ("advance", 1), ("begin", 1), ("arrive", 1), ("begin", 1)])
@example(schedule=[("late", 1), ("advance", 1), ("advance", 1), ("cancel", 1), ("advance", 1), ("arrive", 1)])
@example(schedule=[("late", 1), ("advance", 1), ("advance", 1), ("fail", 1), ("observe", 1), ("arrive", 1)])
@example(schedule=[("advance", 1), ("begin", 1), ("fail", 1), ("observe", 1), ("begin", 1), ("end", 1)])
@given(schedule=st.lists(st.tuples(st.sampled_from(ACTS), st.integers(1, 8)), max_size=30))
def test_whatever_happens_a_job_runs_once_and_ends_truly(portal, root, kind, schedule):  # noqa: F811
    assert_runs_once_and_ends_truly(portal(kind), root, schedule)


def assert_runs_once_and_ends_truly(one, root, schedule):
    """A job of this portal, to which all that happens, has one effect and a true end, and leaves nothing."""
    for act, number in schedule:
        one.do(act, number=number)
    job, cluster = one.finish(), one.cluster
    events = [event.to_state for event in job.events.order_by("id")]
    attempts = list(job.attempts.order_by("number"))
    assert all(JobState(after) in MOVES[JobState(before)] for before, after in pairwise(events))
    # Once an attempt, one attempt at a time, another one only after a failure of the site.
    assert all(cluster.effects[attempt.native_name] <= 1 for attempt in attempts)
    assert set(cluster.effects) <= {attempt.native_name for attempt in attempts}
    assert cluster.most <= 1
    assert len(attempts) <= 1 + cluster.lost
    spoilt = len([act for act, _ in schedule if act in SPOILT])
    assert sum(cluster.taken.values()) <= len(attempts) + spoilt
    # Nothing is left over.
    assert not list(cluster.commands())
    assert not any(cluster.running(attempt.native_name) for attempt in attempts)
    # The end is a true one.
    if job.job_state is JobState.SUCCEEDED:
        report = (root / job.results.get(output="report").path).read_text()
        assert (report, cluster.effects[report]) == (attempts[-1].native_name, 1)
    elif job.job_state is JobState.FAILED:
        assert cluster.lost > RETRIES, job.failure
    elif job.job_state is not JobState.CANCELLED:
        # The node failed, and the queue forgot it before it was asked: it stays as it was seen last.
        assert not cluster.accounted(attempts[-1].native_name), (job.state, job.reason)
        assert cluster.lost
    assert job.job_state is not JobState.CANCELLED or "cancelling" in events
    assert job.results.exists() == (job.job_state is JobState.SUCCEEDED)
