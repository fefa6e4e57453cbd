"""The small runner: what it prints, its exit status, and that it needs no database."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jobs.cwl import ToolError, UnsupportedFeature
from jobs.cwl.runner import read_job_order, run_tool

ROOT = Path(__file__).parents[3]


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "manage.py"), "run_tool", *arguments]
    environment = {**os.environ, "DATABASE_URL": "sqlite:////nowhere/none.sqlite3"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_command_prints_the_output_object(write_tool, folder, tmp_path) -> None:
    tool = write_tool(
        {
            "baseCommand": "cat",
            "inputs": {"f": {"type": "File", "inputBinding": {}}},
            "outputs": {"o": "stdout"},
            "stdout": "copy",
        },
        {"x": "hello"},
    )
    (folder / "job.yaml").write_text("f: {class: File, location: x}")
    out = tmp_path / "out"
    done = run(str(tool), str(folder / "job.yaml"), f"--outdir={out}", "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["o"]["path"] == str(out.resolve() / "copy")
    assert (out / "copy").read_text() == "hello"


def test_command_exits_33_for_an_unsupported_feature(write_tool, tmp_path) -> None:
    tool = write_tool({"baseCommand": "true", "requirements": {"ShellCommandRequirement": {}}})
    done = run(str(tool), "--outdir", str(tmp_path / "out"), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (33, "")
    assert "ShellCommandRequirement" in done.stderr


def test_command_exits_1_for_a_failure(write_tool, tmp_path) -> None:
    done = run(str(write_tool({"baseCommand": "false"})), "--outdir", str(tmp_path / "out"), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "exit code 1" in done.stderr


def test_time_limit_ends_the_whole_tree(write_tool, tmp_path) -> None:
    tool = write_tool({"baseCommand": ["sh", "-c", "sleep 60 & echo $! > child; wait"]})
    with pytest.raises(ToolError, match="longer than 1 s"):
        run_tool(str(tool), None, tmp_path / "out", time_limit=1)
    child = int((tmp_path / "out" / "child").read_text())
    assert _ends(child)


def _ends(pid: int) -> bool:
    """True once the process is gone or only waits to be reaped; ten seconds at most."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("text", ["{", "[1, 2]", "just words"])
def test_job_order_that_is_none(tmp_path, text) -> None:
    (tmp_path / "job.json").write_text(text)
    with pytest.raises(ToolError):
        read_job_order(str(tmp_path / "job.json"))


def test_empty_job_order_has_no_inputs(tmp_path) -> None:
    (tmp_path / "job.yaml").write_text("")
    assert read_job_order(str(tmp_path / "job.yaml")) == {}


def test_container_can_be_waived_but_not_its_folders(write_tool, tmp_path) -> None:
    docker = {"dockerPull": "debian"}
    tool = str(write_tool({"baseCommand": "true", "requirements": {"DockerRequirement": docker}}))
    with pytest.raises(UnsupportedFeature):
        run_tool(tool, None, tmp_path / "a")
    assert run_tool(tool, None, tmp_path / "b", no_container=True) == {}
    docker["dockerOutputDirectory"] = "/other"
    tool = str(write_tool({"baseCommand": "true", "requirements": {"DockerRequirement": docker}}))
    with pytest.raises(UnsupportedFeature):
        run_tool(tool, None, tmp_path / "c", no_container=True)


def test_one_tool_of_a_packed_file(folder, tmp_path) -> None:
    tools = [
        {
            "id": f"#{name}",
            "class": "CommandLineTool",
            "baseCommand": ["touch", name],
            "inputs": [],
            "outputs": [{"id": "f", "type": "File", "outputBinding": {"glob": name}}],
        }
        for name in ("main", "other")
    ]
    path = folder / "packed.cwl"
    path.write_text(json.dumps({"cwlVersion": "v1.2", "$graph": tools}))
    assert run_tool(str(path), None, tmp_path / "a")["f"]["basename"] == "main"
    assert run_tool(f"{path}#other", None, tmp_path / "b")["f"]["basename"] == "other"
    with pytest.raises(ToolError):
        run_tool(f"{path}#gone", None, tmp_path / "c")
