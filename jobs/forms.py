"""A tool's form, made from the JSON Schema of its inputs and its form hint; and back from what was typed."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jobs.cwl.form import FormGroup

Schema = dict[str, Any]
KINDS = {"select": "choice", "checkbox": "yes", "list": "lines"}
WIDGETS = {"file", "files", "folder", "number", "choice", "yes", "lines", "text"}


@dataclass(frozen=True, kw_only=True)
class FormField:
    """One input as the page shows it; ``text`` is what stands in it."""

    name: str
    kind: str
    title: str
    help: str
    unit: str
    required: bool
    expert: bool
    text: str
    choices: list[tuple[str, str]]
    minimum: float | None
    maximum: float | None
    accept: str
    hint: str
    errors: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class FieldGroup:
    """Fields that belong together: those always seen, and those folded away."""

    title: str
    plain: list[FormField]
    expert: list[FormField]

    @property
    def open(self) -> bool:
        """True when a folded field has an error that must be seen."""
        return any(one.errors for one in self.expert)


def form_groups(
    schema: Schema, groups: Iterable[FormGroup], texts: Mapping[str, str], errors: Mapping[str, list[str]]
) -> list[FieldGroup]:
    """The groups of the form in the hint's order; inputs that no group names come last."""
    names = _in_order(schema)
    made = []
    for group in groups:
        members = [name for name in group.fields if name in names]
        names = [name for name in names if name not in members]
        made.append((group.title, members))
    made.append(("More" if made else "Inputs", names))
    return [_group(title, [_field(schema, name, texts, errors) for name in found]) for title, found in made if found]


def typed_inputs(schema: Schema, typed: Mapping[str, str]) -> dict[str, Any]:
    """The inputs as the REST API takes them, from the texts that were typed; what is left empty is left out."""
    inputs: dict[str, Any] = {}
    for name, rules in schema.get("properties", {}).items():
        kind, text = kind_of(rules), typed.get(f"inputs.{name}", "").strip()
        if kind == "yes":
            inputs[name] = text != ""
        elif text and kind == "choice":
            # A page sends words only: the choice has the type that it has in the schema.
            inputs[name] = next((one for one in rules["enum"] if one is not None and str(one) == text), text)
        elif text:
            inputs[name] = READERS.get(kind, str)(text)
    return inputs


def texts_of(inputs: Mapping[str, Any]) -> dict[str, str]:
    """What stands in each field for the given inputs; the other way round of ``typed_inputs``."""
    return {name: _text(given) for name, given in inputs.items()}


def kind_of(rules: Schema) -> str:
    """The kind of field that shows an input."""
    wanted = rules.get("x-widget", "text")
    if "enum" in rules:
        return "choice"
    if wanted == "number":
        return "integer" if "integer" in str(rules.get("type")) else "number"
    kind = KINDS.get(wanted, wanted)
    return kind if kind in WIDGETS else "text"


def files_value(text: str) -> Any:
    """``a/*.tif`` is a pattern, ``a/`` a folder, anything else a list of paths, one in each line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) == 1 and re.search(r"[*?\[]", lines[0]):
        return {"pattern": lines[0]}
    if len(lines) == 1 and lines[0].endswith("/"):
        return {"folder": lines[0].rstrip("/")}
    return [_file(line) for line in lines]


def _file(text: str) -> dict[str, str]:
    return {"class": "File", "path": text}


def _folder(text: str) -> dict[str, str]:
    return {"class": "Directory", "path": text.rstrip("/")}


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _whole(text: str) -> int | float | str:
    return int(text) if re.fullmatch(r"[+-]?\d{1,18}", text) else _number(text)


def _number(text: str) -> float | str:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return text


READERS: dict[str, Any] = {
    "file": _file, "files": files_value, "folder": _folder, "integer": _whole, "number": _number, "lines": _lines
}  # fmt: skip


def _text(given: Any) -> str:
    if isinstance(given, bool):
        return "yes" if given else ""
    if isinstance(given, dict):
        folder = f"{given['folder'].rstrip('/')}/" if "folder" in given else ""
        return str(given.get("path") or given.get("pattern") or folder)
    if isinstance(given, list):
        return "\n".join(_text(item) for item in given)
    return "" if given is None else str(given)


def _in_order(schema: Schema) -> list[str]:
    properties = schema.get("properties", {})
    return sorted(properties, key=lambda name: properties[name].get("x-order", 1000))


def _group(title: str, members: list[FormField]) -> FieldGroup:
    return FieldGroup(
        title=title,
        plain=[one for one in members if not one.expert],
        expert=[one for one in members if one.expert],
    )


def _field(schema: Schema, name: str, texts: Mapping[str, str], errors: Mapping[str, list[str]]) -> FormField:
    rules = schema["properties"][name]
    bounds = [rules.get("minimum", rules.get("exclusiveMinimum")), rules.get("maximum", rules.get("exclusiveMaximum"))]
    return FormField(
        name=name,
        kind=kind_of(rules),
        title=rules.get("title") or name.replace("_", " ").capitalize(),
        help=rules.get("description", ""),
        unit=rules.get("x-unit", ""),
        required=name in schema.get("required", []) and "default" not in rules,
        expert=bool(rules.get("x-expert")),
        text=texts.get(name, _text(rules.get("default"))),
        choices=_choices(rules),
        minimum=bounds[0],
        maximum=bounds[1],
        accept=",".join(rules.get("x-accept", [])),
        hint=_range(rules),
        errors=_errors_of(name, errors),
    )


def _choices(rules: Schema) -> list[tuple[str, str]]:
    labels = rules.get("x-labels", {})
    return [(str(one), labels.get(one, str(one))) for one in rules.get("enum", []) if one is not None]


def _errors_of(name: str, errors: Mapping[str, list[str]]) -> list[str]:
    mine = [words for at, words in errors.items() if re.match(rf"(inputs\.)?{re.escape(name)}(\.|\[|$)", at)]
    return [word for words in mine for word in words]


def _range(rules: Schema) -> str:
    unit = f" {rules['x-unit']}" if rules.get("x-unit") else ""
    low, high = rules.get("minimum"), rules.get("maximum")
    if low is not None and high is not None:
        return f"{low} to {high}{unit}"
    if "exclusiveMinimum" in rules:
        return f"above {rules['exclusiveMinimum']}{unit}" + (f", up to {high}{unit}" if high is not None else "")
    return f"{low}{unit} or more" if low is not None else f"up to {high}{unit}" if high is not None else ""
