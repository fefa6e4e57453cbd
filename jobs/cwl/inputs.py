"""From a job order to the ``inputs`` object that expressions see: defaults, types, files, formats, listings."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jobs.cwl import files, formats
from jobs.cwl.errors import InvalidInputs
from jobs.cwl.expressions import evaluate
from jobs.cwl.model import (
    ArrayType,
    CwlObject,
    CwlType,
    EnumType,
    Parameter,
    RecordType,
    Tool,
    UnionType,
    all_files_in,
)

Visit = Callable[[Parameter, CwlObject, str], None]
_INT = (-(2**31), 2**31 - 1)
_LONG = (-(2**63), 2**63 - 1)


def prepare_inputs(tool: Tool, job_order: Mapping[str, Any], stage: files.Stage, *, must_exist: bool) -> CwlObject:
    """The inputs object: every input of the tool is in it (null where not given), files are staged in the plan.

    Raises InvalidInputs, with the input's name in ``field``, for the first value that does not fit.
    """
    inputs: CwlObject = {}
    for parameter in tool.inputs:
        value = job_order.get(parameter.name)
        if value is None:
            value = parameter.default
        inputs[parameter.name] = _normalised(parameter, parameter.type, value, parameter.name, must_exist)
    _visit_all(tool, inputs, lambda spec, item, where: _add_secondary_files(spec, item, where, inputs, must_exist))
    _visit_all(tool, inputs, lambda spec, item, where: _check_format(spec, item, where, inputs, tool))
    _visit_all(tool, inputs, lambda spec, item, where: stage.settle(item))
    _visit_all(tool, inputs, lambda spec, item, where: _load(spec, item, where, tool))
    for item in all_files_in(inputs):
        item.pop("literal", None)
    return inputs


def matches(kind: CwlType, value: Any) -> bool:
    """True where the value is of the type."""
    if isinstance(kind, UnionType):
        return any(matches(option, value) for option in kind.options)
    if isinstance(kind, ArrayType):
        return isinstance(value, list) and all(matches(kind.items, item) for item in value)
    if isinstance(kind, RecordType):
        return (
            isinstance(value, dict)
            and value.get("class") not in ("File", "Directory")
            and all(matches(field.type, _or_default(value.get(field.name), field)) for field in kind.fields)
        )
    if isinstance(kind, EnumType):
        return isinstance(value, str) and value in kind.symbols
    return _matches_primitive(kind.name, value)


def choose(kind: CwlType, value: Any) -> CwlType:
    """The option of a union the value is of; any other type is returned as it is."""
    if not isinstance(kind, UnionType):
        return kind
    fitting = next((option for option in kind.options if matches(option, value)), kind.options[0])
    return choose(fitting, value)


def describe(kind: CwlType) -> str:
    """The type in words for a message."""
    if isinstance(kind, UnionType):
        return " or ".join(describe(option) for option in kind.options)
    if isinstance(kind, ArrayType):
        return f"a list of ({describe(kind.items)})"
    if isinstance(kind, RecordType):
        return "a record with " + ", ".join(field.name for field in kind.fields)
    if isinstance(kind, EnumType):
        return "one of " + ", ".join(kind.symbols)
    return kind.name


def visit_files(spec: Parameter, kind: CwlType, value: Any, where: str, visit: Visit) -> None:
    """``visit`` was called for each File and Directory in the value with the parameter or field that rules it."""
    kind = choose(kind, value)
    if isinstance(kind, RecordType) and isinstance(value, dict):
        for field in kind.fields:
            visit_files(field, field.type, value.get(field.name), f"{where}.{field.name}", visit)
    elif isinstance(value, list):
        items = kind.items if isinstance(kind, ArrayType) else kind
        for number, item in enumerate(value):
            visit_files(spec, items, item, f"{where}[{number}]", visit)
    elif isinstance(value, dict) and value.get("class") in ("File", "Directory"):
        visit(spec, value, where)
    elif isinstance(value, dict):
        for key, part in value.items():
            visit_files(spec, kind, part, f"{where}.{key}", visit)


def _matches_primitive(name: str, value: Any) -> bool:
    number = isinstance(value, int) and not isinstance(value, bool)
    if name == "null":
        return value is None
    if name == "Any":
        return value is not None
    if name == "boolean":
        return isinstance(value, bool)
    if name in ("int", "long"):
        low, high = _INT if name == "int" else _LONG
        return number and low <= value <= high
    if name in ("float", "double"):
        return number or isinstance(value, float)
    if name == "string":
        return isinstance(value, str)
    return isinstance(value, dict) and value.get("class") == name


def _or_default(value: Any, field: Parameter) -> Any:
    return field.default if value is None else value


def _normalised(spec: Parameter, kind: CwlType, value: Any, where: str, must_exist: bool) -> Any:
    if not matches(kind, value):
        told = "a value is missing" if value is None else f"{_shown(value)} does not fit"
        raise InvalidInputs(f"{where}: {told}; it takes {describe(kind)}.", field=spec.name)
    kind = choose(kind, value)
    if isinstance(kind, RecordType):
        return {
            field.name: _normalised(
                field, field.type, _or_default(value.get(field.name), field), f"{where}.{field.name}", must_exist
            )
            for field in kind.fields
        }
    items = kind.items if isinstance(kind, ArrayType) else kind
    if isinstance(value, list):
        parts = enumerate(value)
        return [
            part if part is None else _normalised(spec, items, part, f"{where}[{number}]", must_exist)
            for number, part in parts
        ]
    if isinstance(value, dict) and value.get("class") in ("File", "Directory"):
        return files.normalise(value, where, must_exist=must_exist)
    if isinstance(value, dict):
        return {
            key: part if part is None else _normalised(spec, kind, part, f"{where}.{key}", must_exist)
            for key, part in value.items()
        }
    return value


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _visit_all(tool: Tool, inputs: CwlObject, visit: Visit) -> None:
    for parameter in tool.inputs:
        visit_files(parameter, parameter.type, inputs[parameter.name], parameter.name, visit)


def _add_secondary_files(spec: Parameter, item: CwlObject, where: str, inputs: CwlObject, must_exist: bool) -> None:
    if item["class"] != "File":
        return
    given = item.setdefault("secondaryFiles", []) if spec.secondary_files else []
    for companion in spec.secondary_files:
        context = {"inputs": inputs, "self": item}
        required = evaluate(companion.required, context)
        for wanted in secondary_names(companion.pattern, item, inputs):
            name = wanted if isinstance(wanted, str) else wanted.get("basename") or Path(wanted["path"]).name
            if any(known.get("basename") == name for known in given):
                continue
            found = _beside(item, wanted)
            if found is not None:
                given.append(files.normalise(found, where, must_exist=must_exist))
            elif required is not False and must_exist:
                raise InvalidInputs(f"{where}: {item.get('basename')} needs {name} beside it.", field=spec.name)


def secondary_names(pattern: str, primary: CwlObject, inputs: CwlObject, **more: Any) -> list[Any]:
    """What a secondary file pattern asks for: names beside the primary, or File objects; they may not be there."""
    if "$(" in pattern or "${" in pattern:
        value = evaluate(pattern, {"inputs": inputs, "self": primary, **more})
        values = value if isinstance(value, list) else [value]
        return [one for one in values if one is not None]
    name = primary["basename"]
    while pattern.startswith("^"):
        pattern = pattern[1:]
        name = name.rpartition(".")[0] or name
    return [name + pattern]


def _beside(primary: CwlObject, wanted: Any) -> CwlObject | None:
    if isinstance(wanted, dict):
        return dict(wanted)
    if "path" not in primary:
        return None
    path = Path(primary["path"]).parent / wanted
    if not path.exists():
        return None
    return {"class": "Directory" if path.is_dir() else "File", "path": str(path)}


def _check_format(spec: Parameter, item: CwlObject, where: str, inputs: CwlObject, tool: Tool) -> None:
    if "format" in item:
        item["format"] = formats.expand(item["format"], tool.namespaces)
    if item["class"] != "File" or not spec.formats or "format" not in item:
        return  # a file of unknown format is not a file of the wrong one
    wanted: list[str] = []
    for entry in spec.formats:
        value = evaluate(entry, {"inputs": inputs, "self": item})
        wanted += value if isinstance(value, list) else [value]
    if not formats.fits(item["format"], wanted, tool.schemas):
        raise InvalidInputs(
            f"{where}: the file's format is {item['format']}, it takes {' or '.join(wanted)}.", field=spec.name
        )


def _load(spec: Parameter, item: CwlObject, where: str, tool: Tool) -> None:
    if item["class"] == "File":
        if spec.load_contents:
            files.load_contents(item, where)
        return
    default = "deep_listing" if tool.cwl_version == "v1.0" else "no_listing"
    by_tool = (tool.requirement("LoadListingRequirement") or {}).get("loadListing")
    files.load_listing(item, spec.load_listing or by_tool or default)
