"""This machine as a compute site: real child processes that outlive the portal and its workers.

State is a directory, no database and no daemon:

- ``jobs/<name>/spec.json`` appears by rename: from then on the job is accepted. ``cancel`` asks for its end,
  ``exit.json`` says how it ended.
- ``queue/<order>.<name>`` is there while the job waits, ``active/<name>`` (the supervisor's mark) while it runs.
- ``lock`` is held by who starts jobs. The supervisor inherits it and lets go once its mark is written, so nobody
  starts a job twice, also when the one who started it is killed in between.

Jobs start in order while cores and memory last: at ``submit``, at each ``poll``, and when another one ends.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from jobs.backends import supervisor
from jobs.backends.base import (
    PREFIX,
    Backend,
    JobSpec,
    NativeObservation,
    Phase,
    SiteUnavailable,
    element_name,
)
from jobs.backends.limits import Limits

SUPERVISOR = Path(supervisor.__file__).resolve()
CODE = SUPERVISOR.parents[2]
MODULE = "jobs.backends.local"
START_SECONDS = 20
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
Json = dict[str, Any]
# As on a cluster's node: the operator's lines may have changed the search path.
_KNOWN = 'command -v -- "$1" >/dev/null 2>&1 || { echo "There is no program $1 on this machine." >&2; exit 127; }'


class _State:
    """The state directory: who waits, who runs, and the lock of who starts jobs."""

    def __init__(self, root: Path, *, cores: int, memory_mb: int) -> None:
        self.root = Path(root)
        self.cores = cores
        self.memory_mb = memory_mb
        self._lock_fd = -1

    def _queue(self) -> list[tuple[Path, str]]:
        return [(entry, entry.name.partition(".")[2]) for entry in sorted((self.root / "queue").iterdir())]

    def _folder(self, name: str) -> Path:
        if not name or "/" in name or name.startswith("."):
            raise ValueError(f"not a job's name: {name!r}")
        return self.root / "jobs" / name

    def _make_places(self) -> None:
        for name in ("jobs", "queue", "active"):
            (self.root / name).mkdir(parents=True, exist_ok=True)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock_fd = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX)
            yield
        finally:
            # Closed, not unlocked: a supervisor that is just starting goes on holding it.
            os.close(self._lock_fd)

    def _mark(self, name: str) -> Json | None:
        for path in (self.root / "active" / name, self._folder(name) / "mark.json"):
            with suppress(FileNotFoundError):
                mark: Json = json.loads(path.read_text())
                return mark
        return None

    def _settle(self, name: str) -> None:
        """The job's supervisor is gone, so its mark moves out of the way, and nothing of the job still runs."""
        if not (self._folder(name) / supervisor.EXIT_FILE).exists():
            self._end_stragglers(name)
        with suppress(FileNotFoundError):
            os.replace(self.root / "active" / name, self._folder(name) / "mark.json")

    def _end_stragglers(self, name: str) -> None:
        supervisor.signal_all(supervisor.marked(self._folder(name)), signal.SIGKILL)

    def _end_unstarted(self, name: str) -> None:
        spec = json.loads((self._folder(name) / "spec.json").read_text())
        now = time.time()
        ended = {"exit_code": None, "signal": None, "cause": "cancelled", "message": "", "started_at": now}
        ended |= {"ended_at": now, "peak_memory_mb": 0}
        with suppress(OSError):
            Path(spec["control"]).mkdir(parents=True, exist_ok=True)
            supervisor.write_whole(Path(spec["control"]) / supervisor.EXIT_FILE, ended)
        supervisor.write_whole(self._folder(name) / supervisor.EXIT_FILE, ended)
        for waiting, other in self._queue():
            if other == name:
                waiting.unlink(missing_ok=True)

    def _described(self, spec: JobSpec) -> Json:
        threads = dict.fromkeys(THREADS, str(spec.cores))
        environment = {"PATH": os.defpath, "LANG": "C.UTF-8", **threads, **spec.environment}
        return {
            "name": spec.name,
            "argv": _with_setup(spec),
            "cwd": str(spec.cwd),
            "control": str(spec.control),
            "state": str(self._folder(spec.name)),
            "mark": str(self.root / "active" / spec.name),
            "stdin": str(spec.stdin) if spec.stdin else None,
            "stdout": str(spec.stdout),
            "stderr": str(spec.stderr),
            "environment": environment | {supervisor.MARK: str(self._folder(spec.name))},
            "cores": spec.cores,
            "memory_mb": spec.memory_mb,
            "wall_seconds": spec.wall_seconds,
            "queue": str(self.root / "queue"),
            "afterwards": [sys.executable, "-m", MODULE, str(self.root), str(self.cores), str(self.memory_mb)],
        }


