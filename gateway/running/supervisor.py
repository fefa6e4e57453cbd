"""The one process runner: starts the services, starts again what ends, and leaves nothing behind.

Every service is a session of its own, so Ctrl-C in the terminal reaches the runner alone and it decides the order.
The runner adopts orphans (``PR_SET_CHILD_SUBREAPER``), so what a service left behind is still known at the end; and
each service is told to end when the runner itself is killed (``setpriv --pdeathsig``).
"""

import ctypes
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from common.errors import StateConflict, Unavailable
from gateway.running import places
from gateway.running.services import Service, program

START_SECONDS = 60.0
LOOK_EVERY = 0.1
MOST_RESTARTS = 6
RESTART_WINDOW = 60.0
LONGEST_PAUSE = 8.0
LARGEST_LOG = 20_000_000
# The group of a project's folder may use what is made in it; others see nothing.
UMASK = 0o007
PR_SET_CHILD_SUBREAPER = 36


@dataclass
class _Child:
    service: Service
    process: subprocess.Popen[bytes] | None = None
    ends: list[float] = field(default_factory=list)
    start_at: float = 0.0


@contextmanager
def only_runner(home: Path) -> Iterator[None]:
    """This process is the home's only runner inside the block; StateConflict when another one runs."""
    places.private(places.run_dir(home))
    with (places.run_dir(home) / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StateConflict(
                f"An instance is already running in {home}.",
                code="already_running",
                hint="Stop it first, or choose another folder with PORTOLAN_HOME=….",
            ) from None
        yield


class Supervisor:
    """Runs services until ``stop()``. Not for use from several threads."""

    def __init__(self, services: list[Service], *, home: Path, say: Callable[[str], None]) -> None:
        self.home = home
        self.say = say
        self.children = [_Child(service) for service in services]
        self.strangers = {process.pid for process in psutil.Process().children()}
        self.setpriv = program("setpriv")
        for folder in (places.run_dir(home), places.log_dir(home)):
            places.private(folder)
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def start(self, interrupted: Callable[[], bool] = lambda: False) -> None:
        """Every service does its work, the first one before the others begin; Unavailable when one does not."""
        self._launch(self.children[0])
        self._await([self.children[0]], interrupted)
        for child in self.children[1:]:
            self._launch(child)
        self._await(self.children[1:], interrupted)

    def tend(self) -> None:
        """What has ended is started again after a pause; Unavailable when a service keeps ending."""
        for child in self.children:
            if child.process is None:
                if time.monotonic() >= child.start_at:
                    self._launch(child)
            elif child.process.poll() is not None:
                self._plan_restart(child)
        self._reap()

    def stop(self, *, with_orphans: bool) -> None:
        """No service is left; with ``with_orphans`` nor is anything else that they started (running jobs)."""
        for child in reversed(self.children):
            self._end(child)
        if with_orphans:
            left = [one for other in self.others() for one in (other, *other.children(recursive=True))]
            _end_all(left)
        self._reap()

    def others(self) -> list[psutil.Process]:
        """What services started and left running on its own, such as jobs."""
        known = {child.process.pid for child in self.children if child.process} | self.strangers
        return [process for process in psutil.Process().children() if process.pid not in known]

    def _launch(self, child: _Child) -> None:
        name = child.service.name
        log = places.log_dir(self.home) / f"{name}.log"
        if log.exists() and log.stat().st_size > LARGEST_LOG:
            log.replace(log.with_suffix(".log.1"))
        argv = [self.setpriv, "--pdeathsig", "TERM", "--", *child.service.argv]
        with log.open("ab") as output:
            child.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, umask=UMASK
            )
        (places.run_dir(self.home) / f"{name}.pid").write_text(str(child.process.pid))

    def _await(self, children: list[_Child], interrupted: Callable[[], bool]) -> None:
        waiting = list(children)
        deadline = time.monotonic() + START_SECONDS
        while waiting and not interrupted():
            for child in waiting:
                if child.process is not None and child.process.poll() is not None:
                    raise self._broken(child, f"ended while starting ({_end_word(child.process.returncode)})")
            if time.monotonic() > deadline:
                raise self._broken(waiting[0], f"did not come up within {START_SECONDS:.0f} s")
            waiting = [child for child in waiting if not child.service.ready()]
            time.sleep(LOOK_EVERY)  # each service shows in a way of its own that it is ready; none of them calls us

    def _plan_restart(self, child: _Child) -> None:
        if child.process is None:
            return
        self._end(child)
        now = time.monotonic()
        child.ends = [at for at in child.ends if now - at < RESTART_WINDOW] + [now]
        word = _end_word(child.process.returncode)
        if len(child.ends) > MOST_RESTARTS:
            raise self._broken(child, f"ended {len(child.ends)} times within a minute (last: {word})")
        pause = min(LONGEST_PAUSE, 0.25 * 2 ** (len(child.ends) - 1))
        self.say(f"{child.service.name} ended ({word}); it is started again in {pause:.2g} s")
        child.process, child.start_at = None, now + pause

    def _broken(self, child: _Child, what: str) -> Unavailable:
        log = places.log_dir(self.home) / f"{child.service.name}.log"
        last = log.read_text(errors="replace").splitlines()[-12:] if log.exists() else []
        message = "\n".join([f"The service “{child.service.name}” {what}. The end of its log:", *last])
        return Unavailable(message, code="service_down", hint=f"The whole log is {log}.")

    def _end(self, child: _Child) -> None:
        """The service's main process had time to end by itself; then its group is gone."""
        if child.process is None:
            return
        group = child.process.pid
        if child.process.poll() is None:
            child.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(child.service.stop_seconds)
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
        child.process.wait(10)
        (places.run_dir(self.home) / f"{child.service.name}.pid").unlink(missing_ok=True)

    def _reap(self) -> None:
        for process in self.others():
            with suppress(psutil.Error, ChildProcessError):
                if process.status() == psutil.STATUS_ZOMBIE:
                    os.waitpid(process.pid, os.WNOHANG)


def _end_all(processes: list[psutil.Process]) -> None:
    for act in (psutil.Process.terminate, psutil.Process.kill):
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                act(process)
        processes = psutil.wait_procs(processes, timeout=5)[1]


def _end_word(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"status {code}"
