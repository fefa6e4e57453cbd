"""A whole instance: what an operator sees of it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest

from tests.live import ROOT, LivePortolan, free_ports, new_instance, wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def instance():
    """An instance of its own, for tests that break it."""
    made = new_instance()
    made.start()
    yield made
    made.stop()


def everybody(instance: LivePortolan) -> list[psutil.Process]:
    return psutil.Process(instance.runner.pid).children(recursive=True)


def left_of(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [process for process in processes if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


def test_every_part_answers(live_portolan):
    assert httpx.get(f"{live_portolan.url}/readyz", timeout=30).json()["status"] == "ok"


def test_killed_services_come_back(live_portolan):
    names = ["portal", "door", "worker", "beat", "redis"]
    old = {name: live_portolan.kill(name) for name in names}
    wait_until(lambda: all(live_portolan.pid(name) not in (0, old[name]) for name in names), what="new processes")
    wait_until(lambda: ready(live_portolan), seconds=60, what="readiness")
    assert all(f"{name} ended (signal 9)" in live_portolan.log() for name in names)


def ready(instance: LivePortolan) -> bool:
    try:
        return httpx.get(f"{instance.url}/readyz", timeout=10).json()["status"] == "ok"
    except httpx.HTTPError:
        return False


def test_a_signal_ends_every_process(instance):
    processes = everybody(instance)
    assert len(processes) >= 5
    instance.runner.send_signal(signal.SIGINT)
    assert instance.runner.wait(60) == 0
    assert left_of(processes) == []
    assert not list((instance.home / "run").glob("*.pid"))


def test_services_end_when_the_runner_is_killed(instance):
    processes = everybody(instance)
    instance.runner.kill()
    wait_until(lambda: not left_of(processes), seconds=30, what="the end of all services")


def test_two_instances_run_side_by_side(live_portolan, instance):
    assert live_portolan.home != instance.home
    token = instance.token("somebody")
    headers = {"Authorization": f"Bearer {token}"}
    assert httpx.get(f"{instance.url}/api/v1/me/", headers=headers, timeout=30).status_code == 200
    assert httpx.get(f"{live_portolan.url}/api/v1/me/", headers=headers, timeout=30).status_code == 401


def up(**extra: str) -> subprocess.CompletedProcess:
    argv = [sys.executable, str(ROOT / "manage.py"), "up"]
    return subprocess.run(argv, cwd=ROOT, env=extra, capture_output=True, text=True, timeout=90, check=False)


def test_a_second_runner_of_a_home_is_refused_in_plain_words(live_portolan):
    port, door_port = free_ports(2)
    done = up(**live_portolan.env | {"PORT": str(port), "DOOR_PORT": str(door_port)})
    assert done.returncode != 0
    assert "already running" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_is_refused_before_anything_starts(live_portolan, tmp_path):
    done = up(**live_portolan.env | {"PORTOLAN_HOME": str(tmp_path / "other")})
    assert done.returncode != 0
    assert str(live_portolan.port) in done.stderr
    assert "PORT=" in done.stderr
    assert not list((tmp_path / "other").glob("*.sqlite3"))


def test_a_deep_home_works_and_sigterm_ends_it(tmp_path):
    deep = tmp_path.joinpath(*["a-rather-long-name-of-a-folder"] * 4)
    made = new_instance(deep)
    made.start()
    try:
        assert ready(made)
        assert not (deep / "run" / "redis.sock").exists()
        processes = everybody(made)
    finally:
        made.stop()
    assert left_of(processes) == []


def test_redis_listens_on_no_port(live_portolan):
    process = psutil.Process(live_portolan.pid("redis"))
    assert [found for found in process.net_connections(kind="inet") if found.status == psutil.CONN_LISTEN] == []


def test_the_home_is_closed_to_others(live_portolan):
    for name in ("", "run", "log"):
        assert (live_portolan.home / name).stat().st_mode & 0o077 == 0
    assert Path(live_portolan.home / "secret_key").stat().st_mode & 0o077 == 0


def test_no_token_is_in_a_log_or_an_argument(live_portolan):
    token = live_portolan.token("careful")
    headers = {"Authorization": f"Bearer {token}"}
    assert httpx.get(f"{live_portolan.url}/api/v1/me/", headers=headers, timeout=30).status_code == 200
    for log in (live_portolan.home / "log").iterdir():
        assert token not in log.read_text(errors="replace")
    arguments = [" ".join(process.cmdline()) for process in everybody(live_portolan)]
    assert token not in "\n".join(arguments)
    assert os.environ.get("SECRET_KEY", "no key given") not in "\n".join(arguments)
