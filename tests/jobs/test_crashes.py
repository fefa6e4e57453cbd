"""A worker is killed at every named point; the job still runs once, and ends as if nothing had happened."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.lifecycle.points import POINTS

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "docs" / "reliability.md"
PARTS = {point.partition(".")[0] for point in POINTS}


def run_host(home: Path, points: list[str]) -> list[dict]:
    env = os.environ | {"PORTOLAN_HOME": str(home), "DATABASE_URL": f"sqlite:///{home}/crash.sqlite3"}
    home.mkdir(exist_ok=True)
    argv = [sys.executable, "-m", "tests.jobs.crash_host", *points]
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"point"')]


@pytest.mark.slow
@pytest.mark.parametrize(
    "part",
    ["created", "prepare", "stage_in", "hand_over", "observe", "collect", "stage_out", "gather", "retry", "cancel"],
)
def test_killed_anywhere_a_job_runs_once_and_loses_nothing(tmp_path, part):
    points = [point for point in POINTS if point.partition(".")[0] == part]
    for found in run_host(tmp_path / "home", points):
        assert found["killed"], found
        tries = 2 if part == "retry" else 1
        assert found["attempts"] == (2 if part == "gather" else tries), found
        if part == "cancel":
            assert found["state"] == "cancelled", found
        else:
            assert found["state"] == "succeeded", found
            results = 5 if part == "gather" else 3
            assert (1 <= found["effects"] <= tries, found["results"]) == (True, results), found
            assert found["outputs"], found
            assert found["crate"], found


def test_the_table_of_crashes_has_every_point_and_no_other():
    told = [line.split("|")[1].strip(" `") for line in TABLE.read_text().splitlines() if line.startswith("| `")]
    assert sorted(one for one in told if one.partition(".")[0] in PARTS) == sorted(POINTS)


def test_every_point_is_reached_somewhere():
    source = "".join(path.read_text() for path in (ROOT / "jobs" / "lifecycle").glob("*.py"))
    assert all(source.count(f'reached("{point}")') == 1 for point in POINTS)
