"""``InitialWorkDirRequirement``: what lies in the output folder before the command runs."""

import os
from collections.abc import Mapping
from typing import Any

from jobs.cwl import files
from jobs.cwl.errors import ToolError
from jobs.cwl.expressions import as_text, evaluate
from jobs.cwl.model import Tool
from jobs.cwl.tool import located


def plan_work_dir(tool: Tool, context: Mapping[str, Any], stage: files.Stage) -> None:
    """The plan holds every entry of the listing; inputs among them have their new path in ``context["inputs"]``."""
    listing = (tool.requirement("InitialWorkDirRequirement") or {}).get("listing")
    entries = evaluate(listing, context)
    for entry in entries if isinstance(entries, list) else [entries]:
        _plan(tool, evaluate(entry, context), context, stage)


def _plan(tool: Tool, entry: Any, context: Mapping[str, Any], stage: files.Stage) -> None:
    if entry is None:
        return
    if isinstance(entry, list):
        for part in entry:
            _plan(tool, part, context, stage)
    elif _is_file(entry):
        _put(tool, entry, context, stage, entry.get("basename"), writable=False)
    elif isinstance(entry, dict) and "entry" in entry:
        _plan_dirent(tool, entry, context, stage)
    else:
        raise ToolError("An entry of InitialWorkDirRequirement is neither a file, a folder nor a Dirent.")


def _plan_dirent(tool: Tool, dirent: dict[str, Any], context: Mapping[str, Any], stage: files.Stage) -> None:
    value = evaluate(dirent["entry"], context, strip=False)
    name = evaluate(dirent.get("entryname"), context)
    writable = bool(dirent.get("writable"))
    if value is None:
        return
    if _is_file(value):
        _put(tool, value, context, stage, name or value.get("basename"), writable=writable)
    elif isinstance(value, list) and all(_is_file(item) for item in value):
        if name is not None:
            raise ToolError("'entryname' can't be given for a list of files.")
        for item in value:
            _put(tool, item, context, stage, item.get("basename"), writable=writable)
    else:
        stage.add(files.WorkFile(path=_target(name, context), text=as_text(value), writable=writable))


def _put(
    tool: Tool, item: dict[str, Any], context: Mapping[str, Any], stage: files.Stage, name: Any, *, writable: bool
) -> None:
    """The item is planned. Inputs are changed in place, so that every expression sees where they went."""
    if "location" not in item or "dirname" not in item:
        item = files.normalise(located(item, tool.folder), "InitialWorkDirRequirement", must_exist=True)
        name = name or item.get("basename")
    stage.put(item, _target(name, context), writable=writable)


def _is_file(value: Any) -> bool:
    return isinstance(value, dict) and value.get("class") in ("File", "Directory")


def _target(name: Any, context: Mapping[str, Any]) -> str:
    if not isinstance(name, str) or not name or "\0" in name:
        raise ToolError("An entry of InitialWorkDirRequirement has no name.")
    outdir = context["runtime"]["outdir"]
    target = os.path.normpath(f"{outdir}/{name}")
    if name.startswith("/") or not target.startswith(f"{outdir}/"):
        raise ToolError(f"The file {name!r} would be put outside the output folder.")
    return target
