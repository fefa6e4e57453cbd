"""Slurm itself: the contract, and what is its own."""

import pytest

from jobs.backends.runner import Here
from jobs.backends.slurm import SlurmBackend
from jobs.backends.ssh import Ssh
from tests.jobs.backends.contract import ArrayContract, SchedulerContract


class TestSlurm(ArrayContract):
    @pytest.fixture
    def backend(self, slurm):
        return SlurmBackend(Here(slurm.environment))


class TestSlurmWithAccounting(ArrayContract):
    @pytest.fixture
    def backend(self, slurm_with_accounting):
        return SlurmBackend(Here(slurm_with_accounting.environment))


class TestSlurmOverSsh(SchedulerContract):
    @pytest.fixture
    def backend(self, slurm, sshd):
        return SlurmBackend(Ssh(sshd.machine, slurm.environment))
