"""A portal with one job for a scripted cluster: all of it is real up to the commands of the scheduler."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from common.errors import StateConflict
from jobs import lifecycle
from jobs.backends.base import Backend
from jobs.lifecycle import again, ending, gathering, sites, starting, watching
from jobs.models import ComputeSite, Job
from jobs.services import cancel_job, submit_job
from tests.jobs.backends.scripted import FAULTS, Scripted
from tests.jobs.backends.scripted_sites import scripted

ON_THE_CLUSTER = ("begin", "end", "purge", "renumber", "arrive", "fail", "fail_one")
RETRIES = 2


class Killed(BaseException):
    """The worker is gone at this line."""


class Portal:
    """A job, its cluster, and what may happen to them."""

    def __init__(self, cluster: Scripted, job: Job, crash_soon: Callable[[int], None]) -> None:
        self.cluster, self.job, self.crash_soon = cluster, job, crash_soon

    def do(self, *acts: str, number: int = 0) -> Job:
        """These things happen one after another; a worker may die of each. The job as it is then."""
        for act in acts:
            try:
                if act in FAULTS:
                    self.cluster.fault = act
                elif act in ON_THE_CLUSTER:
                    self._happens(act)
                else:
                    getattr(self, act)(number)
            except (Killed, StateConflict):
                pass
        self.job.refresh_from_db()
        return self.job

    def _happens(self, act: str) -> None:
        began, over = self.cluster.effects.total(), Job.objects.get(pk=self.job.pk).job_state.final
        getattr(self.cluster, act)()
        assert not over or self.cluster.effects.total() == began, "it began after its end"

    def advance(self, number: int) -> None:
        lifecycle.advance(self.job.pk)

    def observe(self, number: int) -> None:
        for ready in lifecycle.observe(ComputeSite.objects.get(pk=self.job.site_id)):
            lifecycle.advance(ready)

    def cancel(self, number: int) -> None:
        cancel_job(self.job.submitted_by, self.job.pk)

    def crash(self, number: int) -> None:
        self.crash_soon(number)

    def finish(self) -> Job:
        """All is well from now on, until nothing happens any more."""
        self.cluster.fault = ""
        self.crash_soon(0)
        for _ in range(15):
            if self.do("advance", "arrive", "begin", "observe", "end").job_state.final and not self.cluster.late:
                break
        return self.do("arrive", "begin")


@pytest.fixture
def crash_soon(monkeypatch) -> Callable[[int], None]:
    """``crash_soon(n)``: the n-th point that a worker reaches from now is its last."""
    left = [0]

    def reached(point: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Killed(point)

    for module in (starting, watching, again, gathering, ending):
        monkeypatch.setattr(module, "reached", reached)
    return lambda count: left.__setitem__(0, count)


@pytest.fixture
def portal(contributor, project, site, crash_soon, monkeypatch, settings) -> Callable[..., Portal]:
    """``portal(kind)`` is a portal with one new job for a new cluster; ``tool`` and ``inputs`` make it another one."""
    settings.JOB_RETRIES = RETRIES
    monkeypatch.setattr(Backend, "evidence_seconds", 0.0)

    def make(kind: str, tool: str = "behave", **inputs: object) -> Portal:
        cluster, backend = scripted(kind)
        monkeypatch.setitem(sites.SCHEDULERS, "scripted", lambda _: backend)
        ComputeSite.objects.filter(pk=site.pk).update(scheduler="scripted")
        job = submit_job(contributor, project.pk, tool=tool, inputs=inputs or {"act": "write"}, site=site.name)
        return Portal(cluster, job, crash_soon)

    return make


@pytest.fixture
def clock(monkeypatch) -> Callable[[timedelta], None]:
    """``clock(delta)``: it is that much later."""
    shift, now = [timedelta(0)], timezone.now
    monkeypatch.setattr(timezone, "now", lambda: now() + shift[0])
    return lambda delta: shift.__setitem__(0, shift[0] + delta)
