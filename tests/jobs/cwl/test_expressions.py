"""Parameter references: their values, their escapes, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.cwl.errors import ToolError, UnsupportedFeature
from jobs.cwl.expressions import check, evaluate, number_text

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_lone_reference_keeps_the_type(value) -> None:
    assert evaluate(" $(inputs.x)\n", {"inputs": {"x": value}}) == value


@given(st.text(), st.text().filter(lambda text: "$" not in text and "\\" not in text))
def test_text_around_a_reference_stays(value, around) -> None:
    result = evaluate(f"<{around}$(inputs.x){around}>", {"inputs": {"x": value}})
    assert result == f"<{around}{value}{around}>"


@given(st.text())
def test_value_is_never_evaluated_again(value) -> None:
    assert evaluate("x$(inputs.x)", {"inputs": {"x": "$(inputs.y)" + value}}) == "x$(inputs.y)" + value


@given(st.text().filter(lambda text: "$(" not in text and "${" not in text))
def test_text_without_references_is_left_alone(text) -> None:
    assert evaluate(text, {}) == text


@given(st.text().filter(lambda text: "\\" not in text))
def test_any_key_can_be_quoted(key) -> None:
    for quote in ("'", '"'):
        quoted = quote + key.replace(quote, "\\" + quote) + quote
        assert evaluate(f"$(inputs[{quoted}])", {"inputs": {key: 1}}) == 1


@pytest.mark.parametrize(
    ("template", "value"),
    [
        (r"\$(inputs.v)", "$(inputs.v)"),
        (r"\\$(inputs.v)", r"\val"),
        (r"\\\$(inputs.v)", r"\$(inputs.v)"),
        (r"\\\\$(inputs.v)", r"\\val"),
        (r"\${x}", "${x}"),
        (r"\n \$ $(inputs.v)", r"\n \$ val"),
        ("$ $$ $(inputs.v)$", "$ $$ val$"),
    ],
)
def test_escapes_are_undone_in_one_pass(template, value) -> None:
    assert evaluate(template, {"inputs": {"v": "val"}}) == value


@pytest.mark.parametrize(
    "text", ["$(1 + 1)", "${return 1;}", "$(inputs.x ? 1 : 2)", "$(inputs.x", "$()", "$(inputs.x.y())", "$(inputs[-1])"]
)
def test_javascript_is_refused(text) -> None:
    with pytest.raises(UnsupportedFeature):
        check(text)


@pytest.mark.parametrize("text", ["$(other.x)", "$(inputs.gone)", "$(inputs.n.length)", "$(inputs.n[0])", "$(null.x)"])
def test_reference_to_nothing_is_an_error(text) -> None:
    with pytest.raises(ToolError) as refusal:
        evaluate(text, {"inputs": {"n": 3}})
    assert not isinstance(refusal.value, UnsupportedFeature)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_number_text_has_no_exponent_and_loses_nothing(number) -> None:
    text = number_text(number)
    assert "e" not in text.lower()
    assert float(text) == number
