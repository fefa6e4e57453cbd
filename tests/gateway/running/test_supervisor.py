"""The process runner: starts, starts again, gives up in plain words, leaves nothing behind."""

import ctypes
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from common.errors import StateConflict, Unavailable
from gateway.running import supervisor as module
from gateway.running.services import Service
from gateway.running.supervisor import Supervisor, only_runner
from tests.live import wait_until

SLEEP = "import time; print('up', flush=True); time.sleep(600)"


def service(name: str, script: str, *args: str, ready=lambda: True) -> Service:
    return Service(name=name, argv=[sys.executable, "-c", script, *args], ready=ready, stop_seconds=2)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervise(tmp_path: Path, said):
    """``supervise(service…)`` is a runner whose leftovers end with the test."""
    made: list[Supervisor] = []

    def make(*services: Service) -> Supervisor:
        made.append(Supervisor(list(services), home=tmp_path, say=said.append))
        return made[-1]

    yield make
    for runner in made:
        runner.stop(with_orphans=False)
    ctypes.CDLL(None).prctl(module.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def pid_of(home: Path, name: str) -> int:
    return int((home / "run" / f"{name}.pid").read_text())


def test_a_service_that_ends_is_started_again(supervise, tmp_path, said):
    runner = supervise(service("sleeper", SLEEP))
    runner.start()
    old = pid_of(tmp_path, "sleeper")
    os.kill(old, signal.SIGKILL)

    def tended() -> bool:
        runner.tend()
        with suppress(FileNotFoundError):
            return pid_of(tmp_path, "sleeper") != old
        return False

    wait_until(tended, seconds=10, what="the restart")
    assert psutil.pid_exists(pid_of(tmp_path, "sleeper"))
    assert said == ["sleeper ended (signal 9); it is started again in 0.25 s"]


def test_a_service_that_keeps_ending_is_given_up_with_the_end_of_its_log(supervise, monkeypatch):
    monkeypatch.setattr(module, "LONGEST_PAUSE", 0.01)
    runner = supervise(service("redis", SLEEP), service("broken", "raise SystemExit('no table here')"))
    runner._launch(runner.children[1])
    with pytest.raises(Unavailable, match="no table here"):
        wait_until(lambda: runner.tend(), seconds=20)


def test_a_service_that_ends_while_starting_is_named_with_its_log(supervise, tmp_path):
    runner = supervise(service("door", "raise SystemExit('port in use')", ready=lambda: False))
    with pytest.raises(Unavailable, match="“door” ended while starting") as caught:
        runner.start()
    assert "port in use" in caught.value.message
    assert str(tmp_path / "log" / "door.log") in caught.value.hint


def test_the_first_service_is_ready_before_the_others_begin(supervise, tmp_path):
    seen = []
    first = service("redis", SLEEP, ready=lambda: not (tmp_path / "run" / "portal.pid").exists())
    second = service("portal", SLEEP, ready=lambda: seen.append((tmp_path / "run" / "redis.pid").exists()) or True)
    supervise(first, second).start()
    assert seen == [True]


def test_stop_ends_a_service_that_ignores_the_request_and_its_children(supervise, tmp_path):
    child = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEP!r}])"
    script = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {child}; {SLEEP}"
    runner = supervise(service("stubborn", script))
    runner.start()
    main = psutil.Process(pid_of(tmp_path, "stubborn"))
    wait_until(lambda: main.children(), what="its child")
    everybody = [main, *main.children(recursive=True)]
    runner.stop(with_orphans=False)
    assert not [process for process in everybody if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    assert not (tmp_path / "run" / "stubborn.pid").exists()


@pytest.fixture
def with_job(supervise, tmp_path):
    """A runner whose service started something in a session of its own and forgot it, as the local site does."""
    mark = tmp_path / "job.pid"
    job = f"import os, time; open({str(mark)!r} + '.new', 'w').write(str(os.getpid())); "
    job += f"os.rename({str(mark)!r} + '.new', {str(mark)!r}); time.sleep(600)"
    launcher = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', sys.argv[1]], start_new_session=True)"
    worker = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {launcher!r}, sys.argv[1]]); {SLEEP}"
    runner = supervise(service("worker", worker, job))
    runner.start()
    wait_until(mark.exists, what="the job")
    process = psutil.Process(int(mark.read_text()))
    yield runner, process
    with suppress(psutil.NoSuchProcess):
        process.kill()
        process.wait(5)


def test_running_jobs_go_on_when_only_the_services_are_stopped(with_job):
    runner, job = with_job
    wait_until(lambda: runner.others(), what="the adoption")
    assert [process.pid for process in runner.others()] == [job.pid]
    runner.stop(with_orphans=False)
    assert job.is_running()


def test_running_jobs_end_too_when_asked_for(with_job):
    runner, job = with_job
    runner.stop(with_orphans=True)
    assert not job.is_running() or job.status() == psutil.STATUS_ZOMBIE


def test_a_home_has_one_runner_at_a_time(tmp_path):
    with only_runner(tmp_path), pytest.raises(StateConflict, match="already running") as caught, only_runner(tmp_path):
        pass
    assert "PORTOLAN_HOME" in caught.value.hint
    with only_runner(tmp_path):
        pass
