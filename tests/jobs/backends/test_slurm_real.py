"""What is Slurm's own, on a real Slurm: arrays, GPUs, MPI, nodes and controllers that go away."""

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.running.slurm import running
from jobs.backends.base import Cause, JobRejected, Phase, SiteUnavailable
from jobs.backends.runner import Here
from jobs.backends.slurm import SlurmBackend
from jobs.backends.ssh import Ssh
from tests.jobs.backends.contract import SchedulerContract
from tests.jobs.backends.sshd import sshd_running

OPTICS = """data_optics

loop_
_rlnOpticsGroupName #1
_rlnOpticsGroup #2
_rlnMicrographOriginalPixelSize #3
_rlnVoltage #4
_rlnSphericalAberration #5
_rlnAmplitudeContrast #6
opticsGroup1 1 1.0 300.0 2.7 0.1


data_movies

loop_
_rlnMicrographMovieName #1
_rlnOpticsGroup #2
"""


def answers(backend, native_id):
    """The phase that a poll tells; None while the site does not answer."""
    try:
        return backend.poll([native_id])[native_id].phase
    except SiteUnavailable:
        return None


class Helpers(SchedulerContract):
    """The contract's ways, without its tests."""


for _name in [name for name in vars(SchedulerContract) if name.startswith("test_")]:
    setattr(Helpers, _name, None)


