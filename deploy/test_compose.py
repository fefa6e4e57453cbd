"""Brings docker-compose.yml up with podman, uploads two half maps, runs one job, checks it and takes it all down.

``make test-compose`` runs it, as root. No registry of images is needed: the base is debootstrapped once and tagged
with the official name, the servers' images are made from it (``deploy/test-images/``). Everything is kept under
``.cache/compose``; podman's own places are not touched.
"""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / ".cache" / "compose"
BASE = "docker.io/library/debian:bookworm-slim"
STAND_INS = {
    "node": "docker.io/library/node:22-bookworm-slim",
    "postgres": "docker.io/library/postgres:15-bookworm",
    "redis": "docker.io/library/redis:7-bookworm",
    "nginx": "docker.io/library/nginx:stable-bookworm",
}
BUILT = "localhost/portolan:latest"
PROJECT = "portolantest"
CERTIFICATES = Path("/usr/local/share/ca-certificates")

CONTAINERS_CONF = """[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[containers]
log_driver = "k8s-file"
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[network]
network_backend = "netavark"
network_config_dir = "{place}/networks"
"""
STORAGE_CONF = """[storage]
driver = "overlay"
graphroot = "{place}/graph"
runroot = "{place}/run"
"""


def environment() -> dict[str, str]:
    """The environment that keeps podman within ``PLACE``."""
    PLACE.mkdir(parents=True, exist_ok=True)
    texts = {
        "containers.conf": CONTAINERS_CONF.format(place=PLACE),
        "storage.conf": STORAGE_CONF.format(place=PLACE),
        "registries.conf": "",
    }
    for name, text in texts.items():
        (PLACE / name).write_text(text)
    return os.environ | {
        "CONTAINERS_CONF": str(PLACE / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(PLACE / "storage.conf"),
        "CONTAINERS_REGISTRIES_CONF": str(PLACE / "registries.conf"),
    }


def call(*argv: str, env: dict[str, str], seconds: float = 600, quiet: bool = False) -> str:
    """The command's standard output; CalledProcessError when it fails."""
    print("$", " ".join(argv[:6]), "…" if len(argv) > 6 else "", flush=True)
    done = subprocess.run(argv, cwd=ROOT, env=env, timeout=seconds, capture_output=quiet, text=True, check=False)
    if done.returncode:
        print(done.stdout or "", done.stderr or "", sep="\n")
        raise SystemExit(f"{argv[0]} ended with status {done.returncode}")
    return done.stdout or ""


def have(image: str, env: dict[str, str]) -> bool:
    """True when the image is in the private store."""
    return subprocess.run(["podman", "image", "exists", image], env=env, check=False, timeout=60).returncode == 0


def make_base(env: dict[str, str]) -> None:
    """The base image is in the store, from debootstrap at the first time."""
    if have(BASE, env):
        return
    tar, tree = PLACE / "base.tar", PLACE / "base"
    if not tar.exists():
        shutil.rmtree(tree, ignore_errors=True)
        call("debootstrap", "--variant=minbase", "bookworm", str(tree), env=env, seconds=1800, quiet=True)
        call("tar", "-C", str(tree), "-cf", str(tar), ".", env=env)
        shutil.rmtree(tree)
    path = "ENV=PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    call("podman", "import", "--change", path, "--change", "CMD=/bin/sh", str(tar), BASE, env=env, quiet=True)


def build(image: str, file: Path, context: Path, env: dict[str, str]) -> None:
    """The image is built. This machine's certificates are lent to the build, for registries behind a proxy."""
    lent = ["-v", f"{CERTIFICATES}:{CERTIFICATES}:ro"] if CERTIFICATES.is_dir() else []
    call(
        "podman", "build", "--network", "host", "--layers", "--pull=never", *lent,
        "-t", image, "-f", str(file), str(context), env=env, seconds=3600,
    )  # fmt: skip


def make_images(env: dict[str, str]) -> None:
    """Stand-ins of the official images, and Portolan's own, are in the store."""
    make_base(env)
    recipes = ROOT / "deploy" / "test-images"
    for name, image in STAND_INS.items():
        if have(image, env):
            continue
        context = PLACE / "context"
        shutil.rmtree(context, ignore_errors=True)
        shutil.copytree(recipes, context)
        if name == "node":
            node = Path(shutil.which("node") or "/usr/bin/node").resolve()
            npm = Path(shutil.which("npm") or "/usr/bin/npm").resolve().parents[1]
            (context / "node" / "bin").mkdir(parents=True)
            shutil.copy2(node, context / "node" / "bin" / "node")
            shutil.copytree(npm, context / "node" / "lib" / "node_modules" / "npm", symlinks=True)
            (context / "node" / "bin" / "npm").symlink_to("../lib/node_modules/npm/bin/npm-cli.js")
        build(image, context / f"{name}.Dockerfile", context, env)
    build(BUILT, ROOT / "Dockerfile", ROOT, env)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Deployment:
    """docker-compose.yml, up under podman-compose."""

    def __init__(self, env: dict[str, str]) -> None:
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.file = ROOT / "deploy" / "portolan.env"
        self.env = env | {"POSTGRES_PASSWORD": secrets.token_urlsafe(24), "PORTOLAN_PORT": str(self.port)}
        self.compose = [shutil.which("podman-compose") or "podman-compose", "-p", PROJECT, "-f", "docker-compose.yml"]

    def up(self) -> None:
        """The portal answers through nginx."""
        if self.file.exists():
            raise SystemExit(f"{self.file} exists: this test would overwrite a deployment's settings.")
        lines = {
            "PORTAL_URL": self.url,
            "DOOR_URL": f"{self.url}/door",
            "ALLOWED_HOSTS": "localhost",
            "SECRET_KEY": secrets.token_urlsafe(50),
        }
        self.file.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
        self.file.chmod(0o600)
        call(*self.compose, "up", "-d", "--no-build", env=self.env)
        deadline = time.monotonic() + 300
        while not self.ready():
            if time.monotonic() > deadline:
                raise SystemExit("The deployment did not become ready within 5 min.")
            time.sleep(1)  # the containers tell the host nothing when they are ready

    def ready(self) -> bool:
        """True when everything that the portal stands on answers."""
        try:
            return bool(httpx.get(f"{self.url}/readyz", timeout=10).json()["status"] == "ok")
        except (httpx.HTTPError, ValueError, KeyError):
            return False

    def manage(self, *argv: str) -> str:
        """What a manage.py command printed inside the portal's container."""
        return call("podman", "exec", f"{PROJECT}_portal_1", "portolan", *argv, env=self.env, quiet=True)

    def show(self) -> None:
        """The end of every service's log is printed."""
        for name in ("prepare", "portal", "door", "worker", "beat", "nginx", "postgres", "redis"):
            print(f"--- {name}", flush=True)
            argv = ["podman", "logs", "--tail", "25", f"{PROJECT}_{name}_1"]
            subprocess.run(argv, env=self.env, check=False, timeout=60)

    def down(self) -> None:
        """Containers, network and volumes are gone."""
        subprocess.run([*self.compose, "down", "-v", "-t", "15"], cwd=ROOT, env=self.env, check=False, timeout=300)
        # One that starts again and again is left by compose; the store is this test's alone.
        subprocess.run(["podman", "rm", "-f", "--all"], env=self.env, check=False, timeout=120)
        volumes = [f"{PROJECT}_data", f"{PROJECT}_postgres"]
        subprocess.run(["podman", "volume", "rm", "-f", *volumes], env=self.env, check=False, timeout=60)
        self.file.unlink(missing_ok=True)


def main() -> int:
    """0 when the deployment did a user's work."""
    if os.getuid() != 0:
        raise SystemExit("This test runs podman with networks of its own: run it as root.")
    env = environment()
    make_images(env)
    deployment = Deployment(env)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit("Stopped."))
    try:
        deployment.up()
        token = deployment.manage("demo_people", "--token", "researcher").split()[-1]
        samples = PLACE / "samples"
        if not (samples / "samples.json").exists():
            call(sys.executable, "-m", "samples", str(samples), env=dict(os.environ))
        argv = ["-m", "gateway.running.walk", deployment.url, str(samples)]
        call(sys.executable, *argv, env=env | {"PORTOLAN_TOKEN": token})
    except BaseException:
        with contextlib.suppress(Exception):
            deployment.show()
        raise
    finally:
        deployment.down()
    print("The deployment came up, took an upload, ran a job and is gone again.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
