"""The straight way: submitted, run for real, results in the project."""

import json

from jobs.models import Job
from jobs.services import command_of, read_log, submit_job
from jobs.states import JobState


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
