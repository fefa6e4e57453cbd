"""What a tool says when RELION fails, is killed or is not there, and what it leaves behind."""

import os
import stat
from pathlib import Path

import pytest
import toolkit

from tests.tools.test_bad_input import write_tiff


@pytest.fixture
def movie(tmp_path):
    return write_tiff(tmp_path / "movie.tiff", 4)


def program(folder: Path, name: str, body: str) -> str:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(folder)


def align(run, movie: Path, path: str):
    given = ["--movies", movie, "--pixel-size", 1, "--dose-per-frame", 1, "--patches-x", 1, "--patches-y", 1]
    return run("movie_alignment", given, path=path)


@pytest.mark.parametrize("name", ["KILL", "SEGV", "TERM"])
def test_relion_killed_by_a_signal_is_told_by_its_name(inside, movie, tmp_path, name):
    ran = align(inside, movie, program(tmp_path / "bin", "relion_run_motioncorr", f"kill -{name} $$"))
    assert ran.status == 2
    assert ran.error["code"] == "program-killed"
    assert f"SIG{name}" in ran.error["message"]
    assert "memory" in ran.error["hint"]
    assert ran.finals() == []


def test_relion_s_own_error_is_passed_on(inside, movie, tmp_path):
    body = "echo working; echo 'ERROR: the moon is full' >&2; exit 1"
    ran = align(inside, movie, program(tmp_path / "bin", "relion_run_motioncorr", body))
    assert ran.status == 2
    assert ran.error["code"] == "program-failed"
    assert "the moon is full" in ran.error["message"]
    assert "working" in (ran.folder / "relion.log").read_text()


def test_relion_that_does_nothing_is_no_success(script, movie, tmp_path):
    ran = align(script, movie, program(tmp_path / "bin", "relion_run_motioncorr", "exit 0"))
    assert ran.status == 2
    assert ran.error["code"] == "alignment-failed"
    assert ran.finals() == []


def test_a_program_that_is_missing_is_named(tmp_path):
    with pytest.raises(toolkit.ToolError) as caught:
        toolkit.run_program(["relion_that_is_not_there"], log=tmp_path / "log", cwd=tmp_path)
    assert caught.value.code == "program-missing"


def test_the_first_failure_ends_the_other_programs(tmp_path):
    folder = Path(program(tmp_path / "bin", "slow", "echo $$ > pid; exec sleep 60"))
    program(folder, "bad", "while test ! -s pid; do :; done; exit 3")
    logs = [tmp_path / "slow.log", tmp_path / "bad.log"]
    with pytest.raises(toolkit.ToolError, match="status 3"):
        toolkit.run_programs([[str(folder / "slow")], [str(folder / "bad")]], logs=logs, cwd=tmp_path, at_once=2)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_file_is_whole_or_not_there(tmp_path):
    target = tmp_path / "chart.json"
    toolkit.write_json(target, {"a": 1})
    with pytest.raises(ValueError, match="JSON"):
        toolkit.write_json(target, {"a": float("nan")})
    assert target.read_text() == '{"a":1}\n'
    assert [path.name for path in tmp_path.iterdir()] == ["chart.json"]
