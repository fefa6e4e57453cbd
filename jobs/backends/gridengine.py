"""Grid Engine by its commands: ``qsub``, one ``qstat -xml`` a poll and one ``qacct`` for what has ended, ``qdel``.

Seen with Debian's 8.1.9 (Son of Grid Engine). Of an ended job ``qstat`` knows little, and only of the last hundred, so
``qacct`` tells how it ended: one call over the last days for all. A job in the state ``Eqw`` would stay for ever and
run later, should somebody clear it: it is deleted on sight and told as not started. ``qdel`` kills at once; with
``-notify`` the job's script gets a SIGUSR2 before, and ends in order.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from jobs.backends import natives
from jobs.backends.base import Backend, Cause, JobRejected, JobSpec, NativeObservation, Phase, SiteUnavailable
from jobs.backends.runner import Runner
from jobs.backends.script import REFUSED, UNREACHABLE, array_script, job_script

SECONDS = 60.0
WALL_SLACK = 120
LOOK_BACK_DAYS = 7
EVERY_NAME = "portolan-*"
SUBMITTED = re.compile(r"^(\d+)(\.\S+)?\s*$", re.MULTILINE)
TASKS = re.compile(r"(\d+)(?:-(\d+)(?::(\d+))?)?")
REFUSALS = ("rejected", "unknown resource", "no suitable queues", "denied:", "unknown queue", "does not exist")
GONE = ("does not exist", "not found", "already in deletion")
Q = Phase.QUEUED


@dataclass(frozen=True, kw_only=True)
class GridEngineOptions:
    """What the operator says of a cluster: names of what it has, and further words for every ``qsub``.

    ``memory_resource`` (``h_vmem``, ``mem_free``) is asked for per slot. Without ``parallel_environment`` a job gets
    one core.
    """

    queue: str = ""
    project: str = ""
    parallel_environment: str = ""
    memory_resource: str = ""
    gpu_resource: str = ""
    options: tuple[str, ...] = ()


class GridEngineBackend(Backend):
    """One Grid Engine cell, as the user of ``runner`` sees it."""

    arrays = True
    gpu: ClassVar[bool] = True
    mpi: ClassVar[bool] = True

    def __init__(self, runner: Runner, options: GridEngineOptions | None = None) -> None:
        self.runner = runner
        self.options = options or GridEngineOptions()

    def submit(self, spec: JobSpec) -> str:
        """The qmaster has the job; JobRejected when it said why it does not take it."""
        return natives.join(self._qsub(spec.name, spec, [], job_script(spec)), spec.name)

    def submit_array(self, name: str, specs: Sequence[JobSpec], *, at_once: int = 0) -> list[str]:
        """One array job whose task ``i + 1`` runs ``specs[i]``; all ask for what the first one asks for."""
        whole = f"task=$((SGE_TASK_ID - 1))\n{array_script(self.runner, 'task', specs)}"
        together = ["-tc", str(at_once)] if at_once else []
        number = self._qsub(name, specs[0], ["-t", f"1-{len(specs)}", *together], whole)
        return _elements(number, name, len(specs))

    def find(self, name: str) -> str | None:
        """Asks the queue, then the accounting."""
        queued = [one for one in self._queue() if natives.split(one.native_id)[1] == name]
        seen = natives.weightiest(queued) or natives.weightiest(self._accounted(name))
        return seen.native_id if seen else None

    def find_array(self, name: str, count: int) -> list[str] | None:
        """As ``find``, for an array."""
        found = self.find(name)
        return _elements(natives.split(found)[0].partition(".")[0], name, count) if found else None

    def cancel_array(self, name: str, native_ids: Sequence[str]) -> None:
        """Every task of that name is being ended, by one call."""
        self._delete([name])

    def poll(self, native_ids: Iterable[str]) -> dict[str, NativeObservation]:
        """One ``qstat`` for all, and one ``qacct`` when some have ended."""
        wanted = list(dict.fromkeys(native_ids))
        found = natives.matched(wanted, self._queue(), ".")
        if [one for one in wanted if one not in found or found[one].phase is Phase.ENDED]:
            try:
                ended = natives.matched(wanted, self._accounted(EVERY_NAME), ".")
            except SiteUnavailable:
                ended = {}  # what the queue said holds; how the others ended is asked again
            found |= {one: seen for one, seen in ended.items() if one not in found or found[one].phase is Phase.ENDED}
        return found

    def listed(self) -> dict[str, NativeObservation]:
        """What the queue has of ours and has not ended, in one call."""
        return natives.unfinished(self._queue())

    def cancel(self, native_id: str) -> None:
        """Every job of that name is being ended; of an array only the task."""
        number, name = natives.split(native_id)
        job, _, task = number.partition(".")
        self._delete([job, "-t", task] if task else [name])

    # --- asking

    def _queue(self) -> list[NativeObservation]:
        said = self.runner.checked(["qstat", "-s", "prsz", "-xml"], seconds=SECONDS)
        found = [seen for line in _job_lists(said) for seen in _observed(line)]
        for one in found:
            if one.phase is Phase.LOST:
                self._delete([natives.split(one.native_id)[0].partition(".")[0]])
        return found

    def _accounted(self, name: str) -> list[NativeObservation]:
        ran = self.runner.run(["qacct", "-d", str(LOOK_BACK_DAYS), "-j", name], seconds=SECONDS)
        if ran.status and "not found" in ran.said:
            return []
        if ran.status and "No such file" not in ran.said:  # no accounting file before the first job has ended
            raise SiteUnavailable(f"qacct: {ran.said}")
        return [seen for record in ran.stdout.split("=" * 62) if (seen := _record(record)) is not None]

    def _delete(self, which: list[str]) -> None:
        ran = self.runner.run(["qdel", *which], seconds=SECONDS)
        if ran.status and not any(words in ran.said for words in GONE):
            raise SiteUnavailable(f"qdel: {ran.said or ran.status}")

    # --- submitting

    def _qsub(self, name: str, spec: JobSpec, more: list[str], script: str) -> str:
        argv = ["qsub", "-terse", *self._resources(name, spec), *more, *self.options.options]
        ran = self.runner.run(argv, stdin=f"#!/bin/sh\n{script}".encode("utf-8", "surrogateescape"), seconds=SECONDS)
        taken = SUBMITTED.search(ran.stdout)
        if ran.status == 0 and taken:
            return taken[1]
        if ran.status and any(words in ran.said for words in REFUSALS):
            raise JobRejected(
                f"The site does not take a job with {spec.cores} cores and {spec.memory_mb} MB of memory: "
                f"{ran.said.removeprefix('Unable to run job: ').removesuffix(' Exiting.')}",
                hint="Ask for less, or choose another queue or site.",
            )
        raise SiteUnavailable(f"qsub: {ran.said or 'it gave no job number'}")

    def _resources(self, name: str, spec: JobSpec) -> Iterator[str]:
        yield from ("-N", name, "-S", "/bin/sh", "-wd", "/", "-o", "/dev/null", "-j", "y", "-r", "n", "-notify")
        yield from ("-w", "e")
        slots = spec.cores * spec.tasks
        if slots > 1:
            if not self.options.parallel_environment:
                raise JobRejected(
                    f"The job asks for {slots} cores; this site gives one core a job.",
                    hint="Ask for one core, or ask the operator to name the site's parallel environment.",
                )
            yield from ("-pe", self.options.parallel_environment, str(slots))
        if spec.wall_seconds:
            yield from ("-l", f"h_rt={spec.wall_seconds + WALL_SLACK}")
        if self.options.memory_resource:
            yield from ("-l", f"{self.options.memory_resource}={math.ceil(spec.memory_mb / slots)}M")
        if spec.gpus and self.options.gpu_resource:
            yield from ("-l", f"{self.options.gpu_resource}={spec.gpus}")
        if spec.comment:
            yield from ("-ac", f"comment={re.sub('[^A-Za-z0-9 ._-]', '_', spec.comment)}")
        for option, value in (("-q", spec.queue or self.options.queue), ("-P", self.options.project)):
            if value:
                yield from (option, value)


def _elements(number: str, name: str, count: int) -> list[str]:
    return [natives.join(f"{number}.{index + 1}", name) for index in range(count)]


def _job_lists(said: str) -> list[Element]:
    try:
        return list(fromstring(said).iter("job_list"))
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise SiteUnavailable(f"qstat gave an answer that can't be read: {error}") from error


def _observed(line: Element) -> Iterator[NativeObservation]:
    number, name, state = (line.findtext(tag) or "" for tag in ("JB_job_number", "JB_name", "state"))
    phase, reason, cause = _meaning(state)
    for task in _tasks(line.findtext("tasks") or ""):
        whole = natives.join(f"{number}.{task}" if task else number, name)
        yield NativeObservation(native_id=whole, word=state or "?", phase=phase, reason=reason, cause=cause)


def _tasks(told: str) -> list[str]:
    """The task numbers in "1-5:2,9"; one empty word for a job that is no array."""
    found: list[str] = []
    for first, last, step in TASKS.findall(told):
        found += [str(number) for number in range(int(first), int(last or first) + 1, int(step or 1))]
    return found or [""]


def _meaning(state: str) -> tuple[Phase, str, Cause]:
    """Grid Engine's state is letters, each of its own meaning."""
    if "E" in state:
        words = (
            "The cluster's node could not start it: a directory is not there or not writable, or the user is unknown."
        )
        return Phase.LOST, words, Cause.NOT_STARTED
    if "z" in state:
        return Phase.ENDED, "", Cause.NONE
    if set(state) & set("rtRsSTN") or state == "d":
        return Phase.RUNNING, "", Cause.NONE
    if "h" in state:
        return (
            Q,
            "It is held on the cluster: somebody has to release it (qrls), or it waits for another job.",
            Cause.NONE,
        )
    if set(state) & set("qw"):
        return Q, "Waits for free slots.", Cause.NONE
    return Phase.UNKNOWN, f"Grid Engine says “{state}”, a word that is not known here.", Cause.NONE


