"""A tool's form from its schema, and inputs from what was typed."""

import pytest

from jobs.cwl.form import FormGroup
from jobs.forms import files_value, form_groups, texts_of, typed_inputs

FILE = {"anyOf": [{"type": "string"}, {"type": "object"}], "x-widget": "file", "title": "Half map"}
SCHEMA = {
    "required": ["half1", "pixel_size"],
    "properties": {
        "half1": FILE | {"x-accept": [".mrc"]},
        "movies": {"x-widget": "files"},
        "raw": {"x-widget": "folder"},
        "pixel_size": {"type": "number", "x-widget": "number", "exclusiveMinimum": 0, "maximum": 20, "x-unit": "Å"},
        "patches": {"type": ["integer", "null"], "x-widget": "number", "x-expert": True, "default": 5, "x-order": 9},
        "weighting": {"type": "boolean", "x-widget": "checkbox", "default": True},
        "symmetry": {"type": "string", "enum": ["C1", "C2", None], "x-widget": "select"},
    },
}
GROUPS = (FormGroup(title="Maps", fields=("half1", "pixel_size")),)


def fields(texts=None, errors=None):
    groups = form_groups(SCHEMA, GROUPS, texts or {}, errors or {})
    return {one.name: one for group in groups for one in [*group.plain, *group.expert]}


def test_fields_stand_in_the_groups_of_the_hint_and_the_rest_comes_last():
    groups = form_groups(SCHEMA, GROUPS, {}, {})
    assert [group.title for group in groups] == ["Maps", "More"]
    assert [one.name for one in groups[0].plain] == ["half1", "pixel_size"]
    assert [one.name for one in groups[1].expert] == ["patches"]


def test_every_type_has_its_kind_of_field():
    kinds = {name: one.kind for name, one in fields().items()}
    assert kinds == {
        "half1": "file", "movies": "files", "raw": "folder", "pixel_size": "number",
        "patches": "integer", "weighting": "yes", "symmetry": "choice",
    }  # fmt: skip


def test_a_field_says_its_range_its_unit_and_whether_it_must_be_filled():
    size = fields()["pixel_size"]
    assert (size.hint, size.unit, size.required) == ("above 0 Å, up to 20 Å", "Å", True)
    assert not fields()["patches"].required
    assert fields()["symmetry"].choices == [("C1", "C1"), ("C2", "C2")]


def test_an_error_stands_beside_its_field_and_opens_the_fold_it_is_in():
    groups = form_groups(SCHEMA, GROUPS, {"patches": "-1"}, {"inputs.patches": ["must be at least 1"]})
    assert groups[1].open
    assert not groups[0].open
    patches = groups[1].expert[0]
    assert (patches.text, patches.errors) == ("-1", ["must be at least 1"])


def test_an_error_inside_a_list_belongs_to_the_lists_field():
    assert fields(errors={"inputs.movies.0.path": ["is not there"]})["movies"].errors == ["is not there"]


def test_typed_texts_become_the_inputs_of_the_api():
    typed = {
        "inputs.half1": " raw/half1.mrc ", "inputs.pixel_size": "1,25", "inputs.patches": "7", "inputs.raw": "raw/",
        "inputs.symmetry": "C2", "inputs.weighting": "yes", "inputs.movies": "", "inputs.unknown": "x",
    }  # fmt: skip
    assert typed_inputs(SCHEMA, typed) == {
        "half1": {"class": "File", "path": "raw/half1.mrc"},
        "pixel_size": 1.25,
        "patches": 7,
        "raw": {"class": "Directory", "path": "raw"},
        "symmetry": "C2",
        "weighting": True,
    }


def test_a_choice_among_numbers_stays_a_number():
    schema = {"properties": {"turns": {"type": "integer", "enum": [0, 1, 2], "x-widget": "select"}}}
    assert typed_inputs(schema, {"inputs.turns": "0"}) == {"turns": 0}
    assert typed_inputs(schema, {"inputs.turns": "7"}) == {"turns": "7"}


def test_a_box_that_is_not_ticked_means_no():
    assert typed_inputs(SCHEMA, {})["weighting"] is False


def test_what_is_no_number_is_left_for_the_schema_to_refuse():
    assert typed_inputs(SCHEMA, {"inputs.pixel_size": "one"})["pixel_size"] == "one"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("movies/*.tiff", {"pattern": "movies/*.tiff"}),
        ("movies/", {"folder": "movies"}),
        ("a.mrc", [{"class": "File", "path": "a.mrc"}]),
        ("a.mrc\n b.mrc\n", [{"class": "File", "path": "a.mrc"}, {"class": "File", "path": "b.mrc"}]),
    ],
)
def test_files_are_a_pattern_a_folder_or_a_list_and_come_back_as_typed(text, value):
    assert files_value(text) == value
    assert files_value(texts_of({"movies": value})["movies"]) == value
