"""CWL v1.2 by cases of our own, and by the official suite where CWL_CONFORMANCE_DIR names a copy of it.

The official suite is in no package, so the cases in ``cases/`` cover the same ground in our own words; with a checkout
of common-workflow-language/cwl-v1.2 the same test also runs the official CommandLineTool tests.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cwltest.compare import CompareFail, compare
from schema_salad.utils import yaml_no_ts

from jobs.cwl import ToolError, UnsupportedFeature, build_command, load_tool
from jobs.cwl.runner import read_job_order, run_tool

CASES = Path(__file__).parent / "cases"
NOT_OURS = {"workflow", "inline_javascript", "shell_command", "inplace_update", "networkaccess"}
NEEDS_AN_IMAGE = {"docker_entrypoint"}  # its command is the entry point of a container image
NEEDS_MORE = ("InlineJavascriptRequirement", "ShellCommandRequirement", "DockerRequirement")


def cases(name: str) -> list[Any]:
    """The cases of a file, one test each."""
    found = yaml_no_ts().load((CASES / name).read_text())
    return [pytest.param(case, id=case["id"]) for case in found]


def official_cases(index: Path) -> Iterator[dict[str, Any]]:
    """The official CommandLineTool tests without the tags of what is not offered, files with full paths."""
    for entry in yaml_no_ts().load(index.read_text()):
        if "$import" in entry:
            yield from official_cases(index.parent / entry["$import"])
        elif entry["id"] in NEEDS_AN_IMAGE:
            continue
        elif "command_line_tool" in entry["tags"] and not NOT_OURS & set(entry["tags"]):
            job = entry.get("job")
            output = entry.get("output")
            if isinstance(output, dict) and "$import" in output:
                output = yaml_no_ts().load((index.parent / output["$import"]).read_text())
            yield {
                **entry,
                "tool": index.parent / entry["tool"],
                "job": str(index.parent / job) if job else None,
                "output": output,
            }


def runs() -> list[Any]:
    """Our cases that run, then the official ones where they are at hand."""
    found = cases("runs.yaml")
    suite = os.environ.get("CWL_CONFORMANCE_DIR")
    if suite:
        official = official_cases(Path(suite).resolve() / "conformance_tests.yaml")
        found += [pytest.param(case, id=f"official-{case['id']}") for case in official]
    return found


@pytest.mark.parametrize("case", cases("argv.yaml"))
def test_argv_is_what_cwl_says(case, write_tool, folder, tmp_path) -> None:
    path = write_tool(case["tool"], case.get("files"))
    job = folder / "job.json"
    job.write_text(json.dumps(case.get("job") or {}))
    out = tmp_path.resolve() / "out"

    def argv() -> list[str]:
        tool = load_tool(path)
        return build_command(tool, read_job_order(str(job)), outdir=out, tmpdir=tmp_path / "tmp").argv

    if "refused" in case:
        with pytest.raises(ToolError) as refusal:
            argv()
        assert refusal.value.code == case["refused"]
    else:
        wanted = [word.replace("{dir}", str(folder)).replace("{out}", str(out)) for word in case["argv"]]
        assert argv() == wanted


@pytest.mark.parametrize("case", runs())
def test_run_gives_what_cwl_says(case, write_tool, folder, tmp_path) -> None:
    out = tmp_path.resolve() / "out"
    if isinstance(case["tool"], Path):
        _official(case, out)
        return
    path = write_tool(case["tool"], case.get("files"))
    job = folder / "job.json"
    job.write_text(json.dumps(case.get("job") or {}))
    if "refused" in case:
        with pytest.raises(ToolError) as refusal:
            run_tool(str(path), str(job), out)
        assert refusal.value.code == case["refused"]
        return
    wanted = json.loads(json.dumps(case["output"]).replace("{out}", str(out)))
    compare(wanted, run_tool(str(path), str(job), out))
    for name, text in case.get("unchanged", {}).items():
        assert (folder / name).read_text() == text


def _official(case: dict[str, Any], out: Path) -> None:
    """The official test holds; a tool that needs JavaScript, a shell or a container is refused as such."""
    try:
        found = run_tool(str(case["tool"]), case["job"], out, no_container=True)
    except UnsupportedFeature:
        text = Path(str(case["tool"]).partition("#")[0]).read_text()
        assert case.get("should_fail") or any(name in text for name in NEEDS_MORE)
    except ToolError:
        assert case.get("should_fail")
    else:
        assert not case.get("should_fail")
        compare(case.get("output") or {}, found)


def test_comparison_would_see_a_difference() -> None:
    with pytest.raises(CompareFail):
        compare({"t": "a"}, {"t": "b"})
