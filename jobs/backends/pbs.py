"""PBS Pro, OpenPBS and Torque by their commands: ``qsub``, one ``qstat`` a poll, ``qdel``.

Written by their documentation and tested with captured answers and a look-alike: no server of them could be installed
here. PBS Pro and OpenPBS answer in JSON (``qstat -x -f -F json``, ended jobs included while ``job_history_enable`` is
on), Torque in XML (``qstat -x``, ended jobs for ``keep_completed`` seconds). What has been forgotten is absent, and its
exit file tells.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from jobs.backends import natives
from jobs.backends.base import Backend, Cause, JobRejected, JobSpec, NativeObservation, Phase, SiteUnavailable
from jobs.backends.limits import Limits
from jobs.backends.runner import Runner
from jobs.backends.script import REFUSED, UNREACHABLE, array_script, job_script

SECONDS = 60.0
WALL_SLACK = 120
SUBMITTED = re.compile(r"^(\d+)[.\[]?\S*\s*$", re.MULTILINE)
SUBJOB = re.compile(r"\[\d+\]")
GONE = ("Unknown Job", "Job has finished", "invalid state for job", "Request invalid for state")
NOTHING = ("Unknown Job Id",)
REFUSALS = (
    "Unknown queue",
    "Job exceeds queue",
    "exceeds queue resource limits",
    "Unknown resource",
    "Illegal attribute or resource value",
    "would exceed",
    "Unauthorized Request",
    "Job rejected by all possible destinations",
    "violates queue",
)
PHASES = {
    **dict.fromkeys("QHWTM", Phase.QUEUED),
    **dict.fromkeys("RESUB", Phase.RUNNING),
    **dict.fromkeys("CFX", Phase.ENDED),
}
WAITS = {
    "Q": "Waits for free resources.",
    "H": "It is held on the cluster: somebody has to release it (qrls), or it waits for another job.",
    "W": "Waits for its time to begin.",
    "T": "It is being moved to another server.",
    "M": "It was moved to another server.",
}
# Exit_status of what the server or the MoM did, by both manuals.
CAUSES: dict[int, tuple[Phase, Cause, str]] = {
    -1: (Phase.LOST, Cause.NOT_STARTED, "The cluster's node could not start it."),
    -2: (Phase.LOST, Cause.NOT_STARTED, "The cluster's node could not start it."),
    -3: (Phase.LOST, Cause.NODE_FAILURE, "The cluster's node could not run it and gave it back."),
    -4: (Phase.LOST, Cause.NODE_FAILURE, "The cluster's node was started again while it ran."),
    -5: (Phase.LOST, Cause.NODE_FAILURE, "The cluster's node was started again while it ran."),
    -6: (Phase.LOST, Cause.NODE_FAILURE, "The cluster's node was started again while it ran."),
    -11: (Phase.ENDED, Cause.WALL_TIME, "PBS ended it: its time was over."),
    -29: (Phase.ENDED, Cause.WALL_TIME, "PBS ended it: its time was over."),
    -27: (Phase.ENDED, Cause.OUT_OF_MEMORY, "PBS ended it: it used more memory than it asked for."),
    UNREACHABLE: (
        Phase.ENDED,
        Cause.NOT_STARTED,
        "The cluster's node could not start it: its directories are not there.",
    ),
    REFUSED: (Phase.ENDED, Cause.NONE, "A second copy of it met the fence and left."),
}


@dataclass(frozen=True, kw_only=True)
class PbsOptions:
    """What the operator says of a cluster. ``torque`` chooses Torque's ways instead of PBS Pro's."""

    torque: bool = False
    queue: str = ""
    account: str = ""
    options: tuple[str, ...] = ()


class PbsBackend(Backend):
    """One PBS server, as the user of ``runner`` sees it."""

    gpu: ClassVar[bool] = True
    mpi: ClassVar[bool] = True

    def __init__(self, runner: Runner, limits: Limits, options: PbsOptions | None = None) -> None:
        self.runner = runner
        self.limits = limits
        self.options = options or PbsOptions()
        # Torque's arrays name and number their jobs in a way of their own; there a job is run as one.
        self.arrays = not self.options.torque

    def submit(self, spec: JobSpec) -> str:
        """The server has the job; JobRejected when it said why it does not take it, or the site has no such room."""
        return natives.join(self._qsub(spec.name, spec, ["-r", "n"], job_script(spec)), spec.name)

    def submit_array(self, name: str, specs: Sequence[JobSpec], *, at_once: int = 0) -> list[str]:
        """One array whose subjob ``i`` runs ``specs[i]``; PBS takes no array of one, which is a plain job then.

        Subjobs can't be kept from being run again (an array has to be "rerunable"), but a second run meets the fence.
        """
        if len(specs) == 1:
            return [natives.join(self._qsub(name, specs[0], ["-r", "n"], job_script(specs[0])), name)]
        together = f"%{at_once}" if at_once else ""
        more = ["-r", "y", "-J", f"0-{len(specs) - 1}{together}"]
        number = self._qsub(name, specs[0], more, array_script(self.runner, "PBS_ARRAY_INDEX", specs))
        return _elements(number, name, len(specs))

    def _qsub(self, name: str, spec: JobSpec, more: list[str], script: str) -> str:
        self.limits.check(spec)
        argv = ["qsub", *self._resources(name, spec), *more, *self.options.options]
        ran = self.runner.run(argv, stdin=f"#!/bin/sh\n{script}".encode("utf-8", "surrogateescape"), seconds=SECONDS)
        taken = SUBMITTED.search(ran.stdout)
        if ran.status == 0 and taken:
            return taken[1]
        if ran.status and any(words in ran.said for words in REFUSALS):
            raise JobRejected(
                f"The site does not take this job: {ran.said}", hint="Ask for less, or choose another queue."
            )
        raise SiteUnavailable(f"qsub: {ran.said or 'it gave no job number'}")

    def find(self, name: str) -> str | None:
        """Asks the queue and its history; what the server has forgotten is found by its fence."""
        named = [one for one in self._queue() if natives.split(one.native_id)[1] == name]
        seen = natives.weightiest(named)
        return seen.native_id if seen else None

    def find_array(self, name: str, count: int) -> list[str] | None:
        """As ``find``, for an array."""
        found = self.find(name)
        if found is None or count == 1:
            return [found] if found else None
        return _elements(natives.split(found)[0].partition("[")[0], name, count)

    def poll(self, native_ids: Iterable[str]) -> dict[str, NativeObservation]:
        """One ``qstat`` for all."""
        return natives.matched(list(native_ids), self._queue(), "[")

    def listed(self) -> dict[str, NativeObservation]:
        """What the queue has of ours and has not ended, in one call."""
        return natives.unfinished(self._queue())

    def cancel(self, native_id: str) -> None:
        """Every job of that name is being ended: a SIGTERM, then after the server's kill_delay a SIGKILL.

        Of an array only the subjob.
        """
        mine, name = natives.split(native_id)
        going = (Phase.QUEUED, Phase.RUNNING, Phase.UNKNOWN)
        for one in self._queue():
            number, other = natives.split(one.native_id)
            wanted = number == mine if "[" in mine else not SUBJOB.search(number)
            if other == name and one.phase in going and wanted:
                ran = self.runner.run(["qdel", number], seconds=SECONDS)
                if ran.status and not any(words in ran.said for words in GONE):
                    raise SiteUnavailable(f"qdel: {ran.said or ran.status}")

    def cancel_array(self, name: str, native_ids: Sequence[str]) -> None:
        """The array is being ended, with all its subjobs."""
        self.cancel(name)

    def _queue(self) -> list[NativeObservation]:
        argv = ["qstat", "-x"] if self.options.torque else ["qstat", "-x", "-t", "-f", "-F", "json"]
        ran = self.runner.run(argv, seconds=SECONDS)
        if ran.status and not any(words in ran.said for words in NOTHING):
            raise SiteUnavailable(f"qstat: {ran.said}")
        jobs = from_xml(ran.stdout) if self.options.torque else from_json(ran.stdout)
        return [observation(number, told) for number, told in jobs]

    def _resources(self, name: str, spec: JobSpec) -> Iterator[str]:
        yield from ("-N", name, "-S", "/bin/sh", "-o", "/dev/null", "-e", "/dev/null")
        nodes = spec.nodes or 1
        each = -(-spec.tasks // nodes)
        if self.options.torque:
            gpus = f":gpus={spec.gpus}" if spec.gpus else ""
            wanted = [f"nodes={nodes}:ppn={each * spec.cores}{gpus}", f"mem={spec.memory_mb * nodes}mb"]
        else:
            gpus = f":ngpus={spec.gpus}" if spec.gpus else ""
            ranks = f":mpiprocs={each}" if spec.tasks > 1 else ""
            wanted = [f"select={nodes}:ncpus={each * spec.cores}{ranks}:mem={spec.memory_mb}mb{gpus}"]
        if spec.wall_seconds:
            wanted.append(f"walltime={spec.wall_seconds + WALL_SLACK}")
        for one in wanted:
            yield from ("-l", one)
        for option, value in (("-q", spec.queue or self.options.queue), ("-A", self.options.account)):
            if value:
                yield from (option, value)


def _elements(number: str, name: str, count: int) -> list[str]:
    return [natives.join(f"{number}[{index}]", name) for index in range(count)]


def from_json(said: str) -> list[tuple[str, dict[str, str]]]:
    """Number and attributes of each job in the answer of ``qstat -f -F json``; nothing said is no jobs."""
    if not said.strip():
        return []
    try:
        jobs = json.loads(said, strict=False).get("Jobs", {})
        return [(number, {key: _plain(value) for key, value in told.items()}) for number, told in jobs.items()]
    except (ValueError, AttributeError) as error:
        raise SiteUnavailable(f"qstat gave an answer that can't be read: {error}") from error


def from_xml(said: str) -> list[tuple[str, dict[str, str]]]:
    """The same for Torque's ``qstat -x``, which writes nothing at all when there is no job."""
    if not said.strip():
        return []
    try:
        jobs = list(fromstring(said).iter("Job"))
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise SiteUnavailable(f"qstat gave an answer that can't be read: {error}") from error
    told = [{one.tag: one.text or "" for one in job} for job in jobs]
    return [(one.get("Job_Id", ""), {**one, "Exit_status": one.get("exit_status", "")}) for one in told]


def _plain(value: Any) -> str:
    return str(value) if isinstance(value, str | int | float) else ""


def observation(number: str, told: dict[str, str]) -> NativeObservation:
    """What the server says of one job."""
    letter = told.get("job_state") or "?"
    phase, cause, reason = PHASES.get(letter, Phase.UNKNOWN), Cause.NONE, WAITS.get(letter, "")
    comment = told.get("comment", "")
    if phase is Phase.QUEUED and comment:
        reason = f"{reason} The cluster says: {comment}"
    if phase is Phase.UNKNOWN:
        reason = f"PBS says “{letter}”, a word that is not known here."
    if phase is Phase.ENDED:
        status = told.get("Exit_status", "")
        known = CAUSES.get(int(status)) if re.fullmatch(r"-?\d+", status) else None
        if known is not None:
            phase, cause, reason = known
        elif not status and "deleted" in comment:
            cause, reason = Cause.CANCELLED, "It was deleted on the cluster."
    whole = natives.join(number.partition(".")[0], told.get("Job_Name", ""))
    return NativeObservation(native_id=whole, word=letter, phase=phase, reason=reason[:500], cause=cause)
