"""Each tool on its sample, from ``tool.cwl`` and ``tests.yaml`` alone, as the portal runs it."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from jobs.cwl import form_hint, load_tool
from tests.tools import compare
from tests.tools.conftest import TOOLS

NAMES = ("movie_alignment", "first_map", "resolution_map")
HOUSE = TOOLS.parents[1]


def resolved(value: Any, samples: Path) -> Any:
    """The inputs with paths and patterns of the sample project turned into files on disk."""
    if isinstance(value, dict) and "pattern" in value:
        found = sorted(samples.parent.glob(value["pattern"].replace("samples", samples.name, 1)))
        return [{"class": "File", "path": str(path)} for path in found]
    if isinstance(value, dict) and value.get("class") == "File":
        return {"class": "File", "path": str(samples / Path(value["path"]).relative_to("samples"))}
    return value


def run(name: str, inputs: dict[str, Any], folder: Path) -> dict[str, Any]:
    job = folder / "job.json"
    job.write_text(json.dumps(inputs))
    environment = {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    argv = [sys.executable, "-m", "jobs.cwl", str(TOOLS / name / "tool.cwl"), str(job), "--outdir", str(folder / "out")]
    done = subprocess.run(argv, cwd=HOUSE, env=environment, capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def check(output: Any, wanted: dict[str, Any]) -> None:
    """One output against what tests.yaml says of it."""
    files = [Path(item["path"]) for item in (output if isinstance(output, list) else [output])]
    assert all(path.stat().st_size > 0 for path in files)
    if "count" in wanted:
        assert len(files) == wanted["count"]
    if "contains" in wanted:
        assert wanted["contains"] in files[0].read_text()
    if "json" in wanted or "min" in wanted or "max" in wanted:
        said = json.loads(files[0].read_text())
        assert {key: said[key] for key in wanted.get("json", {})} == wanted.get("json", {})
        assert all(said[key] >= least for key, least in wanted.get("min", {}).items())
        assert all(said[key] <= most for key, most in wanted.get("max", {}).items())


@pytest.mark.parametrize("name", NAMES)
def test_sample_inputs_are_those_of_the_form(name):
    inputs = json.loads((TOOLS / name / "samples/inputs.json").read_text())
    assert inputs == dict(form_hint(load_tool(TOOLS / name / "tool.cwl")).sample)


@pytest.mark.parametrize("name", NAMES)
def test_every_input_stands_in_one_group_of_the_form(name):
    tool = load_tool(TOOLS / name / "tool.cwl")
    grouped = [field for group in form_hint(tool).groups for field in group.fields]
    assert sorted(grouped) == sorted(form_hint(tool).schema)
    assert set(grouped) == {one.name for one in tool.inputs} - {"script", "library"}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", NAMES)
def test_the_sample_gives_what_the_tool_promises(name, samples, tmp_path):
    for case in yaml.safe_load((TOOLS / name / "tests.yaml").read_text()):
        inputs = json.loads((TOOLS / name / case["job"]).read_text())
        outputs = run(name, {key: resolved(value, samples) for key, value in inputs.items()}, tmp_path)
        for output, wanted in case["outputs"].items():
            check(outputs[output], wanted)
        if name == "first_map":
            check_first_map(outputs, samples)


def check_first_map(outputs: dict[str, Any], samples: Path) -> None:
    """The map that was kept by its own score is the structure, in either hand."""
    made = compare.read(Path(outputs["maps"][0]["path"]))
    assert compare.best_correlation(made, compare.read(samples / "truth/structure.mrc"), 5.0) >= 0.75
    with Path(outputs["scores"]["path"]).open() as table:
        rows = list(csv.DictReader(table))
    assert [row["kept"] for row in rows] == ["yes", "no", "no", "no"]
    assert float(rows[0]["score"]) == max(float(row["score"]) for row in rows)
