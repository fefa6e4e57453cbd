"""Sites that don't share the folder: what is declared goes there, all that is left comes home, and nothing else."""

import hashlib
import os
import shutil
import sys
from pathlib import Path

import pytest

from jobs import lifecycle
from jobs.lifecycle import sites, staging
from jobs.lifecycle.locks import copying
from jobs.lifecycle.places import places_of
from jobs.lifecycle.starting import command_for
from jobs.models import Attempt, ComputeSite
from jobs.registry import get_tool
from jobs.services import cancel_job
from jobs.states import JobState
from storage import sums
from storage.services.folders import folder_of
from tests.jobs.backends.conftest import cluster_home, sshd  # noqa: F401 - fixtures
from tests.jobs.conftest import drive, held_elsewhere, step


def settings_of(machine):
    return {
        "host": machine.host,
        "port": machine.port,
        "user": machine.user,
        "key_file": str(machine.key_file),
        "known_hosts_file": str(machine.known_hosts_file),
    }


@pytest.fixture
def away(site, sshd, tmp_path, monkeypatch):  # noqa: F811
    """A site behind a real sshd, with a tree of its own; its scheduler is this machine's."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    python = {"environment": {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}}
    ComputeSite.objects.filter(pk=site.pk).update(
        scheduler="behind",
        work_root=str(elsewhere),
        settings={"runner": "ssh", "ssh": settings_of(sshd.machine)},
        tools={"*": python},
    )
    monkeypatch.setitem(sites.SCHEDULERS, "behind", sites._local)
    site.refresh_from_db()
    return site


@pytest.fixture
def tree(away):
    """What is on the site, by path."""

    def found():
        root = Path(away.work_root)
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() or path.is_symlink())

    return found


def test_a_job_runs_on_copies_and_its_results_come_home(behave, away, root, tree, run_until_final):
    (root / "data.txt").write_text("declared")
    (root / "secret.txt").write_text("not declared")
    job = behave("write", data="data.txt")
    while job.job_state in (JobState.CREATED, JobState.STAGING_IN):
        step(job)
    assert any(path.endswith("/folder/data.txt") for path in tree())
    assert not any("secret" in path for path in tree())
    run_until_final(job)
    assert job.job_state is JobState.SUCCEEDED, job.failure
    assert (root / job.outputs_path / "report.txt").exists()
    assert (root / job.folder_path / "stdout.log").exists()
    attempt = job.attempts.get()
    assert (attempt.staging["files"], attempt.staging["bytes"]) == (1, 8)
    assert attempt.cleaned_at
    assert tree() == []


def test_an_output_that_is_a_link_does_not_come_home(behave, away, root, tree, run_until_final):
    job = run_until_final(behave("link"))
    assert job.failure["code"] == "output_missing"
    assert not [path for path in (root / job.folder_path).rglob("*") if path.is_symlink()]
    assert "root:" not in "".join(p.read_text() for p in (root / job.folder_path).rglob("*") if p.is_file())


def test_logs_come_home_after_a_failure_too(behave, away, root, tree, run_until_final):
    job = run_until_final(behave("fail"))
    assert job.failure["code"] == "tool_failed"
    assert "Traceback of something" in (root / job.folder_path / "stderr.log").read_text()
    assert tree() == []


def test_a_running_jobs_logs_can_be_read_here(behave, away, root, run_until, contributor):
    job = run_until(behave("sleep", seconds=60), JobState.RUNNING)
    there = staging.there(job.attempts.get())
    Path(there.folder / job.folder_path / "stdout.log").write_text("portolan-progress: 2/3 words\n")
    assert lifecycle.to_mirror(away) == [job.attempts.get().pk]
    lifecycle.mirror(job.attempts.get().pk)
    assert "portolan-progress: 2/3 words\n" in (root / job.folder_path / "stdout.log").read_text()
    job.refresh_from_db()
    assert job.progress["done"] == 2
    assert lifecycle.to_mirror(away) == []
    cancel_job(contributor, job.pk)
    drive(job, lambda one: one.job_state.final)


def test_a_line_that_is_cut_while_copying_in_costs_time_only(behave, away, sshd, root, run_until_final):  # noqa: F811
    (root / "data.bin").write_bytes(os.urandom(3 * 2**20))
    job = behave("write", data="data.bin")
    sshd.cut()
    step(job)
    assert job.job_state is JobState.STAGING_IN
    assert "tried again" in job.reason
    sshd.start()
    run_until_final(job)
    assert (job.job_state, job.attempts.count()) == (JobState.SUCCEEDED, 1)


def test_a_line_that_is_cut_before_the_results_are_home_loses_nothing(behave, away, sshd, root, monkeypatch):  # noqa: F811
    job = behave("write")
    real, times = staging._copy_home, []

    def cut(*args, **more):
        times.append(1)
        if len(times) == 1:
            sshd.cut()
        return real(*args, **more)

    monkeypatch.setattr(staging, "_copy_home", cut)
    drive(job, lambda one: bool(times))
    assert job.job_state is JobState.STAGING_OUT
    assert list(Path(away.work_root).iterdir())
    sshd.start()
    drive(job, lambda one: one.job_state.final)
    assert job.job_state is JobState.SUCCEEDED
    assert (root / job.outputs_path / "report.txt").exists()


def test_copies_that_were_spoiled_are_not_taken(behave, away, root, monkeypatch):
    (root / "data.txt").write_text("whole")
    job = behave("write", data="data.txt")
    real = staging._verify

    def spoil(target, *rest):
        Path(target.folder / "data.txt").write_text("spoil")
        real(target, *rest)

    monkeypatch.setattr(staging, "_verify", spoil)
    step(job)
    assert job.job_state is JobState.STAGING_IN
    assert "not what was sent" in job.reason


def test_copying_twice_ends_in_the_same_bytes(behave, away, root, run_until):
    (root / "data.bin").write_bytes(os.urandom(100_000))
    job = run_until(behave("sleep", data="data.bin", seconds=60), JobState.RUNNING)
    attempt = Attempt.objects.select_related("job", "site").get(job=job)
    copy = staging.there(attempt).folder / "data.bin"
    first = hashlib.sha256(Path(copy).read_bytes()).hexdigest()
    info, places = get_tool("behave"), places_of(job)
    staging.stage_in(attempt, info, places, command_for(job, attempt, info, places))
    assert hashlib.sha256(Path(copy).read_bytes()).hexdigest() == first


def test_a_work_root_that_is_gone_is_told_and_waited_for(behave, away, root, run_until_final):
    shutil.rmtree(away.work_root)
    Path(away.work_root).write_text("not a directory")
    job = step(behave("write"))
    assert job.job_state is JobState.STAGING_IN
    assert job.reason
    Path(away.work_root).unlink()
    assert run_until_final(job).job_state is JobState.SUCCEEDED


def test_a_copy_waits_for_others_instead_of_taking_the_last_worker(behave, away, root, run_until_final):
    (root / "data.txt").write_text("declared")
    job = behave("write", data="data.txt")
    with held_elsewhere(copying()):
        step(job)
        assert job.job_state is JobState.STAGING_IN
        assert "Other files are being copied" in job.reason
    assert run_until_final(job).job_state is JobState.SUCCEEDED


def test_an_input_that_goes_away_while_it_is_summed_is_named(behave, away, root, monkeypatch):
    (root / "data.txt").write_text("declared")
    job = behave("write", data="data.txt")
    real = staging._digest

    def gone(path):
        if path.name == "data.txt":
            raise FileNotFoundError(path)
        return real(path)

    monkeypatch.setattr(staging, "_digest", gone)
    step(job)
    assert job.failure["code"] == "input_missing"


@pytest.fixture
def noted(project, root):
    """An input whose checksum was noted on its way in."""
    path, data = root / "data.txt", b"declared" * (staging.LARGE_BYTES // 8)
    path.write_bytes(data)
    sums.note_placed(folder_of(project), path.name, sha256=hashlib.sha256(data).hexdigest())
    return path


def test_what_was_summed_on_its_way_in_is_not_read_again(behave, away, noted, monkeypatch, run_until_final):
    real, read = staging._digest, []
    monkeypatch.setattr(staging, "_digest", lambda path: read.append(path.name) or real(path))
    assert run_until_final(behave("write", data=noted.name)).job_state is JobState.SUCCEEDED
    assert read
    assert noted.name not in read


def test_an_input_that_the_disk_damaged_is_named(behave, away, noted, run_until_final):
    then = noted.stat()
    noted.write_bytes(b"DECLARED" * (staging.LARGE_BYTES // 8))
    os.utime(noted, ns=(then.st_atime_ns, then.st_mtime_ns))
    job = run_until_final(behave("write", data=noted.name))
    assert job.failure["code"] == "input_changed"
    assert noted.name in job.failure["message"]


def test_an_input_that_was_changed_after_it_was_noted_is_read(behave, away, noted, run_until_final):
    noted.write_bytes(b"longer" * staging.LARGE_BYTES)
    assert run_until_final(behave("write", data=noted.name)).job_state is JobState.SUCCEEDED


def test_odd_names_survive_the_journey(behave, away, root, run_until_final):
    (root / "a 'b' $(touch x) ü.txt").write_text("x")
    job = run_until_final(behave("write", data="a 'b' $(touch x) ü.txt", text="$(id) ; `id` 'x'"))
    assert job.job_state is JobState.SUCCEEDED, job.failure
