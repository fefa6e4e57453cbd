"""Everything needed to run a tool once: argv, streams, environment, files to put in place, resources."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs.cwl import files
from jobs.cwl.argv import build_argv
from jobs.cwl.errors import ToolError
from jobs.cwl.expressions import as_text, evaluate
from jobs.cwl.inputs import prepare_inputs
from jobs.cwl.model import CwlObject, Tool
from jobs.cwl.workdir import plan_work_dir

_DEFAULTS = {"cores": 1, "ram": 256, "tmpdir": 1024, "outdir": 1024}  # CWL v1.2, ResourceRequirement


@dataclass(frozen=True, kw_only=True)
class Resources:
    """The least a tool needs: whole cores, and MiB of memory, temporary and output space."""

    cores: int
    ram_mb: int
    tmpdir_mb: int
    outdir_mb: int


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """What a command is told of its surroundings; sizes in MiB."""

    outdir: str
    tmpdir: str
    cores: int
    ram: int
    tmpdir_size: int
    outdir_size: int

    def as_object(self) -> CwlObject:
        """The ``runtime`` object of expressions."""
        return {
            "outdir": self.outdir,
            "tmpdir": self.tmpdir,
            "cores": self.cores,
            "ram": self.ram,
            "tmpdirSize": self.tmpdir_size,
            "outdirSize": self.outdir_size,
        }


@dataclass(frozen=True, kw_only=True)
class CommandLine:
    """One use of a tool. ``stdout`` and ``stderr`` are names in the output folder, ``stdin`` an absolute path.

    ``inputs`` is the inputs object as expressions saw it; ``time_limit`` is in seconds, None without one.
    """

    argv: list[str]
    stdin: str | None
    stdout: str | None
    stderr: str | None
    environment: Mapping[str, str]
    work_files: tuple[files.WorkFile, ...]
    resources: Resources
    runtime: Runtime
    success_codes: frozenset[int]
    time_limit: int | None
    inputs: CwlObject = field(repr=False)


def build_command(
    tool: Tool,
    job_order: Mapping[str, Any],
    *,
    outdir: str | Path,
    tmpdir: str | Path,
    cores: int | None = None,
    ram_mb: int | None = None,
    must_exist: bool = True,
) -> CommandLine:
    """The command that runs the tool with these inputs; nothing on disk was changed.

    File objects of the job order have absolute paths. ``cores`` and ``ram_mb`` are what the command may use; None
    means what the tool asks for. ``must_exist=False`` lets input files be missing (they may be gone after a run).
    Raises InvalidInputs for values that do not fit, ToolError for a tool that contradicts itself.
    """
    stage = files.Stage(root=f"{tmpdir}/inputs")
    inputs = prepare_inputs(tool, job_order, stage, must_exist=must_exist)
    resources = _resources(tool, inputs)
    runtime = _runtime(tool, resources, str(outdir), str(tmpdir), cores, ram_mb)
    context: CwlObject = {"inputs": inputs, "self": None, "runtime": runtime.as_object()}
    plan_work_dir(tool, context, stage)
    return CommandLine(
        argv=build_argv(tool, context),
        stdin=_stdin(tool, context),
        stdout=_stream_name(tool.stdout, "stdout", context),
        stderr=_stream_name(tool.stderr, "stderr", context),
        environment=_environment(tool, context),
        work_files=tuple(stage.files),
        resources=resources,
        runtime=runtime,
        success_codes=tool.success_codes,
        time_limit=_time_limit(tool, context),
        inputs=inputs,
    )


def _resources(tool: Tool, inputs: CwlObject) -> Resources:
    asked = tool.requirement("ResourceRequirement") or {}
    found = {}
    for name, default in _DEFAULTS.items():
        context = {"inputs": inputs, "self": None, "runtime": {}}
        low, high = (evaluate(asked.get(name + end), context) for end in ("Min", "Max"))
        least = low if low is not None else high if high is not None else default
        if isinstance(least, bool) or not isinstance(least, int | float) or least < 0:
            raise ToolError(f"ResourceRequirement: {name} is {least!r}, not a number from 0 up.")
        if high is not None and high < least:
            raise ToolError(f"ResourceRequirement: {name}Max is smaller than {name}Min.")
        found[name] = math.ceil(least)
    return Resources(cores=found["cores"], ram_mb=found["ram"], tmpdir_mb=found["tmpdir"], outdir_mb=found["outdir"])


def _runtime(
    tool: Tool, resources: Resources, outdir: str, tmpdir: str, cores: int | None, ram_mb: int | None
) -> Runtime:
    if "ResourceRequirement" in tool.requirements:
        if cores is not None and cores < resources.cores:
            raise ToolError(f"The tool needs {resources.cores} cores, not {cores}.")
        if ram_mb is not None and ram_mb < resources.ram_mb:
            raise ToolError(f"The tool needs {resources.ram_mb} MiB of memory, not {ram_mb}.")
    return Runtime(
        outdir=outdir,
        tmpdir=tmpdir,
        cores=resources.cores if cores is None else cores,
        ram=resources.ram_mb if ram_mb is None else ram_mb,
        tmpdir_size=resources.tmpdir_mb,
        outdir_size=resources.outdir_mb,
    )


def _stdin(tool: Tool, context: CwlObject) -> str | None:
    path = evaluate(tool.stdin, context)
    if path is None:
        return None
    if not isinstance(path, str):
        raise ToolError("'stdin' is not the path of a file.")
    return os.path.join(context["runtime"]["outdir"], path)


def _stream_name(template: str | None, stream: str, context: CwlObject) -> str | None:
    name = evaluate(template, context)
    if name is None:
        return None
    if not isinstance(name, str) or not name or name.startswith("/") or ".." in name.split("/") or "\0" in name:
        raise ToolError(f"'{stream}' is not a file name in the output folder: {name!r}.")
    return name


def _environment(tool: Tool, context: CwlObject) -> dict[str, str]:
    runtime = context["runtime"]
    environment = {"HOME": runtime["outdir"], "TMPDIR": runtime["tmpdir"]}
    defined = (tool.requirement("EnvVarRequirement") or {}).get("envDef") or []
    if isinstance(defined, dict):
        defined = [
            {"envName": name, **value} if isinstance(value, dict) else {"envName": name, "envValue": value}
            for name, value in defined.items()
        ]
    for entry in defined:
        name, value = entry["envName"], as_text(evaluate(entry["envValue"], context))
        if not name or "=" in name or "\0" in name + value:
            raise ToolError(f"{name!r} can't be an environment variable.")
        environment[name] = value
    return environment


def _time_limit(tool: Tool, context: CwlObject) -> int | None:
    limit = evaluate((tool.requirement("ToolTimeLimit") or {}).get("timelimit"), context)
    if limit is None or limit == 0:
        return None
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 0:
        raise ToolError(f"ToolTimeLimit: {limit!r} is not a number of seconds.")
    return limit
