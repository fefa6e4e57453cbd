"""What the deployment's nginx tells the portal, seen with a real nginx and an echo behind it."""

import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from tests.live import free_ports, wait_until

CONF = Path(__file__).parent.parent.parent / "deploy" / "nginx.conf"


class Echo(BaseHTTPRequestHandler):
    """Answers the headers of the request."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(dict(self.headers)).encode())

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def nginx(tmp_path_factory):
    """nginx's address, in front of an echo; it listens on loopback, as behind a proxy on the same machine."""
    echo = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=echo.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    port, folder = free_ports(1)[0], tmp_path_factory.mktemp("nginx")
    behind = f"127.0.0.1:{echo.server_port}"
    text = CONF.read_text().replace("/tmp/", f"{folder}/").replace("listen 8080", f"listen 127.0.0.1:{port}")
    text = text.replace("portal:8000", behind).replace("door:8001", behind)
    folder.chmod(0o755)
    (folder / "nginx.conf").write_text(f"daemon off;\n{text}")
    process = subprocess.Popen(
        ["nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder)], stderr=subprocess.DEVNULL
    )
    wait_until(lambda: process.poll() is not None or answers(port), what="nginx")
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(20)
    echo.shutdown()


def answers(port):
    try:
        return httpx.get(f"http://127.0.0.1:{port}/", timeout=2).is_success
    except httpx.HTTPError:
        return False


def seen(nginx, path="/", **headers):
    return httpx.get(f"{nginx}{path}", headers=headers, timeout=10).json()


@pytest.mark.parametrize("path", ["/", "/door/uploads/x"])
@pytest.mark.parametrize(
    ("said", "believed"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("203.0.113.9, 198.51.100.7", "198.51.100.7"),
        ("203.0.113.9, 198.51.100.7, 10.0.0.3", "198.51.100.7"),
        ("nonsense", "127.0.0.1"),
    ],
)
def test_what_a_client_says_of_its_address_is_not_passed_on(nginx, path, said, believed):
    assert seen(nginx, path, **{"X-Forwarded-For": said})["X-Forwarded-For"] == believed


def test_a_token_of_16_kb_reaches_the_portal(nginx):
    token = "x" * 16_384
    assert seen(nginx, Authorization=f"Bearer {token}")["Authorization"] == f"Bearer {token}"
