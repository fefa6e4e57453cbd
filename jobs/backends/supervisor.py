"""Runs one command as a job: ``python supervisor.py SPEC.json`` (standard library only, so it can travel with a job).

It becomes a session of its own and returns at once; the grandchild stays and watches the command. Its first act is
the *fence*: it makes the directory ``<control>/fence``. A second copy finds it there and leaves without touching
anything. Its last act is the *exit file* ``<control>/exit.json``, written, fsynced and renamed into place:
``{exit_code, signal, cause, message, started_at, ended_at, peak_memory_mb}``, where ``cause`` is "" or one of
``out_of_memory``, ``wall_time``, ``cancelled``, ``not_started``. Room for it is taken before the command starts, so
that a disk which the command fills can't swallow it.

Limits: cores by CPU affinity, wall time, and memory as the sum over the whole tree (proportional set size), looked
at a few times a second. All descendants, also those that became daemons, are adopted (``PR_SET_CHILD_SUBREAPER``),
so ending a job ends its whole tree; the command itself dies with its supervisor (``PR_SET_PDEATHSIG``).
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any

EXIT_FILE, FENCE = "exit.json", "fence"
ROOM = 4096
GRACE_SECONDS = 5.0
LOOK_SECONDS = 0.4
MARK = "PORTOLAN_JOB"
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_libc = ctypes.CDLL(None, use_errno=True)
Json = dict[str, Any]


def write_whole(path: Path, data: Json) -> None:
    """``path`` holds ``data``, whole or not at all, also after a power cut."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o660)
    with os.fdopen(descriptor, "w") as stream:
        json.dump(data, stream)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(part, path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """The names in the directory are on disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# --- processes, from /proc


def boot_id() -> str:
    """The running system's own name; another one after each start of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def start_ticks(pid: int) -> int:
    """When the process started, in the kernel's ticks; 0 when there is none or it is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in "ZX" else int(fields[19])


def is_running(mark: Json) -> bool:
    """True when the process that wrote ``mark`` {pid, ticks, boot_id} still runs; a reused pid is not mistaken."""
    return mark.get("boot_id") == boot_id() and start_ticks(int(mark["pid"])) == mark["ticks"] != 0


def this_process() -> Json:
    """The mark by which ``is_running`` knows this process."""
    return {"pid": os.getpid(), "ticks": start_ticks(os.getpid()), "boot_id": boot_id()}


def descendants(root: int) -> list[int]:
    """All processes below ``root`` that are not zombies."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] not in "ZX":
                children.setdefault(int(fields[1]), []).append(int(entry))
    found, todo = [], [root]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def marked(state: Path) -> list[int]:
    """Processes that carry the job's mark in their environment: its stragglers, when the supervisor is gone.

    The mark is the job's state directory, so that no other site on this machine has the same.
    """
    wanted, found = f"{MARK}={state}".encode(), []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                variables = Path(f"/proc/{entry}/environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if wanted in variables and start_ticks(int(entry)):
                found.append(int(entry))
    return found


def signal_all(pids: list[int], number: int) -> None:
    """Each of the processes got the signal; those already gone are fine."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def memory_mb(pids: list[int]) -> float:
    """Memory of the processes together in MiB; what they share counts once where the kernel tells (PSS)."""
    return sum(_kilobytes(pid) for pid in pids) / 1024


def _kilobytes(pid: int) -> int:
    for file, key in (("smaps_rollup", "Pss:"), ("status", "VmRSS:")):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
                if line.startswith(key):
                    return int(line.split()[1])
    return 0


def resident_mb(pids: list[int]) -> float:
    """An upper bound of ``memory_mb`` that is quick to have: shared pages count for each process."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return total * os.sysconf("SC_PAGE_SIZE") / 2**20


def _reap_others(pid: int) -> None:
    """Adopted processes that have ended are gone from the process table; ``pid`` is left to be waited for."""
    with contextlib.suppress(ChildProcessError):
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if ended.si_pid in (0, pid):
                return
            os.waitpid(ended.si_pid, os.WNOHANG)


# --- one job


class Watch:
    """The supervisor of one command, from the fence to the exit file."""

    def __init__(self, spec: Json) -> None:
        self.spec = spec
        self.control = Path(spec["control"])
        self.state = Path(spec["state"]) if spec.get("state") else self.control
        self.cause, self.message = "", ""
        self.asked = False
        self.peak = 0.0
        self.started_at = time.time()

    def run(self) -> None:
        """The command has ended with all its tree, and the exit file says how; or another copy has the fence."""
        signal.signal(signal.SIGTERM, self._stop_asked)
        with contextlib.suppress(OSError):
            self.control.mkdir(parents=True, exist_ok=True)
        try:
            (self.control / FENCE).mkdir()
        except FileExistsError:
            return
        status = None
        try:
            self._take_room()
        except OSError as error:
            self.cause, self.message = "not_started", error.strerror or str(error)
        else:
            status = self._command()
        self._end_tree()
        self._write_exit(status)

    def _stop_asked(self, number: int, frame: object) -> None:
        self.asked = True

    def _take_room(self) -> None:
        for folder in {self.control, self.state}:
            descriptor = os.open(folder / ".exit.part", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o660)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(b" " * ROOM)
                stream.flush()
                os.fsync(stream.fileno())

    def _command(self) -> int | None:
        """The command's wait status; None when it was never started."""
        if (self.state / "cancel").exists() or self.asked:
            self.cause = "cancelled"
            return None
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        read_end, write_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(read_end)
            self._become_command(write_end)
        os.close(write_end)
        with os.fdopen(read_end, "rb") as problem:
            self.message = problem.read().decode(errors="replace")
        if self.message:
            os.waitpid(pid, 0)
            self.cause = "not_started"
            return None
        return self._watch(pid)

    def _become_command(self, problem: int) -> None:
        """Never returns: this process is the command, or says on ``problem`` why it can't be."""
        spec = self.spec
        try:
            os.setsid()
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            if spec.get("cpus"):
                with contextlib.suppress(OSError):
                    os.sched_setaffinity(0, spec["cpus"])
            log = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
            streams = [os.open(spec["stdin"] or os.devnull, os.O_RDONLY), os.open(spec["stdout"], log, 0o660)]
            same = spec["stderr"] == spec["stdout"]
            streams.append(streams[1] if same else os.open(spec["stderr"], log, 0o660))
            os.chdir(spec["cwd"])
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
            os.closerange(3, problem)
            os.set_inheritable(problem, False)
            os.execvpe(spec["argv"][0], spec["argv"], spec["environment"])  # noqa: S606 - argv, no shell
        except BaseException as error:
            os.write(problem, str(getattr(error, "strerror", None) or error).encode() or b"?")
        finally:
            os._exit(127)

    def _watch(self, pid: int) -> int:
        """The command's wait status, once it has ended by itself or was made to."""
        waiter = os.pidfd_open(pid)
        wall = self.spec.get("wall_seconds")
        kill_at = 0.0
        pause = 0.02
        while not select.select([waiter], [], [], pause)[0]:
            pause = min(LOOK_SECONDS, pause * 1.5)
            _reap_others(pid)
            if not self.cause:
                self._judge(wall)
                if self.cause:
                    signal_all(descendants(os.getpid()), signal.SIGTERM)
                    kill_at = time.monotonic() + (0 if self.cause == "out_of_memory" else GRACE_SECONDS)
            elif time.monotonic() >= kill_at:
                signal_all(descendants(os.getpid()), signal.SIGKILL)
        os.close(waiter)
        return os.waitpid(pid, 0)[1]

    def _judge(self, wall: float | None) -> None:
        limit = self.spec.get("memory_mb")
        tree = descendants(os.getpid())
        used = resident_mb(tree)
        if limit and used > limit:
            used = memory_mb(tree)
        self.peak = max(self.peak, used)
        if self.asked or (self.state / "cancel").exists():
            self.cause = "cancelled"
        elif limit and used > limit:
            self.cause = "out_of_memory"
        elif wall and time.time() - self.started_at > wall:
            self.cause = "wall_time"

    def _end_tree(self) -> None:
        """Nothing that the command started is left."""
        deadline = time.monotonic() + 60
        while left := descendants(os.getpid()):
            signal_all(left, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            if time.monotonic() > deadline:  # a process that the kernel itself holds (a dead NFS server)
                return
            time.sleep(0.01)  # their children become ours only as they die: there is no one event to wait for

    def _write_exit(self, status: int | None) -> None:
        found = {
            "exit_code": os.WEXITSTATUS(status) if status is not None and os.WIFEXITED(status) else None,
            "signal": os.WTERMSIG(status) if status is not None and os.WIFSIGNALED(status) else None,
            "cause": self.cause,
            "message": self.message[:1000],
            "started_at": self.started_at,
            "ended_at": time.time(),
            "peak_memory_mb": round(self.peak, 1),
        }
        text = json.dumps(found).encode().ljust(ROOM)
        for folder in dict.fromkeys([self.control, self.state]):
            with contextlib.suppress(OSError):
                with open(folder / ".exit.part", "r+b") as stream:
                    stream.write(text)
                    stream.flush()
                    os.fsync(stream.fileno())
                os.replace(folder / ".exit.part", folder / EXIT_FILE)
                sync_directory(folder)


def main(argv: list[str]) -> int:
    """A detached process watches the command of the spec file; this one has returned."""
    spec = json.loads(Path(argv[0]).read_text())
    os.umask(0o007)
    os.setsid()
    if os.fork():
        os._exit(0)
    os.chdir("/")
    if spec.get("mark"):
        write_whole(Path(spec["mark"]), this_process() | {"cpus": spec.get("cpus"), "cores": spec["cores"],
                                                          "memory_mb": spec["memory_mb"]})  # fmt: skip
    # The launcher's lock came with us: whoever gets it next finds the mark above.
    os.closerange(3, 256)
    Watch(spec).run()
    if spec.get("afterwards") and os.listdir(spec["queue"]):
        environment = {name: value for name, value in os.environ.items() if name != MARK}
        os.execve(spec["afterwards"][0], spec["afterwards"], environment)  # noqa: S606 - argv, no shell
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