class TestSlurmItself(Helpers):
    @pytest.fixture
    def backend(self, slurm):
        return SlurmBackend(Here(slurm.environment))

    def test_a_gpu_job_gets_its_gpu_in_the_gpu_partition(self, backend, make_spec):
        spec = make_spec("sh", "-c", 'echo "$CUDA_VISIBLE_DEVICES $SLURM_JOB_PARTITION"', queue="gpu", gpus=1)
        self.ended(backend, backend.submit(spec))
        assert spec.stdout.read_text() == "0 gpu\n"
        with pytest.raises(JobRejected, match="3 GPUs"):
            backend.submit(make_spec("true", name="b", queue="gpu", gpus=3))

    def test_an_unknown_partition_is_refused_in_words(self, backend, make_spec):
        with pytest.raises(JobRejected, match="no partition “nowhere”"):
            backend.submit(make_spec("true", queue="nowhere"))

    def test_a_held_job_says_who_holds_it(self, backend, slurm, make_spec):
        held = SlurmBackend(backend.runner, type(backend.options)(options=("--hold",)))
        native_id = held.submit(make_spec("true"))
        seen = backend.poll([native_id])[native_id]
        assert (seen.phase, seen.word) == (Phase.QUEUED, "PENDING")
        assert "held on the cluster by its own user" in seen.reason
        backend.cancel(native_id)
        assert backend.poll([native_id])[native_id].cause is Cause.CANCELLED

    def test_a_node_that_goes_down_is_told_as_a_node_failure(self, backend, slurm, make_spec):
        native_id = backend.submit(make_spec("sleep", "60", queue="gpu"))
        self.reached(backend, native_id, Phase.RUNNING)
        slurm.command("scontrol", "update", "nodename=g1", "state=down", "reason=test")
        try:
            assert self.ended(backend, native_id) is Phase.LOST
            assert backend.poll([native_id])[native_id].cause is Cause.NODE_FAILURE
        finally:
            with suppress(subprocess.CalledProcessError):  # the node itself may have been quicker to come back
                slurm.command("scontrol", "update", "nodename=g1", "state=resume")

    def test_a_line_that_is_cut_between_polls_changes_nothing(self, slurm, cluster_home, make_spec):
        with sshd_running(cluster_home / "cut") as server:
            backend = SlurmBackend(Ssh(server.machine, slurm.environment))
            spec = make_spec("sh", "-c", "while [ ! -e go ]; do sleep 0.1; done; exit 4")
            native_id = backend.submit(spec)
            self.reached(backend, native_id, Phase.RUNNING)
            server.cut()
            with pytest.raises(SiteUnavailable):
                backend.poll([native_id])
            server.start()
            self.until(lambda: answers(backend, native_id) is Phase.RUNNING)  # after the pause of a broken line
            (spec.cwd / "go").touch()
            self.ended(backend, native_id)
        assert self.exit_of(spec)["exit_code"] == 4

    def test_a_node_without_the_job_s_directories_is_told_and_nothing_is_left(self, backend, make_spec, tmp_path):
        spec = make_spec("true")
        (tmp_path / "file").write_text("")
        broken = type(spec)(**{**vars(spec), "control": tmp_path / "file" / "control"})
        self.ended(backend, backend.submit(broken))
        assert not spec.stdout.exists()

    @pytest.mark.slow
    def test_a_hundred_megabytes_of_output_are_kept(self, backend, make_spec):
        spec = make_spec("head", "-c", "104857600", "/dev/zero")
        self.ended(backend, backend.submit(spec))
        assert spec.stdout.stat().st_size == 104_857_600

    @pytest.mark.slow
    def test_a_controller_that_is_killed_changes_nothing(self, cluster_home, make_spec):
        with running(cluster_home / "own") as cluster:
            backend = SlurmBackend(Here(cluster.environment))
            spec = make_spec("sh", "-c", "while [ ! -e go ]; do sleep 0.1; done; exit 4")
            native_id = backend.submit(spec)
            self.reached(backend, native_id, Phase.RUNNING)
            cluster.kill("slurmctld")
            for ask in (lambda: backend.poll([native_id]), lambda: backend.find(spec.name)):
                with pytest.raises(SiteUnavailable):
                    ask()
            with pytest.raises(SiteUnavailable):
                backend.submit(make_spec("true", name="b"))
            cluster.revive("slurmctld")
            assert backend.find(spec.name) == native_id
            (spec.cwd / "go").touch()
            self.ended(backend, native_id)
            assert self.exit_of(spec)["exit_code"] == 4

    @pytest.mark.slow
    def test_relion_s_mpi_program_runs_across_two_nodes(self, backend, make_spec, tmp_path):
        """Two ranks of one core, one on each of two virtual nodes, align two movies."""
        mpirun, program = shutil.which("mpirun"), shutil.which("relion_run_motioncorr_mpi")
        assert mpirun, "Open MPI comes with RELION"
        assert program
        environment = {
            "PATH": os.environ["PATH"], "OMPI_MCA_btl": "self,tcp", "OMPI_MCA_plm_rsh_agent": "/bin/false",
            "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "HOME": str(tmp_path),
        }  # fmt: skip
        movies = tmp_path / "samples"
        subprocess.run([sys.executable, "-m", "samples", str(movies)], check=True, timeout=300,
                       cwd=Path(__file__).parents[3], capture_output=True)  # fmt: skip
        names = sorted(movies.rglob("*.tif*"))[:2] or sorted(movies.rglob("*.mrcs"))[:2]
        star = tmp_path / "movies.star"
        star.write_text(OPTICS + "".join(f"{one} 1\n" for one in names))
        argv = [mpirun, "-n", "2", program, "--i", str(star), "--o", f"{tmp_path}/out/", "--use_own", "--j", "1",
                "--first_frame_sum", "1", "--last_frame_sum", "-1", "--patch_x", "1", "--patch_y", "1",
                "--dose_per_frame", "1"]  # fmt: skip
        spec = make_spec("sh", "-c", 'echo "nodes $SLURM_JOB_NUM_NODES"; exec "$@"', "sh", *argv, tasks=2, nodes=2,
                         environment=environment, memory_mb=1500)  # fmt: skip
        self.ended(backend, backend.submit(spec))
        said = spec.stdout.read_text() + spec.stderr.read_text()
        assert self.exit_of(spec)["exit_code"] == 0, said[-3000:]
        assert "nodes 2" in said
        assert "Number of MPI processes" in said
        assert len(list((tmp_path / "out").rglob("*.mrc"))) == len(names) > 0
