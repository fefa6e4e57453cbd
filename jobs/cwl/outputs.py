"""From the output folder to the output object: globs, ``cwl.output.json``, secondary files, checksums.

Nothing outside the output folder is ever handed out, by ``..``, by an absolute path or through a link; the inputs are
the one exception, as a tool may pass them on.
"""

import glob
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobs.cwl import files, formats
from jobs.cwl.command import CommandLine, build_command
from jobs.cwl.errors import OutputError
from jobs.cwl.expressions import evaluate
from jobs.cwl.inputs import describe, matches, secondary_names, visit_files
from jobs.cwl.model import CwlObject, OutputBinding, Parameter, RecordType, Tool, all_files_in, files_in, without_null
from jobs.cwl.tool import located

OUTPUT_JSON = "cwl.output.json"
_KEPT = ("class", "path", "location", "basename", "size", "checksum", "format", "secondaryFiles", "listing", "contents")


def collect_outputs(
    tool: Tool,
    job_order: Mapping[str, Any],
    outdir: str | Path,
    exit_code: int,
    *,
    command: CommandLine | None = None,
    checksums: bool = True,
) -> CwlObject:
    """The CWL output object: every declared output, each of its type, each file whole and inside ``outdir``.

    ``command`` is what was run (made again from the job order where it is not given). ``checksums=False`` leaves out
    the SHA-1 sums, which read every byte. Raises OutputError with the output's name in ``field``.
    """
    if command is None:
        tmpdir = Path(outdir).parent / "tmp"
        command = build_command(tool, job_order, outdir=outdir, tmpdir=tmpdir, must_exist=False)
    return _Collector(tool, command, Path(outdir), exit_code, checksums).collect()


