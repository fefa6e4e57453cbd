"""What a job asks of a queue: the tool's own wish, grown with its inputs, unless the person says otherwise."""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import PortolanError
from jobs.cwl import chunk, elements_of
from jobs.cwl.form import Growth, QueueHint
from jobs.cwl.model import all_files_in
from jobs.registry import ToolInfo
from storage.paths import open_regular

MRC_HEADER = 1024
GIGABYTE = 10**9


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Of one job. ``firm`` are the names that the person set: they are taken as they are, or refused."""

    cores: int
    memory_mb: int
    gpus: int = 0
    tasks: int = 1
    wall_seconds: int | None = None
    firm: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Split:
    """A job in ``elements`` of an array; ``each`` is what one of them asks for."""

    elements: int
    each: Wanted


def wanted(info: ToolInfo, order: Mapping[str, Any], root: Path, **given: int | None) -> Wanted:
    """What a job of the tool with these inputs asks for; ``given`` (cores, memory_mb, wall_seconds) counts most.

    ``order`` has its files looked up, with paths below ``root``.
    """
    return _wanted(info, info.form.queue, order, root, given)


def split(info: ToolInfo, order: Mapping[str, Any], root: Path, whole: Wanted, **given: int | None) -> Split | None:
    """How the tool's rule splits the job; None where it does not, or the person asked for several MPI processes."""
    rule = info.scatter
    count = elements_of(rule, order) if rule is not None and whole.tasks == 1 else 0
    if rule is None or not count:
        return None
    one = {**order, rule.over: chunk(order[rule.over], count, 0)}
    return Split(elements=count, each=_wanted(info, rule.queue or info.form.queue, one, root, given))


def _wanted(
    info: ToolInfo, hint: QueueHint, order: Mapping[str, Any], root: Path, given: Mapping[str, int | None]
) -> Wanted:
    least = info.tool.requirement("ResourceRequirement") or {}
    found: dict[str, float] = {
        "cores": hint.cores or _number(least.get("coresMin")) or 1,
        "memory_mb": hint.memory_mb or _number(least.get("ramMin")) or 1024,
        "gpus": int(hint.gpu),
        "wall_seconds": hint.wall_seconds or 0,
    }
    for rule in hint.grows:
        found[rule.what] = _grown(found[rule.what], rule, order.get(rule.input), root)
    set_by_person = {name: value for name, value in given.items() if value}
    found |= set_by_person
    whole = {name: math.ceil(value) for name, value in found.items()}
    return Wanted(
        cores=whole["cores"],
        memory_mb=whole["memory_mb"],
        gpus=whole["gpus"],
        tasks=max(1, _number(order.get(hint.tasks))),
        wall_seconds=whole["wall_seconds"] or None,
        firm=frozenset(set_by_person),
    )


def size_of(order: Mapping[str, Any]) -> tuple[int, int]:
    """(files, bytes) of the job order's inputs."""
    sizes = [int(item["size"]) for item in all_files_in(order) if "size" in item]
    return len(sizes), sum(sizes)


def _grown(base: float, rule: Growth, value: Any, root: Path) -> float:
    grown = base + rule.per * _measured(rule.by, value, root)
    return min(grown, max(base, rule.most)) if rule.most else grown


def _measured(by: str, value: Any, root: Path) -> float:
    if by == "value":
        return float(value) if isinstance(value, int | float) else 0.0
    files = [item for item in all_files_in(value) if item.get("class") == "File"]
    if by == "files":
        return len(files)
    if by == "gigabytes":
        return sum(int(item.get("size") or 0) for item in files) / GIGABYTE
    return max((_megavoxels(root, str(item.get("path"))) for item in files), default=0.0)


def _megavoxels(root: Path, path: str) -> float:
    """Millions of voxels that an MRC file (CCP-EM MRC2014: nx, ny, nz first, "MAP" at byte 208) says it has; 0 else."""
    try:
        with os.fdopen(open_regular(root, path), "rb") as stream:
            header = stream.read(MRC_HEADER)
    except (PortolanError, OSError):
        return 0.0
    if len(header) < MRC_HEADER or header[208:211] != b"MAP":
        return 0.0
    order = ">" if header[212:214] == b"\x11\x11" else "<"
    axes = struct.unpack(f"{order}3i", header[:12])
    return math.prod(max(0, axis) for axis in axes) / 10**6


def _number(value: object) -> int:
    return int(value) if isinstance(value, int | float) else 0
