"""Whatever a command does, the job ends in words that say what to change, and never in a false success."""

import json
import shutil
import subprocess
from contextlib import suppress

import pytest
from django.utils import timezone

from jobs.backends import supervisor
from jobs.backends.base import NativeObservation, Phase
from jobs.lifecycle import starting
from jobs.lifecycle.places import control_of
from jobs.lifecycle.watching import ABSENT_AFTER
from jobs.models import Attempt
from jobs.services import cancel_job, submit_job
from jobs.states import JobState
from tests.jobs.conftest import drive, step


@pytest.mark.parametrize(
    ("act", "code", "words"),
    [
        ("complain", "bad_header", "The header is cut."),
        ("fail", "tool_failed", "Traceback of something"),
        ("die", "killed", "signal 11 (SIGSEGV)"),
        ("forget", "output_missing", "report"),
        ("fill", "disk_full", "full"),
        ("link", "output_missing", "outside"),
    ],
)
def test_a_failing_command_says_what_to_change(behave, run_until_final, act, code, words):
    job = run_until_final(behave(act))
    assert job.job_state is JobState.FAILED
    assert job.failure["code"] == code
    assert words in job.failure["message"]
    assert job.failure["hint"]
    assert not job.results.exists()


def test_what_a_tool_says_into_a_file_of_its_own_is_read_too(contributor, project, site, run_until_final):
    job = run_until_final(submit_job(contributor, project.pk, tool="quiet", inputs={"act": "complain"}))
    assert job.failure["code"] == "bad_header"


def test_too_much_memory_is_told_as_such(behave, run_until_final):
    job = run_until_final(behave("grow", memory_mb=100))
    assert job.failure["code"] == "out_of_memory"
    assert "100 MB" in job.failure["message"]


def test_the_input_to_blame_is_named(behave, run_until_final):
    assert run_until_final(behave("complain")).failure["input"] == "data"


def test_an_input_deleted_after_submission_fails_the_job_before_it_starts(behave, root, run_until_final):
    (root / "data.txt").write_text("x")
    job = behave("write", data="data.txt")
    (root / "data.txt").unlink()
    run_until_final(job)
    assert (job.failure["code"], job.attempts.count()) == ("input_missing", 0)
    assert "data.txt" in job.failure["message"]


def test_a_restart_of_the_machine_fails_the_job_and_says_so(behave, run_until, run_until_final, settings):
    job = run_until(behave("sleep", seconds=60), JobState.RUNNING)
    name = job.attempts.get().native_name
    mark = settings.PORTOLAN_HOME / "run" / "local" / "active" / name
    supervisor.write_whole(mark, json.loads(mark.read_text()) | {"boot_id": "another"})
    run_until_final(job)
    assert job.failure["code"] == "site_error"
    assert "restarted" in job.failure["message"]


def test_an_ended_job_without_exit_code_is_no_success(behave, root, run_until, settings, monkeypatch):
    job = run_until(behave("sleep", seconds=60), JobState.RUNNING)
    attempt = job.attempts.get()
    state = settings.PORTOLAN_HOME / "run" / "local" / "jobs" / attempt.native_name
    (state / supervisor.EXIT_FILE).write_text("{}")
    step(job)
    assert job.job_state is JobState.STAGING_OUT
    monkeypatch.setattr("jobs.backends.local.LocalBackend.evidence_seconds", 0.0)
    drive(job, lambda one: one.job_state.final)
    assert (job.job_state, job.failure["code"]) == (JobState.FAILED, "site_error")
    assert not (root / control_of(attempt) / supervisor.EXIT_FILE).exists()


def test_a_job_that_its_site_does_not_know_stays_as_it_is(behave, run_until, monkeypatch):
    job = run_until(behave("sleep", seconds=60), JobState.RUNNING)
    monkeypatch.setattr("jobs.backends.local.LocalBackend.poll", lambda self, ids: {})
    assert step(job).job_state is JobState.RUNNING


def held(job, monkeypatch):
    """The job, whose site has not known it for long."""
    long_ago = timezone.now() - 2 * ABSENT_AFTER
    Attempt.objects.filter(job=job).update(submitted_at=long_ago, last_seen_at=long_ago)
    with monkeypatch.context() as patch:
        patch.setattr("jobs.backends.local.LocalBackend.poll", lambda self, ids: {})
        assert step(job).job_state is JobState.HELD
        assert "no longer knows" in job.reason
        assert step(job).job_state is JobState.HELD
    return job


def test_a_held_job_goes_on_when_its_site_knows_it_again(behave, run_until, run_until_final, monkeypatch):
    job = run_until(behave("sleep", seconds=0.5), JobState.RUNNING)
    began = job.started_at
    held(job, monkeypatch)
    assert run_until_final(job).job_state is JobState.SUCCEEDED
    assert job.started_at == began
    assert job.attempts.count() == 1