class LocalBackend(_State, Backend):
    """Runs jobs on this machine within ``cores`` and ``memory_mb``; its state is in ``root``."""

    arrays = True
    mpi = True
    evidence_seconds = 5.0

    def submit(self, spec: JobSpec) -> str:
        """The job's spec is on disk; it starts now, or when there is room. A second submit changes nothing."""
        return self._take([self._described(spec)], [spec])[0]

    def submit_array(self, name: str, specs: Sequence[JobSpec], *, at_once: int = 0) -> list[str]:
        """Every element is a job in the line; they run side by side while there is room. A second submit adds none."""
        return self._take([{**self._described(one), "array": name, "at_once": at_once} for one in specs], specs)

    def _take(self, described: list[Json], specs: Sequence[JobSpec]) -> list[str]:
        for spec in specs:
            Limits(cores=self.cores, memory_mb=self.memory_mb).check(spec)
        with _unavailable("take the job"), self._lock():
            self._make_places()
            for place, (spec, told) in enumerate(zip(specs, described, strict=True)):
                folder = self._folder(spec.name)
                if not (folder / "spec.json").exists():
                    folder.mkdir(exist_ok=True)
                    (self.root / "queue" / f"{spec.order + place:020d}.{spec.name}").touch()
                    supervisor.write_whole(folder / "spec.json", told)
            self._start_what_fits()
        return [spec.name for spec in specs]

    def find_array(self, name: str, count: int) -> list[str] | None:
        """The names of the elements, when each was accepted."""
        names = [element_name(name, place) for place in range(count)]
        return names if all(self.find(one) for one in names) else None

    def find(self, name: str) -> str | None:
        """``name``, when a job of this name was ever accepted."""
        with _unavailable("look for the job"):
            return name if (self._folder(name) / "spec.json").exists() else None

    def poll(self, native_ids: Iterable[str]) -> dict[str, NativeObservation]:
        """What is on disk about the jobs; waiting ones that fit are started first."""
        with _unavailable("look at its jobs"):
            if not self.root.is_dir():
                return {}
            with self._lock():
                self._make_places()
                self._start_what_fits()
                line = [name for _, name in self._queue()]
            found = {native_id: self._observed(native_id, line) for native_id in native_ids}
        return {native_id: seen for native_id, seen in found.items() if seen is not None}

    def listed(self) -> dict[str, NativeObservation]:
        """The jobs that wait or run."""
        if not self.root.is_dir():
            return {}
        with _unavailable("look at its jobs"), self._lock():
            self._make_places()
            names = [name for _, name in self._queue()] + [entry.name for entry in (self.root / "active").iterdir()]
        seen = self.poll(name for name in names if name.startswith(PREFIX))
        return {name: one for name, one in seen.items() if one.phase not in (Phase.ENDED, Phase.LOST)}

    def cancel(self, native_id: str) -> None:
        """A waiting job never starts; a running one gets SIGTERM, then SIGKILL, with its whole tree."""
        folder = self._folder(native_id)
        with _unavailable("end the job"), self._lock():
            if not (folder / "spec.json").exists() or (folder / supervisor.EXIT_FILE).exists():
                return
            (folder / "cancel").touch()
            mark = self._mark(native_id)
            if mark is None:
                self._end_unstarted(native_id)
            elif supervisor.is_running(mark):
                supervisor.signal_all([int(mark["pid"])], signal.SIGTERM)
            else:
                self._end_stragglers(native_id)

    def forget(self, native_id: str) -> None:
        """The job's directory is gone, if it has ended."""
        folder = self._folder(native_id)
        with _unavailable("forget the job"), self._lock():
            mark = self._mark(native_id)
            ended = (folder / supervisor.EXIT_FILE).exists() or mark is not None
            if ended and not (mark is not None and supervisor.is_running(mark)):
                (self.root / "active" / native_id).unlink(missing_ok=True)
                shutil.rmtree(folder, ignore_errors=True)

    # --- starting

    def _start_what_fits(self) -> None:
        """Under the lock: waiting jobs run, first come first served, as long as there is room."""
        for waiting, name in self._queue():
            folder = self._folder(name)
            if not (folder / "spec.json").exists():  # its submit was killed before it was accepted
                waiting.unlink(missing_ok=True)
                continue
            if self._mark(name) is None and not (folder / supervisor.EXIT_FILE).exists():
                spec = json.loads((folder / "spec.json").read_text())
                if self._has_enough(spec):
                    continue
                cores, memory, cpus = self._free()
                if spec["cores"] > cores or spec["memory_mb"] > memory:
                    return
                self._start(folder, spec, cpus)
            waiting.unlink(missing_ok=True)

    def _start(self, folder: Path, spec: Json, cpus: list[int]) -> None:
        spec = {**spec, "cpus": cpus[: spec["cores"]] if len(cpus) >= spec["cores"] else None}
        supervisor.write_whole(folder / "start.json", spec)
        subprocess.run(
            [sys.executable, "-I", "-S", str(SUPERVISOR), str(folder / "start.json")],
            cwd="/",
            # Nothing of the portal's own environment: it may hold secrets.
            env={"PATH": os.defpath, "PYTHONPATH": str(CODE), supervisor.MARK: spec["state"]},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[self._lock_fd],
            timeout=START_SECONDS,
            check=True,
        )
        deadline = time.monotonic() + START_SECONDS
        while self._mark(spec["name"]) is None and time.monotonic() < deadline:
            time.sleep(0.002)  # the mark is a file of a process that is no child of ours
        if self._mark(spec["name"]) is None:
            raise OSError(f"the supervisor of {spec['name']} did not start")

    def _has_enough(self, spec: Json) -> bool:
        """True while as many elements of its array run as may run at once."""
        if not spec.get("at_once"):
            return False
        names = [entry.name for entry in (self.root / "active").iterdir() if entry.name.startswith(f"{spec['array']}-")]
        going = [one for one in names if not (self._folder(one) / supervisor.EXIT_FILE).exists()]
        return len(going) >= int(spec["at_once"])

    def _free(self) -> tuple[int, int, list[int]]:
        """Cores and memory that no running job has, and the processors that none is bound to."""
        cores, memory, cpus = self.cores, self.memory_mb, sorted(os.sched_getaffinity(0))
        for entry in list((self.root / "active").iterdir()):
            mark = self._mark(entry.name)
            if mark is None:
                continue
            if not supervisor.is_running(mark):
                self._settle(entry.name)
                continue
            if (self._folder(entry.name) / supervisor.EXIT_FILE).exists():
                continue
            cores, memory = cores - mark["cores"], memory - mark["memory_mb"]
            cpus = [cpu for cpu in cpus if cpu not in (mark["cpus"] or [])]
        return cores, memory, cpus

    # --- looking

    def _observed(self, name: str, line: list[str]) -> NativeObservation | None:
        folder = self._folder(name)
        if (folder / supervisor.EXIT_FILE).exists():
            return NativeObservation(native_id=name, word="ended", phase=Phase.ENDED, reason=self._unstarted(folder))
        mark = self._mark(name)
        if mark is not None and supervisor.is_running(mark):
            return NativeObservation(native_id=name, word="running", phase=Phase.RUNNING)
        if (folder / supervisor.EXIT_FILE).exists():  # it ended between the two looks
            return NativeObservation(native_id=name, word="ended", phase=Phase.ENDED)
        if mark is not None:
            return self._lost(name, mark)
        if name in line:
            at = line.index(name)
            reason = "Waits for free cores and memory on this machine."
            if at:
                reason = f"Waits for free cores and memory on this machine; {at} job(s) are before it."
            return NativeObservation(native_id=name, word="waiting", phase=Phase.QUEUED, reason=reason)
        return None

    def _unstarted(self, folder: Path) -> str:
        """Why the command was not started; it may not have found room to say so in its own place."""
        ended = json.loads((folder / supervisor.EXIT_FILE).read_text())
        if ended.get("cause") != "not_started":
            return ""
        return f"This machine could not start the command: {ended.get('message')}."

    def _lost(self, name: str, mark: Json) -> NativeObservation:
        self._end_stragglers(name)
        if mark["boot_id"] != supervisor.boot_id():
            word, reason = "rebooted", "The machine was restarted while the job ran."
        else:
            word, reason = "supervisor gone", "The process that watched the job was killed, so the job was ended."
        return NativeObservation(native_id=name, word=word, phase=Phase.LOST, reason=reason)


def _with_setup(spec: JobSpec) -> list[str]:
    """The command, after the operator's lines where there are any; the shell then becomes the command."""
    if not spec.setup:
        return spec.argv
    lines = [*spec.setup, _KNOWN, 'exec "$@"']
    return ["/bin/sh", "-c", "\n".join(lines), "sh", *spec.argv]


@contextmanager
def _unavailable(what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        raise SiteUnavailable(f"This machine could not {what}: {error}") from error


def start_next(root: Path, cores: int, memory_mb: int) -> None:
    """Waiting jobs for which there is room now have been started."""
    LocalBackend(root, cores=cores, memory_mb=memory_mb).poll([])


if __name__ == "__main__":
    start_next(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
