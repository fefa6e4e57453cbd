"""The tools that can be run here: folders with a ``tool.cwl`` in the directories of ``TOOL_DIRS``."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import checks

from common.errors import UserError
from jobs.cwl import FormHint, Scatter, Tool, ToolError, form_hint, input_schema, load_tool, scatter_rule
from jobs.cwl.model import all_files_in

TOOL_FILE = "tool.cwl"
log = logging.getLogger(__name__)
Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, kw_only=True)
class ToolInfo:
    """A tool as pages, API and jobs see it. ``digest`` is the SHA-256 over all that runs, so it changes with a script.

    ``schema`` is the JSON Schema of the inputs; ``form`` the hint with groups, sample, queue and results; ``software``
    has the version of each package that the tool is known to work with, by name ("RELION": "3.1.3"). ``scatter`` is the
    rule by which a job over many files is split, None where it is not.
    """

    name: str
    title: str
    summary: str
    software: dict[str, str]
    order: int
    schema: dict[str, Any]
    form: FormHint
    digest: str
    tool: Tool
    scatter: Scatter | None = None

    @property
    def results(self) -> tuple[Any, ...]:
        """The outputs in the order in which they are shown, with viewer and title."""
        return self.form.results

    @property
    def methods(self) -> tuple[dict[str, Any], ...]:
        """The ways in which the tool can do its work."""
        return self.form.methods


_known: dict[Path, tuple[Stamp, ToolInfo | ToolError]] = {}


def tools() -> list[ToolInfo]:
    """All tools that can be read, in the order of their cards. A broken one is left out and in the log."""
    found = [info for info in map(_read, _folders().values()) if isinstance(info, ToolInfo)]
    return sorted(found, key=lambda info: (info.order, info.title))


def get_tool(name: str) -> ToolInfo:
    """The tool of this name; UserError ``unknown_tool`` when there is none, ``broken_tool`` when it can't be read."""
    folder = _folders().get(name)
    if folder is None:
        known = ", ".join(info.name for info in tools()) or "none"
        raise UserError(f"There is no tool “{name}”.", code="unknown_tool", field="tool", hint=f"Known tools: {known}.")
    info = _read(folder)
    if isinstance(info, ToolError):
        raise UserError(f"The tool “{name}” can't be used: {info.message}", code="broken_tool", field="tool")
    return info


def check_tools(**_: object) -> list[checks.CheckMessage]:
    """A system check: an error for each tool that can't be read."""
    found: list[checks.CheckMessage] = []
    for name, folder in _folders().items():
        info = _read(folder)
        if isinstance(info, ToolError):
            words = f"The tool “{name}” can't be used: {info.message}"
            found.append(checks.Error(words, obj=str(folder), id="jobs.E001"))
    return found


def _folders() -> dict[str, Path]:
    """Tool folders by name; of two with one name the first directory's counts."""
    found: dict[str, Path] = {}
    for above in settings.TOOL_DIRS:
        for file in sorted(Path(above).glob(f"*/{TOOL_FILE}")):
            found.setdefault(file.parent.name, file.parent)
    return found


def _read(folder: Path) -> ToolInfo | ToolError:
    stamp = _stamp([folder])
    known = _known.get(folder)
    if known is not None and known[0] == stamp:
        return known[1]
    info: ToolInfo | ToolError
    try:
        info = _parsed(folder)
    except ToolError as error:
        log.error("tool %s can't be read: %s", folder.name, error.message)
        info = error
    _known[folder] = (stamp, info)
    return info


def _parsed(folder: Path) -> ToolInfo:
    tool = load_tool(folder / TOOL_FILE)
    form = form_hint(tool)
    summary, _, _ = tool.doc.strip().partition("\n\n")
    return ToolInfo(
        name=folder.name,
        title=tool.label or folder.name.replace("_", " ").capitalize(),
        summary=" ".join(summary.split()),
        software=_software(tool),
        order=_order(tool),
        schema=input_schema(tool),
        form=form,
        digest=_digest(tool),
        tool=tool,
        scatter=scatter_rule(tool),
    )


def _stamp(folders: list[Path]) -> Stamp:
    """Names, sizes and times of all files of the folder and of the shared one beside it."""
    found = []
    for folder in [*folders, *(one.parent / "common" for one in folders)]:
        for path in _files(folder):
            status = path.stat()
            found.append((str(path), status.st_mtime_ns, status.st_size))
    return tuple(found)


def _files(folder: Path) -> list[Path]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in paths if "__pycache__" not in path.parts)


def _digest(tool: Tool) -> str:
    """SHA-256 over the tool's folder and over the files outside it that the tool brings along."""
    paths = {path: str(path.relative_to(tool.folder)) for path in _files(tool.folder)}
    for parameter in tool.inputs:
        for item in all_files_in(parameter.default):
            path = Path(str(item.get("path", ""))).resolve()
            if path.is_file():
                paths.setdefault(path, path.name)
    whole = hashlib.sha256()
    for path, name in sorted(paths.items(), key=lambda pair: pair[1]):
        whole.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return whole.hexdigest()


def _software(tool: Tool) -> dict[str, str]:
    """What the tool says in its ``SoftwareRequirement``, which CWL lets one write as a list or as a map."""
    packages = tool.hints.get("SoftwareRequirement", {}).get("packages") or []
    if isinstance(packages, dict):
        packages = [{"package": name, **(rest or {})} for name, rest in packages.items()]
    named = [one for one in packages if isinstance(one, dict) and one.get("package")]
    return {str(one["package"]): str((one.get("version") or [""])[0]) for one in named}


def _order(tool: Tool) -> int:
    for name, hint in tool.hints.items():
        if name.endswith("Form") and isinstance(hint.get("card"), dict):
            return int(hint["card"].get("order", 100))
    return 100
