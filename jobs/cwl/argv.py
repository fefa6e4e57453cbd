"""From bindings and values to the argument vector (CWL v1.2, "Input binding")."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jobs.cwl.errors import ToolError
from jobs.cwl.expressions import evaluate, number_text
from jobs.cwl.inputs import choose
from jobs.cwl.model import ArrayType, Binding, CwlType, EnumType, Parameter, RecordType, Tool, UnionType

Key = tuple[int | str, ...]


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """Some arguments and their place in the order."""

    key: Key
    arguments: tuple[str, ...]

    @property
    def order(self) -> list[tuple[int, int, str]]:
        """Numbers sort before words."""
        return [(0, part, "") if isinstance(part, int) else (1, 0, part) for part in self.key]


def build_argv(tool: Tool, context: Mapping[str, Any]) -> list[str]:
    """The whole command line: a value is one element, a list several where the tool says so; nothing is ever split."""
    pieces = list(_from_arguments(tool, context))
    for parameter in tool.inputs:
        value = context["inputs"][parameter.name]
        pieces += _bind(parameter.binding, parameter.type, value, (), (parameter.name,), context)
    pieces.sort(key=lambda piece: piece.order)
    argv = [*tool.base_command, *(argument for piece in pieces for argument in piece.arguments)]
    if not argv:
        raise ToolError("The tool has no command: baseCommand and arguments are empty.")
    return argv


def _from_arguments(tool: Tool, context: Mapping[str, Any]) -> Iterator[_Piece]:
    for number, binding in enumerate(tool.arguments):
        value = evaluate(binding.value_from, {**context, "self": None})
        key = (_position(binding, None, context), number)
        yield _Piece(key=key, arguments=tuple(_render(binding, value, from_expression=True)))


def _bind(
    binding: Binding | None, kind: CwlType, value: Any, lead: Key, tail: Key, context: Mapping[str, Any]
) -> list[_Piece]:
    """The pieces of one value: its own, and those of its parts, whose keys begin with its own."""
    if value is None:
        return []
    kind = choose(kind, value)
    if binding is None:
        return _bind_parts(None, kind, value, lead, tail, context)
    key = (*lead, _position(binding, value, context), *tail)
    shown = value
    if binding.value_from is not None:
        shown = evaluate(binding.value_from, {**context, "self": value})
    arguments = _render(binding, shown, from_expression=binding.value_from is not None)
    own = _Piece(key=key, arguments=tuple(arguments))
    if binding.value_from is not None:
        return [own]
    parts = _bind_parts(binding, kind, value, (), tail, context)
    return [own, *(_Piece(key=key + part.key, arguments=part.arguments) for part in parts)]


def _bind_parts(
    outer: Binding | None, kind: CwlType, value: Any, lead: Key, tail: Key, context: Mapping[str, Any]
) -> list[_Piece]:
    pieces: list[_Piece] = []
    if isinstance(kind, ArrayType):
        joined = outer is not None and outer.item_separator is not None
        binding = kind.binding or (Binding() if outer is not None and not joined else None)
        for number, item in enumerate(value):
            pieces += _bind(binding, kind.items, item, (*lead, number), tail, context)
    elif isinstance(kind, RecordType):
        if kind.binding is not None:
            bare = RecordType(fields=kind.fields)
            return _bind(kind.binding, bare, value, lead, tail, context)
        for field in kind.fields:
            pieces += _bind_field(field, value.get(field.name), lead, context)
    elif isinstance(kind, EnumType) and kind.binding is not None:
        pieces += _bind(kind.binding, EnumType(symbols=kind.symbols), value, lead, tail, context)
    elif isinstance(kind, UnionType):
        raise ToolError("A union within a union has no option for its value.")
    return pieces


def _bind_field(field: Parameter, value: Any, lead: Key, context: Mapping[str, Any]) -> list[_Piece]:
    return _bind(field.binding, field.type, value, lead, (field.name,), context)


def _position(binding: Binding, value: Any, context: Mapping[str, Any]) -> int:
    position = evaluate(binding.position, {**context, "self": value})
    if position is None:
        return 0
    if isinstance(position, bool) or not isinstance(position, int):
        raise ToolError(f"A position on the command line is a whole number, not {position!r}.")
    return position


def _render(binding: Binding, value: Any, *, from_expression: bool) -> list[str]:
    prefix = [] if binding.prefix is None else [binding.prefix]
    if value is None or value is False:
        return []
    if value is True:
        return prefix
    if isinstance(value, list):
        if not value:
            return []
        if binding.item_separator is not None:
            return _with_prefix(binding, binding.item_separator.join(_text(item) for item in value))
        return prefix + ([_text(item) for item in value] if from_expression else [])
    if isinstance(value, dict) and value.get("class") not in ("File", "Directory"):
        return prefix
    return _with_prefix(binding, _text(value))


def _with_prefix(binding: Binding, text: str) -> list[str]:
    if binding.prefix is None:
        return [text]
    return [binding.prefix, text] if binding.separate else [binding.prefix + text]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number_text(value)
    if isinstance(value, dict) and "path" in value:
        return str(value["path"])
    if "\0" in str(value):
        raise ToolError("An argument can't hold a NUL character.")
    return str(value)