def test_a_held_job_that_still_waits_is_queued_again(behave, run_until, monkeypatch):
    job = run_until(behave("sleep", seconds=60), JobState.RUNNING)
    held(job, monkeypatch)
    waits = NativeObservation(
        native_id=job.attempts.get().native_id, word="waiting", phase=Phase.QUEUED, reason="Full."
    )
    monkeypatch.setattr("jobs.backends.local.LocalBackend.poll", lambda self, ids: {one: waits for one in ids})
    assert (step(job).job_state, job.reason) == (JobState.QUEUED, "Full.")


def test_a_held_job_can_be_cancelled(behave, contributor, run_until, run_until_final, monkeypatch):
    job = held(run_until(behave("sleep", seconds=60), JobState.RUNNING), monkeypatch)
    cancel_job(contributor, job.pk)
    assert run_until_final(job).job_state is JobState.CANCELLED


def test_a_tool_that_changed_since_submission_does_not_run(contributor, project, site, behave, run_until_final):
    job = behave("write")
    type(job).objects.filter(pk=job.pk).update(tool_digest="0" * 64)
    assert run_until_final(job).failure["code"] == "tool_changed"


def test_a_folder_of_somebody_else_under_the_jobs_name_is_not_touched(behave, root, run_until_final):
    job = behave("write")
    taken = root / job.folder_path
    taken.mkdir(parents=True)
    (taken / "inputs.json").write_text('{"job": {"id": "other"}}')
    assert run_until_final(job).failure["code"] == "folder_taken"
    assert (taken / "inputs.json").read_text() == '{"job": {"id": "other"}}'


def test_partial_outputs_of_a_failed_job_stay_under_a_name_that_says_so(behave, root, run_until_final):
    job = run_until_final(behave("fill"))
    assert (root / job.folder_path / "work-1" / "report.txt").exists()
    assert not (root / job.folder_path / "outputs").exists()


def test_a_failed_job_has_a_crate_too(behave, root, run_until_final):
    job = run_until_final(behave("fail"))
    crate = json.loads((root / job.folder_path / "ro-crate-metadata.json").read_text())
    action = next(one for one in crate["@graph"] if one["@type"] == "CreateAction")
    assert action["actionStatus"].endswith("FailedActionStatus")
    assert "exit code 3" in action["error"]


def test_the_tool_can_be_unknown_when_the_job_is_submitted(contributor, project):
    with pytest.raises(Exception, match="no tool") as refused:
        submit_job(contributor, project.pk, tool="none", inputs={})
    assert refused.value.code == "unknown_tool"


@pytest.fixture
def small_disk(root):
    """The project's folder is on a file system of 1 MiB."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0770", "tmpfs", str(root)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False, timeout=20)
    if done.returncode:
        pytest.skip(f"Only root may mount a small file system here: {done.stderr.strip()}")
    yield root
    subprocess.run(["umount", "--lazy", str(root)], check=True, timeout=20)


def test_a_really_full_disk_fails_the_job_in_words_and_the_next_one_runs(small_disk, behave, run_until_final):
    job = run_until_final(behave("flood"))
    assert (job.job_state, job.failure["code"]) == (JobState.FAILED, "disk_full")
    assert "full" in job.failure["message"]
    assert "Delete" in job.failure["hint"]
    assert not (small_disk / job.outputs_path).exists()
    assert json.loads((small_disk / job.folder_path / "inputs.json").read_text())
    assert not (small_disk / job.folder_path / "ro-crate-metadata.json").exists()
    assert not list((small_disk / ".portolan" / "tmp").iterdir())
    shutil.rmtree(small_disk / job.folder_path / "work-1")
    assert run_until_final(behave("write")).job_state is JobState.SUCCEEDED


def fill_up(folder):
    with suppress(OSError), open(folder / "big", "wb", buffering=0) as stream:
        while stream.write(b"x" * 4096):
            pass


def test_a_disk_that_fills_up_while_the_job_is_handed_over_is_told_as_such(small_disk, behave, run_until_final):
    job = behave("write")
    starting.begin(job)
    starting.prepare(job)
    fill_up(small_disk)
    assert run_until_final(job).failure["code"] == "disk_full"
    assert not (small_disk / job.folder_path / "work-1" / "report.txt").exists()


def test_a_job_waits_in_words_for_room_before_it_starts(small_disk, behave, run_until_final):
    fill_up(small_disk)
    job = step(behave("write"))
    assert job.job_state is JobState.STAGING_IN
    assert "full" in job.reason
    (small_disk / "big").unlink()
    assert run_until_final(job).job_state is JobState.SUCCEEDED
