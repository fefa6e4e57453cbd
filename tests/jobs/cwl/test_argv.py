"""A value is one argument, whatever is in it; no shell ever sees it."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.cwl import ToolError, build_command, load_tool
from jobs.cwl.runner import run_tool

WORDS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"))
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def tool(write_tool):
    return load_tool(
        write_tool(
            {
                "baseCommand": "run",
                "inputs": {
                    "word": {"type": "string", "inputBinding": {"position": 1, "prefix": "--word"}},
                    "words": {"type": "string[]", "inputBinding": {"position": 2}},
                },
                "arguments": [{"valueFrom": "is $(inputs.word)", "position": 3}],
            }
        )
    )


@QUICK
@given(word=WORDS, words=st.lists(WORDS, max_size=4))
def test_each_value_is_one_argument(tool, word, words) -> None:
    command = build_command(tool, {"word": word, "words": words}, outdir="/o", tmpdir="/t")
    assert command.argv == ["run", "--word", word, *words, f"is {word}"]


def test_nul_is_refused(tool) -> None:
    with pytest.raises(ToolError):
        build_command(tool, {"word": "a\0b", "words": []}, outdir="/o", tmpdir="/t")


@pytest.mark.parametrize(
    "word", ["$(touch x)", "; touch x", "`touch x`", "a\nb", "*", "'\"", "-rf", "ü €", "$(inputs.word)"]
)
def test_odd_words_reach_the_program_unchanged(write_tool, folder, tmp_path, word) -> None:
    tool = write_tool(
        {
            "baseCommand": ["printf", "%s"],
            "inputs": {"word": {"type": "string", "inputBinding": {}}},
            "outputs": {
                "said": {
                    "type": "string",
                    "outputBinding": {"glob": "said", "loadContents": True, "outputEval": "$(self[0].contents)"},
                }
            },
            "stdout": "said",
        },
    )
    job = folder / "job.yaml"
    job.write_text("word: " + json.dumps(word))
    assert run_tool(str(tool), str(job), tmp_path / "out") == {"said": word}
    assert not (tmp_path / "out" / "x").exists()
