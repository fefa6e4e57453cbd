"""From what a command left behind to typed results, or to words that say what went wrong and what to change."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobs.cwl.model import all_files_in, files_in
from jobs.registry import ToolInfo

ERROR_LINE = re.compile(r"^portolan-error:\s*(\{.*\})\s*$", re.MULTILINE)
PROGRESS_LINE = re.compile(r"^portolan-progress:\s*(\d+)\s*/\s*(\d+)\s*(.*)$", re.MULTILINE)
SOFTWARE_LINE = re.compile(r"^portolan-software:[ \t]*(\S[^\n]{0,80}?)[ \t]+(\S{1,40})[ \t]*$", re.MULTILINE)
FULL_DISK = ("No space left on device", "Disk quota exceeded", "File too large")
LAST_LINES = 12
VIEWERS = {
    ".mrc": "map",
    ".map": "map",
    ".mrcs": "image",
    ".tif": "image",
    ".tiff": "image",
    ".png": "image",
    ".jpg": "image",
    ".csv": "table",
    ".star": "table",
    ".tsv": "table",
    ".pdf": "pdf",
    ".html": "html",
}


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a job failed: a stable code, what happened, what to change, and the input to blame where one is."""

    code: str
    message: str
    hint: str = ""
    input: str = ""

    def as_dict(self) -> dict[str, str]:
        """As it is kept with the job."""
        return {"code": self.code, "message": self.message, "hint": self.hint, "input": self.input}


@dataclass(frozen=True, kw_only=True)
class Found:
    """One output file or folder, to be shown under ``title``; ``path`` is absolute, ``size`` in bytes."""

    output: str
    position: int
    title: str
    viewer: str
    format: str
    path: str
    size: int
    is_folder: bool


def failure_of(evidence: Mapping[str, Any], stderr: str, *, title: str, memory_mb: int) -> Failure | None:
    """The failure that the exit file and the end of stderr tell of; None when the command ended with an exit code 0.

    What the tool itself says in its last ``portolan-error:`` line counts most, except where the site ended the job.
    """
    by_site = _by_site(evidence, title, memory_mb)
    if by_site is not None:
        return by_site
    said = said_by_tool(stderr)
    if said is not None:
        return said
    if any(words in stderr for words in FULL_DISK) or evidence.get("signal") == signal.SIGXFSZ:
        return full_disk(title)
    number = evidence.get("signal")
    if number:
        return Failure(code="killed", message=f"{title} was killed by signal {number} ({_signal_name(number)}).",
                       hint=_signal_hint(number))  # fmt: skip
    last = "\n".join([line for line in stderr.splitlines() if line.strip()][-LAST_LINES:])
    words = f" It said last:\n{last}" if last else " It said nothing on stderr."
    return Failure(
        code="tool_failed",
        message=f"{title} ended with exit code {evidence.get('exit_code')}.{words}",
        hint="Look at the log for the first thing that went wrong, change the inputs and run it again.",
    )


def full_disk(title: str) -> Failure:
    """The failure of a command that found no room for what it writes."""
    return Failure(
        code="disk_full",
        message=f"{title} could not write any more: the disk, or the quota on it, is full.",
        hint="Delete what is not needed and empty the trash, or ask the operator for room; then run it again.",
    )


def _by_site(evidence: Mapping[str, Any], title: str, memory_mb: int) -> Failure | None:
    cause = evidence.get("cause")
    if cause == "out_of_memory":
        return Failure(
            code="out_of_memory",
            message=f"{title} needed more than its {memory_mb} MB of memory and was ended.",
            hint="Run it again with more memory, or with smaller inputs.",
        )
    if cause == "wall_time":
        return Failure(
            code="wall_time",
            message=f"{title} ran longer than it may and was ended.",
            hint="Run it again with more time, or with fewer or smaller inputs.",
        )
    if cause == "not_started":
        return Failure(
            code="not_started",
            message=f"The site could not start {title}: {evidence.get('message')}.",
            hint="Tell the operator; nothing is wrong with your inputs.",
        )
    if cause in ("node_failure", "preempted"):
        words = "the machine that it ran on failed" if cause == "node_failure" else "it had to make room for other jobs"
        return Failure(code=cause, message=f"{title} was ended by the site: {words}.",
                       hint="Nothing is wrong with your inputs. Run it again.")  # fmt: skip
    if cause == "cancelled":
        return Failure(code="stopped", message=f"{title} was stopped on the site, not from here.",
                       hint="Run it again, or ask the operator why.")  # fmt: skip
    return None


def said_by_tool(stderr: str) -> Failure | None:
    """The failure in the last ``portolan-error: {json}`` line; None when there is none that can be read."""
    for text in reversed(ERROR_LINE.findall(stderr)):
        try:
            said = json.loads(text)
        except ValueError:
            continue
        if isinstance(said, dict) and said.get("message"):
            fields = {name: str(said.get(name) or "")[:2000] for name in ("message", "hint", "input")}
            return Failure(code=str(said.get("code") or "tool_failed")[:60], **fields)
    return None


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def _signal_hint(number: int) -> str:
    if number == signal.SIGKILL:
        return "Something outside Portolan ended it, often a machine short of memory. Run it again with more memory."
    if number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGABRT, signal.SIGILL):
        return "The program broke down. Check the inputs (sizes, pixel size); if they are right, tell the operator."
    return "Run it again; if it happens again, tell the operator."


def progress_in(stdout: str) -> dict[str, Any] | None:
    """{done, total, text} of the last ``portolan-progress: 3/24 text`` line; None without one."""
    found = PROGRESS_LINE.findall(stdout)
    if not found:
        return None
    done, total, text = found[-1]
    return {"done": int(done), "total": int(total), "text": text.strip()[:200]}


def software_in(log: str) -> dict[str, str]:
    """Versions by name from the ``portolan-software: RELION 3.1.3`` lines of a log."""
    return {name.strip(): version for name, version in SOFTWARE_LINE.findall(log)}


def found_outputs(info: ToolInfo, outputs: Mapping[str, Any]) -> list[Found]:
    """The files of a CWL output object in the order in which the tool wants them shown, each with its viewer."""
    hints: dict[str, list[tuple[int, Any]]] = {}
    for position, hint in enumerate(info.results):
        hints.setdefault(hint.output, []).append((position, hint))
    found = []
    for number, (output, value) in enumerate(outputs.items()):
        shown = hints.get(output)
        for item in files_in(value):
            if shown is None:
                viewer = "folder" if item["class"] == "Directory" else viewer_of(item["path"])
                found.append(_found(item, output, len(info.results) + number, output.replace("_", " "), viewer))
            else:
                found += [_found(item, output, position, hint.title, hint.viewer) for position, hint in shown]
    return sorted(found, key=lambda one: one.position)


def viewer_of(path: str) -> str:
    """The viewer for a file that the tool says nothing about."""
    name = path.lower()
    if name.endswith((".vl.json", ".vega.json")):
        return "chart"
    return next((viewer for end, viewer in VIEWERS.items() if name.endswith(end)), "text")


def _found(item: dict[str, Any], output: str, position: int, title: str, viewer: str) -> Found:
    inside = sum(int(one.get("size") or 0) for one in all_files_in(item))
    return Found(
        output=output,
        position=position,
        title=title[:200],
        viewer=viewer,
        format=str(item.get("format") or "")[:200],
        path=item["path"],
        size=inside,
        is_folder=item["class"] == "Directory",
    )
