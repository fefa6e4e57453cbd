"""Random schedules against scripted clusters: an attempt begins once, nothing is left over, no state is made up.

``SCHEDULES`` in the environment says how many a cluster; CI takes fewer.
"""

import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.backends.base import Backend, JobSpec, Phase, SiteUnavailable
from tests.jobs.backends.scripted import FAULTS, KINDS, Scripted, scripted

NAME = "portolan-0123456789abcdef"
ACTS = ("hand over", "poll", "begin", "end", "purge", "renumber", "arrive", "cancel", *FAULTS)
SCHEDULES = int(os.environ.get("SCHEDULES", "60"))


class Portal:
    """What the portal's worker does with one attempt, and what it must never see."""

    def __init__(self, cluster: Scripted, backend: Backend) -> None:
        self.cluster, self.backend = cluster, backend
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
        if found is None and not self.cluster.effects.get(NAME):  # else its fence is there, and tells
            place = Path("/p")
            found = self.backend.submit(JobSpec(name=NAME, argv=["true"], cwd=place, control=place / "c",
                                                stdout=place / "o", stderr=place / "e"))  # fmt: skip
        self.native_id = found or ""

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
            self.cluster.effects.setdefault(NAME, 1)  # the portal makes the fence itself


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=SCHEDULES, deadline=None)
@given(acts=st.lists(st.sampled_from(ACTS), max_size=25))
def test_an_attempt_begins_once_and_nothing_is_left_over(kind, acts):
    cluster, backend = scripted(kind)
    portal = Portal(cluster, backend)
    for act in acts:
        portal.do(act)
    cluster.fault = ""
    for _ in range(4):
        for act in ("hand over", "arrive", "begin", "poll", *(["cancel"] if portal.cancelling else []), "end", "poll"):
            portal.do(act)
    assert cluster.effects.get(NAME, 0) == 1 or portal.cancelling
    assert not cluster.running(NAME)
    # A second copy only where an answer came too late, or the queue was asked and its answer spoilt.
    copies = len([job for job in [*cluster.jobs, *cluster.past] if job.name == NAME])
    assert copies <= 1 + len([act for act in acts if act in ("late", "empty", "garbled", "partial")])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", ["lost", "late"])
def test_a_submit_whose_answer_did_not_come_has_one_effect(kind, fault):
    cluster, backend = scripted(kind)
    portal = Portal(cluster, backend)
    for act in (fault, "hand over", "hand over", "arrive", "begin", "poll", "end", "poll"):
        portal.do(act)
    assert cluster.effects == {NAME: 1}
    assert len([job for job in cluster.jobs if job.name == NAME]) == (1 if fault == "lost" else 2)


@pytest.mark.parametrize("kind", KINDS)
def test_a_number_that_is_somebody_else_s_now_is_not_taken_for_ours(kind):
    cluster, backend = scripted(kind)
    portal = Portal(cluster, backend)
    for act in ("hand over", "begin", "end", "renumber"):
        portal.do(act)
    seen = backend.poll([portal.native_id]).get(portal.native_id)
    assert seen is None or seen.phase is Phase.ENDED


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("many", [1, 10_000])
def test_a_poll_costs_the_same_calls_for_one_job_and_for_ten_thousand(kind, many):
    cluster, backend = scripted(kind)
    place = Path("/p")
    ids = [backend.submit(JobSpec(name=f"portolan-{number}", argv=["true"], cwd=place, control=place / "c",
                                  stdout=place / "o", stderr=place / "e")) for number in range(many)]  # fmt: skip
    cluster.begin()
    cluster.calls.clear()
    assert set(backend.poll(ids)) == set(ids)
    assert len(cluster.calls) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", ["empty", "garbled", "partial", "down"])
def test_a_spoilt_answer_makes_no_state_up(kind, fault):
    cluster, backend = scripted(kind)
    portal = Portal(cluster, backend)
    portal.do("hand over")
    portal.do("begin")
    cluster.fault = fault
    try:
        seen = backend.poll([portal.native_id]).get(portal.native_id)
    except SiteUnavailable:
        return
    assert seen is None or seen.phase in (Phase.RUNNING, Phase.UNKNOWN)
