"""Grid Engine itself: the contract, and what is its own."""

import os

import pytest

from jobs.backends.gridengine import GridEngineBackend, GridEngineOptions
from tests.jobs.backends.contract import ArrayContract


@pytest.mark.skipif(os.getuid() != 0, reason="Grid Engine needs namespaces of its own, which only root can make")
class TestGridEngine(ArrayContract):
    @pytest.fixture
    def backend(self, grid_engine):
        return GridEngineBackend(grid_engine.runner, GridEngineOptions(parallel_environment="mpi"))
