"""How a job's results came about, as a Process Run Crate 0.5 (``ro-crate-metadata.json`` in the job folder).

Profile: https://w3id.org/ro/wfrun/process/0.5. The action is a CreateAction; its instrument the tool, its objects the
inputs, its results the outputs, its agent the person by name. No addresses, no tokens, no paths of the machine.
"""

from __future__ import annotations

import hashlib
import json
import mimetypes
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rocrate.model.contextentity import ContextEntity
from rocrate.rocrate import ROCrate

PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
CONTEXTS = ["https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context"]
SUMS_AT_ONCE = 4
LICENSE = "https://creativecommons.org/licenses/by/4.0/"
Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class CrateFile:
    """A file or folder of the crate: ``path`` relative to the job folder, ``sha256`` empty where it was not summed."""

    path: str
    size: int
    sha256: str = ""
    format: str = ""
    is_folder: bool = False
    note: str = ""
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What is said of one run. Times have a zone; ``error`` is empty for a run that succeeded."""

    id: str
    name: str
    description: str
    tool: str
    tool_title: str
    tool_digest: str
    software: Mapping[str, str]
    agent: str
    agent_id: str
    site: str
    started_at: datetime | None
    ended_at: datetime | None
    error: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)


def crate_of(run: Run, *, inputs: Iterable[CrateFile], outputs: Iterable[CrateFile], logs: Iterable[CrateFile]) -> Json:
    """The JSON-LD of the crate, ready to be written."""
    crate = ROCrate(version="1.1")
    crate.name, crate.description = run.name, run.description
    crate.license = crate.add(_entity(crate, LICENSE, "CreativeWork", name="CC BY 4.0"))
    profile = crate.add(_entity(crate, PROFILE, "CreativeWork", name="Process Run Crate", version="0.5"))
    crate.root_dataset["conformsTo"] = profile
    ended = run.ended_at or run.started_at
    if ended is not None:
        crate.root_dataset["datePublished"] = ended.isoformat()
    for log in logs:
        _add_file(crate, log)
    action = crate.add(_entity(crate, f"#job-{run.id}", "CreateAction", name=run.name))
    action["description"] = run.description
    action["instrument"] = _instrument(crate, run)
    action["agent"] = crate.add(_entity(crate, f"#person-{run.agent_id}", "Person", name=run.agent))
    action["object"] = [_add_file(crate, one) for one in inputs] + _values(crate, run)
    action["result"] = [_add_file(crate, one) for one in outputs]
    for key, moment in (("startTime", run.started_at), ("endTime", run.ended_at)):
        if moment is not None:
            action[key] = moment.isoformat()
    action["actionStatus"] = f"http://schema.org/{'FailedActionStatus' if run.error else 'CompletedActionStatus'}"
    if run.error:
        action["error"] = run.error
    action["location"] = run.site
    crate.root_dataset["mentions"] = [action]
    made: Json = crate.metadata.generate()
    made["@context"] = CONTEXTS
    return made


def _instrument(crate: ROCrate, run: Run) -> ContextEntity:
    tool = crate.add(_entity(crate, f"#tool-{run.tool}", "SoftwareApplication", name=run.tool_title))
    tool["softwareVersion"] = f"sha256:{run.tool_digest[:16]}"
    tool["identifier"] = f"sha256:{run.tool_digest}"
    needed = [
        crate.add(_entity(crate, f"#software-{quote(name)}", "SoftwareApplication", name=name, **_version(version)))
        for name, version in run.software.items()
    ]
    if needed:
        tool["softwareRequirements"] = needed
    return tool


def _version(version: str) -> Json:
    return {"softwareVersion": version} if version else {}


def _values(crate: ROCrate, run: Run) -> list[ContextEntity]:
    return [
        crate.add(
            _entity(
                crate,
                f"#value-{quote(name)}",
                "PropertyValue",
                name=name,
                value=value if isinstance(value, str | int | float | bool) else json.dumps(value),
            )
        )
        for name, value in run.values.items()
    ]


def _add_file(crate: ROCrate, one: CrateFile) -> ContextEntity:
    properties: Json = {"name": one.name or one.path.rpartition("/")[2], "contentSize": str(one.size)}
    if one.sha256:
        properties["sha256"] = one.sha256
    if one.note:
        properties["description"] = one.note
    kind = [one.format] if one.format else []
    guessed = mimetypes.guess_type(one.path)[0]
    properties["encodingFormat"] = [*kind, guessed or "application/octet-stream"]
    where = quote(one.path)
    if one.is_folder:
        properties.pop("encodingFormat")
        return crate.add_directory(dest_path=where, properties=properties)
    if where.startswith("../"):
        # An input lies beside the job folder, so outside the crate; a data entity may not leave it.
        properties["alternateName"] = one.path
        known = hashlib.sha256(where.encode()).hexdigest()[:16]
        return crate.add(_entity(crate, f"#file-{known}", "File", **properties))
    return crate.add_file(dest_path=where, properties=properties)


def _entity(crate: ROCrate, identifier: str, kind: str, **properties: Any) -> ContextEntity:
    return ContextEntity(crate, identifier, properties={"@type": kind, **properties})


def summed(path: Path, budget: int) -> str:
    """The SHA-256 of the file; empty when it is larger than ``budget`` bytes, or gone."""
    try:
        with open(path, "rb") as stream:
            if os.fstat(stream.fileno()).st_size > budget:
                return ""
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""


def all_summed(paths: Sequence[Path], budgets: Iterable[int]) -> list[str]:
    """``summed`` of each file with its own budget; a few are read at once, as one of them keeps a single core busy."""
    with ThreadPoolExecutor(SUMS_AT_ONCE) as pool:
        return list(pool.map(summed, paths, budgets))
