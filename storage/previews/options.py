"""What can be asked of a preview, and what comes back."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from common.errors import UserError

FORMS = ("image", "info", "volume", "table", "chart", "text")
KINDS = {
    "mrc": ("mrc", "mrcs", "map", "st", "rec", "ali", "ccp4"),
    "tiff": ("tif", "tiff", "eer"),
    "picture": ("png", "jpg", "jpeg", "gif", "webp"),
    "star": ("star",),
    "csv": ("csv", "tsv"),
    "json": ("json",),
}
_KIND = {ending: kind for kind, endings in KINDS.items() for ending in endings}


@dataclass(frozen=True, kw_only=True)
class PreviewOptions:
    """All optional. An empty ``form`` is the file type's usual one.

    Pictures: ``axis`` x, y or z; ``index`` of the slice or frame from 0 (the middle one when not given); ``size`` of
    the longer side in px (16 to 2048); ``low`` and ``high`` percentiles that become black and white, or the values
    themselves in ``black`` and ``white``. Volumes: ``size`` (at most 128). Tables: ``table`` by name, ``offset``,
    ``limit`` (at most 1000), ``sort`` column, ``descending``. Text: ``end`` head or tail, ``limit`` in bytes.
    """

    form: str = ""
    axis: str = "z"
    index: int | None = None
    size: int | None = None
    low: float = 0.5
    high: float = 99.5
    black: float | None = None
    white: float | None = None
    table: str = ""
    offset: int = 0
    limit: int | None = None
    sort: str = ""
    descending: bool = False
    end: str = "head"


@dataclass(frozen=True, kw_only=True)
class Preview:
    """Bytes to be sent as they are; ``etag`` changes with the file and the options."""

    content_type: str
    content: bytes
    etag: str = ""


def kind_of(name: str) -> str:
    """The kind of file by its ending; "text" for all others."""
    return _KIND.get(name.rpartition(".")[2].lower(), "text")


def as_json(body: object) -> Preview:
    """``body`` as a JSON preview."""
    return Preview(content_type="application/json", content=json.dumps(body, allow_nan=False).encode())


def read_options(given: Mapping[str, Any]) -> PreviewOptions:
    """The options from texts (a query string) or values; UserError ``bad_option`` names the one that is wrong."""
    types = {field.name: str(field.type) for field in fields(PreviewOptions)}
    read: dict[str, Any] = {}
    for name, value in given.items():
        if name not in types:
            raise _bad(name, f"There is no option “{name}”.")
        if value is None or (value == "" and "str" not in types[name]):
            continue
        try:
            read[name] = _converted(types[name], value)
        except (TypeError, ValueError) as error:
            raise _bad(name, f"“{value}” is not a value for {name}.") from error
    options = PreviewOptions(**read)
    _refuse_outside(options)
    return options


def _converted(kind: str, value: Any) -> Any:
    if "bool" in kind:
        return value if isinstance(value, bool) else str(value).lower() in ("1", "true", "yes", "on")
    if "int" in kind:
        return int(value)
    if "float" in kind:
        number = float(value)
        if number != number or abs(number) == float("inf"):
            raise ValueError(value)
        return number
    return str(value)


def _refuse_outside(options: PreviewOptions) -> None:
    if options.form and options.form not in FORMS:
        raise _bad("form", f"A form is one of {', '.join(FORMS)}.")
    if options.axis not in ("x", "y", "z"):
        raise _bad("axis", "An axis is x, y or z.")
    if options.end not in ("head", "tail"):
        raise _bad("end", "An end is head or tail.")
    if not 0 <= options.low < options.high <= 100:
        raise _bad("low", "The percentiles must be 0 ≤ low < high ≤ 100.")
    if options.offset < 0 or (options.limit is not None and options.limit < 1):
        raise _bad("offset", "An offset is at least 0, a limit at least 1.")
    if options.size is not None and not 16 <= options.size <= 2048:
        raise _bad("size", "A size is 16 to 2048 px.")


def _bad(name: str, message: str) -> UserError:
    return UserError(message, code="bad_option", field=name)
