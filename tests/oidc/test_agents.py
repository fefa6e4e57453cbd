"""What scripts really use, against certified providers and a whole running portal: oidc-agent and the device flow."""

import json
import os
import signal
import subprocess
import sys
import tempfile

import httpx
import pytest

from tests.live import ROOT, new_instance, wait_until
from tests.oidc.institutes import SCOPES

pytestmark = pytest.mark.slow
EXAMPLES = ROOT / "docs" / "examples"


@pytest.fixture(scope="module")
def portal(institutes):
    """A portal that takes the tokens of both institutes."""
    extra = {"OIDC_PROVIDERS": ",".join(institutes), "ACCESS_TOKEN_CACHE_SECONDS": "1", "USAGE_POLICY_FILE": ""}
    for institute in institutes.values():
        extra |= institute.variables()
    live = new_instance(extra=extra)
    try:
        live.start()
        yield live
    finally:
        live.stop()


@pytest.fixture(params=["jwt", "opaque"])
def institute(request, egi, helmholtz):
    """An institute whose tokens are JWTs, and one whose tokens are opaque."""
    if request.param == "opaque":
        helmholtz.control("set", tokens="opaque")
    return egi if request.param == "jwt" else helmholtz


@pytest.fixture
def agent():
    """The environment of an oidc-agent of our own, ended with the test."""
    with tempfile.TemporaryDirectory(prefix="agent-") as name:
        env = os.environ | {"HOME": name, "OIDC_SOCK": f"{name}/sock", "OIDC_ENCRYPTION_PW": "pw"}
        os.mkdir(f"{name}/.oidc-agent", 0o700)
        argv = ["oidc-agent", "--console", "-a", env["OIDC_SOCK"]]
        process = subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: os.path.exists(env["OIDC_SOCK"]), what="the agent")
        yield env
        process.kill()
        process.wait(10)


def me(portal, token):
    return httpx.get(f"{portal.url}/api/v1/me/", headers={"Authorization": f"Bearer {token}"}, timeout=30)


def run(*argv, env, **words):
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=False, **words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_script_of_an_oidc_agent_is_signed_in(institute, portal, agent):
    run(
        *("oidc-gen", "--iss", institute.issuer, "--client-id", "oidc-agent", "--client-secret", "known-secret"),
        *("--flow=refresh", "--rt", institute.tokens("alice")["refresh_token"], "--scope", SCOPES),
        *("--redirect-uri", "http://localhost:4242", "--pw-env", "--prompt=none", "--confirm-default", "egi"),
        env=agent,
        stdin=subprocess.DEVNULL,
    )
    told = json.loads(run("sh", str(EXAMPLES / "oidc_agent.sh"), "egi", env=agent | {"PORTOLAN_URL": portal.url}))
    assert told["identities"] == [{"issuer": institute.issuer, "subject": institute.subject("alice")}]
    assert (told["name"], told["token"]) == ("Alice Admin", None)
    assert told["access_token"]["scopes"] == ["read", "data", "jobs", "admin"]
    assert [group["name"] for group in told["groups"]] == ["cryo.example.org", "cryo.example.org / tomo"]


def test_the_device_flow_leads_to_the_same_account(egi, portal):
    env = os.environ | {"PORTOLAN_URL": portal.url, "OIDC_ISSUER": egi.issuer, "OIDC_CLIENT": "oidc-agent"}
    argv = [sys.executable, str(EXAMPLES / "device_flow.py")]
    script = subprocess.Popen(argv, env=env | {"OIDC_SECRET": "known-secret"}, stdout=subprocess.PIPE, text=True)
    try:
        egi.approve_device(script.stdout.readline().split()[1], "alice")
        told = json.loads(script.communicate(timeout=60)[0])
    finally:
        script.kill()
    assert script.returncode == 0
    assert told["id"] == me(portal, egi.tokens("alice")["access_token"]).json()["id"]


def test_an_e_mail_that_equals_anothers_is_no_way_in(egi, helmholtz, portal):
    found = {me(portal, one.tokens("alice")["access_token"]).json()["id"] for one in (egi, helmholtz)}
    found.add(me(portal, egi.tokens("mallory")["access_token"]).json()["id"])
    assert len(found) == 3


def test_a_token_of_a_client_that_is_not_named_is_refused(institute, portal):
    token = institute.tokens("alice", client=("other-service", "other-secret"))["access_token"]
    refused = me(portal, token)
    assert (refused.status_code, refused.json()["code"]) == (401, "token_audience")


def test_an_id_token_and_a_refresh_token_are_no_access_tokens(institute, portal):
    tokens = institute.tokens("alice")
    for name in ("id_token", "refresh_token"):
        assert me(portal, tokens[name]).status_code == 401, name


def test_a_token_that_was_revoked_is_refused_when_the_cache_has_ended(institute, portal):
    token = institute.tokens("alice")["access_token"]
    assert me(portal, token).status_code == 200
    institute.revoke(token)
    wait_until(lambda: me(portal, token).status_code == 401, what="the refusal")


@pytest.mark.parametrize("keep", [True, False])
def test_a_token_signed_by_a_new_key_is_good_at_once(egi, portal, keep):
    assert me(portal, egi.tokens("alice")["access_token"]).status_code == 200
    egi.rotate_keys(keep=keep)
    assert me(portal, egi.tokens("alice")["access_token"]).status_code == 200


def test_a_provider_with_a_wrong_clock_gives_tokens_that_do_not_hold_yet(egi, portal):
    egi.control("set", skew=20)
    assert me(portal, egi.tokens("alice")["access_token"]).status_code == 200
    egi.control("set", skew=3600)
    assert me(portal, egi.tokens("alice")["access_token"]).json()["code"] == "token_early"


def test_a_provider_that_hangs_is_503_and_everything_else_works_on(egi, helmholtz, portal):
    token, other = (one.tokens("alice")["access_token"] for one in (egi, helmholtz))
    os.kill(egi.process.pid, signal.SIGSTOP)
    try:
        refused = me(portal, token)
        assert (refused.status_code, refused.json()["code"]) == (503, "provider_unavailable")
        assert int(refused.headers["Retry-After"]) > 0
        assert me(portal, other).status_code == 200
    finally:
        os.kill(egi.process.pid, signal.SIGCONT)
    wait_until(lambda: me(portal, token).status_code == 200, what="the provider's answer")
