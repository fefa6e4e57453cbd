import pytest

from storage.models import SiteKind
from storage.sites import rows
from tests.gateway.world import POLICY_VERSION, World
from tests.storage.sites.stand_in import stand_in


@pytest.fixture
def world(db, settings, tmp_path, monkeypatch) -> World:
    monkeypatch.setitem(rows.ADAPTERS, SiteKind.WEBDAV, stand_in)
    policy = tmp_path / "policy.txt"
    policy.write_text("Use it for research.")
    settings.USAGE_POLICY_FILE, settings.USAGE_POLICY_VERSION = str(policy), POLICY_VERSION
    return World(settings.SAMPLE_DIR)
