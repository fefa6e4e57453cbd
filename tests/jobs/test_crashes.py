"""A worker is killed at every named point; the job still runs once, and ends as if nothing had happened."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.lifecycle.points import POINTS
from tests.jobs.backends.conftest import cluster_home, grid_engine, slurm  # noqa: F401 - fixtures
from tests.jobs.backends.kubernetes_stand_in import stand_in_running
from tests.jobs.crash_sites import TITLES, of_grid_engine, of_kubernetes, of_pbs, of_slurm

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- crashes: python -m tests.jobs.crash_table -->", "<!-- end of crashes -->"
MANY = os.environ.get(
    "CRASH_POINTS",
    "hand_over.after_submit again.after_submit gather.before_record retry.before_record cancel.after_site",
)


def run_host(home: Path, wanted: list[str], rows: dict[str, dict] | None = None, *, seconds: float = 600) -> list[dict]:
    """How the jobs fared whose workers were killed at ``wanted``, each a site's name and a point."""
    env = os.environ | {"PORTOLAN_HOME": str(home), "DATABASE_URL": f"sqlite:///{home}/crash.sqlite3"}
    env["CRASH_SITES"] = json.dumps(rows or {"local": {}})
    home.mkdir(exist_ok=True)
    argv = [sys.executable, "-m", "tests.jobs.crash_host", *wanted]
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"site"')]


def assert_well(found: dict) -> None:
    """The worker was killed, and the job ended as if nothing had happened."""
    part = found["point"].partition(".")[0]
    tries = 2 if part == "retry" else 1
    assert found["killed"], found
    assert found["attempts"] == (2 if part in ("gather", "again") else tries), found
    if part == "cancel":
        assert found["state"] == "cancelled", found
        assert found["effects"] <= 1, found
    else:
        assert found["state"] == "succeeded", found
        assert 1 <= found["effects"] <= tries, found
        assert found["results"] == (5 if part in ("gather", "again") else 3), found
        assert found["outputs"], found
        assert found["crate"], found


@pytest.mark.slow
@pytest.mark.parametrize(
    "parts",
    [
        ("created", "prepare", "stage_in"),
        ("hand_over", "observe", "retry"),
        ("collect", "again", "gather", "stage_out", "cancel"),
    ],
)
def test_killed_anywhere_a_job_runs_once_and_loses_nothing(tmp_path, parts):
    points = [point for point in POINTS if point.partition(".")[0] in parts]
    found = run_host(tmp_path / "home", [f"local:{point}" for point in points])
    assert [one["point"] for one in found] == points
    for one in found:
        assert_well(one)


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0, reason="Grid Engine needs namespaces of its own, which only root can make")
def test_killed_where_it_matters_most_a_job_runs_once_on_every_scheduler(tmp_path, slurm, grid_engine):  # noqa: F811
    """``CRASH_POINTS=all`` takes every point; the table of them is made by ``python -m tests.jobs.crash_table``."""
    points = POINTS if MANY == "all" else MANY.split()
    with stand_in_running(tmp_path / "kubernetes") as (_, kubeconfig):
        rows = {
            "slurm": of_slurm(slurm),
            "gridengine": of_grid_engine(grid_engine),
            "pbs": of_pbs(tmp_path / "pbs"),
            "kubernetes": of_kubernetes(kubeconfig),
        }
        wanted = [f"{name}:{point}" for name in rows for point in points]
        found = run_host(tmp_path / "home", wanted, rows)
    assert sorted(f"{one['site']}:{one['point']}" for one in found) == sorted(wanted)
    for one in found:
        assert_well(one)


def test_the_table_of_crashes_has_every_point_and_every_scheduler_and_nothing_bad():
    table = TABLE.read_text().partition(BEGIN)[2].partition(END)[0].strip().splitlines()
    assert [one.strip() for one in table[0].strip("|").split("|")] == ["point", *TITLES.values()]
    cells = {line.split("|")[1].strip(" `"): line.strip("|").split("|")[1:] for line in table[2:]}
    assert list(cells) == list(POINTS)
    for point, row in cells.items():
        ends = "cancelled" if point.startswith("cancel.") else "succeeded"
        assert all(cell.strip().startswith(f"{ends}, ") and "**" not in cell for cell in row), point


def test_every_point_is_reached_somewhere():
    source = "".join(path.read_text() for path in (ROOT / "jobs" / "lifecycle").glob("*.py"))
    assert all(source.count(f'reached("{point}")') == 1 for point in POINTS)
