"""Real schedulers in private directories on loopback, one of each for the whole session of a test process."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.running.slurm import Cluster, Shape, running
from tests.jobs.backends.gridengine import Cell, cell_running
from tests.jobs.backends.sshd import Sshd, sshd_running


@pytest.fixture(scope="session")
def cluster_home() -> Iterator[Path]:
    """A short path: sockets have to fit into it."""
    home = Path(tempfile.mkdtemp(prefix="ptl-", dir="/tmp"))
    home.chmod(0o755)
    yield home
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def slurm(cluster_home: Path) -> Iterator[Cluster]:
    """Slurm with two nodes and a GPU node, accounting off."""
    with running(cluster_home / "slurm") as cluster:
        yield cluster


@pytest.fixture(scope="session")
def slurm_with_accounting(cluster_home: Path) -> Iterator[Cluster]:
    """Slurm that keeps accounts, and whose queue forgets ended jobs soon."""
    with running(cluster_home / "accounts", Shape(accounting=True, gpu_nodes=0, min_job_age=2)) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def sshd(cluster_home: Path) -> Iterator[Sshd]:
    """Another machine, reached by SSH (the same one, behind a real sshd)."""
    with sshd_running(cluster_home / "sshd") as server:
        yield server


@pytest.fixture(scope="session")
def grid_engine(cluster_home: Path) -> Iterator[Cell]:
    """Grid Engine with one host of 16 slots."""
    with cell_running(cluster_home / "ge") as cell:
        yield cell
