"""Random schedules of workers, crashes and failing clusters, through every adapter: one effect, a true end.

A job in one piece, and one that is split into elements whose results are merged.

The portal is the real one up to the commands of the scheduler; the clusters are scripted, and run the first part of the
real job script, so that it is the real fence that keeps a second copy out. ``SCHEDULES`` says how many a cluster.
"""

import os
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from jobs.states import MOVES, Does, JobState
from tests.jobs.backends.scripted import FAULTS
from tests.jobs.backends.scripted_sites import KINDS
from tests.jobs.portal import ON_THE_CLUSTER, RETRIES, crash_soon, portal  # noqa: F401 - fixtures

SPOILT = ("late", "empty", "garbled", "partial")
ACTS = ("advance", "advance", "observe", "cancel", "crash", *ON_THE_CLUSTER, *FAULTS)
SCHEDULES = int(os.environ.get("SCHEDULES", "0"))
NAMES = "abcdefg"
ONE_LOST = [("advance", 1), ("begin", 1), ("fail_one", 1)]
ROWS = "".join(f"{name},1\n" for name in NAMES)
as_many_as_asked = settings(
    max_examples=SCHEDULES or 2,
    deadline=None,
    derandomize=not SCHEDULES,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.mark.parametrize("kind", KINDS)
@as_many_as_asked
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


@pytest.mark.parametrize("kind", KINDS)
@as_many_as_asked
@example(schedule=[("lost", 1), ("advance", 1), ("advance", 1), ("begin", 1)])
@example(schedule=[("late", 1), ("advance", 1), ("advance", 1), ("begin", 1), ("arrive", 1), ("begin", 1)])
@example(schedule=[("late", 1), ("advance", 1), ("advance", 1), ("cancel", 1), ("advance", 1), ("arrive", 1)])
@example(schedule=[("advance", 1), ("begin", 1), ("fail", 1), ("observe", 1), ("begin", 1), ("end", 1)])
@example(schedule=[*ONE_LOST, ("observe", 1), ("begin", 1), ("cancel", 1)])
@example(schedule=[*ONE_LOST, ("crash", 4), ("observe", 1)])
@example(schedule=[*ONE_LOST, ("crash", 5), ("observe", 1)])
@example(schedule=[*ONE_LOST, ("crash", 6), ("observe", 1)])
@example(schedule=[*ONE_LOST, ("late", 1), ("observe", 1), ("observe", 1), ("begin", 1), ("arrive", 1), ("begin", 1)])
@given(schedule=st.lists(st.tuples(st.sampled_from(ACTS), st.integers(1, 8)), max_size=30))
def test_whatever_happens_each_element_and_the_merge_run_once_and_nothing_is_lost(
    portal,  # noqa: F811
    root,
    kind,
    schedule,
):
    (root / "in").mkdir(exist_ok=True)
    for name in NAMES:
        (root / "in" / f"{name}.txt").write_text("x")
    one = portal(kind, "tally", files={"pattern": "in/*.txt"})
    one.cluster.real = True
    assert_runs_once_in_elements(one, root, schedule)


def tries_of(job) -> dict[str, object]:
    """What each native name of the job stands for: the index of an element, or the merge."""
    found: dict[str, object] = {}
    for attempt in job.attempts.all():
        rows = list(attempt.elements.all())
        found |= {row.native_name: row.index for row in rows} or {attempt.native_name: Does.MERGE}
    return found


def assert_runs_once_in_elements(one, root, schedule):
    """Each try of an element and of the merge has one effect; none is beside another of the same; nothing is left."""
    for act, number in schedule:
        one.do(act, number=number)
    job, cluster = one.finish(), one.cluster
    events = [event.to_state for event in job.events.order_by("id")]
    assert all(JobState(after) in MOVES[JobState(before)] for before, after in pairwise(events))
    tries = tries_of(job)
    assert set(cluster.effects) <= set(tries)
    assert all(count == 1 for count in cluster.effects.values())
    for keys in cluster.together:
        begun = [tries[key] for key in keys]
        assert len(begun) == len(set(begun)), keys
    spoilt = len([act for act, _ in schedule if act in SPOILT])
    assert all(count <= 1 + spoilt for count in cluster.taken.values())
    assert not list(cluster.commands())
    assert not any(cluster.running(name) for name in tries)
    for what in {*tries.values()}:  # another try only after a failure of the site
        begun = [name for name, one in tries.items() if one == what]
        assert len(begun) <= 1 + RETRIES
    assert len(tries) <= job.elements + 1 + cluster.lost
    if job.job_state is JobState.SUCCEEDED:
        assert {*tries.values()} == {*range(job.elements), Does.MERGE}
        assert (root / job.outputs_path / "rows.csv").read_text() == ROWS
        assert sorted(path.stem for path in (root / job.outputs_path / "copies").iterdir()) == list(NAMES)
        assert all((root / one.path).is_file() for one in job.results.all())
        assert job.results.count() == 1 + len(NAMES)
    elif job.job_state is JobState.FAILED:
        assert cluster.lost > RETRIES, job.failure
    elif job.job_state is not JobState.CANCELLED:
        # As above: a node failed, and the queue forgot what was there before it was asked.
        assert not all(cluster.accounted(name) for name in tries), (job.state, job.reason)
        assert cluster.lost
    assert job.results.exists() == (job.job_state is JobState.SUCCEEDED)
