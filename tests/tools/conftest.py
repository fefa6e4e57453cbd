"""The tools' scripts as a job runs them, and the sample data they are measured with."""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from samples.__main__ import generate

TOOLS = Path(__file__).parents[2] / "jobs" / "tools"

# The scripts' own modules are imported by name, as beside each other in a job.
sys.path.extend(str(TOOLS / name) for name in ("common", "movie_alignment", "first_map", "resolution_map"))
toolkit = importlib.import_module("toolkit")


@dataclass(frozen=True, kw_only=True)
class Ran:
    """How a script ended, what it said, and the folder it worked in."""

    status: int
    stdout: str
    stderr: str
    folder: Path

    @property
    def error(self) -> dict[str, str]:
        """The one line in which the script says what to change."""
        (line,) = self.stderr.strip().splitlines()
        assert line.startswith("portolan-error: ")
        return json.loads(line.removeprefix("portolan-error: "))

    def json(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text())

    def finals(self) -> list[str]:
        """What stands under final names: everything but logs and the work folder."""
        kept = [path.relative_to(self.folder) for path in self.folder.rglob("*") if path.is_file()]
        return sorted(str(path) for path in kept if path.parts[0] != "work" and path.suffix != ".log")


Script = Callable[..., Ran]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Runs ``python3 TOOL.py ARGUMENTS`` in a fresh folder; ``path`` goes before the programs' folders."""

    def run(tool: str, arguments: Sequence[object], *, path: str = "", timeout: float = 800) -> Ran:
        folder = tmp_path / f"job-{tool}"
        folder.mkdir()
        places = [path, str(Path(sys.executable).parent), os.environ["PATH"]]
        environment = {
            **os.environ,
            "PATH": os.pathsep.join(filter(None, places)),
            "PYTHONPATH": str(TOOLS / "common"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        argv = ["python3", str(TOOLS / tool / f"{tool}.py"), *map(str, arguments)]
        done = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, timeout=timeout)
        return Ran(status=done.returncode, stdout=done.stdout, stderr=done.stderr, folder=folder)

    return run


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Script:
    """Runs a tool's script as ``script`` does, but in this process, which saves the start of Python each time."""

    def run(tool: str, arguments: Sequence[object], *, path: str = "") -> Ran:
        folder = tmp_path / f"job-{tool}"
        folder.mkdir()
        monkeypatch.chdir(folder)
        monkeypatch.setenv("PATH", path + os.pathsep + os.environ["PATH"])
        monkeypatch.setattr(sys, "argv", [f"{tool}.py", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            toolkit.run_tool(importlib.import_module(tool).main)
        said = capfd.readouterr()
        return Ran(status=int(str(left.value.code)), stdout=said.out, stderr=said.err, folder=folder)

    return run


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample data of the demo."""
    out = tmp_path_factory.mktemp("samples")
    generate(out)
    return out


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The coarse sample data, made in a second."""
    out = tmp_path_factory.mktemp("small")
    generate(out, small=True)
    return out
