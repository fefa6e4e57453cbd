"""A job's crate: what the rows and the disk know, put into the words of ``jobs.provenance``."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from typing import Any

from jobs.lifecycle.parts import LOGS
from jobs.lifecycle.places import Places, read_head, write_json
from jobs.lifecycle.starting import COMMAND_FILE, INPUTS_FILE, MERGE_FILE, STDERR, STDOUT, input_paths
from jobs.models import Attempt, Job, Result
from jobs.provenance import CrateFile, Run, all_summed, crate_of
from jobs.registry import ToolInfo
from jobs.results import software_in

CRATE_FILE = "ro-crate-metadata.json"
INPUT_BYTES = 10 * 2**30
LOG_BYTES = 256 * 1024


def write_crate(
    job: Job, attempt: Attempt, info: ToolInfo, places: Places, results: Iterable[Result], *, error: str = ""
) -> None:
    """``ro-crate-metadata.json`` in the job folder tells of this run."""
    run = _run(job, attempt, info, places, error)
    crate = crate_of(run, inputs=_inputs(job, places), outputs=_outputs(places, results), logs=_logs(places))
    write_json(places.root, f"{places.folder}/{CRATE_FILE}", crate)


def _run(job: Job, attempt: Attempt, info: ToolInfo, places: Places, error: str) -> Run:
    who = job.submitted_by
    evidence = attempt.evidence
    return Run(
        id=str(job.pk),
        name=f"{job.title or info.title} (job {job.number})",
        description=f"{info.title}, run as job {job.number} of “{job.project.name}” on {attempt.site.name}.",
        tool=job.tool,
        tool_title=info.title,
        tool_digest=job.tool_digest,
        software=_software(info, places),
        agent=who.display_name if who else "unknown",
        agent_id=str(who.pk) if who else "unknown",
        site=attempt.site.name,
        started_at=_moment(evidence.get("started_at")) or attempt.submitted_at,
        ended_at=_moment(evidence.get("ended_at")) or attempt.ended_at,
        error=error,
        values={name: value for name, value in job.job_order.items() if _is_plain(value)},
    )


def _software(info: ToolInfo, places: Places) -> dict[str, str]:
    """The versions with which it ran, as its logs tell; those that the tool asks for where they tell nothing."""
    said = {"Python": platform.python_version()}
    for name in (STDERR, STDOUT, *_element_logs(places)):
        said |= software_in(read_head(places.root, f"{places.folder}/{name}", LOG_BYTES))
    known = {name.lower() for name in said}
    return said | {name: version for name, version in info.software.items() if name.lower() not in known}


def _inputs(job: Job, places: Places) -> list[CrateFile]:
    items = input_paths(job)
    sizes = [int(item.get("size") or 0) for item in items]
    paths = [places.path(item["path"]) for item in items]
    left = (INPUT_BYTES - before for before in accumulate(sizes, initial=0))
    sums = all_summed(paths, left)  # a folder has none
    return [
        CrateFile(
            path=_from_crate(str(item["path"]), places),
            name=str(item["path"]),
            size=size,
            sha256=sha256,
            is_folder=item.get("class") != "File",
            note=_changed(path, item),
        )
        for item, size, path, sha256 in zip(items, sizes, paths, sums, strict=True)
    ]


def _changed(path: Path, item: dict[str, Any]) -> str:
    if item.get("class") != "File" or "modified" not in item:
        return ""
    try:
        status = os.stat(path)
    except OSError:
        return "This file was gone when the job ended."
    same = status.st_size == item.get("size") and status.st_mtime_ns == item["modified"]
    return "" if same else "This file was changed between submission and the job's end."


def _outputs(places: Places, results: Iterable[Result]) -> list[CrateFile]:
    files: dict[str, CrateFile] = {}
    for one in results:
        path = _from_crate(one.path, places)
        files.setdefault(
            path,
            CrateFile(
                path=path,
                size=one.size,
                sha256=one.sha256,
                format=one.format,
                name=one.title,
                is_folder=places.path(one.path).is_dir(),
            ),
        )
    return list(files.values())


def _logs(places: Places) -> list[CrateFile]:
    found = []
    for name in (INPUTS_FILE, COMMAND_FILE, MERGE_FILE, STDOUT, STDERR, *_element_logs(places)):
        path = places.path(f"{places.folder}/{name}")
        if path.is_file() and not path.is_symlink():
            found.append(CrateFile(path=name, size=path.stat().st_size))
    return found


def _element_logs(places: Places) -> list[str]:
    """The logs of a job's elements, in order, as paths in its folder."""
    above = places.path(f"{places.folder}/{LOGS}")
    return [f"{LOGS}/{one.name}" for one in sorted(above.iterdir())] if above.is_dir() else []


def _from_crate(path: str, places: Places) -> str:
    return os.path.relpath(path, places.folder)


def _moment(seconds: Any) -> datetime | None:
    return datetime.fromtimestamp(seconds, tz=UTC) if isinstance(seconds, int | float) else None


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float | bool)
