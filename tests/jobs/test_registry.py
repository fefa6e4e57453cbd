"""What is known of the tools."""

import shutil
from pathlib import Path

import pytest

from jobs.registry import get_tool

TOOLS = Path(__file__).resolve().parents[2] / "jobs" / "tools"


@pytest.mark.parametrize("name", ["movie_alignment", "first_map", "resolution_map"])
def test_the_digest_changes_with_the_tool_and_with_the_library_that_travels_along(name, tmp_path, settings):
    shutil.copytree(TOOLS, tmp_path / "tools", ignore=shutil.ignore_patterns("__pycache__", "samples"))
    settings.TOOL_DIRS = [tmp_path / "tools"]
    known = {get_tool(name).digest}
    own = tmp_path / "tools" / name / "tool.cwl"
    shared = sorted((tmp_path / "tools" / "common").glob("*.py"))
    brought = [file for file in shared if f"../common/{file.name}" in own.read_text()]
    assert len(brought) > 1
    for file in [*brought, own]:
        file.write_text(file.read_text() + "# changed\n")
        digest = get_tool(name).digest
        assert digest not in known, file.name
        known.add(digest)
