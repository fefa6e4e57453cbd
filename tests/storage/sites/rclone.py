"""A real S3 server: ``rclone serve s3`` on a folder, with one access key, on loopback."""

import os
import re
import secrets
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

BUCKET = "store"


@dataclass(frozen=True, kw_only=True)
class S3Server:
    """Where it is, and the portal's key of it."""

    url: str
    root: Path
    access_key: str
    secret_file: Path

    def settings(self) -> dict[str, str]:
        """Settings of the storage site."""
        key = {"access_key": self.access_key, "secret_key_file": str(self.secret_file)}
        return {"bucket": BUCKET, **key}


@contextmanager
def running(home: Path):
    """The server is up inside the block."""
    access_key, secret = f"key{secrets.token_hex(8)}", secrets.token_hex(20)
    (home / "data" / BUCKET).mkdir(parents=True)
    (home / "secret").write_text(secret)
    program = Path(sys.executable).with_name("rclone")
    # The key comes by the environment: a list of processes must not show it.
    environment = os.environ | {"RCLONE_AUTH_KEY": f'"{access_key},{secret}"', "RCLONE_CONFIG": "/dev/null"}
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(program), "serve", "s3", "--addr", "127.0.0.1:0", str(home / "data")],
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        url = _await(process, home / "log")
        yield S3Server(url=url, root=home / "data" / BUCKET, access_key=access_key, secret_file=home / "secret")
    finally:
        process.kill()
        process.wait(30)


def _await(process: subprocess.Popen, log: Path) -> str:
    """The address that it has chosen, once it says so."""
    deadline = time.monotonic() + 120
    while True:
        told = re.search(r"Starting s3 server on \[(http://[0-9.:]+)/\]", log.read_text())
        if told:
            return told[1]
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory):
    """A real S3 server."""
    with running(tmp_path_factory.mktemp("s3")) as made:
        yield made
