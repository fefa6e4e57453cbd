"""A login provider under the tests' control: it signs what it is told to, and counts what it is asked."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections import Counter
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

PRIVATE = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(3)]


class FakeProvider:
    """``say`` is what it answers instead of working: None, a status, or a text that is no JSON."""

    def __init__(self, name: str) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.issuer = f"{self.url}/realms/{name}"
        self.name = name
        self.reset()
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def reset(self) -> None:
        """It is as at its start."""
        self.calls: Counter[str] = Counter()
        self.say: int | str | None = None
        self.alive = True
        self.keys = {"first": PRIVATE[0]}
        self.people: dict[str, dict[str, Any]] = {"alice-sub": {"name": "Alice Admin", "email": "alice@example.org"}}
        self.opaque: dict[str, dict[str, Any]] = {}
        self.refused: set[str] = set()
        self.document: dict[str, str] = {}

    def variables(self, **words: str) -> dict[str, str]:
        """It, as the operator configures it."""
        told = {"ISSUER": self.issuer, "CLIENT_ID": "portal", "CLIENT_SECRET": "portal-secret", "API_CLIENTS": "agent"}
        return {f"OIDC_{self.name.upper()}_{word}": value for word, value in (told | words).items()}

    def jwt(
        self,
        *,
        key: str = "first",
        algorithm: str = "RS256",
        headers: dict[str, Any] | None = None,
        drop: Sequence[str] = (),
        **claims: Any,
    ) -> str:
        """A signed token of Alice, made by ``agent``, with the claims that are given instead."""
        now = int(time.time())
        whole: dict[str, Any] = {"iss": self.issuer, "sub": "alice-sub", "iat": now, "exp": now + 3600, "azp": "agent"}
        whole["typ"] = "Bearer"
        whole = {name: value for name, value in (whole | claims).items() if name not in drop}
        return jwt.encode(
            whole, self.keys.get(key, PRIVATE[2]), algorithm=algorithm, headers={"kid": key} | (headers or {})
        )

    def handle(self, token: str, **words: Any) -> str:
        """An opaque token of Alice."""
        now = int(time.time())
        self.opaque[token] = {"active": True, "sub": "alice-sub", "exp": now + 3600, "client_id": "agent"} | words
        return token

    def rotate(self, *, keep: bool) -> None:
        """It signs with another key from now on; the old one is still published, or not."""
        self.keys = {"second": PRIVATE[1], **(self.keys if keep else {})}

    def public_pem(self) -> bytes:
        """What everybody can read of its first key."""
        kind = serialization.PublicFormat.SubjectPublicKeyInfo
        return PRIVATE[0].public_key().public_bytes(serialization.Encoding.PEM, kind)

    def answer(self, path: str, headers: Any, body: str) -> tuple[int, Any]:
        """(status, JSON) of one request."""
        if path.endswith("/.well-known/openid-configuration"):
            ends = {f"{end}_endpoint": f"{self.issuer}/{end}" for end in ("introspection", "userinfo")}
            return 200, {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/certs", **ends, **self.document}
        if path.endswith("/certs"):
            return 200, {"keys": [_jwk(kid, key) for kid, key in self.keys.items()]}
        if path.endswith("/introspection"):
            if headers["Authorization"] != "Basic " + base64.b64encode(b"portal:portal-secret").decode():
                return 401, {"error": "invalid_client"}
            return 200, self.opaque.get(parse_qs(body)["token"][0], {"active": False})
        return self._userinfo(headers["Authorization"].removeprefix("Bearer "))

    def _userinfo(self, token: str) -> tuple[int, Any]:
        if token in self.refused:
            return 401, {"error": "invalid_token"}
        subject = self.opaque[token]["sub"] if token in self.opaque else _payload(token).get("sub")
        return (200, {"sub": subject, **self.people[subject]}) if subject in self.people else (401, {})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                fake.calls[self.path.rsplit("/", 1)[1]] += 1
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                if not fake.alive:
                    self.connection.close()
                    return
                status, told = fake.answer(self.path, self.headers, body)
                if isinstance(fake.say, int):
                    status = fake.say
                text = fake.say if isinstance(fake.say, str) else json.dumps(told)
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", f"{fake.url}/elsewhere")
                self.end_headers()
                self.wfile.write(text.encode())

            do_POST = do_GET

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def _jwk(kid: str, key: rsa.RSAPrivateKey) -> dict[str, Any]:
    made = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    return made | {"kid": kid, "use": "sig", "alg": "RS256", "key_ops": ["verify"]}


def _payload(token: str) -> Any:
    part = token.split(".")[1] if token.count(".") == 2 else ""
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) or b"{}")


def by_hand(header: dict[str, Any], claims: dict[str, Any], secret: bytes | None = None) -> str:
    """A token that no library would make: unsigned, or signed with HMAC over any secret."""
    parts = [base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=") for one in (header, claims)]
    signed = b".".join(parts)
    signature = b"" if secret is None else hmac.new(secret, signed, hashlib.sha256).digest()
    return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()
