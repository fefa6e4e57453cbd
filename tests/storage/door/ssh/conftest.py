"""The SSH door beside the other one: a real sshd on loopback, and clients that are OpenSSH's and rsync."""

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.running.services import Instance, services_of
from tests.live import ROOT, _listens, wait_until
from tests.storage.door.conftest import Door
from tests.storage.door.links.conftest import Opened, Site, site  # noqa: F401 - a fixture

SECONDS = 120


@pytest.fixture(scope="session")
def ssh_process(door_process: Door) -> Iterator[Door]:
    instance = Instance(
        home=door_process.home, host="127.0.0.1", port=0, door_port=0, redis_url="", ssh_port=door_process.ssh_port
    )
    (argv,) = (service.argv for service in services_of(instance) if service.name == "ssh-door")
    with (door_process.home / "ssh.log").open("ab") as log:
        process = subprocess.Popen(argv, cwd=ROOT, env=door_process.env, stdout=log, stderr=log)
    wait_until(lambda: _listens(door_process.ssh_port) or process.poll() is not None, seconds=90, what="sshd")
    assert process.poll() is None, (door_process.home / "ssh.log").read_text()
    yield door_process
    process.terminate()
    assert process.wait(60) == 0


@dataclass
class Client:
    """A link with a key, in a folder of its own where the key's files are. Its commands share a connection."""

    link: Opened
    home: Path
    shared: Path
    key: dict

    @property
    def root(self) -> Path:
        return self.link.root

    @property
    def port(self) -> int:
        return self.link.door.ssh_port

    @property
    def options(self) -> list[str]:
        alone = ["-F", "none", "-i", str(self.home / "link-key"), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
                 "-o", f"UserKnownHostsFile={self.home / 'link-hosts'}"]  # fmt: skip
        return [*alone, "-o", "ControlMaster=auto", "-o", f"ControlPath={self.shared}", "-o", "ControlPersist=60"]

    def run(self, *argv: str, text: str = "") -> subprocess.CompletedProcess:
        return subprocess.run(
            argv, input=text, capture_output=True, text=True, timeout=SECONDS, cwd=self.home, check=False
        )

    def ssh(self, *words: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
        return self.run("ssh", "-p", str(self.port), *options, *self.options, "link@127.0.0.1", *words)

    def sftp(self, *lines: str) -> subprocess.CompletedProcess:
        """What became of a batch: it ends at the first line that fails, but for lines that begin with “-”."""
        argv = ["sftp", "-P", str(self.port), *self.options, "-b", "-", "link@127.0.0.1"]
        return self.run(*argv, text="\n".join(lines) + "\n")

    def rsync_argv(self, *words: str) -> list[str]:
        return ["rsync", "-e", shlex.join(["ssh", "-p", str(self.port), *self.options]), *words]

    def rsync(self, *words: str) -> subprocess.CompletedProcess:
        return self.run(*self.rsync_argv(*words))

    def why(self) -> str:
        """Why SFTP is refused now: sshd keeps that from a subsystem's client, and tells it to a command's."""
        return self.ssh("sftp").stderr

    def names(self) -> list[str]:
        """What is in the link's folder."""
        return sorted(path.name for path in self.root.iterdir())

    def end(self) -> None:
        """The shared connection is closed."""
        if self.shared.exists():
            self.ssh(options=("-O", "exit"))


@pytest.fixture
def keyed(ssh_process: Door, tmp_path: Path) -> Iterator:
    """Makes a client of a link, with a key that is made for it."""
    made: list[Client] = []
    shared = Path(tempfile.mkdtemp(prefix="ssh-", dir="/tmp"))  # a socket's path must be short

    def make(link: Opened) -> Client:
        key = link.door.do("key", user="contributor", project=link.project, link=link.id)
        home = tmp_path / f"client{len(made)}"
        home.mkdir()
        files = {"link-key": key["private"], "link-key-cert.pub": key["certificate"], "link-hosts": key["hosts"]}
        for name, content in files.items():
            (home / name).write_text(content + "\n")
            os.chmod(home / name, 0o600)
        made.append(Client(link=link, home=home, shared=shared / str(len(made)), key=key))
        return made[-1]

    yield make
    for client in made:
        client.end()
    shutil.rmtree(shared)


@pytest.fixture
def client(keyed, site: Site) -> Client:  # noqa: F811
    """All rights on the folder ``raw``."""
    return keyed(site.link())
