"""Slurm by its commands: ``sbatch``, one ``squeue`` and at most one ``sacct`` a poll, ``scancel``.

Accounting may be off: then a job that ``squeue`` has dropped (MinJobAge, 300 s) is absent, and its exit file tells.
Times: see ``jobs.backends.slurm_words`` for the words. Version 20.11 or newer (``squeue --me``).
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from jobs.backends import natives
from jobs.backends.base import Backend, JobRejected, JobSpec, NativeObservation, SiteUnavailable
from jobs.backends.runner import Ran, Runner
from jobs.backends.script import array_script, job_script
from jobs.backends.slurm_words import NO_ACCOUNTING, observation, rejection

SECONDS = 60.0
LOOK_BACK = "now-30days"
MOST_IDS = 5000
WALL_SLACK = 120
# The end mark tells a line that was cut from a whole one; the name is ours and has no bar in it.
QUEUE = "%i|%T|%r|%j|."
ROWS = "JobID,State,ExitCode,Reason,JobName"
SUBMITTED = re.compile(r"^(\d+)(;\S*)?$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class SlurmOptions:
    """What the operator says of a cluster. ``options`` are further words for every ``sbatch``."""

    partition: str = ""
    account: str = ""
    qos: str = ""
    gpu_type: str = ""
    options: tuple[str, ...] = ()


class SlurmBackend(Backend):
    """One Slurm cluster, as the user of ``runner`` sees it."""

    arrays = True
    gpu: ClassVar[bool] = True
    mpi: ClassVar[bool] = True

    def __init__(self, runner: Runner, options: SlurmOptions | None = None) -> None:
        self.runner = runner
        self.options = options or SlurmOptions()

    def submit(self, spec: JobSpec) -> str:
        """The controller has the job; JobRejected when it said why it does not take it."""
        number = self._sbatch(spec.name, spec, [], f"#!/bin/sh\n{job_script(spec)}")
        return natives.join(number, spec.name)

    def submit_array(self, name: str, specs: Sequence[JobSpec], *, at_once: int = 0) -> list[str]:
        """One array whose element ``i`` runs ``specs[i]``; all ask for what the first one asks for."""
        whole = f"#!/bin/sh\n{array_script(self.runner, 'SLURM_ARRAY_TASK_ID', specs)}"
        together = f"%{at_once}" if at_once else ""
        number = self._sbatch(name, specs[0], [f"--array=0-{len(specs) - 1}{together}"], whole)
        return _elements(number, name, len(specs))

    def find(self, name: str) -> str | None:
        """Asks the queue and, where it is kept, the accounting; of several jobs the one that counts."""
        seen = natives.weightiest(self._named(name))
        return seen.native_id if seen else None

    def find_array(self, name: str, count: int) -> list[str] | None:
        """As ``find``, for an array."""
        number = self.find(name)
        return _elements(natives.split(number)[0].partition("_")[0], name, count) if number else None

    def cancel_array(self, name: str, native_ids: Sequence[str]) -> None:
        """Every element of that name is being ended, by one call."""
        self.cancel(name)

    def poll(self, native_ids: Iterable[str]) -> dict[str, NativeObservation]:
        """One ``squeue`` for all, and one ``sacct`` for those it no longer shows."""
        wanted = list(dict.fromkeys(native_ids))
        # Those that ended stay in the queue for minutes: their lines are not read again.
        names = {natives.split(one)[1] for one in wanted}
        found = natives.matched(wanted, self._queue(only=names), "_")
        missing = [one for one in wanted if one not in found and natives.split(one)[0]]
        if missing:
            found |= natives.matched(missing, self._accounted_for(missing), "_")
        return found

    def listed(self) -> dict[str, NativeObservation]:
        """What the queue has of ours and has not ended, in one call."""
        return natives.unfinished(self._queue())

    def cancel(self, native_id: str) -> None:
        """Every job of that name is being ended; of an array only the element."""
        number, name = natives.split(native_id)
        which = [number] if "_" in number else ["--me", f"--name={name}"]
        ran = self.runner.run(["scancel", "--quiet", *which], seconds=SECONDS)
        if ran.status and "Invalid job id" not in ran.said:
            raise SiteUnavailable(f"scancel: {ran.said or ran.status}")

    # --- asking

    def _queue(self, *filters: str, only: Container[str] | None = None) -> list[NativeObservation]:
        argv = ["squeue", "-h", "-r", "--me", "-t", "all", *filters, "-o", QUEUE]
        said = self.runner.checked(argv, seconds=SECONDS)
        return [observation(*fields) for fields in _queue_lines(said) if only is None or fields[-1] in only]

    def _named(self, name: str) -> list[NativeObservation]:
        """Accounting is asked also when the queue knows one, so that the job that counts is found."""
        in_queue = [one for one in self._queue(f"--name={name}") if natives.split(one.native_id)[1] == name]
        if in_queue:
            return in_queue
        return [one for one in self._rows(f"--name={name}", "-S", LOOK_BACK) if natives.split(one.native_id)[1] == name]

    def _accounted_for(self, missing: list[str]) -> list[NativeObservation]:
        numbers = [natives.split(one)[0] for one in missing]
        found = []
        for start in range(0, len(numbers), MOST_IDS):
            try:
                found += self._rows("-j", ",".join(numbers[start : start + MOST_IDS]))
            except SiteUnavailable:
                # The queue has answered; the others stay absent until accounting answers again.
                break
        return found

    def _rows(self, *filters: str) -> list[NativeObservation]:
        ran = self.runner.run(["sacct", "-X", "-n", "-P", "-D", *filters, "-o", ROWS], seconds=SECONDS)
        if ran.status and NO_ACCOUNTING in ran.said:
            return []
        if ran.status:
            raise SiteUnavailable(f"sacct: {ran.said}")
        rows = [observation(number, state, reason, name, code)
                for number, state, code, reason, name in _cells(ran.stdout)]  # fmt: skip
        return [one for one in rows if one.word != "REQUEUED"]

    # --- submitting

    def _sbatch(self, name: str, spec: JobSpec, more: list[str], script: str) -> str:
        argv = ["sbatch", "--parsable", *self._resources(name, spec), *more, *self.options.options]
        ran = self.runner.run(argv, stdin=script.encode("utf-8", "surrogateescape"), seconds=SECONDS)
        taken = SUBMITTED.search(ran.stdout)
        if ran.status == 0 and taken:
            return taken[1]
        self._refuse(ran, spec)
        raise SiteUnavailable(f"sbatch: {ran.said or 'it gave no job number'}")

    def _refuse(self, ran: Ran, spec: JobSpec) -> None:
        refused = rejection(ran.said, spec) if ran.status else None
        if refused:
            raise JobRejected(refused[0], hint=refused[1])

    def _resources(self, name: str, spec: JobSpec) -> Iterator[str]:
        yield f"--job-name={name}"
        yield from ("--no-requeue", "--output=/dev/null", "--error=/dev/null", "--chdir=/", "--export=ALL")
        yield f"--ntasks={spec.tasks}"
        yield f"--cpus-per-task={spec.cores}"
        if spec.nodes:
            yield f"--nodes={spec.nodes}"
        elif spec.tasks == 1:
            yield "--nodes=1"
        yield f"--mem={spec.memory_mb}M"
        if spec.wall_seconds:
            yield f"--time={-(-(spec.wall_seconds + WALL_SLACK) // 60)}"
        if spec.gpus:
            kind = f"{self.options.gpu_type}:" if self.options.gpu_type else ""
            yield f"--gres=gpu:{kind}{spec.gpus}"
        if spec.comment:
            yield f"--comment={spec.comment}"
        for option, value in (
            ("partition", spec.queue or self.options.partition),
            ("account", self.options.account),
            ("qos", self.options.qos),
        ):
            if value:
                yield f"--{option}={value}"


def _elements(number: str, name: str, count: int) -> list[str]:
    return [natives.join(f"{number}_{index}", name) for index in range(count)]


def _queue_lines(said: str) -> Iterator[tuple[str, str, str, str]]:
    for line in said.splitlines():
        parts = line.split("|")
        if len(parts) >= 5 and parts[-1] == "." and parts[0][:1].isdigit():
            yield parts[0], parts[1], "|".join(parts[2:-2]), parts[-2]


def _cells(said: str) -> Iterator[list[str]]:
    for line in said.splitlines():
        parts = line.split("|", 4)
        if len(parts) == 5 and parts[0][:1].isdigit():
            yield parts
