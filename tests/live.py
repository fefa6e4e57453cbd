"""A whole instance for tests: real portal, worker, beat, door and Redis on free ports in a home of its own.

``pytest_plugins`` of ``tests/conftest.py`` names this module, so any test may take ``live_portolan``. It is started
once for all tests of a process, by the same command as an operator uses (``manage.py up``).
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest

ROOT = Path(__file__).resolve().parent.parent
TEST_TOOLS = ROOT / "tests" / "jobs" / "tools"
PASSWORD = "a long password"

MAKE_TOKEN = """
import json, sys
from accounts.models import User
from accounts.policy import accept, must_accept
from accounts.scopes import Scope
from accounts.services import make_token
name, password, operator = json.loads(sys.argv[-1])
user = User.objects.filter(username=name).first()
if user is None:
    make = User.objects.create_superuser if operator else User.objects.create_user
    user = make(username=name, password=password, email=f"{name}@example.org")
policy = must_accept(user)
if policy is not None:
    accept(user, version=policy.version)
print(json.dumps(make_token(user, label="test", scopes=list(Scope))[1]))
"""


def wait_until(true: Callable[[], object], *, seconds: float = 30, what: str = "it") -> None:
    """``true()`` was true within ``seconds``; else the test fails."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not happen within {seconds} s")
        time.sleep(0.05)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@dataclass
class LivePortolan:
    """A running instance. ``url`` and ``door_url`` have no slash at their end."""

    home: Path
    port: int
    door_port: int
    extra: dict[str, str] = field(default_factory=dict)
    runner: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def door_url(self) -> str:
        return f"http://localhost:{self.door_port}"

    @property
    def env(self) -> dict[str, str]:
        """The environment that makes a ``manage.py`` command one of this instance."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("DJANGO_", "PYTEST_", "TEST_", "DATABASE_"))}
        return kept | {
            "DJANGO_SETTINGS_MODULE": "gateway.settings",
            "PORTOLAN_HOME": str(self.home),
            "PORT": str(self.port),
            "DOOR_PORT": str(self.door_port),
            "POLL_SECONDS": "0.5",
            "RECONCILE_SECONDS": "2",
            "USAGE_POLICY_FILE": str(ROOT / "samples" / "usage-policy.txt"),
            "TOOL_DIRS": f"{ROOT / 'jobs' / 'tools'},{TEST_TOOLS}" if TEST_TOOLS.is_dir() else str(ROOT / "jobs/tools"),
            "IMPORT_INSIDE_HOSTS": "127.0.0.1",
            **self.extra,
        }

    def start(self, seconds: float = 200) -> None:
        """All services are up; else none is."""
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "runner.log").open("ab") as log:
            argv = [sys.executable, str(ROOT / "manage.py"), "up"]
            runner = self.runner = subprocess.Popen(argv, cwd=ROOT, env=self.env, stdout=log, stderr=log)
        try:
            wait_until(lambda: "is ready" in self.log() or runner.poll() is not None, seconds=seconds, what="the start")
            assert runner.poll() is None, self.log()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """No service is left."""
        if self.runner is not None and self.runner.poll() is None:
            self.runner.send_signal(signal.SIGTERM)
            self.runner.wait(60)

    def log(self) -> str:
        """What the runner said so far."""
        file = self.home / "runner.log"
        return file.read_text() if file.exists() else ""

    def service_log(self, name: str) -> str:
        """What a service (portal, worker, beat, door, redis) said so far."""
        return (self.home / "log" / f"{name}.log").read_text(errors="replace")

    def pid(self, name: str) -> int:
        """The main process of a service; 0 while it is down."""
        try:
            return int((self.home / "run" / f"{name}.pid").read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def kill(self, name: str, number: int = signal.SIGKILL) -> int:
        """The service and its children got the signal; the runner starts it again soon. Answers the old pid."""
        wait_until(lambda: self.pid(name), what=name)
        pid = self.pid(name)
        if not pid:  # group 0 would be the tests' own
            pytest.fail(f"{name} went down by itself")
        os.killpg(pid, number)
        return pid

    def restart(self, name: str) -> None:
        """The service ended and runs again as another process."""
        old = self.kill(name, signal.SIGTERM)
        wait_until(lambda: self.pid(name) not in (0, old) and psutil.pid_exists(self.pid(name)), what=f"new {name}")
        if name in ("portal", "door"):
            port = self.port if name == "portal" else self.door_port
            wait_until(lambda: _listens(port), what=f"{name} listening")

    def manage(self, *argv: str, timeout: float = 120) -> str:
        """The standard output of a ``manage.py`` command of this instance."""
        done = subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *argv],
            cwd=ROOT, env=self.env, capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def token(self, user: str = "researcher", *, operator: bool = False) -> str:
        """A token with every scope for ``user``, who is made (with the password ``PASSWORD``) when not there."""
        script = f"import sys; sys.argv = ['', {json.dumps(json.dumps([user, PASSWORD, operator]))}]\n{MAKE_TOKEN}"
        return str(json.loads(self.manage("shell", "--no-imports", "-c", script).splitlines()[-1]))

    def client(self, user: str = "researcher") -> httpx.Client:
        """A client of the REST API for ``user``."""
        headers = {"Authorization": f"Bearer {self.token(user)}"}
        return httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=60)


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def new_instance(folder: Path | None = None, *, extra: dict[str, str] | None = None) -> LivePortolan:
    """An instance that is not started yet, for tests that break one."""
    port, door_port = free_ports(2)
    home = folder or Path(tempfile.mkdtemp(prefix="portolan-live-"))
    return LivePortolan(home=home, port=port, door_port=door_port, extra=extra or {})


@pytest.fixture(scope="session")
def live_portolan() -> Iterator[LivePortolan]:
    """One running instance for all tests of this process."""
    instance = new_instance()
    try:
        instance.start()
        yield instance
    finally:
        instance.stop()


@contextmanager
def instance_running(extra: dict[str, str] | None = None) -> Iterator[LivePortolan]:
    """A new instance that is up inside the block; nothing that it started is left after it."""
    made = new_instance(extra=extra)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        for process in psutil.process_iter(["environ"]):
            if str(made.home) in (process.info["environ"] or {}).get("TMPDIR", ""):
                process.kill()
