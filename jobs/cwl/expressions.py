"""Parameter references of CWL v1.2 ("Parameter references", "String interpolation"); no JavaScript.

A template is text with ``$(inputs.name)`` in it. Text without ``$(`` or ``${`` is left as it is, backslashes too.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from jobs.cwl.errors import ToolError, UnsupportedFeature

_SEGMENT = r"""\.\w+|\['(?:[^'\\]|\\.)*'\]|\["(?:[^"\\]|\\.)*"\]|\[[0-9]+\]"""
_REFERENCE = re.compile(rf"\$\((\w+)((?:{_SEGMENT})*)\)")
_SEGMENTS = re.compile(_SEGMENT)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Reference:
    """``$(symbol.key["key"][0])``: a leading symbol and the keys that follow it."""

    symbol: str
    keys: tuple[str | int, ...]
    text: str


def needs_evaluation(text: str) -> bool:
    """True where the text may hold a parameter reference or an escaped one."""
    return "$(" in text or "${" in text


def check(text: str) -> None:
    """Every expression in the text is a parameter reference; UnsupportedFeature otherwise."""
    parse(text)


def evaluate(text: Any, context: Mapping[str, Any], *, strip: bool = True) -> Any:
    """The value of the template: the referenced value itself where the text is one reference, else a string.

    ``strip=False`` counts blanks around a lone reference as text (contents of files). Other values are their own.
    """
    if not isinstance(text, str) or not needs_evaluation(text):
        return text
    parts = parse(text)
    lone = [part for part in parts if not (strip and isinstance(part, str) and not part.strip())]
    if len(lone) == 1 and isinstance(lone[0], Reference):
        return resolve(lone[0], context)
    return "".join(part if isinstance(part, str) else as_text(resolve(part, context)) for part in parts)


def as_text(value: Any) -> str:
    """The string value of a CWL value: strings as they are, the rest as JSON with sorted keys."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return number_text(value)
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def number_text(value: int | float) -> str:
    """Decimal digits without an exponent, which few programs fail to read."""
    if isinstance(value, int):
        return str(value)
    return format(Decimal(repr(value)).normalize(), "f")


@lru_cache(maxsize=2048)
def parse(text: str) -> tuple[str | Reference, ...]:
    """The text cut into literal pieces and references, escapes undone (one pass, three characters ahead)."""
    if not needs_evaluation(text):
        return (text,) if text else ()
    parts: list[str | Reference] = []
    literal: list[str] = []
    at = 0
    while at < len(text):
        if text.startswith(("\\$(", "\\${"), at):
            literal.append(text[at + 1 : at + 3])
            at += 3
        elif text.startswith("\\\\", at):
            literal.append("\\")
            at += 2
        elif text.startswith(("$(", "${"), at):
            found = _REFERENCE.match(text, at)
            if not found:
                raise UnsupportedFeature(
                    f"JavaScript expressions are not supported: {text[at : at + 60]!r}",
                    hint="Use parameter references such as $(inputs.name), and do the rest in the tool's script.",
                )
            if literal:
                parts.append("".join(literal))
                literal = []
            parts.append(Reference(symbol=found[1], keys=_keys(found[2]), text=found[0]))
            at = found.end()
        else:
            literal.append(text[at])
            at += 1
    if literal:
        parts.append("".join(literal))
    return tuple(parts)


def _keys(text: str) -> tuple[str | int, ...]:
    keys: list[str | int] = []
    for segment in _SEGMENTS.findall(text):
        if segment.startswith("."):
            keys.append(segment[1:])
        elif segment[1] in "'\"":
            keys.append(_ESCAPE.sub(r"\1", segment[2:-2]))
        else:
            keys.append(int(segment[1:-1]))
    return tuple(keys)


def resolve(reference: Reference, context: Mapping[str, Any]) -> Any:
    """The value the reference points at; ToolError where there is none."""
    if reference.symbol == "null":
        if reference.keys:
            raise ToolError(f"{reference.text}: null has no parts.")
        return None
    if reference.symbol not in context:
        raise ToolError(f"{reference.text}: '{reference.symbol}' is not one of inputs, self, runtime.")
    value = context[reference.symbol]
    for depth, key in enumerate(reference.keys, start=1):
        is_last = depth == len(reference.keys)
        if isinstance(value, list) and key == "length" and is_last:
            return len(value)
        value = _step(value, key, reference)
    return value


def _step(value: Any, key: str | int, reference: Reference) -> Any:
    if isinstance(key, int):
        if not isinstance(value, list | str) or key >= len(value):
            raise ToolError(f"{reference.text}: there is no item {key}.")
        return value[key]
    if not isinstance(value, dict) or key not in value:
        raise ToolError(f"{reference.text}: there is no '{key}'.")
    return value[key]
