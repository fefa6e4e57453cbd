"""The ``portolan:Form`` hint: what the form shows beyond the types, and what the results look like.

The hint's class is ``portolan:Form`` with ``$namespaces: {portolan: "https://portolan.science/cwl#"}``. Its fields are
those of ``FormHint``; ``schema`` is an overlay of JSON Schema 2020-12 keywords by input name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jobs.cwl.errors import ToolError
from jobs.cwl.model import CwlObject, Tool

NAMESPACE = "https://portolan.science/cwl#"
MEASURES = ("files", "gigabytes", "megavoxels", "value")
GROWING = ("cores", "memory_mb", "wall_seconds", "gpus")
_FIELDS = frozenset(
    ("class", "card", "schema", "groups", "sample", "methods", "queue", "expected_seconds", "results", "programs")
)


@dataclass(frozen=True, kw_only=True)
class FormGroup:
    """Fields shown together under a title."""

    title: str
    fields: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Growth:
    """What an input adds to a request: so much ``per`` measure of it, at most up to ``most`` together.

    ``by`` is ``files`` (how many), ``gigabytes``, ``megavoxels`` (of an MRC file) or ``value`` (a number; true is 1).
    ``what`` is ``cores``, ``memory_mb``, ``wall_seconds`` or ``gpus``.
    """

    input: str
    by: str
    what: str
    per: float
    most: int | None = None


@dataclass(frozen=True, kw_only=True)
class QueueHint:
    """What to ask of a queue where the user says nothing; None leaves it to the site.

    ``tasks`` names the input that has the number of MPI processes.
    """

    cores: int | None = None
    memory_mb: int | None = None
    gpu: bool = False
    wall_seconds: int | None = None
    tasks: str = ""
    grows: tuple[Growth, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ResultHint:
    """An output, the viewer it is shown in, and its title; ``colour_by`` names the output whose values colour it.

    A ``folded`` one is opened by who wants it. ``numbers`` are the fields of a small JSON object (name, title, unit)
    that stand above all results.
    """

    output: str
    viewer: str
    title: str
    colour_by: str = ""
    folded: bool = False
    numbers: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class FormHint:
    """The hint, checked against the tool; everything is empty for a tool without one."""

    schema: Mapping[str, CwlObject] = field(default_factory=dict)
    groups: tuple[FormGroup, ...] = ()
    sample: Mapping[str, Any] = field(default_factory=dict)
    methods: tuple[CwlObject, ...] = ()
    queue: QueueHint = field(default_factory=QueueHint)
    expected_seconds: float | None = None
    results: tuple[ResultHint, ...] = ()
    programs: tuple[str, ...] = ()


def form_hint(tool: Tool) -> FormHint:
    """The tool's form hint; every name in it is an input or output of the tool. ToolError where it is not."""
    hint = hint_of(tool, "Form")
    if hint is None:
        return FormHint()
    if unknown := sorted(set(hint) - _FIELDS):
        raise ToolError(f"portolan:Form of '{tool.name}' has unknown fields: {', '.join(unknown)}.")
    groups = tuple(FormGroup(title=one["title"], fields=tuple(one["fields"])) for one in hint.get("groups") or [])
    results = tuple(_result(one) for one in hint.get("results") or [])
    found = FormHint(
        schema=hint.get("schema") or {},
        groups=groups,
        sample=hint.get("sample") or {},
        methods=_methods(hint.get("methods")),
        queue=queue_hint(hint.get("queue") or {}),
        expected_seconds=hint.get("expected_seconds"),
        results=results,
        programs=tuple(hint.get("programs") or ()),
    )
    _check_names(tool, found)
    return found


def hint_of(tool: Tool, kind: str) -> CwlObject | None:
    """The tool's hint ``portolan:<kind>``, under whatever prefix it has; None without one."""
    for name, hint in tool.hints.items():
        prefix, _, rest = name.partition(":")
        if name == f"{NAMESPACE}{kind}" or (rest == kind and tool.namespaces.get(prefix) == NAMESPACE):
            return hint
    return None


def _result(item: CwlObject) -> ResultHint:
    title = item.get("title") or item["output"]
    numbers = tuple((one["field"], one["title"], one.get("unit", "")) for one in item.get("numbers") or [])
    return ResultHint(
        output=item["output"],
        viewer=item["viewer"],
        title=title,
        colour_by=item.get("colour_by", ""),
        folded=bool(item.get("folded", False)),
        numbers=numbers,
    )


def queue_hint(item: CwlObject) -> QueueHint:
    """What is said under ``queue``; ToolError for a measure that is none."""
    grows = []
    for one in item.get("grows") or []:
        for what in [name for name in GROWING if name in one]:
            if one.get("by") not in MEASURES:
                raise ToolError(f"portolan:Form: a queue grows by one of {', '.join(MEASURES)}.")
            grows.append(
                Growth(input=one["input"], by=one["by"], what=what, per=float(one[what]), most=one.get("most"))
            )
    return QueueHint(
        cores=item.get("cores"),
        memory_mb=item.get("memory_mb"),
        gpu=bool(item.get("gpu", False)),
        wall_seconds=item.get("wall_seconds"),
        tasks=str(item.get("tasks") or ""),
        grows=tuple(grows),
    )


def check_grown(tool: Tool, queue: QueueHint) -> None:
    """ToolError unless the queue grows with inputs of the tool."""
    inputs = {parameter.name for parameter in tool.inputs}
    if unknown := sorted({one.input for one in queue.grows} - inputs):
        raise ToolError(f"'{tool.name}' grows with what it does not have: {', '.join(unknown)}.")


def _methods(value: Any) -> tuple[CwlObject, ...]:
    if isinstance(value, dict):
        return tuple({"name": name, **(item or {})} for name, item in value.items())
    return tuple({"name": item} if isinstance(item, str) else item for item in value or [])


def _check_names(tool: Tool, hint: FormHint) -> None:
    inputs = {parameter.name for parameter in tool.inputs}
    outputs = {parameter.name for parameter in tool.outputs}
    queue = [one.input for one in hint.queue.grows] + [hint.queue.tasks] * bool(hint.queue.tasks)
    named = [*queue, *hint.schema, *hint.sample, *(name for group in hint.groups for name in group.fields)]
    unknown = sorted(set(named) - inputs) + sorted(
        {name for one in hint.results for name in (one.output, one.colour_by) if name} - outputs
    )
    if unknown:
        raise ToolError(f"portolan:Form of '{tool.name}' names what the tool does not have: {', '.join(unknown)}.")
