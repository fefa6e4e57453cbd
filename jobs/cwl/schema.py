"""JSON Schema 2020-12 of a tool's inputs, for the REST API and the form.

A file is ``{"class": "File", "path": "raw/half1.mrc"}`` with a path inside the project folder, or the path alone; a
list of files may also be ``{"pattern": "movies/*.tiff"}`` or ``{"folder": "movies"}``.
"""

import copy
from typing import Any

from jobs.cwl.form import form_hint
from jobs.cwl.model import (
    ArrayType,
    CwlObject,
    CwlType,
    EnumType,
    Parameter,
    Primitive,
    RecordType,
    Tool,
    UnionType,
    files_in,
    without_null,
)

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_PATH: CwlObject = {"type": "string", "minLength": 1, "maxLength": 4096, "pattern": "^[^/]"}
_PRIMITIVES: dict[str, CwlObject] = {
    "null": {"type": "null"},
    "boolean": {"type": "boolean"},
    "int": {"type": "integer"},
    "long": {"type": "integer"},
    "float": {"type": "number"},
    "double": {"type": "number"},
    "string": {"type": "string"},
    "Any": {},
}
_WIDGETS = {"boolean": "checkbox", "int": "number", "long": "number", "float": "number", "double": "number"}


def input_schema(tool: Tool) -> CwlObject:
    """A JSON Schema 2020-12 that accepts what may be submitted; the tool's own scripts are not in it."""
    overlay = form_hint(tool).schema
    shown = [parameter for parameter in tool.inputs if not is_own_file(parameter, tool)]
    schema: CwlObject = {
        "$schema": DIALECT,
        "title": tool.label or tool.name,
        "type": "object",
        "properties": {one.name: _merged(_parameter(one), overlay.get(one.name) or {}) for one in shown},
        "required": [one.name for one in shown if _is_required(one)],
        "additionalProperties": False,
    }
    if tool.doc:
        schema["description"] = tool.doc
    return schema


def is_own_file(parameter: Parameter, tool: Tool) -> bool:
    """True for an input whose default is a file in the folder of tools: a script that travels with it, never shown."""
    folder = str(tool.folder.parent)
    return any(str(item.get("path", "")).startswith(f"{folder}/") for item in files_in(parameter.default))


def _is_required(parameter: Parameter) -> bool:
    return parameter.default is None and not without_null(parameter.type)[1]


def _parameter(parameter: Parameter) -> CwlObject:
    kind, optional = without_null(parameter.type)
    schema = {"title": parameter.label or parameter.name.replace("_", " ").capitalize(), **_type(kind)}
    if parameter.doc:
        schema["description"] = parameter.doc
    if parameter.default is not None:
        schema["default"] = copy.deepcopy(parameter.default)
    schema["x-widget"] = _widget(kind)
    return _or_null(schema) if optional else schema


def _or_null(schema: CwlObject) -> CwlObject:
    if "enum" in schema:
        schema["enum"] = [*schema["enum"], None]
    if isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
    elif "anyOf" in schema:
        schema["anyOf"] = [*schema["anyOf"], {"type": "null"}]
    return schema


def _type(kind: CwlType) -> CwlObject:
    if isinstance(kind, UnionType):
        return {"anyOf": [_type(option) for option in kind.options]}
    if isinstance(kind, EnumType):
        return {"type": "string", "enum": list(kind.symbols)}
    if isinstance(kind, RecordType):
        return {
            "type": "object",
            "properties": {field.name: _parameter(field) for field in kind.fields},
            "required": [field.name for field in kind.fields if _is_required(field)],
            "additionalProperties": False,
        }
    if isinstance(kind, ArrayType):
        return _array(kind)
    if kind.name in ("File", "Directory"):
        return {"anyOf": [copy.deepcopy(_PATH), _object_with("path", kind.name)]}
    return dict(_PRIMITIVES[kind.name])


def _array(kind: ArrayType) -> CwlObject:
    items: CwlObject = {"type": "array", "items": _type(kind.items)}
    if kind.items != Primitive(name="File"):
        return items
    return {"anyOf": [{**items, "minItems": 1}, _object_with("pattern"), _object_with("folder")]}


def _object_with(name: str, class_name: str | None = None) -> CwlObject:
    fixed: CwlObject = {"class": {"const": class_name}} if class_name else {}
    return {
        "type": "object",
        "properties": {**fixed, name: copy.deepcopy(_PATH)},
        "required": [*fixed, name],
        "additionalProperties": False,
    }


def _widget(kind: CwlType) -> str:
    if isinstance(kind, EnumType):
        return "select"
    if isinstance(kind, ArrayType):
        return "files" if kind.items == Primitive(name="File") else "list"
    if isinstance(kind, Primitive):
        names = {"File": "file", "Directory": "folder", **_WIDGETS}
        return names.get(kind.name, "text")
    return "json"


def _merged(base: Any, overlay: Any) -> Any:
    """Objects are merged key by key, everything else is replaced; a null in the overlay takes a key away."""
    if not isinstance(base, dict) or not isinstance(overlay, dict):
        return copy.deepcopy(overlay)
    merged = dict(base)
    for key, value in overlay.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged[key], value) if key in merged else copy.deepcopy(value)
    return merged
