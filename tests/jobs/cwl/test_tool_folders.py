"""Every tool of the house can be read, has a sound form, and makes a command from its sample."""

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from jobs.cwl import build_command, form_hint, input_schema, load_tool
from jobs.cwl.model import Parameter, all_files_in, files_in

TOOLS = sorted((Path(__file__).parents[3] / "jobs" / "tools").glob("*/tool.cwl"))


@pytest.fixture(params=TOOLS, ids=lambda path: path.parent.name)
def tool(request):
    return load_tool(request.param)


def test_there_are_tools() -> None:
    assert TOOLS


def test_schema_is_sound_and_takes_the_sample(tool) -> None:
    schema = input_schema(tool)
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(dict(form_hint(tool).sample))


def test_every_shown_field_has_a_description_or_title(tool) -> None:
    for name, field in input_schema(tool)["properties"].items():
        assert field.get("title"), name


def test_own_files_are_in_the_folder(tool) -> None:
    for parameter in tool.inputs:
        for item in files_in(parameter.default):
            assert Path(item["path"]).is_file(), parameter.name


def test_sample_makes_a_command(tool, tmp_path) -> None:
    sample = {name: _at_home(value, tmp_path) for name, value in form_hint(tool).sample.items()}
    for parameter in tool.inputs:
        sample[parameter.name] = _as_asked(parameter, sample.get(parameter.name), tmp_path)
    command = build_command(tool, sample, outdir=tmp_path / "out", tmpdir=tmp_path / "tmp", must_exist=False)
    assert command.argv
    assert all(item["path"].startswith("/") for item in all_files_in(command.inputs))


def _at_home(value, home: Path):
    """The sample's relative paths as the portal gives them: absolute."""
    if isinstance(value, list):
        return [_at_home(part, home) for part in value]
    if isinstance(value, dict) and "path" in value:
        return {**value, "path": str(home / value["path"])}
    return value


def _as_asked(parameter: Parameter, value, home: Path):
    """A pattern or a folder stands for a list of files, a bare path for one."""
    if isinstance(value, dict) and ("pattern" in value or "folder" in value):
        return [{"class": "File", "path": str(home / "one.mrc")}]
    kind = repr(parameter.type)
    if isinstance(value, str) and "'File'" in kind:
        return {"class": "File", "path": str(home / value)}
    return value
