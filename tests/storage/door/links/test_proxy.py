"""Through Debian's nginx with the shipped configuration."""

import random
import re
import subprocess
import sys

import pytest

from tests.live import ROOT, _listens, free_ports, wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def nginx(door, tmp_path):
    """Starts nginx before the door; ``change(text)`` may spoil its configuration."""
    running = []

    def start(change=lambda text: text):
        port = free_ports(1)[0]
        text = (ROOT / "deploy/nginx.conf").read_text()
        for old, new in (
            ("listen 8080", f"listen 127.0.0.1:{port}"),
            ("http://door:8001", f"http://127.0.0.1:{door.port}"),
            ("http://portal:8000", "http://127.0.0.1:9"),
            ("worker_processes auto", "worker_processes 1"),
            (" /tmp/", f" {tmp_path}/"),
        ):
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "nginx.conf").write_text(change(text))
        argv = ["nginx", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"), "-g", "daemon off;"]
        running.append(subprocess.Popen(argv, stderr=subprocess.DEVNULL))
        wait_until(lambda: _listens(port), what="nginx")
        return port

    yield start
    for process in running:
        process.terminate()
        process.wait(20)


def check(site, port):
    argv = ["manage.py", "check_proxy", "--project", site.project, "--as", "contributor"]
    env = site.door.env | {"DOOR_URL": f"http://127.0.0.1:{port}/door"}
    return subprocess.run([sys.executable, *argv], cwd=ROOT, env=env, capture_output=True, text=True, timeout=90)


def test_the_shipped_configuration_is_fit(site, nginx):
    done = check(site, nginx())
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ok: ") == 4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("proxy_request_buffering off", "proxy_request_buffering on"), "buffering"),
        (lambda text: text.replace("client_max_body_size 0", "client_max_body_size 1m"), "FAILED"),
    ],
)
def test_a_proxy_that_is_in_the_way_is_found_out(site, nginx, change, said):
    done = check(site, nginx(change))
    assert done.returncode != 0
    assert said in done.stderr


def test_names_and_addresses_come_through(site, link, nginx, tmp_path):
    port = nginx()
    link.url = re.sub(r"http://localhost:\d+", f"http://127.0.0.1:{port}/door", link.url)
    data = random.Random(1).randbytes(1000)
    for name in ("a%20b", "%C3%BC", "c%2523d", "e%3Ff", "g%23h"):
        assert link.ask("PUT", name, content=data).status_code == 201, name
        assert link.ask("GET", name).content == data
    assert sorted(path.name for path in link.root.iterdir()) == ["a b", "c%23d", "e?f", "g#h", "ü"]
    link.ask("GET", "gone", headers={"X-Forwarded-For": "192.0.2.99"})
    log = link.log(lambda rows: any(row[3] == "file_not_found" for row in rows))
    # nginx believes this machine, as it would a proxy in front.
    assert {row[4] for row in log if row[3] == "file_not_found"} == {"192.0.2.99"}
    assert {row[4] for row in log if row[3] != "file_not_found"} == {"127.0.0.1"}
