import pytest

from tests.gateway.world import World


@pytest.fixture
def world(db, settings) -> World:
    return World(settings.SAMPLE_DIR)
