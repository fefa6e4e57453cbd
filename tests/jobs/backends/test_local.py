"""The scheduler of this machine: the contract, and what is its own."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from jobs.backends import supervisor
from jobs.backends.base import Phase
from jobs.backends.local import LocalBackend
from tests.jobs.backends.contract import ArrayContract, read


class TestLocal(ArrayContract):
    @pytest.fixture
    def backend(self, tmp_path):
        made = LocalBackend(tmp_path / "local", cores=2, memory_mb=1000)
        yield made
        jobs = tmp_path / "local" / "jobs"
        for folder in jobs.iterdir() if jobs.is_dir() else []:
            supervisor.signal_all(supervisor.marked(folder), signal.SIGKILL)

    def mark(self, backend: LocalBackend, name: str) -> dict:
        return json.loads((backend.root / "active" / name).read_text())

    def test_jobs_wait_in_line_until_there_is_room(self, backend, make_spec):
        first = backend.submit(make_spec("sleep", "60", name="1", cores=2, order=1))
        second = backend.submit(make_spec("true", name="2", order=2))
        third = backend.submit(make_spec("true", name="3", order=3))
        seen = backend.poll([first, second, third])
        assert [seen[one].phase for one in (first, second, third)] == [Phase.RUNNING, Phase.QUEUED, Phase.QUEUED]
        assert "1 job(s) are before it" in seen[third].reason
        backend.cancel(first)
        assert self.ended(backend, second) is Phase.ENDED
        assert self.ended(backend, third) is Phase.ENDED

    def test_setup_comes_first_in_the_shell_that_becomes_the_command(self, backend, make_spec):
        setup = ('tool() { TOOL_HOME=/opt/"$1"; export TOOL_HOME; }', "tool 'a b'", "cd /")
        spec = make_spec("sh", "-c", 'echo "$TOOL_HOME" "$1" "$PWD"', "x", "$(id) 'q'", name="1", setup=setup)
        assert self.ended(backend, backend.submit(spec)) is Phase.ENDED
        assert read(spec.stdout) == "/opt/a b $(id) 'q' /\n"

    def test_a_program_that_is_not_there_after_the_setup_is_named(self, backend, make_spec):
        spec = make_spec("no-such-program", name="1", setup=("true",))
        assert self.ended(backend, backend.submit(spec)) is Phase.ENDED
        assert "There is no program no-such-program on this machine." in read(spec.stderr)

    def test_the_next_job_starts_without_anybody_asking(self, backend, make_spec):
        backend.submit(make_spec("sleep", "0.3", name="1", cores=2, order=1))
        spec = make_spec("echo", "ran", name="2", order=2)
        backend.submit(spec)
        deadline = time.monotonic() + 30
        while read(spec.stdout) != "ran\n":
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def test_a_waiting_job_that_is_cancelled_never_starts(self, backend, make_spec):
        backend.submit(make_spec("sleep", "60", name="1", cores=2, order=1))
        spec = make_spec("echo", "ran", name="2", order=2)
        second = backend.submit(spec)
        backend.cancel(second)
        assert backend.poll([second])[second].phase is Phase.ENDED
        assert not spec.stdout.exists()
        assert self.exit_of(spec)["cause"] == "cancelled"

    def test_a_job_over_its_memory_is_ended_and_says_so(self, backend, make_spec):
        code = "import time; kept = b'x' * (300 * 2**20); time.sleep(60)"
        spec = make_spec(sys.executable, "-c", code, memory_mb=100)
        self.ended(backend, backend.submit(spec))
        assert self.exit_of(spec)["cause"] == "out_of_memory"

    def test_a_job_stays_on_its_cores(self, backend, make_spec):
        spec = make_spec(sys.executable, "-c", "import os; print(len(os.sched_getaffinity(0)))", cores=1)
        self.ended(backend, backend.submit(spec))
        assert spec.stdout.read_text().strip() == "1"

    def test_submitting_a_name_twice_at_once_runs_it_once(self, backend, make_spec):
        spec = make_spec("sh", "-c", "echo ran")
        threads = [
            threading.Thread(target=LocalBackend(backend.root, cores=2, memory_mb=1000).submit, args=(spec,))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.ended(backend, spec.name)
        assert spec.stdout.read_text() == "ran\n"

    def test_a_killed_supervisor_means_lost_and_nothing_left_running(self, backend, make_spec):
        spec = make_spec("sh", "-c", "sleep 300 & echo $! > child; wait")
        native_id = backend.submit(spec)
        deadline = time.monotonic() + 30
        while not read(spec.cwd / "child").strip():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(self.mark(backend, native_id)["pid"], signal.SIGKILL)
        assert self.ended(backend, native_id) is Phase.LOST
        child = int((spec.cwd / "child").read_text())
        while supervisor.start_ticks(child):
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def test_a_restart_of_the_machine_is_told_and_the_pid_not_mistaken(self, backend, make_spec):
        native_id = backend.submit(make_spec("sleep", "60"))
        self.reached(backend, native_id, Phase.RUNNING)
        mark = self.mark(backend, native_id)
        supervisor.write_whole(backend.root / "active" / native_id, mark | {"boot_id": "another"})
        seen = backend.poll([native_id])[native_id]
        assert (seen.phase, seen.word) == (Phase.LOST, "rebooted")

    def test_a_reused_pid_is_not_taken_for_the_supervisor(self):
        mark = supervisor.this_process()
        assert supervisor.is_running(mark)
        assert not supervisor.is_running(mark | {"ticks": mark["ticks"] - 1})

    def test_a_job_outlives_who_submitted_it(self, backend, make_spec, tmp_path):
        spec = make_spec("sh", "-c", "sleep 0.5; echo ran")
        code = (
            "import sys, pathlib; from jobs.backends.local import LocalBackend; from jobs.backends.base import JobSpec;"
            "place = pathlib.Path(sys.argv[2]);"
            "LocalBackend(pathlib.Path(sys.argv[1]), cores=2, memory_mb=1000).submit(JobSpec(name=sys.argv[3],"
            "argv=['sh', '-c', 'sleep 0.5; echo ran'], cwd=place / 'work', control=place / 'control',"
            "stdout=place / 'out.log', stderr=place / 'err.log', memory_mb=100));"
            "import os; os.kill(os.getpid(), 9)"
        )
        argv = [sys.executable, "-c", code, str(backend.root), str(spec.cwd.parent), spec.name]
        assert subprocess.run(argv, check=False, timeout=60, start_new_session=True).returncode == -9
        assert self.ended(backend, spec.name) is Phase.ENDED
        assert spec.stdout.read_text() == "ran\n"

    def test_no_secret_of_the_portal_reaches_a_job(self, backend, make_spec, monkeypatch):
        monkeypatch.setenv("SECRET_KEY", "very secret")
        spec = make_spec("sh", "-c", "env; cat /proc/$PPID/environ")
        self.ended(backend, backend.submit(spec))
        assert "very secret" not in spec.stdout.read_text()
