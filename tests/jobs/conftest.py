"""Fixtures for jobs: small tools, a site of this machine, and a drive without Celery."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest
from django.db import connection

from jobs import lifecycle
from jobs.backends import supervisor
from jobs.lifecycle.sites import backend_of
from jobs.models import ComputeSite, Job
from jobs.services import submit_job
from jobs.states import JobState

TOOLS = Path(__file__).parent / "tools"
DEADLINE = 60


@pytest.fixture(autouse=True)
def _test_tools(settings) -> None:
    settings.TOOL_DIRS = [TOOLS]


@pytest.fixture
def site(db, settings) -> Iterator[ComputeSite]:
    """This machine with two cores; nothing of it runs after the test."""
    made = ComputeSite.objects.create(name="here", cores=2, memory_mb=2000)
    yield made
    jobs = Path(settings.PORTOLAN_HOME) / "run" / "local" / "jobs"
    for folder in jobs.iterdir() if jobs.is_dir() else []:
        (folder / "cancel").touch()
        supervisor.signal_all(supervisor.marked(folder), 9)


def step(job: Job) -> Job:
    """Everything that the worker, beat and the poll would do once, now."""
    for site in ComputeSite.objects.all():
        for ready in lifecycle.observe(site):
            lifecycle.advance(ready)
    lifecycle.advance(job.pk)
    job.refresh_from_db()
    return job


@contextmanager
def held_elsewhere(lock: AbstractContextManager[object]) -> Iterator[None]:
    """Another worker, with a connection of its own, holds ``lock`` meanwhile."""
    taken, done = Event(), Event()

    def hold() -> None:
        try:
            with lock as mine:
                assert mine is not False
                taken.set()
                done.wait(120)
        finally:
            connection.close()

    thread = Thread(target=hold)
    thread.start()
    try:
        assert taken.wait(30)
        yield
    finally:
        done.set()
        thread.join(30)


def drive(job: Job, until: Callable[[Job], bool], *, seconds: float = DEADLINE) -> Job:
    """The job, once ``until`` holds; the test fails after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not until(step(job)):
        if time.monotonic() > deadline:
            pytest.fail(f"job stands at {job.state}: {job.reason}")
        time.sleep(0.01)
    return job


@pytest.fixture
def run_until_final(site) -> Callable[[Job], Job]:
    """``run_until_final(job)`` drives the job without Celery until it has ended."""
    return lambda job: drive(job, lambda one: one.job_state.final)


@pytest.fixture
def run_until(site) -> Callable[[Job, JobState], Job]:
    """``run_until(job, state)`` drives the job until it is in that state."""
    return lambda job, state: drive(job, lambda one: one.job_state is state)


@pytest.fixture
def behave(contributor, project, site) -> Callable[..., Job]:
    """``behave("write", text="x")`` submits a job of the test tool."""

    def submit(act: str, *, memory_mb: int | None = None, **inputs: object) -> Job:
        return submit_job(
            contributor, project.pk, tool="behave", inputs={"act": act, **inputs}, site=site.name, memory_mb=memory_mb
        )

    return submit


@pytest.fixture
def backend(site):
    """The scheduler of ``site``."""
    return backend_of(site)


def alive(pid: int) -> bool:
    """True while the process runs (a zombie does not)."""
    return supervisor.start_ticks(pid) != 0
