"""Cancel in every state: nothing runs afterwards, and no job that ran is left without its word."""

from pathlib import Path

import pytest

from common.errors import Forbidden, NotFound, StateConflict
from jobs.backends import supervisor
from jobs.lifecycle import ending, starting
from jobs.models import Job
from jobs.services import cancel_job
from jobs.states import JobState
from tests.jobs.conftest import alive, drive
from tests.live import wait_until


def test_a_new_job_is_cancelled_at_once(behave, contributor, run_until_final):
    job = behave("write")
    cancel_job(contributor, job.pk)
    assert run_until_final(job).job_state is JobState.CANCELLED
    assert job.attempts.count() == 0


def test_a_job_whose_intent_is_recorded_never_starts_after_its_cancel(behave, contributor, root, run_until_final):
    job = behave("write")
    starting.begin(job)
    starting.prepare(job)
    cancel_job(contributor, job.pk)
    run_until_final(job)
    assert job.job_state is JobState.CANCELLED
    # A call that was on its way to the site arrives late: its copy meets the fence.
    job.state = JobState.SUBMITTING
    (spec,) = starting._specs_of(job, starting.latest(job))
    with starting.asking(job.site) as backend:
        backend.submit(spec)
    assert not (root / job.folder_path / "stdout.log").exists()


def test_a_job_cancelled_while_it_is_being_started_is_ended(behave, contributor, monkeypatch, run_until_final):
    job = behave("sleep", seconds=60)
    real = starting.reached

    def cancelled_meanwhile(point: str) -> None:
        real(point)
        if point == "hand_over.after_submit":
            cancel_job(contributor, job.pk)

    monkeypatch.setattr(starting, "reached", cancelled_meanwhile)
    run_until_final(job)
    assert job.job_state is JobState.CANCELLED
    assert job.attempts.get().native_id


@pytest.mark.parametrize("act", ["sleep", "stubborn"])
def test_a_running_job_is_ended_with_its_whole_tree(
    behave, contributor, root, run_until, run_until_final, act, settings
):
    job = run_until(behave(act, seconds=60), JobState.RUNNING)
    log = root / job.folder_path / "stdout.log"
    drive(job, lambda one: log.exists() and "asleep" in log.read_text())
    child = int((root / job.folder_path / "work-1" / "child.pid").read_text())
    cancel_job(contributor, job.pk)
    run_until_final(job)
    assert job.job_state is JobState.CANCELLED
    assert not alive(child)
    state = Path(settings.PORTOLAN_HOME) / "run" / "local" / "jobs" / job.attempts.get().native_name
    assert state.is_dir()
    # The supervisor itself has the mark, too; its exit file is its last act but one.
    wait_until(lambda: not supervisor.marked(state), what="the end of all that ran")


def test_a_cancel_while_results_are_collected_wins_and_keeps_the_files(
    behave, contributor, root, monkeypatch, run_until_final
):
    job = behave("write")
    real = ending.reached

    def cancelled_meanwhile(point: str) -> None:
        real(point)
        if point == "collect.crate_written":
            cancel_job(contributor, job.pk)

    monkeypatch.setattr(ending, "reached", cancelled_meanwhile)
    run_until_final(job)
    assert job.job_state is JobState.CANCELLED
    assert not job.results.exists()
    assert (root / job.outputs_path / "report.txt").exists()


def test_cancelling_twice_is_one_cancel(behave, contributor, run_until_final):
    job = behave("write")
    cancel_job(contributor, job.pk)
    cancel_job(contributor, job.pk)
    run_until_final(job)
    cancel_job(contributor, job.pk)
    assert job.events.filter(to_state=JobState.CANCELLING).count() == 1


def test_an_ended_job_cant_be_cancelled(behave, contributor, run_until_final):
    job = run_until_final(behave("write"))
    with pytest.raises(StateConflict, match="already"):
        cancel_job(contributor, job.pk)


def test_viewer_cannot_cancel_and_stranger_does_not_see(behave, viewer, stranger):
    job: Job = behave("write")
    with pytest.raises(Forbidden):
        cancel_job(viewer, job.pk)
    with pytest.raises(NotFound):
        cancel_job(stranger, job.pk)
