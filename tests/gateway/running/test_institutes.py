"""The demo's sample institutes, and the documentation of how real ones are connected."""

import re
from pathlib import Path

import httpx
import pytest

from accounts.providers import KNOWN, LIST, PROFILES, providers
from common.errors import Unavailable
from gateway.running import institutes
from gateway.running.supervisor import Supervisor
from tests.live import free_ports, wait_until

DOCS = Path(__file__).resolve().parents[3] / "docs" / "connect-a-login.md"


@pytest.mark.slow
def test_both_institutes_run_and_are_what_the_portal_is_told(tmp_path, settings):
    port = free_ports(1)[0] - institutes.OFFSET
    runner = Supervisor(list(institutes.services(port, "http://localhost:8000")), home=tmp_path, say=lambda _: None)
    runner.start(interrupted=lambda: False)
    try:
        settings.OIDC = institutes.variables(port)
        for provider in providers():
            wait_until(lambda one=provider: httpx.get(one.discovery_url).is_success, what=provider.name)
            assert httpx.get(provider.discovery_url).json()["issuer"] == provider.issuer
    finally:
        runner.stop(with_orphans=True)


def test_a_taken_port_is_told(monkeypatch):
    monkeypatch.setattr(institutes.socket.socket, "bind", lambda *_: (_ for _ in ()).throw(OSError(98, "in use")))
    with pytest.raises(Unavailable, match="sample institute"):
        list(institutes.services(8000, "http://localhost:8000"))


def test_the_documentation_names_every_variable_and_issuer():
    text = DOCS.read_text()
    told = set(re.findall(r"OIDC_<NAME>_([A-Z_]+)", text)) | set(re.findall(r"`_([A-Z_]+)`", text))
    assert told == KNOWN
    assert LIST in text
    for kind in ("egi", "helmholtz"):
        assert PROFILES[kind].issuers["dev"].removeprefix("https://").split("/")[0] in text
        assert all(scope in text for scope in PROFILES[kind].scopes)


@pytest.mark.parametrize("name", ["egi", "helmholtz", "ours"])
def test_the_documentation_s_settings_are_taken(settings, name):
    lines = re.findall(rf"^ *(OIDC_(?:{name.upper()}_\w+))=(.*)$", DOCS.read_text(), re.MULTILINE)
    settings.OIDC = {LIST: name} | dict(lines)
    found = providers()[0]
    assert found.client_id == "…"
    assert found.issuer == PROFILES[name].issuers["dev"] if name in PROFILES else "https://login.example.org/oauth2"