class _Collector:
    """One collection: the output folder, what expressions see, and where files may lie."""

    def __init__(self, tool: Tool, command: CommandLine, outdir: Path, exit_code: int, checksums: bool) -> None:
        self.tool = tool
        self.outdir = os.path.realpath(outdir)
        self.told_outdir = command.runtime.outdir
        self.inputs = command.inputs
        self.runtime = {**command.runtime.as_object(), "exitCode": exit_code}
        self.checksums = checksums
        self.input_roots = {os.path.realpath(item["path"]) for item in all_files_in(command.inputs) if "path" in item}
        self.input_roots |= {os.path.realpath(file.source) for file in command.work_files if file.source}

    def collect(self) -> CwlObject:
        written = self._written_object()
        outputs: CwlObject = {}
        for parameter in self.tool.outputs:
            value = written.get(parameter.name) if written is not None else self._value(parameter)
            if not matches(parameter.type, value):
                raise OutputError(self._misfit(parameter, value), field=parameter.name)
            outputs[parameter.name] = value
        for name, value in outputs.items():
            for item in files_in(value):
                self._finish(item, name)
        return outputs

    def _misfit(self, parameter: Parameter, value: Any) -> str:
        wanted = describe(parameter.type)
        if value is None or value == []:
            looked_for = f": no {', '.join(parameter.output.globs)}" if parameter.output else ""
            return f"The output '{parameter.name}' ({wanted}) is missing{looked_for}."
        return f"The output '{parameter.name}' is not {wanted}."

    def _written_object(self) -> CwlObject | None:
        path = self._inside(os.path.join(self.outdir, OUTPUT_JSON), OUTPUT_JSON)
        if not os.path.isfile(path):
            return None
        try:
            found = json.loads(Path(path).read_text(encoding="utf-8"))
        except ValueError as error:
            raise OutputError(f"{OUTPUT_JSON} is not JSON: {error}") from error
        if not isinstance(found, dict):
            raise OutputError(f"{OUTPUT_JSON} is not a JSON object.")
        value = located(found, Path(self.outdir))
        for item in all_files_in(value):
            if "path" in item:
                files.set_path(item, self._here(item["path"]))
        return dict(value)

    def _value(self, parameter: Parameter) -> Any:
        """The value of an output or of a field of a record output."""
        binding = parameter.output
        kind, _ = without_null(parameter.type)
        if binding is None:
            if isinstance(kind, RecordType):
                return {field.name: self._value(field) for field in kind.fields}
            return None
        value: Any = self._globbed(binding, parameter.name)
        if binding.output_eval is not None:
            value = evaluate(binding.output_eval, self._context(value))
        elif not binding.globs:
            value = None
        value = _single(parameter, value)
        visit_files(parameter, parameter.type, value, parameter.name, self._complete)
        return value

    def _globbed(self, binding: OutputBinding, where: str) -> list[CwlObject]:
        found: list[CwlObject] = []
        for template in binding.globs:
            value = evaluate(template, self._context(None))
            for pattern in value if isinstance(value, list) else [value]:
                if not isinstance(pattern, str):
                    raise OutputError(f"The glob of the output '{where}' is not text.", field=where)
                found += [self._object(path, binding, where) for path in self._paths(pattern, where)]
        return found

    def _paths(self, pattern: str, where: str) -> list[str]:
        """Absolute paths inside the output folder, sorted; a name with glob characters in it is found as itself."""
        relative = self._relative(pattern, where)
        names = sorted(glob.glob(relative, root_dir=self.outdir))
        if not names and os.path.lexists(os.path.join(self.outdir, relative)):
            names = [relative]
        paths = [self._inside(os.path.normpath(os.path.join(self.outdir, name)), where) for name in names]
        return [path for path in paths if files.is_file_or_folder(path)]

    def _relative(self, pattern: str, where: str) -> str:
        for root in (self.told_outdir, self.outdir):
            if pattern == root or pattern.startswith(f"{root}/"):
                pattern = pattern[len(root) :].lstrip("/") or "."
        if pattern.startswith("/") or ".." in pattern.split("/") or "\0" in pattern:
            raise OutputError(f"The output '{where}' looks outside the output folder: {pattern!r}.", field=where)
        return pattern or "."

    def _object(self, path: str, binding: OutputBinding, where: str) -> CwlObject:
        item: CwlObject = {"class": "Directory" if os.path.isdir(path) else "File"}
        files.set_path(item, path)
        if item["class"] == "Directory":
            by_tool = (self.tool.requirement("LoadListingRequirement") or {}).get("loadListing")
            files.load_listing(item, binding.load_listing or by_tool)
        else:
            item["size"] = os.stat(path).st_size
            if binding.load_contents:
                files.load_contents(item, where)
        return item

    def _context(self, this: Any) -> CwlObject:
        return {"inputs": self.inputs, "self": this, "runtime": self.runtime}

    def _complete(self, spec: Parameter, item: CwlObject, where: str) -> None:
        """The file has its secondary files and its format."""
        if item["class"] != "File":
            return
        for companion in spec.secondary_files:
            required = evaluate(companion.required, self._context(item))
            given = item.setdefault("secondaryFiles", [])
            for wanted in secondary_names(companion.pattern, item, self.inputs, runtime=self.runtime):
                name = wanted if isinstance(wanted, str) else wanted["path"]
                path = self._inside(os.path.join(os.path.dirname(item["path"]), name), where)
                if os.path.exists(path) and path not in [known["path"] for known in given]:
                    given.append(self._object(path, OutputBinding(), where))
                elif required is True and not os.path.exists(path):
                    raise OutputError(f"The output '{where}' needs {Path(name).name} beside it.", field=spec.name)
        for entry in spec.formats[:1]:
            value = evaluate(entry, self._context(item))
            if value is not None:
                item["format"] = formats.expand(value, self.tool.namespaces)

    def _here(self, path: str) -> str:
        """A path as the command saw it, as it is on this machine."""
        if path == self.told_outdir or path.startswith(f"{self.told_outdir}/"):
            return os.path.normpath(self.outdir + path[len(self.told_outdir) :])
        return os.path.normpath(path)

    def _inside(self, path: str, where: str) -> str:
        """The path itself, if what it leads to lies in the output folder or is an input; OutputError otherwise."""
        real = Path(os.path.realpath(path))
        if real.is_relative_to(self.outdir) or any(real.is_relative_to(root) for root in self.input_roots):
            return path
        raise OutputError(f"The output '{where}' leads outside the output folder.", field=where)

    def _finish(self, item: CwlObject, where: str) -> None:
        """The object is as it goes out: on disk, inside, with size and checksum, and without helping fields."""
        if "path" in item:
            path = self._inside(item["path"], where)
            there = os.path.isfile if item["class"] == "File" else os.path.isdir
            if not there(path):
                raise OutputError(f"The output '{where}' names {item['basename']}, which is not there.", field=where)
            if item["class"] == "File":
                item.pop("contents", None)
                item["size"] = os.stat(path).st_size
                if self.checksums:
                    item["checksum"] = sha1_of(path)
            else:
                item["listing"] = self._listing(path, where)
        for child in [*(item.get("secondaryFiles") or []), *(item.get("listing") or [])]:
            self._finish(child, where)
        for key in [key for key in item if key not in _KEPT]:
            del item[key]

    def _listing(self, path: str, where: str) -> list[CwlObject]:
        for name in os.listdir(path):
            self._inside(os.path.join(path, name), where)
        return files.list_folder(path, deep=False)


def sha1_of(path: str) -> str:
    """The checksum in CWL's spelling, ``sha1$`` and 40 hex digits."""
    with open(path, "rb") as stream:
        return f"sha1${hashlib.file_digest(stream, lambda: hashlib.sha1(usedforsecurity=False)).hexdigest()}"


def _single(parameter: Parameter, value: Any) -> Any:
    """A glob gives a list; a parameter that is no list takes its only item, or null where the list is empty."""
    if not isinstance(value, list) or matches(parameter.type, value):
        return value
    if len(value) == 1:
        return value[0]
    return value or None
