"""Random schedules of workers, polls, cancels, lost answers and crashes: one effect, no false success, a true end."""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.errors import StateConflict
from jobs import lifecycle
from jobs.backends.base import Backend, NativeObservation, Phase, SiteUnavailable
from jobs.backends.supervisor import EXIT_FILE, FENCE
from jobs.lifecycle import ending, sites, starting, watching
from jobs.models import ComputeSite, Job
from jobs.services import cancel_job, submit_job
from jobs.states import MOVES, JobState

ACTS = ("advance", "observe", "run", "end", "cancel", "lose_answer", "away", "crash")


class Killed(BaseException):
    """The worker is gone at this line."""


class FakeSite(Backend):
    """A scheduler in memory, as unreliable as it is told to be."""

    evidence_seconds = 0.0

    def __init__(self) -> None:
        self.specs: dict = {}
        self.phases: dict[str, Phase] = {}
        self.submitted: Counter[str] = Counter()
        self.lose_answer = self.away = False

    def _asked(self) -> None:
        if self.away:
            self.away = False
            raise SiteUnavailable("no answer")

    def submit(self, spec):
        self._asked()
        self.submitted[spec.name] += 1
        self.specs[spec.name], self.phases[spec.name] = spec, Phase.QUEUED
        if self.lose_answer:
            self.lose_answer = False
            raise SiteUnavailable("the answer was lost")
        return spec.name

    def find(self, name):
        self._asked()
        return name if name in self.specs else None

    def poll(self, native_ids):
        self._asked()
        return {one: NativeObservation(native_id=one, word=self.phases[one], phase=self.phases[one])
                for one in native_ids if one in self.phases}  # fmt: skip

    def cancel(self, native_id):
        self._asked()
        if self.phases.get(native_id) is not Phase.ENDED:
            self._end(native_id, {"exit_code": None, "signal": 15, "cause": "cancelled"})

    def run(self) -> None:
        """Waiting jobs start, unless their fence is taken."""
        for name, phase in self.phases.items():
            if phase is Phase.QUEUED and not (self.specs[name].control / FENCE).exists():
                (self.specs[name].control / FENCE).mkdir(parents=True)
                self.phases[name] = Phase.RUNNING

    def end(self) -> None:
        """Running jobs end well."""
        for name, phase in list(self.phases.items()):
            if phase is Phase.RUNNING:
                for made in ("report.txt", "part-1.txt"):
                    (self.specs[name].cwd / made).write_text("x")
                self._end(name, {"exit_code": 0, "signal": None, "cause": ""})

    def _end(self, name: str, evidence: dict) -> None:
        self.phases[name] = Phase.ENDED
        Path(self.specs[name].control / EXIT_FILE).write_text(json.dumps(evidence))


@pytest.fixture
def crash_soon(monkeypatch):
    """``crash_soon(n)``: the n-th point that a worker reaches from now is its last."""
    left = [0]

    def reached(point: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Killed(point)

    for module in (starting, watching, ending):
        monkeypatch.setattr(module, "reached", reached)
    return lambda count: left.__setitem__(0, count)


def do(act: str, fake: FakeSite, site: ComputeSite, job: Job) -> None:
    """One thing happens; a worker may die of it."""
    try:
        match act:
            case "advance":
                lifecycle.advance(job.pk)
            case "observe":
                for ready in lifecycle.observe(site):
                    lifecycle.advance(ready)
            case "cancel":
                cancel_job(job.submitted_by, job.pk)
            case "run":
                fake.run()
            case "end":
                fake.end()
            case "lose_answer" | "away":
                setattr(fake, act, True)
    except (Killed, StateConflict):
        pass


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(schedule=st.lists(st.tuples(st.sampled_from(ACTS), st.integers(1, 8)), max_size=30))
def test_whatever_happens_a_job_runs_once_and_ends_truly(contributor, project, site, crash_soon, monkeypatch, schedule):
    fake = FakeSite()
    monkeypatch.setitem(sites.SCHEDULERS, "fake", lambda _: fake)
    ComputeSite.objects.filter(pk=site.pk).update(scheduler="fake")
    site.refresh_from_db()
    job = submit_job(contributor, project.pk, tool="behave", inputs={"act": "write"}, site=site.name)
    for act, number in schedule:
        if act == "crash":
            crash_soon(number)
        else:
            do(act, fake, site, job)
    crash_soon(0)
    for _ in range(40):
        for act in ("advance", "run", "observe", "end"):
            do(act, fake, site, job)
    job.refresh_from_db()
    events = [event.to_state for event in job.events.order_by("id")]
    assert job.job_state in (JobState.SUCCEEDED, JobState.CANCELLED), (job.state, job.failure)
    assert job.job_state is JobState.SUCCEEDED or "cancelling" in events
    assert max(fake.submitted.values(), default=0) <= 1
    assert job.results.exists() == (job.job_state is JobState.SUCCEEDED)
    assert all(JobState(after) in MOVES[JobState(before)] for before, after in pairwise(events))
    assert Phase.RUNNING not in fake.phases.values()
