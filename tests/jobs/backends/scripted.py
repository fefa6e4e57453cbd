"""Scripted clusters behind a runner: they answer as Slurm, Grid Engine or OpenPBS would, and fail when told to.

A job begins by what its script really does first: everything of the script up to its functions is run by ``sh``, and a
line is added where it gets past the fence. What the command would leave is written when the job ends; where the
cluster is ``real``, it is the command itself that is run then. An array is so many jobs of one number, each with its
place.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jobs.backends.base import SiteUnavailable, element_name
from jobs.backends.limits import Limits
from jobs.backends.runner import Here, Ran, Runner
from jobs.backends.supervisor import EXIT_FILE

LIMITS = Limits(cores=99, memory_mb=9999)
FAULTS = ("lost", "late", "down", "empty", "garbled", "partial")
FENCED = "\nfinish() {"
ARRAY = re.compile(r"(?:--array=)?([01])-(\d+)(?:%\d+)?\Z")
ELEMENT = re.compile(r"^\d+\) exec /bin/sh (.*);;$", re.MULTILINE)


@dataclass
class Native:
    """A job as the cluster has it; ``state`` is waiting, running or ended; ``node_failed`` ended it so.

    Of an array it is the element at ``place``, whose script is in the file ``path`` until it begins.
    """

    number: int
    name: str
    script: str = ""
    state: str = "waiting"
    status: int = 0
    cancelled: bool = False
    node_failed: bool = False
    place: int | None = None
    path: Path | None = None

    @property
    def ours(self) -> bool:
        """False for somebody else's."""
        return bool(self.script or self.path)

    @property
    def key(self) -> str:
        """The native name: of an array that of the element."""
        return self.name if self.place is None else element_name(self.name, self.place)

    def id(self, form: str) -> str:
        """The number; of an element in the dialect's form, such as ``{}_{}``."""
        return str(self.number) if self.place is None else form.format(self.number, self.place)

    @property
    def places(self) -> dict[str, Path]:
        """The directories that the script names at its beginning."""
        line = next(one for one in self.script.splitlines() if one.startswith("control="))
        return {name: Path(value) for name, _, value in (word.partition("=") for word in shlex.split(line))}

    def begin(self) -> bool:
        """True when the script got past its fence, and the command began."""
        if self.path is not None:
            if not self.path.exists():  # its directory was removed before it came
                self.state, self.status = "ended", 127
                return False
            self.script = self.path.read_text()
        head, fenced, _ = self.script.partition(FENCED)
        assert fenced, "the script has other parts than it had"
        self.status = subprocess.run(["sh"], input=head.encode(), timeout=60, check=False, cwd="/").returncode
        self.state = "ended" if self.status else "running"
        return not self.status

    def leave(self, *, real: bool = False, **evidence: object) -> None:
        """What a script leaves at its end: the exit file, and after success the outputs.

        Those are what the command makes where it is ``real``, else those of the tool ``behave``.
        """
        self.state = "ended"
        told = {"exit_code": 0, "signal": None, "cause": "", **evidence}
        if real and not told["cause"]:
            argv = next(line for line in self.script.splitlines() if line.startswith("    set -- ")).split(" -- ", 1)[1]
            ran = subprocess.run(
                shlex.split(argv), cwd=self.places["cwd"], timeout=60, capture_output=True, check=False
            )
            told["exit_code"] = ran.returncode
        elif not told["cause"]:
            for name in ("report.txt", "part-1.txt"):
                (self.places["cwd"] / name).write_text(self.name)
        (self.places["control"] / EXIT_FILE).write_text(json.dumps(told))


