"""Run a tool once on this machine, in the foreground: for trying tools out and for the conformance tests."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from schema_salad.utils import yaml_no_ts

from jobs.cwl.command import CommandLine, build_command
from jobs.cwl.errors import InvalidInputs, ToolError, UnsupportedFeature
from jobs.cwl.model import CwlObject, all_files_in
from jobs.cwl.outputs import collect_outputs
from jobs.cwl.staging import write_work_files
from jobs.cwl.tool import load_tool, located, plain, with_requirements

EXIT_UNSUPPORTED = 33
DAY = 24 * 3600
_EXTRA_REQUIREMENTS = ("cwl:requirements", "https://w3id.org/cwl/cwl#requirements")


def run_tool(
    tool_file: str, job_file: str | None, outdir: str | Path, *, time_limit: int = DAY, no_container: bool = False
) -> CwlObject:
    """The tool ran to a success code and its output object is returned; every file of it lies in ``outdir``.

    ``time_limit`` (seconds) ends a command whose tool names no limit of its own. ``no_container`` runs a tool that asks
    for a container with this machine's programs instead. Raises ToolError and its kinds.
    """
    tool = load_tool(tool_file, allow=["DockerRequirement"] if no_container else [])
    if "dockerOutputDirectory" in tool.requirements.get("DockerRequirement", {}):
        raise UnsupportedFeature("dockerOutputDirectory has a meaning in a container only.")
    job_order = read_job_order(job_file)
    for key in _EXTRA_REQUIREMENTS:
        if key in job_order:
            tool = with_requirements(tool, job_order[key])
    out = Path(outdir).resolve()
    out.mkdir(parents=True, exist_ok=True)
    with _scratch() as tmpdir:
        command = build_command(tool, job_order, outdir=out, tmpdir=tmpdir)
        write_work_files(command)
        exit_code = _execute(command, out, command.time_limit or time_limit)
        if exit_code not in command.success_codes:
            raise ToolError(f"The command ended with exit code {exit_code}.")
        outputs = collect_outputs(tool, job_order, out, exit_code, command=command)
        _bring_home(outputs, out)
    return outputs


def read_job_order(job_file: str | None) -> CwlObject:
    """The inputs in a YAML or JSON file, its files with absolute paths and full format names; no file, no inputs."""
    if job_file is None:
        return {}
    path = Path(job_file).resolve()
    try:
        found = plain(yaml_no_ts().load(path.read_text(encoding="utf-8")))
    except Exception as error:
        raise InvalidInputs(f"{path.name} can't be read: {error}") from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise InvalidInputs(f"{path.name} holds no inputs by name.")
    namespaces = found.pop("$namespaces", None) or {}
    value = located(found, path.parent)
    for item in all_files_in(value):
        prefix, _, rest = str(item.get("format", "")).partition(":")
        if prefix in namespaces:
            item["format"] = namespaces[prefix] + rest
    return dict(value)


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="portolan-tool-") as folder:
        yield Path(folder).resolve()


def _execute(command: CommandLine, outdir: Path, limit: int) -> int:
    environment = {"PATH": os.environ.get("PATH", os.defpath), **command.environment}
    with ExitStack() as stack:

        def opened(name: str | None) -> BinaryIO:
            if name is None:
                return sys.stderr.buffer
            (outdir / name).parent.mkdir(parents=True, exist_ok=True)
            return stack.enter_context(open(outdir / name, "wb"))

        stdin: Any = stack.enter_context(open(command.stdin, "rb")) if command.stdin else subprocess.DEVNULL
        stdout = opened(command.stdout)
        same = command.stderr is not None and command.stderr == command.stdout
        try:
            process = subprocess.Popen(
                command.argv,
                cwd=outdir,
                env=environment,
                stdin=stdin,
                stdout=stdout,
                stderr=stdout if same else opened(command.stderr),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise ToolError(f"The command {command.argv[0]!r} can't be started: {error}") from error
        return _wait(process, limit)


def _wait(process: "subprocess.Popen[bytes]", limit: int) -> int:
    try:
        return process.wait(timeout=limit)
    except subprocess.TimeoutExpired:
        raise ToolError(f"The command ran longer than {limit} s and was stopped.") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=30)


def _bring_home(outputs: CwlObject, outdir: Path) -> None:
    """Each file of the outputs is a file of the output folder: inputs that were passed on are copied into it."""
    for item in all_files_in(outputs):
        path = Path(item["path"])
        target = path if path.is_relative_to(outdir) else outdir / item["basename"]
        real = path.resolve()
        if not real.is_relative_to(outdir):
            if target.is_symlink():
                target.unlink()
            if real.is_dir():
                shutil.copytree(real, target, symlinks=True, dirs_exist_ok=True)
            elif not target.exists():
                shutil.copyfile(real, target)
        item["path"], item["location"] = str(target), target.as_uri()
