"""From what a person gave to a job order: checked against the tool's schema, patterns resolved, files looked up."""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from common.errors import PortolanError, UserError
from jobs.cwl.model import ArrayType, CwlType, Primitive, RecordType, UnionType, without_null
from jobs.registry import ToolInfo
from storage.listing import resolve_pattern
from storage.models import Folder
from storage.paths import path_beneath
from storage.services.folders import folder_root

FILE, DIRECTORY = Primitive(name="File"), Primitive(name="Directory")
Errors = dict[str, list[str]]
WORDS = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "empty",
}
PHRASES = {
    "required": "This is needed.",
    "additionalProperties": "This tool has no such input.",
    "minimum": "Must be at least {limit}{unit}.",
    "exclusiveMinimum": "Must be more than {limit}{unit}.",
    "maximum": "Must be at most {limit}{unit}.",
    "exclusiveMaximum": "Must be less than {limit}{unit}.",
    "minItems": "Must not be empty.",
    "minLength": "Must not be empty.",
}


def job_order_of(info: ToolInfo, folder: Folder, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The job order for the inputs, each File with size and time; UserError ``invalid_inputs`` beside the fields."""
    given = {name: value for name, value in inputs.items() if value is not None}
    errors = schema_errors(info.schema, given)
    order: dict[str, Any] = {}
    looker = _Looker(folder_root(folder), folder)
    for name, value in {**_defaults(info), **given}.items():
        if name in errors or any(where.startswith(f"{name}.") for where in errors):
            continue
        kind = next((one.type for one in info.tool.inputs if one.name == name), None)
        accept = tuple(info.schema.get("properties", {}).get(name, {}).get("x-accept", []))
        if kind is not None:
            order[name] = looker.resolved(kind, value, name, accept)
    refuse({**errors, **looker.errors})
    return order


def refuse(errors: Errors) -> None:
    """Nothing happens without errors; UserError ``invalid_inputs`` names each of them, else."""
    if not errors:
        return
    first, words = next(iter(errors.items()))
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    raise UserError(
        f"{first}: {words[0]}{more}",
        code="invalid_inputs",
        hint="Change the inputs that are named.",
        errors={f"inputs.{where}" if where else "inputs": found for where, found in errors.items()},
    )


def schema_errors(schema: Mapping[str, Any], given: Mapping[str, Any]) -> Errors:
    """What is wrong with the inputs, in words, by the path of the input ("movies.0.path")."""
    found: Errors = {}
    for error in Draft202012Validator(dict(schema)).iter_errors(given):
        where, words = _where(error), _words(error)
        for one in where or [""]:
            found.setdefault(one, []).append(words)
    for name, value in given.items():
        if isinstance(value, float) and not math.isfinite(value):
            found.setdefault(name, []).append("Must be a number that is not infinite.")
    return found


def count_matches(folder: Folder, value: Any) -> int:
    """How many files ``value`` (a pattern, a folder, a file, or a list of them) names now; UserError for a bad path."""
    if isinstance(value, list):
        return sum(count_matches(folder, one) for one in value)
    path = value if isinstance(value, str) else value.get("pattern") or value.get("folder") or value.get("path") or ""
    return len(resolve_pattern(folder, str(path)))


def digest_text(body: Mapping[str, Any]) -> str:
    """The same text for the same request, whatever the order of its keys."""
    return json.dumps(body, sort_keys=True, ensure_ascii=False, default=str)


class _Looker:
    """Looks up the files that inputs name; what is wrong is kept in ``errors``."""

    def __init__(self, root: Path, folder: Folder) -> None:
        self.root = root
        self.folder = folder
        self.errors: Errors = {}

    def resolved(self, kind: CwlType, value: Any, where: str, accept: tuple[str, ...]) -> Any:
        """The value with every file in it looked up."""
        kind, _ = without_null(kind)
        if isinstance(kind, UnionType):
            kind = self._fitting(kind, value)
        if isinstance(kind, ArrayType):
            return self._listed(kind, value, where, accept)
        if isinstance(kind, RecordType) and isinstance(value, Mapping):
            types = {field.name: field.type for field in kind.fields}
            return {
                name: self.resolved(types[name], one, f"{where}.{name}", accept) if name in types else one
                for name, one in value.items()
            }
        if kind in (FILE, DIRECTORY):
            return self._looked_up(value, where, folder=kind == DIRECTORY)
        return value

    @staticmethod
    def _fitting(kind: UnionType, value: Any) -> CwlType:
        for option in kind.options:
            if isinstance(option, ArrayType) == isinstance(value, list):
                return option
        return kind.options[0]

    def _listed(self, kind: ArrayType, value: Any, where: str, accept: tuple[str, ...]) -> Any:
        if isinstance(value, Mapping) and ("pattern" in value or "folder" in value):
            return self._matched(value, where, accept)
        if not isinstance(value, list):
            value = [value]
        return [self.resolved(kind.items, one, f"{where}.{number}", accept) for number, one in enumerate(value)]

    def _matched(self, value: Mapping[str, Any], where: str, accept: tuple[str, ...]) -> list[Any]:
        text = str(value.get("pattern") or value.get("folder") or "")
        try:
            paths = resolve_pattern(self.folder, text)
        except PortolanError as error:
            return self._wrong(where, error.message)
        if "folder" in value and accept:
            paths = [path for path in paths if path.lower().endswith(accept)]
        if not paths:
            known = f" that ends with {', '.join(accept)}" if accept and "folder" in value else ""
            return self._wrong(where, f"“{text}” matches no file{known} in this project.")
        found = [self._looked_up(path, where, folder=False) for path in paths]
        return [one for one in found if one]

    def _looked_up(self, value: Any, where: str, *, folder: bool) -> Any:
        text = str(value.get("path", "")) if isinstance(value, Mapping) else str(value)
        kept = {name: one for name, one in value.items() if name == "format"} if isinstance(value, Mapping) else {}
        try:
            status = os.stat(path_beneath(self.root, text))
        except PortolanError as error:
            missing = f"There is no {'folder' if folder else 'file'} “{text}” in this project."
            return self._wrong(where, missing if error.code == "file_not_found" else error.message)
        except OSError:
            return self._wrong(where, f"“{text}” can't be looked at.")
        fits = stat.S_ISDIR if folder else stat.S_ISREG
        if not fits(status.st_mode):
            return self._wrong(where, f"“{text}” is not a {'folder' if folder else 'file'}.")
        path = str(PurePosixPath(text))
        if folder:
            return {"class": "Directory", "path": path}
        return {"class": "File", "path": path, "size": status.st_size, "modified": status.st_mtime_ns, **kept}

    def _wrong(self, where: str, words: str) -> list[Any]:
        self.errors.setdefault(where, []).append(words)
        return []


def _defaults(info: ToolInfo) -> dict[str, Any]:
    properties = info.schema.get("properties", {})
    return {name: one["default"] for name, one in properties.items() if one.get("default") is not None}


def _where(error: ValidationError) -> list[str]:
    at = ".".join(str(part) for part in error.absolute_path)
    if error.validator == "required" and isinstance(error.validator_value, list):
        instance: Any = error.instance
        missing = [name for name in error.validator_value if name not in instance]
        names = [name for name in missing if error.message.startswith(repr(name))] or missing
        return [f"{at}.{name}" if at else name for name in names]
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
        return [f"{at}.{name}" if at else name for name in error.instance if name not in known]
    return [at] if at else []


def _words(error: ValidationError) -> str:
    limit: Any = error.validator_value
    unit = ""
    if isinstance(error.schema, dict) and error.schema.get("x-unit"):
        unit = f" {error.schema['x-unit']}"
    template = PHRASES.get(str(error.validator))
    if template is not None:
        return template.format(limit=limit, unit=unit)
    if error.validator == "enum":
        return f"Must be one of: {', '.join(str(one) for one in limit if one is not None)}."
    if error.validator == "type":
        kinds = [limit] if isinstance(limit, str) else limit
        return f"Must be {' or '.join(WORDS.get(kind, kind) for kind in kinds if kind != 'null')}."
    if error.validator in ("anyOf", "oneOf"):
        return _shape_words(error)
    return f"{error.message[:200]}."


def _shape_words(error: ValidationError) -> str:
    text = str(error.validator_value)
    if "pattern" in text and "'array'" in text:
        return "Must be a list of files, a pattern such as “movies/*.tif”, or a folder."
    if "Directory" in text:
        return "Must be a folder in this project."
    if "File" in text:
        return "Must be a file in this project."
    return "Is of another kind than the tool takes."
