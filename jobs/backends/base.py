"""The contract between a job's life and a scheduler.

A scheduler knows an attempt by its *native name*, which is made from the attempt's id and never changes. After a
crash the scheduler is asked for that name before anything is submitted again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

# Every native name begins so.
PREFIX = "portolan-"


def element_name(name: str, place: int) -> str:
    """The native name of an array's element by its place, from 0 on: its fence and its mark are of this name."""
    return f"{name}-{place}"


class SiteUnavailable(Exception):
    """The site gave no usable answer: nothing is known, nothing changes, ask again later."""


class JobRejected(Exception):
    """The site will not take this job as it is; the message is for the user."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Cause(StrEnum):
    """Why the site, not the command itself, ended a job. The values are those of the exit file's ``cause``."""

    NONE = ""
    OUT_OF_MEMORY = "out_of_memory"
    WALL_TIME = "wall_time"
    CANCELLED = "cancelled"
    NOT_STARTED = "not_started"
    NODE_FAILURE = "node_failure"
    PREEMPTED = "preempted"


class Phase(StrEnum):
    """What a scheduler's word means for us. ``UNKNOWN`` is a word that we don't know: it changes nothing."""

    QUEUED = "queued"
    RUNNING = "running"
    ENDED = "ended"
    LOST = "lost"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class JobSpec:
    """Everything a site needs to run one attempt. Paths are absolute and hold on the site.

    ``control`` is the attempt's own directory: the fence, the exit file and the scratch space are in it. ``cwd`` is
    where the command runs and writes. ``stdout`` and ``stderr`` are appended to; ``order`` puts waiting jobs in line.

    ``queue`` is a queue or partition of the site, "" for its usual one. An MPI job has ``tasks`` ranks of ``cores``
    cores each on ``nodes`` nodes (0: as the site likes); ``memory_mb`` is for each node. ``gpus`` are for each node.
    ``setup`` are the operator's shell lines that make the tool available (``module load …``), ``comment`` is for people
    who look at the site's queue.
    """

    name: str
    argv: list[str]
    cwd: Path
    control: Path
    stdout: Path
    stderr: Path
    stdin: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    cores: int = 1
    memory_mb: int = 1024
    wall_seconds: int | None = None
    order: int = 0
    queue: str = ""
    nodes: int = 0
    tasks: int = 1
    gpus: int = 0
    setup: tuple[str, ...] = ()
    comment: str = ""


@dataclass(frozen=True, kw_only=True)
class NativeObservation:
    """What the scheduler said of one job: ``word`` is its own, ``phase`` what we take it for.

    ``reason`` says in plain words why a job waits or how the site ended it; ``cause`` is the same for programs.
    """

    native_id: str
    word: str
    phase: Phase
    reason: str = ""
    cause: Cause = Cause.NONE


class Backend(ABC):
    """One scheduler of one site. Every method may raise SiteUnavailable, ``submit`` also JobRejected; nothing else.

    ``evidence_seconds``: how long after the scheduler's "ended" the exit file may still be on its way.
    """

    arrays: bool = False
    gpu: ClassVar[bool] = False
    mpi: ClassVar[bool] = False
    containers: ClassVar[bool] = False
    evidence_seconds: ClassVar[float] = 60.0

    @abstractmethod
    def submit(self, spec: JobSpec) -> str:
        """The scheduler has the job; its native id is returned."""

    def submit_array(self, name: str, specs: Sequence[JobSpec], *, at_once: int = 0) -> list[str]:
        """The scheduler has all the jobs as one array called ``name``; their native ids, in order.

        Only where ``arrays`` is true. ``find_array`` is asked before it is called again. The specs are named by
        ``element_name`` and ask for the same; no more than ``at_once`` run together (0: as many as there is room for).
        """
        raise JobRejected("This site takes no arrays of jobs.", hint="Submit the jobs one by one.")

    def find_array(self, name: str, count: int) -> list[str] | None:
        """The native ids of the array's ``count`` jobs, in order; None when the scheduler never had it, or not all."""
        return None

    def cancel_array(self, name: str, native_ids: Sequence[str]) -> None:
        """Every element of the array is being ended, with all its processes."""
        for native_id in native_ids:
            self.cancel(native_id)

    @abstractmethod
    def find(self, name: str) -> str | None:
        """The native id of the job with this name, whatever became of it; None when the scheduler never had it."""

    @abstractmethod
    def poll(self, native_ids: Iterable[str]) -> dict[str, NativeObservation]:
        """What the scheduler says of these jobs, in one call; a job it does not know is not in the answer."""

    @abstractmethod
    def cancel(self, native_id: str) -> None:
        """The job is being ended, with all its processes; a job that is gone already is fine."""

    def listed(self) -> dict[str, NativeObservation] | None:
        """Each unfinished job of ours (its name begins with ``portolan-``) by name; None when it can't be told."""
        return None

    def forget(self, native_id: str) -> None:  # noqa: B027 - most schedulers forget by themselves
        """What the scheduler kept of an ended job may go; a job that still runs, or is not known, stays as it is."""
