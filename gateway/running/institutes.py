"""Two sample institutes beside a demo, so that signing in with an institute can be tried at home."""

import socket
from collections.abc import Iterator

import httpx

from common.errors import Unavailable
from gateway.running.services import Service, program

SECRET = "gateway-secret"  # noqa: S105 - of a provider on loopback that lets everybody in
# kind -> (host, path of the issuer). Two hosts, because cookies know no ports.
PLACES = {"egi": ("127.0.0.1", "/auth/realms/egi"), "helmholtz": ("127.0.0.2", "/oauth2")}
NAMES = {"egi": "Sample institute, like EGI Check-in", "helmholtz": "Sample institute, like Helmholtz ID"}
OFFSET = 1


def variables(port: int) -> dict[str, str]:
    """The variables with which a portal on ``port`` trusts both."""
    found = {"OIDC_PROVIDERS": ",".join(PLACES), "LOCAL_ACCOUNTS": "1"}
    for kind, (host, path) in PLACES.items():
        prefix = f"OIDC_{kind.upper()}_"
        found |= {
            f"{prefix}NAME": NAMES[kind],
            f"{prefix}ISSUER": f"http://{host}:{port + OFFSET}{path}",
            f"{prefix}CLIENT_ID": "gateway",
            f"{prefix}CLIENT_SECRET": SECRET,
            f"{prefix}API_CLIENTS": "oidc-agent",
        }
    return found


def services(port: int, portal_url: str) -> Iterator[Service]:
    """One service an institute; Unavailable when its port is taken."""
    for kind, (host, path) in PLACES.items():
        _refuse_taken(host, port + OFFSET)
        argv = [program("node"), "samples/institute/op.mjs", "--kind", kind, "--host", host]
        argv += ["--port", str(port + OFFSET), "--portal", portal_url, "--secret", SECRET]
        address = f"http://{host}:{port + OFFSET}{path}/.well-known/openid-configuration"
        yield Service(name=f"institute-{kind}", argv=argv, ready=_Answers(address))


def introduction() -> Iterator[str]:
    """What the demo says about them, a line each."""
    yield "Or sign in with one of the two sample institutes, as one of their people:"
    yield "  Alice Admin     in the groups cryo.example.org and, as its manager, cryo.example.org:tomo"
    yield "  Bob Member      in the group cryo.example.org"
    yield "  Mallory Other   with Alice's e-mail address, and in no group that counts"


class _Answers:
    """True once the address answers."""

    def __init__(self, address: str) -> None:
        self.address = address

    def __call__(self) -> bool:
        try:
            return httpx.get(self.address, timeout=5).is_success
        except httpx.HTTPError:
            return False


def _refuse_taken(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Unavailable(
                f"Port {port} on {host}, for a sample institute, can't be used: {error.strerror}.",
                code="port_taken",
                hint="Choose another PORT; the institutes take the next one.",
            ) from None
