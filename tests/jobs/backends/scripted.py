"""Scripted clusters behind a runner: they answer as Slurm, Grid Engine or OpenPBS would, and fail when told to."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from jobs.backends.base import Backend, SiteUnavailable
from jobs.backends.gridengine import GridEngineBackend
from jobs.backends.limits import Limits
from jobs.backends.pbs import PbsBackend
from jobs.backends.runner import Ran, Runner
from jobs.backends.script import REFUSED
from jobs.backends.slurm import SlurmBackend

FAULTS = ("lost", "late", "down", "empty", "garbled", "partial")


@dataclass
class Native:
    """A job as the cluster has it; ``state`` is waiting, running or ended."""

    number: int
    name: str
    state: str = "waiting"
    status: int = 0
    cancelled: bool = False


class Scripted(Runner):
    """One cluster. ``effects`` counts how often a command began, by name; the fence is each job's first act."""

    def __init__(self) -> None:
        self.jobs: list[Native] = []
        self.late: list[Native] = []
        self.past: list[Native] = []
        self.effects: dict[str, int] = {}
        self.calls: list[str] = []
        self.fault = ""
        self.next_number = 1

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", seconds: float = 30) -> Ran:
        """The answer of the command; a fault spoils one answer."""
        submits = argv[0] in ("sbatch", "qsub")
        fault = "" if self.fault in ("lost", "late") and not submits else self.fault
        self.fault = self.fault if self.fault != fault else ""
        self.calls.append(argv[0])
        if fault == "down":
            raise SiteUnavailable(f"{argv[0]} did not answer within 60 s.")
        if fault == "late" and submits:
            self.late.append(Native(0, self._name(argv)))
            raise SiteUnavailable(f"{argv[0]} did not answer within 60 s.")
        said = self.answer(list(argv))
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

    def take(self, argv: Sequence[str]) -> Native:
        """The job is accepted."""
        job = Native(self.next_number, self._name(argv))
        self.next_number += 1
        self.jobs.append(job)
        return job

    def end_named(self, name: str) -> None:
        """What ``scancel`` and ``qdel`` do."""
        for job in self.jobs:
            if job.name == name and job.state != "ended":
                job.state, job.cancelled, job.status = "ended", True, 15

    # --- what happens on the cluster

    def arrive(self) -> None:
        """Submissions that were given up by the caller come in now."""
        for job in self.late:
            job.number = self.next_number
            self.next_number += 1
            self.jobs.append(job)
        self.late = []

    def begin(self) -> None:
        """Waiting jobs start; the second copy of one meets the fence."""
        for job in self.jobs:
            if job.state == "waiting":
                if self.effects.get(job.name):
                    job.state, job.status = "ended", REFUSED
                else:
                    self.effects[job.name] = 1
                    job.state = "running"

    def end(self) -> None:
        """Running jobs end well."""
        for job in self.jobs:
            if job.state == "running":
                job.state = "ended"

    def purge(self) -> None:
        """The queue forgets ended jobs; accounting keeps them."""
        self.past += [job for job in self.jobs if job.state == "ended"]
        self.jobs = [job for job in self.jobs if job.state != "ended"]

    def renumber(self) -> None:
        """A new spool: numbers begin again, and somebody else has ours."""
        self.purge()
        taken = {job.number for job in self.jobs}
        free = [number for number in range(1, self.next_number) if number not in taken]
        self.jobs += [Native(number, "somebody-s", "running") for number in free]

    def running(self, name: str) -> bool:
        """True while a command of the name runs or may still begin."""
        return any(job.name == name and job.state != "ended" for job in [*self.jobs, *self.late])


def _ran(stdout: str = "", status: int = 0, stderr: str = "") -> Ran:
    return Ran(status=status, stdout=stdout, stderr=stderr)


