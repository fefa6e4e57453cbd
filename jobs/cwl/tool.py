"""Read a tool file with cwl-utils and turn it into our own frozen data."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from cwl_utils.errors import GraphTargetMissingException
from cwl_utils.parser import load_document_by_string
from ruamel.yaml.error import YAMLError
from schema_salad.exceptions import SchemaSaladException
from schema_salad.fetcher import DefaultFetcher
from schema_salad.runtime import LoadingOptions

from jobs.cwl import expressions
from jobs.cwl.errors import ToolError, UnsupportedFeature
from jobs.cwl.model import (
    ArrayType,
    Binding,
    CwlObject,
    CwlType,
    EnumType,
    OutputBinding,
    Parameter,
    Primitive,
    RecordType,
    SecondaryFile,
    Tool,
    UnionType,
)

SUPPORTED = frozenset(
    {
        "EnvVarRequirement",
        "InitialWorkDirRequirement",
        "InlineJavascriptRequirement",  # only as a declaration: each expression is checked on its own
        "LoadListingRequirement",
        "ResourceRequirement",
        "SchemaDefRequirement",
        "ToolTimeLimit",
        "WorkReuse",
    }
)
_SHORTCUTS = ("stdin", "stdout", "stderr")
_EXPRESSION_FREE = ("doc", "label", "class", "expressionLib", "types", "dockerFile", "packages")


def load_tool(path: str | Path, *, allow: Iterable[str] = ()) -> Tool:
    """The tool in the file (``FILE`` or ``FILE#id``) can be run here: its requirements and expressions were checked.

    ``allow`` names further requirement classes the caller can meet. Raises ToolError for what is not a valid
    CommandLineTool and UnsupportedFeature for one that needs more than is offered.
    """
    file, _, fragment = str(path).partition("#")
    source = Path(file).resolve()
    if not source.is_file():
        raise ToolError(f"There is no tool file {source.name}.")
    document = _parse(source, fragment)
    if getattr(document, "class_", None) != "CommandLineTool":
        raise UnsupportedFeature(f"{source.name} is not a CommandLineTool.")
    return _Reader(document, source).tool(frozenset(allow))


def with_requirements(tool: Tool, extra: Any) -> Tool:
    """The tool with the requirements of a job order (``cwl:requirements``) put over its own."""
    by_class = {item["class"]: item for item in _listed(plain(extra), "class")}
    _refuse_unsupported(by_class, frozenset())
    for text in _expressions(by_class):
        expressions.check(text)
    return replace(tool, requirements={**tool.requirements, **by_class})


def plain(value: Any) -> Any:
    """The value as plain JSON data, free of the parser's own classes."""
    if hasattr(value, "save"):
        value = value.save(top=False, base_url="", relative_uris=False)
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    for kind in (str, bool, int, float):
        if isinstance(value, kind):
            return value if type(value) is kind else kind(value)
    return value


def short_name(identifier: str) -> str:
    """The last part of an identifier: ``file:///x/tool.cwl#main/name`` gives ``name``."""
    return identifier.rpartition("#")[2].rpartition("/")[2]


class _FilesOnly(DefaultFetcher):
    """Reads what lies on disk. The parser would ask the network for every class it does not know."""

    def __init__(self) -> None:
        super().__init__({}, None)

    def check_exists(self, url: str) -> bool:
        """False for what lies on the network; names of CWL's own vocabulary stay the parent's business."""
        return not url.startswith(("http:", "https:")) and super().check_exists(url)


def _parse(source: Path, fragment: str) -> Any:
    address = source.as_uri()
    options = LoadingOptions(fileuri=address, baseuri=source.parent.as_uri(), fetcher=_FilesOnly())
    try:
        return load_document_by_string(source.read_text(encoding="utf-8"), address, options, fragment or None)
    except GraphTargetMissingException as error:
        raise ToolError(f"{source.name} has no process '{fragment or 'main'}'.") from error
    except (SchemaSaladException, YAMLError, ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise ToolError(f"{source.name} is not valid CWL: {str(error).strip()}") from error


class _Reader:
    """Turns one parsed document into a Tool; knows the named types of the document."""

    def __init__(self, document: Any, source: Path) -> None:
        self.document = document
        self.source = source
        self.named: dict[str, Any] = {}
        self.open: set[str] = set()
        for requirement in document.requirements or []:
            for schema in getattr(requirement, "types", None) or []:
                self.named[schema.name] = schema

    def tool(self, allow: frozenset[str]) -> Tool:
        document = self.document
        requirements = {item["class"]: item for item in plain(document.requirements or [])}
        hints = {item["class"]: item for item in plain(document.hints or []) if "class" in item}
        _refuse_absolute_entries(requirements)
        _refuse_unsupported(requirements, allow)
        hints = {name: hint for name, hint in hints.items() if _can_be_met(name, hint)}
        inputs = [self.parameter(item) for item in document.inputs]
        outputs = [self.parameter(item) for item in document.outputs]
        streams = {name: getattr(document, name) for name in _SHORTCUTS}
        tool = Tool(
            path=self.source,
            name=short_name(document.id or "") or self.source.stem,
            label=document.label or "",
            doc=_text(document.doc),
            cwl_version=document.cwlVersion or "v1.2",
            inputs=tuple(_without_stdin_shortcut(inputs, streams)),
            outputs=tuple(_without_output_shortcuts(outputs, streams)),
            base_command=tuple(_as_list(document.baseCommand)),
            arguments=tuple(_argument(item) for item in document.arguments or []),
            stdin=streams["stdin"],
            stdout=streams["stdout"],
            stderr=streams["stderr"],
            success_codes=frozenset(document.successCodes or [0]),
            requirements=requirements,
            hints=hints,
            namespaces=dict(document.loadingOptions.namespaces or {}),
            schemas=tuple(_schema_address(name, self.source) for name in document.loadingOptions.schemas or ()),
        )
        for text in (*_expressions(plain(document), top=True), *_expressions(requirements)):
            expressions.check(text)
        return tool

    def parameter(self, item: Any) -> Parameter:
        """An input, output or record field of the parser as a Parameter."""
        binding = getattr(item, "inputBinding", None)
        output = getattr(item, "outputBinding", None)
        load_contents = getattr(item, "loadContents", None) or getattr(binding, "loadContents", None)
        return Parameter(
            name=short_name(getattr(item, "id", None) or item.name),
            type=self.type(item.type_),
            label=item.label or "",
            doc=_text(item.doc),
            default=self._located(plain(getattr(item, "default", None))),
            formats=tuple(_as_list(getattr(item, "format", None))),
            secondary_files=_secondary_files(getattr(item, "secondaryFiles", None)),
            load_contents=bool(load_contents),
            load_listing=getattr(item, "loadListing", None),
            binding=_binding(binding),
            output=_output_binding(output),
        )

    def type(self, kind: Any) -> CwlType:
        """A type of the parser, names resolved."""
        if isinstance(kind, list):
            options = tuple(self.type(option) for option in kind)
            return options[0] if len(options) == 1 else UnionType(options=options)
        if isinstance(kind, str):
            return self._named_type(kind)
        binding = _binding(getattr(kind, "inputBinding", None))
        if kind.type_ == "array":
            return ArrayType(items=self.type(kind.items), binding=binding)
        if kind.type_ == "enum":
            return EnumType(symbols=tuple(short_name(symbol) for symbol in kind.symbols), binding=binding)
        return RecordType(fields=tuple(self.parameter(field) for field in kind.fields or []), binding=binding)

    def _named_type(self, name: str) -> CwlType:
        if name not in self.named:
            if "#" in name and name in self.document.loadingOptions.idx:
                self.named[name] = self.document.loadingOptions.idx[name][0]
            else:
                return Primitive(name=name)
        if name in self.open:
            raise ToolError(f"The type '{short_name(name)}' contains itself.")
        self.open.add(name)
        try:
            return self.type(self.named[name])
        finally:
            self.open.discard(name)

    def _located(self, default: Any) -> Any:
        """Files in a default are named relative to the tool file; here they get their full path."""
        return located(default, self.source.parent)


def located(value: Any, base: Path) -> Any:
    """The value with each File and Directory in it given an absolute ``path``; UnsupportedFeature for remote ones."""
    if isinstance(value, list):
        return [located(part, base) for part in value]
    if not isinstance(value, dict):
        return value
    found = {key: located(part, base) for key, part in value.items()}
    if found.get("class") not in ("File", "Directory"):
        return found
    location = found.pop("location", None)
    if str(found.get("path", "")).startswith("file://"):
        location = found.pop("path")  # the parser makes addresses of the paths in a tool's defaults
    if "path" not in found and location is not None and not str(location).startswith("_:"):
        parts = urlsplit(location)
        if parts.scheme and "://" in location and parts.scheme != "file":
            raise UnsupportedFeature(f"Files are taken from disk only, not from {parts.scheme}: addresses.")
        found["path"] = unquote(parts.path if parts.scheme == "file" else location)
    if found.get("path") is not None:
        found["path"] = str(base / found["path"])
    return found


def _schema_address(name: str, source: Path) -> str:
    return name if "://" in name else (source.parent / name).as_uri()


def _text(doc: str | list[str] | None) -> str:
    return "\n".join(_as_list(doc))


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _listed(value: Any, key: str) -> list[CwlObject]:
    """CWL's two ways to write a list of objects: as a list, or as a map from the key's value."""
    if isinstance(value, dict):
        return [{key: name, **(item or {})} for name, item in value.items()]
    return list(value or [])


def _binding(item: Any) -> Binding | None:
    if item is None:
        return None
    return Binding(
        position=item.position if item.position is not None else 0,
        prefix=item.prefix,
        separate=item.separate is not False,
        item_separator=item.itemSeparator,
        value_from=item.valueFrom,
        shell_quote=item.shellQuote is not False,
    )


def _argument(item: Any) -> Binding:
    return Binding(value_from=item) if isinstance(item, str) else (_binding(item) or Binding())


def _output_binding(item: Any) -> OutputBinding | None:
    if item is None:
        return None
    return OutputBinding(
        globs=tuple(_as_list(item.glob)),
        load_contents=bool(item.loadContents),
        load_listing=getattr(item, "loadListing", None),
        output_eval=item.outputEval,
    )


def _secondary_files(items: Any) -> tuple[SecondaryFile, ...]:
    found = []
    for item in _as_list(items):
        pattern, required = (item, None) if isinstance(item, str) else (item.pattern, item.required)
        if required is None and pattern.endswith("?") and not expressions.needs_evaluation(pattern):
            pattern, required = pattern[:-1], False
        found.append(SecondaryFile(pattern=pattern, required=required))
    return tuple(found)


def _without_stdin_shortcut(inputs: list[Parameter], streams: dict[str, Any]) -> Iterator[Parameter]:
    for parameter in inputs:
        if parameter.type == Primitive(name="stdin"):
            if streams["stdin"] is not None or parameter.binding is not None:
                raise ToolError(f"Input '{parameter.name}' of type stdin excludes 'stdin' and an input binding.")
            streams["stdin"] = f'$(inputs["{parameter.name}"].path)'
            parameter = replace(parameter, type=Primitive(name="File"))
        yield parameter


def _without_output_shortcuts(outputs: list[Parameter], streams: dict[str, Any]) -> Iterator[Parameter]:
    for parameter in outputs:
        for stream in ("stdout", "stderr"):
            if parameter.type == Primitive(name=stream):
                if parameter.output is not None:
                    raise ToolError(f"Output '{parameter.name}' of type {stream} excludes an output binding.")
                streams[stream] = streams[stream] or f"{parameter.name}.{stream}"
                binding = OutputBinding(globs=(streams[stream],))
                parameter = replace(parameter, type=Primitive(name="File"), output=binding)
        yield parameter


def _refuse_unsupported(requirements: Mapping[str, CwlObject], allow: frozenset[str]) -> None:
    for name, requirement in requirements.items():
        switched_off = (name == "NetworkAccess" and requirement.get("networkAccess") is False) or (
            name == "InplaceUpdateRequirement" and requirement.get("inplaceUpdate") is False
        )
        if name not in SUPPORTED and name not in allow and not switched_off:
            raise UnsupportedFeature(f"{name} is not supported as a requirement.")


def _can_be_met(name: str, hint: CwlObject) -> bool:
    """A hint that asks for too much is passed over; those that only tell something are kept for their readers."""
    if name not in SUPPORTED:
        return name == "SoftwareRequirement" or ":" in name or "#" in name
    try:
        for text in _expressions(hint):
            expressions.check(text)
    except UnsupportedFeature:
        return False
    return True


def _refuse_absolute_entries(requirements: Mapping[str, CwlObject]) -> None:
    """No file is put outside the output folder; an absolute place exists in a container only."""
    listing = requirements.get("InitialWorkDirRequirement", {}).get("listing")
    for entry in listing if isinstance(listing, list) else []:
        name = entry.get("entryname") if isinstance(entry, dict) else None
        if isinstance(name, str):
            escapes = name.startswith("/") and "DockerRequirement" not in requirements
            if escapes or ".." in name.split("/"):
                raise ToolError(f"The file {name!r} would be put outside the output folder.")


def _expressions(value: Any, *, top: bool = False) -> Iterator[str]:
    """The strings in a part of a tool that CWL evaluates; defaults and texts for people are not."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            yield from _expressions(part)
    elif isinstance(value, dict):
        left_out = {*_EXPRESSION_FREE, "default", "baseCommand", *(("hints", "requirements") if top else ())}
        for key, part in value.items():
            if key not in left_out and ":" not in key:
                yield from _expressions(part)