def _record(text: str) -> NativeObservation | None:
    """One record of ``qacct -j``; None for what is none."""
    cells = dict(line.split(None, 1) for line in text.splitlines() if len(line.split(None, 1)) == 2)
    number, name, task = (cells.get(key, "").strip() for key in ("jobnumber", "jobname", "taskid"))
    failed = cells.get("failed", "").strip()
    if not (number.isdigit() and name and failed and cells.get("exit_status", "").strip().isdigit()):
        return None
    phase, cause, reason = _ending(int(re.match(r"\d*", failed)[0] or 0), int(cells["exit_status"]), failed)  # type: ignore[index]
    whole = natives.join(f"{number}.{task}" if task.isdigit() else number, name)
    return NativeObservation(
        native_id=whole, word=f"failed {failed}" if cause else "ended", phase=phase, reason=reason, cause=cause
    )


def _ending(failed: int, status: int, words: str) -> tuple[Phase, Cause, str]:
    """The ``failed`` codes are those of the manual page accounting(5)."""
    if failed == 37:
        return Phase.ENDED, Cause.WALL_TIME, "Grid Engine ended it: a limit of time or memory was reached."
    if failed in (19, 21, 22, 24) or 26 <= failed <= 36:
        said = words.partition(":")[2].strip() or words
        return Phase.LOST, Cause.NOT_STARTED, f"The cluster's node could not start it: {said}."
    if failed in (18, 23, 25):
        return Phase.LOST, Cause.NODE_FAILURE, "The cluster's node failed while it ran."
    if 1 <= failed <= 17:
        return Phase.LOST, Cause.NOT_STARTED, f"The cluster's node could not start it: {words}."
    if status == UNREACHABLE:
        return Phase.ENDED, Cause.NOT_STARTED, "The cluster's node could not start it: its directories are not there."
    if status == REFUSED:
        return Phase.ENDED, Cause.NONE, "A second copy of it met the fence and left."
    # 100: killed by a signal; by whom is not told (qdel, the node's own killer, the command itself).
    return Phase.ENDED, Cause.NONE, ""
