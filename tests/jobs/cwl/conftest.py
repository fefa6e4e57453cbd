"""Tools written by the tests, one folder each."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ToolWriter = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder tools and their inputs are written to; nothing else is in it."""
    made = tmp_path.resolve() / "tool"
    made.mkdir()
    return made


@pytest.fixture
def write_tool(folder: Path) -> ToolWriter:
    """Writes ``tool.cwl`` from its fields, and the files beside it."""

    def write(tool: dict[str, Any], files: dict[str, str] | None = None) -> Path:
        for name, text in (files or {}).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        whole = {"cwlVersion": "v1.2", "class": "CommandLineTool", "inputs": {}, "outputs": {}, **tool}
        target = folder / "tool.cwl"
        target.write_text(json.dumps(whole))
        return target

    return write
