"""Two login providers under the tests' control."""

import pytest

from accounts import access_tokens
from tests.accounts.fake_provider import FakeProvider


@pytest.fixture(scope="module")
def fakes():
    found = FakeProvider("fake"), FakeProvider("helmholtz")
    yield found
    for fake in found:
        fake.server.shutdown()
        fake.server.server_close()


@pytest.fixture
def configure(settings, monkeypatch):
    """``configure(fake, …)``: these are the portal's providers."""
    monkeypatch.setattr(access_tokens, "_clients", {})

    def to(*fakes, **words):
        settings.OIDC = {"OIDC_PROVIDERS": ",".join(fake.name for fake in fakes)}
        for fake in fakes:
            settings.OIDC |= fake.variables(**words)

    return to


@pytest.fixture
def both(fakes, configure):
    """Two providers, as they are at their start, and both configured."""
    for fake in fakes:
        fake.reset()
    configure(*fakes)
    return fakes


@pytest.fixture
def fake(both):
    return both[0]
