"""A private PostgreSQL for tests, from Debian's binaries, on a free port of loopback.

``python -m tests.postgres COMMAND…`` runs a command with ``DATABASE_URL`` set to it and ends with its status.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

NOBODY = 65534
USER = "portolan"
OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
}


def binaries() -> Path:
    """The folder of the newest installed PostgreSQL's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    if on_path is None:
        raise SystemExit("No PostgreSQL here: run `deploy/need test`.")
    return Path(on_path).parent


@dataclass
class Server:
    """A private PostgreSQL, whose ``url`` stays the same when it is stopped and started. Its data are not kept safe."""

    folder: Path
    port: int
    prefix: list[str]
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address of its one database."""
        return f"postgres://{USER}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """It answers."""
        argv = [*self.prefix, str(binaries() / "postgres"), "-D", str(self.folder / "data")]
        options = OPTIONS | {"port": str(self.port)}
        argv += [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(argv, cwd="/", stdout=log, stderr=log)
        _wait(self.port, self.process, self.folder / "log")

    def stop(self) -> None:
        """It is down; its clients were cut off."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)


@contextmanager
def server_running() -> Iterator[Server]:
    """A server with an empty database, that ends with the block."""
    folder = Path(tempfile.mkdtemp(prefix="portolan-pg-"))
    # PostgreSQL refuses to run as root.
    prefix: list[str] = []
    if os.getuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
        prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"]
    initdb = [*prefix, str(binaries() / "initdb"), "-D", str(folder / "data"), "-U", USER, "-A", "trust", "--no-sync"]
    initdb += ["-E", "UTF8", "--locale=C.UTF-8"]
    subprocess.run(initdb, cwd="/", check=True, stdout=subprocess.DEVNULL, timeout=120)
    server = Server(folder=folder, port=_free_port(), prefix=prefix)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def private_postgres() -> Iterator[str]:
    """The URL of an empty database of a server that ends with the block. Its data are not kept safe (no fsync)."""
    with server_running() as server:
        yield server.url


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(port: int, server: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + 60
    ready = [str(binaries() / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    while subprocess.run(ready, check=False, timeout=20).returncode:
        if server.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"PostgreSQL did not start:\n{log.read_text(errors='replace')}")
        time.sleep(0.05)


def main(argv: list[str]) -> int:
    """The status of the command, run beside a private server."""
    with private_postgres() as url:
        return subprocess.run(argv, env=os.environ | {"DATABASE_URL": url}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