class Scripted(Runner):
    """One cluster. ``effects`` counts how often a command began, by its key; ``most`` is how many ran at once.

    ``together`` are the keys of those that ran at once, each time that some began. ``taken`` counts what was accepted,
    an array as one. ``form`` is how the dialect writes the number of an element.
    """

    form = "{}"
    real = False

    def __init__(self) -> None:
        self.jobs: list[Native] = []
        self.late: list[list[Native]] = []
        self.together: list[list[str]] = []
        self.past: list[Native] = []
        self.effects: Counter[str] = Counter()
        self.taken: Counter[str] = Counter()
        self.most = self.lost = 0
        self.calls: list[str] = []
        self.fault = ""
        self.next_number = 1

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", seconds: float = 30) -> Ran:
        """The answer of the command; a fault spoils one answer. Files are put and looked for as they are."""
        if argv[0] in ("sh", "mkdir", "tar"):
            return Here().run(argv, stdin=stdin, seconds=seconds)
        submits = argv[0] in ("sbatch", "qsub")
        fault = "" if self.fault in ("lost", "late") and not submits else self.fault
        self.fault = self.fault if self.fault != fault else ""
        self.calls.append(argv[0])
        if fault == "down":
            raise SiteUnavailable(f"{argv[0]} did not answer within 60 s.")
        if fault == "late" and submits:
            self.late.append(self._sent(argv, stdin.decode()))
            raise SiteUnavailable(f"{argv[0]} did not answer within 60 s.")
        said = self._accept(self._sent(argv, stdin.decode())) if submits else self.answer(list(argv))
        if fault == "lost" and submits:
            raise SiteUnavailable(f"{argv[0]} did not answer within 60 s.")
        if submits or argv[0] in ("scancel", "qdel"):
            return said
        spoilt = {
            "empty": "",
            "garbled": "\x00<?{|" + said.stdout[::-1],
            "partial": said.stdout[: len(said.stdout) // 2],
        }
        return Ran(status=said.status, stdout=spoilt.get(fault, said.stdout), stderr=said.stderr)

    def answer(self, argv: list[str]) -> Ran:
        """What the dialect says."""
        raise NotImplementedError

    def _name(self, argv: Sequence[str]) -> str:
        raise NotImplementedError

    def _sent(self, argv: Sequence[str], script: str) -> list[Native]:
        """The job that was sent, or the elements of the array."""
        name, spans = self._name(argv), [found for word in argv if (found := ARRAY.match(word))]
        if not spans:
            return [Native(0, name, script)]
        paths = [Path(shlex.split(word)[0]) for word in ELEMENT.findall(script)]
        assert len(paths) == int(spans[0][2]) - int(spans[0][1]) + 1
        return [Native(0, name, place=place, path=path) for place, path in enumerate(paths)]

    def _accept(self, jobs: list[Native]) -> Ran:
        return _ran(f"{self.take(*jobs).number}\n")

    def take(self, *jobs: Native) -> Native:
        """The job, or the array, is accepted."""
        for job in jobs:
            job.number = self.next_number
        self.next_number += 1
        self.jobs += jobs
        self.taken[jobs[0].name] += 1
        return jobs[0]

    def _end_id(self, number: str) -> None:
        """What ``scancel`` and ``qdel`` do with a number."""
        for job in self.jobs:
            if job.id(self.form) == number and job.state != "ended":
                self.stop(job)

    def end_named(self, name: str) -> None:
        """What ``scancel`` and ``qdel`` do."""
        for job in self.jobs:
            if job.name == name and job.state != "ended":
                self.stop(job)

    def stop(self, job: Native) -> None:
        """The job is ended by whoever may; one that runs leaves its exit file."""
        job.cancelled, job.status = True, 15
        if job.state == "running":
            job.leave(exit_code=None, signal=15, cause="cancelled")
        job.state = "ended"

    # --- what happens on the cluster

    def arrive(self) -> None:
        """Submissions that were given up by the caller come in now."""
        late, self.late = self.late, []
        for jobs in late:
            self.take(*jobs)

    def begin(self) -> None:
        """Waiting jobs start; the second copy of one meets the fence."""
        for job in self.jobs:
            if job.state == "waiting" and job.begin():
                self.effects[job.key] += 1
        self.together.append([job.key for job in self.commands()])
        self.most = max(self.most, len(self.together[-1]))

    def commands(self) -> Iterator[Native]:
        """Those of ours that run."""
        return (job for job in self.jobs if job.state == "running" and job.ours)

    def end(self) -> None:
        """Running jobs end well."""
        for job in list(self.commands()):
            job.leave(real=self.real)

    def fail(self) -> None:
        """The node fails on which jobs are, or are being started."""
        self._lose([job for job in self.jobs if job.state != "ended" and job.ours])

    def fail_one(self) -> None:
        """The node fails on which one of the running jobs is."""
        self._lose(list(self.commands())[:1])

    def _lose(self, jobs: list[Native]) -> None:
        for job in jobs:
            job.state, job.status, job.node_failed = "ended", 1, True
            self.lost += 1

    def purge(self) -> None:
        """The queue forgets ended jobs; accounting keeps them."""
        self.past += [job for job in self.jobs if job.state == "ended"]
        self.jobs = [job for job in self.jobs if job.state != "ended"]

    def renumber(self) -> None:
        """A new spool: numbers begin again, and somebody else has ours."""
        self.purge()
        taken = {job.number for job in self.jobs}
        free = [number for number in range(1, self.next_number) if number not in taken]
        self.jobs += [Native(number, "somebody-s", state="running") for number in free]

    def accounted(self, name: str) -> bool:
        """True when the cluster can still tell how the job of this key ended."""
        return any(job.key == name for job in self.jobs)

    def running(self, name: str) -> bool:
        """True while a command of the key runs or may still begin."""
        every = [*self.jobs, *(job for jobs in self.late for job in jobs)]
        return any(job.key == name and job.state != "ended" for job in every)


def _ran(stdout: str = "", status: int = 0, stderr: str = "") -> Ran:
    return Ran(status=status, stdout=stdout, stderr=stderr)


class SlurmLike(Scripted):
    """squeue, sacct (when ``accounting``), sbatch, scancel."""

    accounting = True
    form = "{}_{}"
    WORDS = {"waiting": "PENDING", "running": "RUNNING"}

    def accounted(self, name: str) -> bool:
        return super().accounted(name) or (self.accounting and any(job.key == name for job in self.past))

    def _name(self, argv: Sequence[str]) -> str:
        return next(word.partition("=")[2] for word in argv if word.startswith("--job-name="))

    def _word(self, job: Native) -> str:
        if job.node_failed:
            return "NODE_FAIL"
        ended = "CANCELLED" if job.cancelled else "FAILED" if job.status else "COMPLETED"
        return self.WORDS.get(job.state, ended)

    def answer(self, argv: list[str]) -> Ran:
        wanted = next((word.partition("=")[2] for word in argv if word.startswith("--name=")), "")
        match argv[0]:
            case "scancel":
                self.end_named(wanted) if wanted else self._end_id(argv[-1])
                return _ran()
            case "squeue":
                found = [job for job in self.jobs if wanted in ("", job.name)]
                return _ran("".join(f"{job.id(self.form)}|{self._word(job)}|None|{job.name}|.\n" for job in found))
        if not self.accounting:
            return _ran(status=1, stderr="Slurm accounting storage is disabled")
        numbers = argv[argv.index("-j") + 1].split(",") if "-j" in argv else []
        found = [job for job in [*self.past, *self.jobs] if job.id(self.form) in numbers or job.name == wanted]
        return _ran("".join(f"{j.id(self.form)}|{self._word(j)}|{j.status}:0|None|{j.name}\n" for j in found))


class SlurmWithoutAccounting(SlurmLike):
    """The same where sacct is disabled."""

    accounting = False


class GridEngineLike(Scripted):
    """qsub, qstat -xml, qacct, qdel."""

    LETTERS = {"waiting": "qw", "running": "r", "ended": "z"}
    form = "{}.{}"

    def accounted(self, name: str) -> bool:
        return any(job.key == name for job in [*self.past, *self.jobs])

    def _name(self, argv: Sequence[str]) -> str:
        return argv[argv.index("-N") + 1]

    def answer(self, argv: list[str]) -> Ran:
        match argv[0]:
            case "qdel" if "-t" in argv:
                self._end_id(f"{argv[1]}.{int(argv[-1]) - 1}")
                return _ran()
            case "qdel":
                self.end_named(argv[1])
                return _ran()
            case "qstat":
                lines = [f"<job_list><JB_job_number>{job.number}</JB_job_number><JB_name>{job.name}</JB_name>"
                         f"<state>{self.LETTERS[job.state]}</state>{self._task(job, '<tasks>{}</tasks>')}</job_list>"
                         for job in self.jobs]  # fmt: skip
                return _ran(f"<?xml version='1.0'?><job_info>{''.join(lines)}</job_info>")
        pattern = re.compile(re.escape(argv[-1]).replace(r"\*", ".*") + r"\Z")
        found = [job for job in [*self.past, *self.jobs] if job.state == "ended" and pattern.match(job.name)]
        if not found:
            return _ran(status=1, stderr=f"error: job name {argv[-1]} not found")
        return _ran("".join(f"{'=' * 62}\njobname {job.name}\njobnumber {job.number}\n"
                            f"taskid {self._task(job, '{}') or 'undefined'}\n"
                            f"failed {'25 : rescheduling' if job.node_failed else 0}\n"
                            f"exit_status {job.status}\n" for job in found))  # fmt: skip

    def _task(self, job: Native, form: str) -> str:
        """The number of an element's task, which are counted from 1 on; nothing for a job that is no array."""
        return "" if job.place is None else form.format(job.place + 1)


class PbsLike(Scripted):
    """qsub, qstat in JSON, qdel."""

    LETTERS = {"waiting": "Q", "running": "R", "ended": "F"}
    form = "{}[{}]"

    def _status(self, job: Native) -> dict[str, int]:
        if job.state != "ended":
            return {}
        return {"Exit_status": -3 if job.node_failed else job.status}

    def _accept(self, jobs: list[Native]) -> Ran:
        job = self.take(*jobs)
        return _ran(f"{job.number}{'' if job.place is None else '[]'}.head\n")

    def _name(self, argv: Sequence[str]) -> str:
        return argv[argv.index("-N") + 1]

    def answer(self, argv: list[str]) -> Ran:
        match argv[0]:
            case "qdel":
                for job in self.jobs:
                    if argv[1] in (job.id(self.form), job.id("{}[]")) and job.state != "ended":
                        self.stop(job)
                        job.status = 271
                return _ran()
        every = {f"{job.number}[].head": {"Job_Name": job.name, "job_state": "B"}
                 for job in self.jobs if job.place is not None and job.state != "ended"}  # fmt: skip
        every |= {f"{job.id(self.form)}.head": {"Job_Name": job.name, "job_state": self.LETTERS[job.state]}
                  | self._status(job) for job in self.jobs}  # fmt: skip
        return _ran(json.dumps({"pbs_server": "head", "Jobs": every}))
