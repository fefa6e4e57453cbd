"""Database, scheduler and disk side by side: differences are found, explained, and mended only when told to."""

import shutil
import uuid

import pytest
from django.core.management import call_command

from common.errors import NotFound
from jobs import lifecycle
from jobs.backends.base import Phase
from jobs.backends.supervisor import EXIT_FILE
from jobs.lifecycle.places import control_of
from jobs.models import Attempt, Job
from jobs.services.reconciling import reconcile
from jobs.states import JobState
from projects.models import AuditEvent


def kinds(operator, **more):
    return [one.kind for one in reconcile(operator, **more).differences]


def test_where_all_agree_nothing_is_told(behave, operator, run_until, run_until_final):
    run_until_final(behave("write"))
    run_until(behave("sleep", seconds=60), JobState.RUNNING)
    found = reconcile(operator)
    assert (found.differences, found.problems) == ([], [])


def test_a_job_that_no_row_stands_behind_is_cancelled_only_when_told(behave, operator, run_until, backend):
    job = run_until(behave("sleep", seconds=60), JobState.RUNNING)
    native_id = job.attempts.get().native_id
    Attempt.objects.filter(job=job).delete()
    Job.objects.filter(pk=job.pk).update(state=JobState.FAILED)
    assert kinds(operator)[0] == "orphan"
    assert backend.poll([native_id])[native_id].phase is Phase.RUNNING
    done = reconcile(operator, repair=True)
    assert "orphan" in [one.kind for one in done.mended]
    assert native_id not in backend.listed() or backend.poll([native_id])[native_id].phase is not Phase.QUEUED
    assert AuditEvent.objects.filter(action="job.reconciled", project=None).exists()


def test_an_answer_that_was_lost_is_adopted(behave, operator, run_until, run_until_final):
    job = run_until(behave("sleep", seconds=0.5), JobState.RUNNING)
    Attempt.objects.filter(job=job).update(native_id="", submitted_at=None)
    Job.objects.filter(pk=job.pk).update(state=JobState.SUBMITTING)
    assert "to_adopt" in kinds(operator)
    reconcile(operator, repair=True)
    job.refresh_from_db()
    assert (job.job_state, job.attempts.count()) == (JobState.QUEUED, 1)
    assert run_until_final(job).job_state is JobState.SUCCEEDED


def test_a_job_that_ended_unseen_is_collected(behave, operator, root, run_until, monkeypatch):
    job = run_until(behave("sleep", seconds=60), JobState.RUNNING)
    attempt = job.attempts.get()
    monkeypatch.setattr("jobs.backends.local.LocalBackend.poll", lambda self, ids: {})
    monkeypatch.setattr("jobs.backends.local.LocalBackend.listed", lambda self: {})
    assert kinds(operator) == ["vanished"]
    (root / control_of(attempt) / EXIT_FILE).write_text('{"exit_code": 1}')
    assert kinds(operator) == ["ended_unseen"]
    reconcile(operator, repair=True)
    job.refresh_from_db()
    assert job.job_state is JobState.STAGING_OUT


def test_control_directories_of_nobody_are_told_and_removed(operator, root, site):
    name = uuid.uuid4().hex
    (root / ".portolan" / "attempts" / name).mkdir(parents=True)
    call_command("reconcile")
    assert (root / ".portolan" / "attempts" / name).exists()
    call_command("reconcile", "--repair")
    assert not (root / ".portolan" / "attempts" / name).exists()


def test_only_operators_reconcile(contributor, site):
    with pytest.raises(NotFound):
        reconcile(contributor)


def test_a_probe_says_what_works_and_what_to_change(site, settings):
    checks = {one.title: one for one in lifecycle.probe(site)}
    assert checks["A probe job"].ok
    assert checks["The work root"].ok
    assert checks["Clock"].ok
    site.work_root = "/proc/nothing"
    site.save()
    checks = {one.title: one for one in lifecycle.probe(site)}
    assert not checks["The work root"].ok
    assert "disk" in checks["The work root"].hint
    site.refresh_from_db()
    assert site.probe["ok"] is False
    assert shutil.which("rsync") is None or checks["Programs for copying"].ok
