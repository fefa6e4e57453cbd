"""A private PostgreSQL for tests, from Debian's binaries, on a free port of loopback.

``python -m tests.postgres COMMAND…`` runs a command with ``DATABASE_URL`` set to it and ends with its status.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534
USER = "portolan"


def binaries() -> Path:
    """The folder of the newest installed PostgreSQL's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    if on_path is None:
        raise SystemExit("No PostgreSQL here: run `deploy/need test`.")
    return Path(on_path).parent


@contextmanager
def private_postgres() -> Iterator[str]:
    """The URL of an empty database of a server that ends with the block. Its data are not kept safe (no fsync)."""
    folder = Path(tempfile.mkdtemp(prefix="portolan-pg-"))
    # PostgreSQL refuses to run as root.
    prefix: list[str] = []
    if os.getuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
        prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"]
    data, port = folder / "data", _free_port()
    initdb = [*prefix, str(binaries() / "initdb"), "-D", str(data), "-U", USER, "-A", "trust", "--no-sync"]
    initdb += ["-E", "UTF8", "--locale=C.UTF-8"]
    subprocess.run(initdb, cwd="/", check=True, stdout=subprocess.DEVNULL, timeout=120)
    options = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "max_connections": "200",
    }
    argv = [*prefix, str(binaries() / "postgres"), "-D", str(data)]
    argv += [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(argv, cwd="/", stdout=log, stderr=log)
    try:
        _wait(port, server, folder / "log")
        yield f"postgres://{USER}@127.0.0.1:{port}/postgres"
    finally:
        server.send_signal(2)  # "fast": clients are cut off
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


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
