"""Slurm itself: the contract, and what is its own."""

import pytest

from jobs.backends.runner import Here
from jobs.backends.slurm import SlurmBackend
from tests.jobs.backends.contract import SchedulerContract


class TestSlurm(SchedulerContract):
    @pytest.fixture
    def backend(self, slurm):
        return SlurmBackend(Here(slurm.environment))
