"""A CWL ``CommandLineTool`` as plain frozen data, whatever CWL version it was written in.

Strings that may hold parameter references are kept as written; ``expressions.evaluate`` gives their value.
CWL values (job orders, output objects) are JSON: ``str | int | float | bool | None | list | dict``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = Any
CwlObject = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Binding:
    """How a value becomes part of the command line (``CommandLineBinding``)."""

    position: int | str = 0
    prefix: str | None = None
    separate: bool = True
    item_separator: str | None = None
    value_from: str | None = None
    shell_quote: bool = True


@dataclass(frozen=True, kw_only=True)
class Primitive:
    """A type without parts: ``null boolean int long float double string File Directory Any``."""

    name: str


@dataclass(frozen=True, kw_only=True)
class EnumType:
    """One of the symbols."""

    symbols: tuple[str, ...]
    binding: Binding | None = None


@dataclass(frozen=True, kw_only=True)
class ArrayType:
    """A list of items."""

    items: "CwlType"
    binding: Binding | None = None


@dataclass(frozen=True, kw_only=True)
class RecordType:
    """Named fields."""

    fields: "tuple[Parameter, ...]"
    binding: Binding | None = None


@dataclass(frozen=True, kw_only=True)
class UnionType:
    """Any of the options; the first that fits a value is taken."""

    options: "tuple[CwlType, ...]"


CwlType = Primitive | EnumType | ArrayType | RecordType | UnionType


@dataclass(frozen=True, kw_only=True)
class SecondaryFile:
    """A companion of a primary file. ``required`` is None where the tool leaves it to the default."""

    pattern: str
    required: bool | str | None = None


@dataclass(frozen=True, kw_only=True)
class OutputBinding:
    """How an output is found in the output folder."""

    globs: tuple[str, ...] = ()
    load_contents: bool = False
    load_listing: str | None = None
    output_eval: str | None = None


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """An input, an output, or a field of a record. ``default`` is None where there is none."""

    name: str
    type: CwlType
    label: str = ""
    doc: str = ""
    default: Json = None
    formats: tuple[str, ...] = ()
    secondary_files: tuple[SecondaryFile, ...] = ()
    load_contents: bool = False
    load_listing: str | None = None
    binding: Binding | None = None
    output: OutputBinding | None = None


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A tool ready to be used; nothing in it needs JavaScript, a shell or the network."""

    path: Path
    name: str
    label: str
    doc: str
    cwl_version: str
    inputs: tuple[Parameter, ...]
    outputs: tuple[Parameter, ...]
    base_command: tuple[str, ...]
    arguments: tuple[Binding, ...]
    stdin: str | None
    stdout: str | None
    stderr: str | None
    success_codes: frozenset[int]
    requirements: Mapping[str, CwlObject]
    hints: Mapping[str, CwlObject]
    namespaces: Mapping[str, str]
    schemas: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """The folder the tool file lies in; its scripts are beside it."""
        return self.path.parent

    def requirement(self, name: str) -> CwlObject | None:
        """The requirement of that class, or the hint where there is no such requirement."""
        return self.requirements.get(name) or self.hints.get(name)


def files_in(value: Json) -> Iterator[CwlObject]:
    """Every File and Directory object in the value, not those inside their listings and secondary files."""
    if isinstance(value, dict):
        if value.get("class") in ("File", "Directory"):
            yield value
        else:
            for part in value.values():
                yield from files_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from files_in(part)


def all_files_in(value: Json) -> Iterator[CwlObject]:
    """Every File and Directory object in the value, listings and secondary files too."""
    for found in files_in(value):
        yield found
        yield from all_files_in(found.get("secondaryFiles") or [])
        yield from all_files_in(found.get("listing") or [])


def is_file_type(kind: CwlType) -> bool:
    """True for ``File``, ``File?`` and ``Directory``, that is for one file system object, not for lists of them."""
    if isinstance(kind, UnionType):
        return any(is_file_type(option) for option in kind.options)
    return isinstance(kind, Primitive) and kind.name in ("File", "Directory")


def without_null(kind: CwlType) -> tuple[CwlType, bool]:
    """The type without ``null`` in it, and whether ``null`` was in it."""
    if not isinstance(kind, UnionType):
        return kind, kind == Primitive(name="null")
    rest = tuple(option for option in kind.options if option != Primitive(name="null"))
    optional = len(rest) < len(kind.options)
    return (rest[0] if len(rest) == 1 else UnionType(options=rest)), optional
