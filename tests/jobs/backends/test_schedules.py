"""Random schedules against scripted clusters: an attempt begins once, nothing is left over, no state is made up.

The clusters run the first part of the real job script, so it is the real fence that keeps a second copy out.
``SCHEDULES`` in the environment says how many a cluster; CI takes fewer.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobs.backends import natives
from jobs.backends.base import Backend, JobSpec, Phase, SiteUnavailable
from jobs.backends.supervisor import FENCE
from tests.jobs.backends.scripted import FAULTS, Native, Scripted
from tests.jobs.backends.scripted_sites import KINDS, scripted

NAME = "portolan-0123456789abcdef"
ACTS = ("hand over", "poll", "begin", "end", "purge", "renumber", "arrive", "cancel", *FAULTS)
SPOILT = ("late", "empty", "garbled", "partial")
SCHEDULES = int(os.environ.get("SCHEDULES", "0"))


class Portal:
    """What the portal's worker does with one attempt, and what it must never see."""

    def __init__(self, cluster: Scripted, backend: Backend, place: Path) -> None:
        self.cluster, self.backend = cluster, backend
        self.spec = JobSpec(name=NAME, argv=["true"], cwd=place, control=place / "c", stdout=place / "o",
                            stderr=place / "e")  # fmt: skip
        self.native_id = ""
        self.cancelling = False

    def do(self, act: str) -> None:
        if act in FAULTS:
            self.cluster.fault = act
        elif act in ("begin", "end", "purge", "renumber", "arrive"):
            getattr(self.cluster, act)()
        else:
            with suppress(SiteUnavailable):
                getattr(self, act.replace(" ", "_"))()

    def hand_over(self) -> None:
        if self.native_id or self.cancelling:
            return
        found = self.backend.find(NAME)
        self.native_id = self.backend.submit(self.spec) if found is None else found

    def poll(self) -> None:
        if not self.native_id:
            return
        spoilt = self.cluster.fault
        seen = self.backend.poll([self.native_id]).get(self.native_id)
        mine = [job for job in [*self.cluster.jobs, *self.cluster.past] if job.name == NAME]
        if seen is None:
            return
        assert seen.phase is not Phase.UNKNOWN or spoilt
        if seen.phase is Phase.RUNNING:
            assert any(job.state == "running" for job in mine)
        if seen.phase in (Phase.ENDED, Phase.LOST) and not spoilt:
            # Ended is never said while the copy that began runs on.
            assert not any(job.state == "running" for job in mine)

    def cancel(self) -> None:
        self.cancelling = True
        native_id = self.native_id or self.backend.find(NAME)
        if native_id:
            self.backend.cancel(native_id)
        else:
            (self.spec.control / FENCE).mkdir(parents=True, exist_ok=True)


@contextmanager
def portal_of(kind: str) -> Iterator[Portal]:
    """A new cluster, and a portal that has one attempt to hand over."""
    with tempfile.TemporaryDirectory() as place:
        yield Portal(*scripted(kind), Path(place))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=SCHEDULES or 30, deadline=None, derandomize=not SCHEDULES)
@example(acts=["late", "hand over", "hand over", "begin", "arrive", "begin"])
@example(acts=["lost", "hand over", "hand over", "begin"])
@given(acts=st.lists(st.sampled_from(ACTS), max_size=25))
def test_an_attempt_begins_once_and_nothing_is_left_over(kind, acts):
    with portal_of(kind) as portal:
        for act in acts:
            portal.do(act)
        portal.cluster.fault = ""
        for _ in range(4):
            more = ["cancel"] if portal.cancelling else []
            for act in ("hand over", "arrive", "begin", "poll", *more, "end", "poll"):
                portal.do(act)
    assert portal.cluster.effects[NAME] == 1 or (portal.cancelling and not portal.cluster.effects[NAME])
    assert not portal.cluster.running(NAME)
    # A second copy only where an answer came too late, or the queue was asked and its answer spoilt.
    assert portal.cluster.taken[NAME] <= 1 + len([act for act in acts if act in SPOILT])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", ["lost", "late"])
def test_a_submit_whose_answer_did_not_come_has_one_effect(kind, fault):
    with portal_of(kind) as portal:
        for act in (fault, "hand over", "hand over", "arrive", "begin", "poll", "end", "poll"):
            portal.do(act)
    assert portal.cluster.effects == {NAME: 1}
    by_name = kind == "kubernetes"  # a name is there once
    assert portal.cluster.taken[NAME] == (1 if fault == "lost" or by_name else 2)


@pytest.mark.parametrize("kind", KINDS)
def test_a_number_that_is_somebody_else_s_now_is_not_taken_for_ours(kind):
    with portal_of(kind) as portal:
        for act in ("hand over", "begin", "end", "renumber"):
            portal.do(act)
        seen = portal.backend.poll([portal.native_id]).get(portal.native_id)
    assert seen is None or seen.phase is Phase.ENDED


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("many", [1, 10_000])
def test_a_poll_costs_the_same_calls_for_one_job_and_for_ten_thousand(kind, many):
    cluster, backend = scripted(kind)
    jobs = [cluster.take(Native(0, f"portolan-{number}", state="running")) for number in range(many)]
    ids = [job.name if kind == "kubernetes" else natives.join(str(job.number), job.name) for job in jobs]
    assert set(backend.poll(ids)) == set(ids)
    assert len(cluster.calls) == (2 if kind == "kubernetes" else 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", ["empty", "garbled", "partial", "down"])
def test_a_spoilt_answer_makes_no_state_up(kind, fault):
    with portal_of(kind) as portal:
        portal.do("hand over")
        portal.do("begin")
        portal.cluster.fault = fault
        try:
            seen = portal.backend.poll([portal.native_id]).get(portal.native_id)
        except SiteUnavailable:
            return
    assert seen is None or seen.phase in (Phase.RUNNING, Phase.UNKNOWN)
