"""The ``portolan:Scatter`` hint: how a job over many files is split into the elements of an array, and made one again.

``over`` names an input that is a list of files. An element gets at least ``least`` of them, there are at most ``most``
elements, and ``at_once`` of them run together at most (left out: as many as there is room for). ``queue`` is what one
element asks for, as in ``portolan:Form``. ``merge`` names a CommandLineTool in the tool's folder: it gets ``parts``,
the elements' output folders in the order of the files, and any of the tool's own inputs by name, and writes into its
own folder all that the tool would have written had it run once; the tool's outputs are looked for there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.cwl.errors import ToolError
from jobs.cwl.form import QueueHint, check_grown, hint_of, queue_hint
from jobs.cwl.model import ArrayType, CwlObject, CwlType, Primitive, Tool
from jobs.cwl.tool import load_tool

# A common limit of schedulers (Slurm's MaxArraySize is 1001).
MOST_ELEMENTS = 1000
PARTS = "parts"
_FIELDS = frozenset(("class", "over", "least", "most", "at_once", "queue", "merge"))


@dataclass(frozen=True, kw_only=True)
class Scatter:
    """The rule, checked against the tool; ``queue`` is None where an element asks for what a whole job does."""

    over: str
    least: int
    most: int
    at_once: int
    queue: QueueHint | None
    merge: Tool


def scatter_rule(tool: Tool) -> Scatter | None:
    """The tool's rule; None for a tool without one, ToolError for one that does not fit the tool."""
    hint = hint_of(tool, "Scatter")
    if hint is None:
        return None
    if unknown := sorted(set(hint) - _FIELDS):
        raise _wrong(tool, f"unknown fields: {', '.join(unknown)}.")
    over = next((one for one in tool.inputs if one.name == hint.get("over")), None)
    if over is None or not _is_list_of(over.type, "File"):
        raise _wrong(tool, "'over' is not an input that is a list of files.")
    queue = queue_hint(hint["queue"]) if hint.get("queue") else None
    if queue is not None:
        check_grown(tool, queue)
    return Scatter(
        over=over.name,
        least=_number(tool, hint, "least", 1, 10**6),
        most=_number(tool, hint, "most", 2, MOST_ELEMENTS),
        at_once=_number(tool, hint, "at_once", 0, MOST_ELEMENTS, default=0),
        queue=queue,
        merge=_merge_tool(tool, hint),
    )


def elements_of(rule: Scatter, order: Mapping[str, Any]) -> int:
    """Into how many elements a job with these inputs is split; 0 when it is not.

    Results of all elements end side by side in one folder, so files that share a name are not split.
    """
    items = order.get(rule.over)
    if not isinstance(items, list):
        return 0
    count = min(rule.most, len(items) // rule.least)
    names = {re.sub(r"\W", "_", Path(str(item.get("path"))).stem) for item in items if isinstance(item, Mapping)}
    return count if count > 1 and len(names) == len(items) else 0


def chunk(items: Sequence[Any], elements: int, index: int) -> list[Any]:
    """The items of one element: runs that follow each other, of equal length or one less, the longer ones first."""
    length, longer = divmod(len(items), elements)
    begin = index * length + min(index, longer)
    return list(items[begin : begin + length + (index < longer)])


def _merge_tool(tool: Tool, hint: CwlObject) -> Tool:
    name = hint.get("merge")
    if not isinstance(name, str) or "/" in name or not (tool.folder / name).is_file():
        raise _wrong(tool, "'merge' is not a tool file beside it.")
    merge = load_tool(tool.folder / name)
    known = {one.name for one in tool.inputs}
    for one in merge.inputs:
        if one.name == PARTS and _is_list_of(one.type, "Directory"):
            continue
        if one.name == PARTS or (one.name not in known and one.default is None):
            raise _wrong(tool, f"merge: '{one.name}' is neither 'parts' (Directory[]) nor an input of the tool.")
    if PARTS not in {one.name for one in merge.inputs}:
        raise _wrong(tool, f"merge: {name} has no input 'parts'.")
    return merge


def _is_list_of(kind: CwlType, name: str) -> bool:
    return isinstance(kind, ArrayType) and isinstance(kind.items, Primitive) and kind.items.name == name


def _number(tool: Tool, hint: CwlObject, name: str, least: int, most: int, *, default: int | None = None) -> int:
    value = hint.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise _wrong(tool, f"'{name}' is not a number from {least} to {most}.")
    return value


def _wrong(tool: Tool, words: str) -> ToolError:
    return ToolError(f"portolan:Scatter of '{tool.name}': {words}")
