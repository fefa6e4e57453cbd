"""Institutes from the environment."""

import pytest

from accounts.apps import check_providers
from accounts.providers import BadProvider, provider_of, providers

EGI = {"OIDC_PROVIDERS": "egi", "OIDC_EGI_CLIENT_ID": "gateway", "OIDC_EGI_CLIENT_SECRET": "s3cret"}
PROXY = {
    "OIDC_PROVIDERS": "proxy",
    "OIDC_PROXY_ISSUER": "https://proxy.example.org/op",
    "OIDC_PROXY_CLIENT_ID": "gateway",
    "OIDC_PROXY_CLIENT_SECRET": "s3cret",
    "OIDC_PROXY_GROUP_NAMESPACES": "urn:mace:Example.org:aai#proxy.example.org, urn:mace:example.org:aai",
}


def test_without_variables_there_is_no_provider(settings):
    settings.OIDC = {}
    assert providers() == ()


def test_a_profile_needs_no_more_than_the_registration(settings):
    settings.OIDC = EGI
    (egi,) = providers()
    assert (egi.name, egi.issuer) == ("EGI Check-in", "https://aai.egi.eu/auth/realms/egi")
    assert egi.groups == {"urn:mace:egi.eu": {"aai.egi.eu", ""}}
    assert "eduperson_entitlement" in egi.scopes
    assert not egi.no_role_is_member


def test_the_environment_chooses_the_issuer_and_its_authority(settings):
    settings.OIDC = {
        "OIDC_PROVIDERS": "helmholtz",
        "OIDC_HELMHOLTZ_ENVIRONMENT": "dev",
        "OIDC_HELMHOLTZ_CLIENT_ID": "gateway",
        "OIDC_HELMHOLTZ_CLIENT_SECRET": "s3cret",
    }
    (found,) = providers()
    assert found.issuer == "https://login-dev.helmholtz.de/oauth2"
    assert found.groups == {"urn:geant:helmholtz.de": {"login-dev.helmholtz.de", ""}}


def test_any_other_proxy_is_given_by_its_issuer_and_namespaces(settings):
    settings.OIDC = PROXY
    (proxy,) = providers()
    assert proxy.groups == {"urn:mace:example.org:aai": {"proxy.example.org", ""}}
    assert proxy.name == "proxy"


def test_an_issuer_is_found_by_its_exact_name_only(settings):
    settings.OIDC = PROXY
    assert provider_of("https://proxy.example.org/op") == providers()[0]
    assert provider_of("https://proxy.example.org/op/") is None
    assert provider_of("https://proxy.example.org") is None


def test_no_secret_is_printed(settings):
    settings.OIDC = EGI
    assert "s3cret" not in repr(providers())


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"OIDC_EGI_CLIENT_ID": ""}, "OIDC_EGI_CLIENT_ID is missing"),
        ({"OIDC_EGI_CLIENT_SECRET": ""}, "OIDC_EGI_CLIENT_SECRET is missing"),
        ({"OIDC_EGI_ENVIRONMENT": "test"}, "OIDC_EGI_ENVIRONMENT is “test”"),
        ({"OIDC_EGI_ISSUER": "http://aai.egi.eu/"}, "OIDC_EGI_ISSUER is “http://aai.egi.eu/”"),
        ({"OIDC_EGI_ISSUER": "https://aai.egi.eu/?x"}, "OIDC_EGI_ISSUER"),
        ({"OIDC_EGI_SCOPES": "profile email"}, "OIDC_EGI_SCOPES has no “openid”"),
        ({"OIDC_EGI_GROUP_NAMESPACES": "egi.eu"}, "OIDC_EGI_GROUP_NAMESPACES holds “egi.eu”"),
        ({"OIDC_EGI_PROFILE": "google"}, "OIDC_EGI_PROFILE is “google”"),
        ({"OIDC_EGI_NO_ROLE_IS_MEMBER": "maybe"}, "OIDC_EGI_NO_ROLE_IS_MEMBER is “maybe”"),
        ({"OIDC_EGI_APPLY_URL": "javascript:alert(1)"}, "OIDC_EGI_APPLY_URL"),
        ({"OIDC_EGI_CLIENTID": "x"}, "OIDC_EGI_CLIENTID is not a variable"),
        ({"OIDC_PROVIDERS": "egi,egi"}, "OIDC_PROVIDERS names “egi”"),
        ({"OIDC_PROVIDERS": "egi,EGI two"}, "OIDC_PROVIDERS names “EGI two”"),
        ({"OIDC_PROVIDERS": "egi,other"}, "OIDC_OTHER_CLIENT_ID is missing"),
    ],
)
def test_a_bad_variable_is_named_at_the_start(settings, change, named):
    settings.OIDC = EGI | change
    with pytest.raises(BadProvider, match=named):
        providers()
    (error,) = check_providers(None)
    assert named in error.msg
    assert error.hint


def test_one_issuer_is_one_provider(settings):
    settings.OIDC = EGI | {
        "OIDC_PROVIDERS": "egi,again",
        "OIDC_AGAIN_PROFILE": "egi",
        "OIDC_AGAIN_CLIENT_ID": "gateway",
        "OIDC_AGAIN_CLIENT_SECRET": "s3cret",
    }
    with pytest.raises(BadProvider, match="given twice"):
        providers()
