"""The straight way: submitted, run for real, results in the project."""

import json

import pytest

from common.errors import StateConflict
from jobs import lifecycle
from jobs.backends.base import NativeObservation, Phase, SiteUnavailable
from jobs.backends.local import LocalBackend
from jobs.lifecycle import watching
from jobs.lifecycle.locks import only_one
from jobs.models import Job
from jobs.services import command_of, read_log, submit_job
from jobs.states import JobState
from tests.jobs.conftest import held_elsewhere


def unavailable(*_: object) -> str:
    raise SiteUnavailable("The line is down.")


def test_a_job_runs_and_its_result_is_in_the_project(contributor, project, root, site, run_until_final):
    (root / "a.txt").write_text("one two three")
    (root / "b.txt").write_text("four")
    job = submit_job(contributor, project.pk, tool="words", inputs={"texts": {"pattern": "*.txt"}})
    run_until_final(job)
    assert job.job_state is JobState.SUCCEEDED, job.failure
    result = job.results.get()
    assert (result.title, result.viewer, result.path) == ("Word counts", "text", "jobs/1-words/outputs/counts.txt")
    assert "4 total" in (root / result.path).read_text()
    assert len(result.sha256) == 64


def test_the_job_folder_tells_the_whole_story(contributor, project, root, behave, run_until_final):
    job = run_until_final(behave("write", text="a 'quoted' $(word)\n"))
    folder = root / job.folder_path
    assert {path.name for path in folder.iterdir()} == {
        "inputs.json", "command.txt", "stdout.log", "stderr.log", "outputs", "outputs.json", "ro-crate-metadata.json",
    }  # fmt: skip
    told = json.loads((folder / "inputs.json").read_text())
    assert told["job"]["id"] == str(job.pk)
    assert told["tool"]["digest"] == job.tool_digest
    assert "$(word)" in command_of(contributor, job.pk)
    assert (folder / "outputs" / "report.txt").read_text() == "a 'quoted' $(word)\n"
    outputs = json.loads((folder / "outputs.json").read_text())
    assert outputs["report"]["path"] == f"{job.folder_path}/outputs/report.txt"


def test_every_change_of_state_has_its_event(behave, run_until_final):
    job = run_until_final(behave("write"))
    states = list(job.events.values_list("to_state", flat=True))
    assert states[:4] == ["created", "staging_in", "submitting", "queued"]
    assert states[-2:] == ["staging_out", "succeeded"]
    assert job.attempts.get().exit_code == 0


def test_log_and_progress_can_be_followed_while_it_runs(contributor, behave, run_until_final):
    job: Job = run_until_final(behave("progress", seconds=0.05))
    chunk = read_log(contributor, job.pk, "stdout")
    assert chunk.text.count("portolan-progress") == 3
    assert chunk.complete
    assert job.progress == {"done": 3, "total": 3, "text": "part 3"}


def test_two_workers_that_hear_of_the_end_at_once_lose_no_job(behave, run_until, run_until_final, monkeypatch):
    job = run_until(behave("write"), JobState.QUEUED)
    stale = Job.objects.get(pk=job.pk)
    attempt = job.attempts.get()
    attempt.job = stale
    Job.objects.get(pk=job.pk).move_to(JobState.RUNNING)
    with pytest.raises(StateConflict):
        watching._note(attempt, NativeObservation(native_id=attempt.native_id, word="COMPLETED", phase=Phase.ENDED))
    assert job.attempts.get().ended_at is None
    assert run_until_final(job).job_state is JobState.SUCCEEDED


def test_a_site_is_asked_by_one_worker_at_a_time(behave, run_until, site, monkeypatch):
    run_until(behave("sleep", seconds=60), JobState.QUEUED)
    monkeypatch.setattr(watching, "asking", lambda site: pytest.fail("it was asked twice at once"))
    with held_elsewhere(only_one(site.pk)):
        assert lifecycle.observe(site) == []


def test_a_first_submission_is_made_without_asking_and_every_other_is_not(behave, run_until, backend, monkeypatch):
    asked = []
    monkeypatch.setattr(LocalBackend, "find", lambda self, name: asked.append(name))
    monkeypatch.setattr(LocalBackend, "submit", unavailable)
    job = run_until(behave("write"), JobState.SUBMITTING)
    assert not asked
    lifecycle.advance(job.pk)
    assert asked == [job.attempts.get().native_name]