class SlurmLike(Scripted):
    """squeue, sacct (when ``accounting``), sbatch, scancel."""

    accounting = True
    WORDS = {"waiting": "PENDING", "running": "RUNNING"}

    def _name(self, argv: Sequence[str]) -> str:
        return next(word.partition("=")[2] for word in argv if word.startswith("--job-name="))

    def _word(self, job: Native) -> str:
        ended = "CANCELLED" if job.cancelled else "FAILED" if job.status else "COMPLETED"
        return self.WORDS.get(job.state, ended)

    def answer(self, argv: list[str]) -> Ran:
        wanted = next((word.partition("=")[2] for word in argv if word.startswith("--name=")), "")
        match argv[0]:
            case "sbatch":
                return _ran(f"{self.take(argv).number}\n")
            case "scancel":
                self.end_named(wanted)
                return _ran()
            case "squeue":
                found = [job for job in self.jobs if wanted in ("", job.name)]
                return _ran("".join(f"{job.number}|{self._word(job)}|None|{job.name}|.\n" for job in found))
        if not self.accounting:
            return _ran(status=1, stderr="Slurm accounting storage is disabled")
        numbers = argv[argv.index("-j") + 1].split(",") if "-j" in argv else []
        found = [job for job in [*self.past, *self.jobs] if str(job.number) in numbers or job.name == wanted]
        return _ran("".join(f"{j.number}|{self._word(j)}|{j.status}:0|None|{j.name}\n" for j in found))


class SlurmWithoutAccounting(SlurmLike):
    """The same where sacct is disabled."""

    accounting = False


class GridEngineLike(Scripted):
    """qsub, qstat -xml, qacct, qdel."""

    LETTERS = {"waiting": "qw", "running": "r", "ended": "z"}

    def _name(self, argv: Sequence[str]) -> str:
        return argv[argv.index("-N") + 1]

    def answer(self, argv: list[str]) -> Ran:
        match argv[0]:
            case "qsub":
                return _ran(f"{self.take(argv).number}\n")
            case "qdel":
                self.end_named(argv[1])
                return _ran()
            case "qstat":
                lines = [f"<job_list><JB_job_number>{job.number}</JB_job_number><JB_name>{job.name}</JB_name>"
                         f"<state>{self.LETTERS[job.state]}</state></job_list>" for job in self.jobs]  # fmt: skip
                return _ran(f"<?xml version='1.0'?><job_info>{''.join(lines)}</job_info>")
        pattern = re.compile(re.escape(argv[-1]).replace(r"\*", ".*") + r"\Z")
        found = [job for job in [*self.past, *self.jobs] if job.state == "ended" and pattern.match(job.name)]
        if not found:
            return _ran(status=1, stderr=f"error: job name {argv[-1]} not found")
        return _ran("".join(f"{'=' * 62}\njobname {job.name}\njobnumber {job.number}\ntaskid undefined\nfailed 0\n"
                            f"exit_status {job.status}\n" for job in found))  # fmt: skip


class PbsLike(Scripted):
    """qsub, qstat in JSON, qdel."""

    LETTERS = {"waiting": "Q", "running": "R", "ended": "F"}

    def _name(self, argv: Sequence[str]) -> str:
        return argv[argv.index("-N") + 1]

    def answer(self, argv: list[str]) -> Ran:
        match argv[0]:
            case "qsub":
                return _ran(f"{self.take(argv).number}.head\n")
            case "qdel":
                job = next((one for one in self.jobs if str(one.number) == argv[1] and one.state != "ended"), None)
                if job is not None:
                    job.state, job.cancelled, job.status = "ended", True, 271
                return _ran()
        every = {f"{job.number}.head": {"Job_Name": job.name, "job_state": self.LETTERS[job.state]}
                 | ({"Exit_status": job.status} if job.state == "ended" else {}) for job in self.jobs}  # fmt: skip
        return _ran(json.dumps({"pbs_server": "head", "Jobs": every}))


def scripted(kind: str) -> tuple[Scripted, Backend]:
    """A scripted cluster and the adapter that speaks with it."""
    cluster: Scripted
    match kind:
        case "slurm":
            return (cluster := SlurmLike()), SlurmBackend(cluster)
        case "slurm without accounting":
            return (cluster := SlurmWithoutAccounting()), SlurmBackend(cluster)
        case "grid engine":
            return (cluster := GridEngineLike()), GridEngineBackend(cluster)
    return (cluster := PbsLike()), PbsBackend(cluster, Limits(cores=99, memory_mb=9999))


KINDS = ("slurm", "slurm without accounting", "grid engine", "pbs")
