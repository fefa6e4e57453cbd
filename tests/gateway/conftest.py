import pytest

from tests.gateway.world import POLICY_VERSION, World


@pytest.fixture
def world(db, settings, tmp_path) -> World:
    policy = tmp_path / "policy.txt"
    policy.write_text("Use it for research.")
    settings.USAGE_POLICY_FILE, settings.USAGE_POLICY_VERSION = str(policy), POLICY_VERSION
    return World(settings.SAMPLE_DIR)
