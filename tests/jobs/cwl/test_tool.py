"""Reading a tool file: what is refused, and that the network is never asked."""

import socket

import pytest

from jobs.cwl import ToolError, UnsupportedFeature, load_tool
from jobs.cwl.model import ArrayType, EnumType, Primitive, RecordType, UnionType


def test_network_is_never_asked(write_tool, monkeypatch) -> None:
    def refuse(*args, **kwargs):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    tool = load_tool(
        write_tool(
            {
                "$namespaces": {"ex": "https://example.org/words#"},
                "baseCommand": "run",
                "inputs": {"f": {"type": "File", "format": "ex:mrc"}},
                "hints": [{"class": "ex:Hint", "a": 1}],
            }
        )
    )
    assert tool.hints == {"ex:Hint": {"class": "ex:Hint", "a": 1}}
    assert tool.inputs[0].formats == ("https://example.org/words#mrc",)


def test_remote_import_is_refused(write_tool) -> None:
    with pytest.raises(ToolError):
        load_tool(write_tool({"baseCommand": "run", "hints": [{"$import": "https://example.org/x.yml"}]}))


@pytest.mark.parametrize("text", ["", "{", "- a", "class: CommandLineTool", "cwlVersion: v9.9\nclass: CommandLineTool"])
def test_text_that_is_no_tool_is_refused(folder, text) -> None:
    (folder / "x.cwl").write_text(text)
    with pytest.raises(ToolError):
        load_tool(folder / "x.cwl")


def test_missing_file_is_refused(folder) -> None:
    with pytest.raises(ToolError):
        load_tool(folder / "gone.cwl")


def test_other_processes_are_refused(folder) -> None:
    (folder / "w.cwl").write_text("{cwlVersion: v1.2, class: Workflow, inputs: [], outputs: [], steps: []}")
    with pytest.raises(UnsupportedFeature):
        load_tool(folder / "w.cwl")


def test_requirement_can_be_allowed(write_tool) -> None:
    path = write_tool({"baseCommand": "run", "requirements": {"DockerRequirement": {"dockerPull": "debian"}}})
    with pytest.raises(UnsupportedFeature):
        load_tool(path)
    assert load_tool(path, allow=["DockerRequirement"]).requirements["DockerRequirement"]["dockerPull"] == "debian"


def test_folder_names_may_hold_anything(folder, write_tool) -> None:
    odd = folder / "a+b 50% ü"
    odd.mkdir()
    path = write_tool(
        {"baseCommand": "run", "inputs": {"s": {"type": "File", "default": {"class": "File", "location": "s.py"}}}}
    )
    moved = path.rename(odd / "tool.cwl")
    assert load_tool(moved).inputs[0].default["path"] == str(moved.parent / "s.py")


def test_types_are_read(write_tool) -> None:
    tool = load_tool(
        write_tool(
            {
                "baseCommand": "run",
                "requirements": {
                    "SchemaDefRequirement": {"types": [{"name": "Axis", "type": "enum", "symbols": ["x", "y"]}]}
                },
                "inputs": {"a": "#Axis", "b": "string[]?", "c": {"type": {"type": "record", "fields": {"d": "int"}}}},
            }
        )
    )
    axis, words, record = (parameter.type for parameter in tool.inputs)
    string = Primitive(name="string")
    assert axis == EnumType(symbols=("x", "y"))
    assert words == UnionType(options=(Primitive(name="null"), ArrayType(items=string)))
    assert isinstance(record, RecordType)
    assert record.fields[0].type == Primitive(name="int")


def test_older_versions_are_read(write_tool) -> None:
    for version in ("v1.0", "v1.1"):
        tool = load_tool(
            write_tool(
                {
                    "cwlVersion": version,
                    "baseCommand": "run",
                    "inputs": {
                        "f": {"type": "File", "secondaryFiles": [".idx"], "inputBinding": {"loadContents": True}}
                    },
                }
            )
        )
        assert tool.inputs[0].load_contents
        assert tool.inputs[0].secondary_files[0].pattern == ".idx"
