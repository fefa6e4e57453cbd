"""A browser that signs in through the real providers."""

from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from django.core.cache import cache
from django.test import Client

from accounts import access_tokens, provider_client


@pytest.fixture(scope="session")
def patient():
    """A client that waits for its answers."""
    with httpx.Client(timeout=60) as client:
        yield client


@pytest.fixture
def portal(settings, monkeypatch, egi, helmholtz, patient, db):
    """Both institutes are this portal's; ``portal(REQUIRED_ENTITLEMENT=…)`` changes EGI's variables."""
    cache.clear()
    monkeypatch.setattr(access_tokens, "_clients", {})
    # A busy machine is no provider that is down.
    monkeypatch.setattr(provider_client, "_http", lambda: patient)
    monkeypatch.setattr(provider_client, "ANSWER_SECONDS", 60)
    settings.SOCIALACCOUNT_REQUESTS_TIMEOUT = 60

    def configure(**words):
        settings.OIDC = {"OIDC_PROVIDERS": "egi,helmholtz", **egi.variables(**words), **helmholtz.variables()}

    configure()
    return configure


@pytest.fixture
def sign_in(portal):
    """``sign_in(institute, user)`` is the browser and the answer to its way back; ``change`` alters that address."""

    def made(institute, user, *, browser=None, change=lambda url: url, to="login", **form):
        browser = browser or Client()
        away = browser.post(f"/oidc/{institute.kind}/{to}/", form)
        assert away.status_code == 302, away.content
        back = change(institute.approve(away.headers["Location"], user))
        return browser, browser.get(back)

    return made


def signed_in(browser):
    """The id of who is signed in; None for nobody."""
    return browser.session.get("_auth_user_id")


def query(url):
    """The query of an address, each value once."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
