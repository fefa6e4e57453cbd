"""The JSON Schema of a tool's inputs, and the form hint it is merged with."""

import pytest
from jsonschema import Draft202012Validator

from jobs.cwl import FormHint, ToolError, form_hint, input_schema, load_tool

NAMESPACES = {"portolan": "https://portolan.science/cwl#"}

HINTS = [
    {
        "class": "portolan:Form",
        "schema": {
            "pixel_size": {"title": "Pixel", "exclusiveMinimum": 0, "x-unit": "Å", "x-order": 2},
            "movies": {"x-accept": [".mrc"], "x-order": 1},
            "patches": {"minimum": 1, "x-expert": True, "default": 4},
        },
        "groups": [{"title": "Data", "fields": ["movies", "gain"]}],
        "sample": {"pixel_size": 0.885},
        "methods": [{"name": "cpu", "title": "RELION"}],
        "queue": {"cores": 4, "memory_mb": 8000},
        "results": [{"output": "average", "viewer": "mrc2d", "title": "Average"}],
    }
]


@pytest.fixture
def tool(write_tool):
    return load_tool(
        write_tool(
            {
                "$namespaces": NAMESPACES,
                "label": "Align movies",
                "doc": "Finds drift.",
                "baseCommand": "run",
                "inputs": {
                    "script": {"type": "File", "default": {"class": "File", "location": "step.py"}},
                    "movies": {"type": "File[]", "doc": "Raw frames"},
                    "gain": "File?",
                    "folder": {"type": "Directory?"},
                    "pixel_size": {"type": "float", "label": "Pixel size"},
                    "patches": {"type": "int", "default": 5},
                    "symmetry": {"type": {"type": "enum", "symbols": ["C1", "D2"]}, "default": "C1"},
                    "mode": {"type": ["null", {"type": "enum", "symbols": ["fast", "slow"]}]},
                    "weighted": {"type": "boolean?"},
                    "box": {"type": {"type": "record", "fields": {"x": "int", "y": "int?"}}},
                    "either": {"type": ["int", "string"], "default": 1},
                },
                "outputs": {"average": {"type": "File?", "outputBinding": {"glob": "*.mrc"}}},
                "hints": HINTS,
            },
            {"step.py": ""},
        )
    )


@pytest.fixture
def schema(tool):
    return input_schema(tool)


def given(**more):
    return {"movies": [{"class": "File", "path": "raw/a.mrc"}], "pixel_size": 1, "box": {"x": 1}, **more}


def test_schema_keeps_to_its_meta_schema(schema) -> None:
    Draft202012Validator.check_schema(schema)
    assert (schema["title"], schema["description"]) == ("Align movies", "Finds drift.")
    assert schema["required"] == ["movies", "pixel_size", "box"]


def test_script_of_the_tool_is_not_asked_for(schema) -> None:
    assert "script" not in schema["properties"]


def test_overlay_is_laid_over_the_types(schema) -> None:
    pixel = schema["properties"]["pixel_size"]
    assert pixel == {
        "title": "Pixel",
        "type": "number",
        "exclusiveMinimum": 0,
        "x-unit": "Å",
        "x-order": 2,
        "x-widget": "number",
    }
    assert schema["properties"]["patches"]["default"] == 4
    assert schema["properties"]["movies"]["description"] == "Raw frames"


def test_widgets_follow_the_types(schema) -> None:
    widgets = {name: one["x-widget"] for name, one in schema["properties"].items()}
    assert widgets["movies"] == "files"
    assert widgets["gain"] == "file"
    assert widgets["folder"] == "folder"
    assert widgets["weighted"] == "checkbox"
    assert widgets["mode"] == "select"


@pytest.mark.parametrize(
    "inputs",
    [
        given(),
        given(movies={"pattern": "movies/*.tiff"}),
        given(movies={"folder": "movies"}),
        given(movies=["raw/a.mrc", "raw/b.mrc"]),
        given(gain="raw/gain.mrc", folder={"class": "Directory", "path": "x"}),
        given(gain=None, weighted=None, mode=None),
        given(mode="slow", either="word", symmetry="D2"),
    ],
)
def test_good_inputs_are_accepted(schema, inputs) -> None:
    Draft202012Validator(schema).validate(inputs)


@pytest.mark.parametrize(
    "inputs",
    [
        {},
        given(pixel_size=0),
        given(pixel_size="1"),
        given(movies=[]),
        given(movies={"pattern": "a", "folder": "b"}),
        given(gain="/etc/passwd"),
        given(gain={"class": "Directory", "path": "x"}),
        given(gain={"class": "File", "path": "x", "contents": "y"}),
        given(symmetry="X9"),
        given(box={"x": 1, "z": 2}),
        given(script="mine.py"),
        given(patches=None),
    ],
)
def test_bad_inputs_are_refused(schema, inputs) -> None:
    assert not Draft202012Validator(schema).is_valid(inputs)


def test_hint_is_read(tool) -> None:
    hint = form_hint(tool)
    assert hint.groups[0].fields == ("movies", "gain")
    assert (hint.queue.cores, hint.queue.memory_mb, hint.queue.gpu) == (4, 8000, False)
    assert hint.results[0].viewer == "mrc2d"
    assert hint.methods[0]["title"] == "RELION"
    assert hint.sample == {"pixel_size": 0.885}


def test_tool_without_a_hint_has_an_empty_form(write_tool) -> None:
    assert form_hint(load_tool(write_tool({"baseCommand": "run"}))) == FormHint()


@pytest.mark.parametrize(
    "hint",
    [
        {"schema": {"gone": {}}},
        {"groups": [{"title": "A", "fields": ["gone"]}]},
        {"sample": {"gone": 1}},
        {"results": [{"output": "gone", "viewer": "x"}]},
        {"colour": "red"},
    ],
)
def test_hint_that_names_what_is_not_there_is_refused(write_tool, hint) -> None:
    tool = load_tool(
        write_tool({"$namespaces": NAMESPACES, "baseCommand": "run", "hints": [{"class": "portolan:Form", **hint}]})
    )
    with pytest.raises(ToolError):
        form_hint(tool)
