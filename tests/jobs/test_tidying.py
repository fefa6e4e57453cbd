"""Control files go some days after a job's end; what people look at stays."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.backends.base import SiteUnavailable
from jobs.lifecycle import tidy
from jobs.lifecycle.places import control_of
from jobs.lifecycle.tidying import KEEP
from jobs.models import Job
from jobs.states import JobState


@pytest.fixture
def places(root, settings):
    """``places(job)`` are the control directories of the job's attempt: the project's, and the site's."""

    def of(job):
        attempt = job.attempts.get()
        return root / control_of(attempt), settings.PORTOLAN_HOME / "run" / "local" / "jobs" / attempt.native_name

    return of


def make_old(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(finished_at=timezone.now() - KEEP - timedelta(minutes=1))


def test_only_jobs_that_ended_long_ago_are_tidied_once(behave, root, run_until, run_until_final, places):
    old, new = run_until_final(behave("fail")), run_until_final(behave("write"))
    running = run_until(behave("sleep", seconds=60), JobState.RUNNING)
    for job in (old, running):
        make_old(job)
    assert tidy() == 1
    assert not any(place.exists() for place in places(old))
    assert all(place.is_dir() for job in (new, running) for place in places(job))
    assert (root / old.folder_path / "ro-crate-metadata.json").exists()
    assert (root / old.folder_path / "work-1").is_dir()
    assert tidy() == 0


def test_a_running_process_is_never_forgotten(behave, run_until, backend):
    job = run_until(behave("sleep", seconds=60), JobState.RUNNING)
    name = job.attempts.get().native_id
    backend.forget(name)
    assert backend.find(name) == name
    backend.forget("portolan-never-known")


def test_a_site_that_does_not_answer_is_asked_again_later(behave, run_until_final, monkeypatch, places):
    job = run_until_final(behave("write"))
    make_old(job)

    def away(self, native_id):
        raise SiteUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr("jobs.backends.local.LocalBackend.forget", away)
        assert tidy() == 0
    assert places(job)[0].is_dir()
    assert tidy() == 1
