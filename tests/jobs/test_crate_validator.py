"""The crates of jobs before the judge that their profile's authors wrote, ``rocrate-validator``.

It has an environment of its own (``.venvs/crate``, made by ``make setup-test``), as it holds other packages back.
"""

import json
import subprocess
from pathlib import Path

import pytest
import rocrate

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venvs" / "crate" / "bin" / "python"
CONTEXT = Path(rocrate.__file__).parent / "data" / "ro-crate.jsonld"
pytestmark = pytest.mark.slow


@pytest.fixture
def judge(tmp_path):
    """``judge(folder)`` is (status, words) of the validator for Process Run Crate, all that is REQUIRED."""
    assert PYTHON.exists(), "The validator's environment is missing; `make setup-test` makes it."
    cache = tmp_path / "contexts"
    subprocess.run([PYTHON, Path(__file__).with_name("keep_contexts.py"), cache, CONTEXT], check=True, timeout=60)

    def validate(folder: Path) -> tuple[int, str]:
        argv = [PYTHON.with_name("rocrate-validator"), "--no-interactive", "--disable-color", "validate"]
        argv += ["--offline", "--cache-path", cache, "--profile-identifier", "process-run-crate"]
        argv += ["--output-format", "text", "--verbose", folder]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120, cwd=tmp_path)
        return done.returncode, done.stdout + done.stderr

    return validate


def test_the_profiles_own_validator_passes_our_crates_and_fails_a_broken_one(judge, behave, root, run_until_final):
    (root / "in put.txt").write_text("x")
    for act in ("write", "fail"):
        folder = root / run_until_final(behave(act, data="in put.txt", text="words")).folder_path
        status, words = judge(folder)
        assert status == 0, words
    metadata = folder / "ro-crate-metadata.json"
    crate = json.loads(metadata.read_text())
    for entity in crate["@graph"]:
        if entity["@type"] == "CreateAction":
            del entity["instrument"]
    metadata.write_text(json.dumps(crate))
    status, words = judge(folder)
    assert status == 1, words
    assert "instrument" in words
