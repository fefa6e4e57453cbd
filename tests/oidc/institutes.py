"""Two real OpenID providers on loopback, one shaped like EGI Check-in, one like Helmholtz ID.

``pytest_plugins`` of ``tests/conftest.py`` names this module; ``egi`` and ``helmholtz`` are as at their start for each
test, and run once for all tests of a process.
"""

import base64
import hashlib
import re
import secrets
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import httpx
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
HOSTS = {"egi": "127.0.0.1", "helmholtz": "127.0.0.2"}
PATHS = {"egi": "/auth/realms/egi", "helmholtz": "/oauth2"}
SCOPES = "openid profile email offline_access voperson_id eduperson_entitlement entitlements eduperson_assurance"
AGENT = ("oidc-agent", "known-secret")
SUBJECTS = {"alice": "a1" * 32, "bob": "b2" * 32, "mallory": "c3" * 32}
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


class Institute:
    """A running provider. ``portals`` are where browsers may be sent back to."""

    def __init__(self, kind: str, *, portals: tuple[str, ...] = ("http://testserver",), port: int = 0) -> None:
        self.kind, self.host, self.portals = kind, HOSTS[kind], portals
        self.port = port or _free_port(self.host)
        self.origin = f"http://{self.host}:{self.port}"
        self.issuer = self.origin + PATHS[kind]
        self.http = httpx.Client(timeout=60)
        self.process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        """The provider is starting."""
        argv = ["node", "samples/institute/op.mjs", "--kind", self.kind, "--host", self.host]
        argv += ["--port", str(self.port), "--control"]
        argv += [word for portal in self.portals for word in ("--portal", portal)]
        self.log_file = Path(tempfile.mkdtemp(prefix="portolan-op-")) / "log"
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(argv, cwd=ROOT, stdout=log, stderr=log)

    def start(self) -> None:
        """The provider answers."""
        if self.process is None:
            self.launch()
        deadline = time.monotonic() + 60
        while not self.answers():
            assert self.process is not None
            assert self.process.poll() is None, self.log_file.read_text()
            assert time.monotonic() < deadline, "the provider did not start"
            time.sleep(0.05)

    def answers(self) -> bool:
        """True while it is up."""
        try:
            return self.http.get(f"{self.issuer}/.well-known/openid-configuration").is_success
        except httpx.HTTPError:
            return False

    def stop(self) -> None:
        """The provider is down."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(20)
            self.process = None

    def control(self, hook: str, **words: Any) -> Any:
        """What ``samples/institute/control.mjs`` answers."""
        answer = self.http.post(f"{self.origin}/control/{hook}", json=words)
        answer.raise_for_status()
        return answer.json()

    def set_entitlements(self, user: str, entitlements: list[str]) -> None:
        """``["group:team", "group:team:sub:role=manager"]``; the shape's namespace and authority are put around."""
        self.control("entitlements", user=user, entitlements=entitlements)

    def rotate_keys(self, *, keep: bool = True) -> str:
        """It signs with a new key; the old one is still published, or not."""
        return str(self.control("rotate", keep=keep)["kid"])

    def log(self) -> list[str]:
        """``["POST /protocol/…/token", …]`` since the last call."""
        return list(self.control("log"))

    def subject(self, user: str) -> str:
        """The person's ``sub``."""
        return f"{SUBJECTS[user]}@{'egi.eu' if self.kind == 'egi' else 'login.helmholtz.de'}"

    def variables(self, **words: str) -> dict[str, str]:
        """It, as the operator configures it, without OIDC_PROVIDERS."""
        told = {"ISSUER": self.issuer, "CLIENT_ID": "gateway", "CLIENT_SECRET": "gateway-secret"}
        told |= {"SCOPES": SCOPES, "API_CLIENTS": "oidc-agent"} | words
        return {f"OIDC_{self.kind.upper()}_{word}": value for word, value in told.items()}

    def endpoint(self, name: str) -> str:
        """An address of its discovery document."""
        return str(self.http.get(f"{self.issuer}/.well-known/openid-configuration").json()[name])

    def approve(self, url: str, user: str) -> str:
        """Where the provider sends the browser that signs in there as ``user``: the first address that is not its."""
        with httpx.Client(timeout=60) as browser:
            for _ in range(12):
                if "/interaction/" in url and "as=" not in url:
                    url += f"?as={user}"
                answer = browser.get(url)
                if not answer.is_redirect:
                    raise AssertionError(f"{answer.status_code} {answer.text[:500]}")
                url = urljoin(url, answer.headers["Location"])
                if not url.startswith(self.origin):
                    return url
        raise AssertionError("the provider did not come to an end")

    def tokens(self, user: str, *, client: tuple[str, str] = AGENT, scope: str = SCOPES) -> dict[str, Any]:
        """access_token, refresh_token, id_token of ``user``, got by a client on the command line."""
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        redirect = "http://127.0.0.1/cb"
        asked = {
            "client_id": client[0], "response_type": "code", "scope": scope, "redirect_uri": redirect,
            "state": "s", "code_challenge": challenge, "code_challenge_method": "S256", "prompt": "consent",
        }  # fmt: skip
        back = self.approve(f"{self.endpoint('authorization_endpoint')}?{urlencode(asked)}", user)
        code = parse_qs(urlsplit(back).query)["code"][0]
        body = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect, "code_verifier": verifier}
        return self._token(body, client)

    def refresh(self, refresh_token: str, *, client: tuple[str, str] = AGENT) -> dict[str, Any]:
        """New tokens; the refresh token is used up."""
        return self._token({"grant_type": "refresh_token", "refresh_token": refresh_token}, client)

    def revoke(self, token: str, *, client: tuple[str, str] = AGENT) -> None:
        """The token is good for nothing."""
        self.http.post(self.endpoint("revocation_endpoint"), data={"token": token}, auth=client).raise_for_status()

    def start_device(self, *, client: tuple[str, str] = AGENT, scope: str = SCOPES) -> dict[str, Any]:
        """device_code, user_code, verification_uri_complete."""
        data = {"client_id": client[0], "scope": scope}
        answer = self.http.post(self.endpoint("device_authorization_endpoint"), data=data, auth=client)
        answer.raise_for_status()
        return dict(answer.json())

    def approve_device(self, url: str, user: str) -> None:
        """``user`` has signed in at ``verification_uri_complete`` and agreed."""
        with httpx.Client(timeout=60) as browser:
            at = url.split("?")[0]
            answer = browser.post(at, data=_fields(browser.get(url).text))
            answer = browser.post(at, data=_fields(answer.text) | {"confirm": "yes"})
            for _ in range(12):
                if not answer.is_redirect:
                    break
                at = urljoin(at, answer.headers["Location"])
                answer = browser.get(at + (f"?as={user}" if "/interaction/" in at else ""))
            assert answer.is_success, answer.text[:500]

    def device_tokens(self, user: str, *, client: tuple[str, str] = AGENT) -> dict[str, Any]:
        """Tokens of ``user`` by the device flow."""
        started = self.start_device(client=client)
        self.approve_device(started["verification_uri_complete"], user)
        return self._token({"grant_type": DEVICE, "device_code": started["device_code"]}, client)

    def _token(self, body: dict[str, str], client: tuple[str, str]) -> dict[str, Any]:
        answer = self.http.post(self.endpoint("token_endpoint"), data=body, auth=client)
        assert answer.is_success, answer.text
        return dict(answer.json())


def _fields(html: str) -> dict[str, str]:
    return dict(re.findall(r'name="([^"]+)" value="([^"]*)"', html))


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def institutes() -> Iterator[dict[str, Institute]]:
    """Both providers, by kind."""
    found = {kind: Institute(kind) for kind in HOSTS}
    try:
        for one in found.values():
            one.launch()
        for one in found.values():
            one.start()
        yield found
    finally:
        for one in found.values():
            one.stop()


def _fresh(one: Institute) -> Institute:
    if one.process is None:
        one.start()
    one.control("reset")
    return one


@pytest.fixture
def egi(institutes: dict[str, Institute]) -> Institute:
    """The provider shaped like EGI Check-in."""
    return _fresh(institutes["egi"])


@pytest.fixture
def helmholtz(institutes: dict[str, Institute]) -> Institute:
    """The provider shaped like Helmholtz ID."""
    return _fresh(institutes["helmholtz"])
