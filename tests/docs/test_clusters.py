"""“Add a cluster” of docs/operators.md: its table is the truth, and each command and setting in it runs as printed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from common.errors import UserError
from jobs.backends.base import JobRejected, Phase
from jobs.lifecycle.site_settings import GENERAL, RUNNER, SSH, TAKEN, checked_settings
from jobs.lifecycle.sites import SCHEDULERS, backend_of
from jobs.models import ComputeSite
from tests.docs.operators_page import SECTION, paragraphs, settings_under, table
from tests.jobs.backends.conftest import cluster_home, grid_engine  # noqa: F401 - fixtures
from tests.jobs.backends.contract import SchedulerContract
from tests.jobs.crash_sites import of_grid_engine, of_pbs

ROOT = Path(__file__).parents[2]
PRINTED = {"Over SSH": "slurm", "Slurm": "slurm", "Grid Engine": "gridengine", "PBS": "pbs", "Kubernetes": "kubernetes"}


def test_the_table_has_each_scheduler_with_just_the_keys_it_takes():
    told = table()
    assert set(told) == set(SCHEDULERS)
    for name, keys in told.items():
        assert keys == set(TAKEN[name]) - (set() if name == "local" else set(RUNNER)), name
    beside = SECTION.partition("All but `local` also take")[2].partition("**Over SSH.**")[0]
    for key in (*RUNNER, *GENERAL):
        assert f"`{key}`" in beside, key


@pytest.mark.parametrize(("title", "scheduler"), PRINTED.items())
def test_what_is_printed_is_taken_and_a_slip_in_it_is_told(title, scheduler):
    (printed,) = settings_under(title)
    checked_settings(scheduler, {"kubeconfig": "/k", "image": "i:1"} | printed if title == "Kubernetes" else printed)
    first = next(iter(printed))
    with pytest.raises(UserError, match=f"“{first}x” is not known"):
        checked_settings(scheduler, printed | {f"{first}x": printed[first]})
    if title == "Over SSH":
        assert set(printed["ssh"]) == set(SSH)


def test_every_printed_object_and_command_is_tried_here():
    assert SECTION.count("`{") == len(PRINTED)
    assert SECTION.count("\n```\n") == 2
    told = re.findall(r"`make ([\w-]+)( SLURM=1)?`", paragraphs("To try it"))
    assert told == [("demo", " SLURM=1"), ("test-kubernetes", "")]
    rules = (ROOT / "Makefile").read_text()
    assert all(f"\n{name}: " in rules for name, _ in told)
    assert "$(filter-out 0,$(SLURM)),--slurm" in rules


class TestOnSchedulers(SchedulerContract):
    """The contract's ways, without its tests."""

    def test_grid_engine_s_settings_run_a_job(self, grid_engine, make_spec):  # noqa: F811
        (printed,) = settings_under("Grid Engine")
        row = of_grid_engine(grid_engine)["settings"]
        grid_engine.add_parallel_environment(printed["parallel_environment"])
        spec = make_spec("sh", "-c", 'echo "$NSLOTS $PE"; ulimit -v', cores=2)
        backend = backend_of(ComputeSite(name="s", scheduler="gridengine", settings=row | printed))
        assert self.ended(backend, backend.submit(spec)) is Phase.ENDED
        # Asked for per slot: half of 200 MB on each of the two.
        assert spec.stdout.read_text().split() == ["2", printed["parallel_environment"], str(2 * 100 * 1024)]
        plain = backend_of(ComputeSite(name="s", scheduler="gridengine", settings=row))
        with pytest.raises(JobRejected, match="one core a job"):
            plain.submit(make_spec("true", name="b", cores=2))

    @pytest.mark.parametrize("torque", [False, True])
    def test_pbs_s_settings_run_a_job_on_the_look_alike(self, tmp_path, make_spec, torque):
        (printed,) = settings_under("PBS")
        assert '`"torque": true`' in paragraphs("PBS")
        row = of_pbs(tmp_path / "pbs", torque=torque)["settings"] | ({"torque": True} if torque else {})
        site = ComputeSite(name="s", scheduler="pbs", cores=8, memory_mb=4000, settings=row | printed)
        spec = make_spec("echo", "ran")
        backend = backend_of(site)
        assert self.ended(backend, backend.submit(spec)) is Phase.ENDED
        assert spec.stdout.read_text() == "ran\n"


for _name in [name for name in vars(SchedulerContract) if name.startswith("test_")]:
    setattr(TestOnSchedulers, _name, None)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(os.getuid() != 0, reason="only root may have a machine of its own in namespaces")
def test_the_commands_for_ssh_and_the_settings_for_slurm_and_kubernetes_run_as_printed(cluster_home):  # noqa: F811
    place = cluster_home / "walk"
    place.mkdir()
    argv = ["unshare", "--mount", "--net", sys.executable, "-m", "tests.docs.cluster_walk", str(place)]
    settings = {"DJANGO_SETTINGS_MODULE": "gateway.settings", "PORTOLAN_HOME": str(place / "portal")}
    done = subprocess.run(
        argv, cwd=ROOT, env=os.environ | settings, capture_output=True, text=True, timeout=800, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
