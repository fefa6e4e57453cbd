"""A real door: a process of its own, with a database and folders of its own."""

import json
import os
import random
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest

from tests.live import ROOT, _listens, free_ports, wait_until

TUS = {"Tus-Resumable": "1.0.0"}
BYTES = {**TUS, "Content-Type": "application/offset+octet-stream"}


class Refused(Exception):
    """The desk refused; ``args[0]`` is the code."""


@dataclass
class Door:
    home: Path
    port: int
    ssh_port: int = 0
    process: subprocess.Popen | None = None
    desk: subprocess.Popen | None = None

    @property
    def env(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("DJANGO_", "PYTEST_", "TEST_", "DATABASE_"))}
        return kept | {
            "DJANGO_SETTINGS_MODULE": "gateway.settings",
            "PORTOLAN_HOME": str(self.home),
            "DOOR_PORT": str(self.port),
            "SSH_DOOR_PORT": str(self.ssh_port),
            "SSH_DOOR_HOST": "127.0.0.1",
            "DOOR_PROXY_HOPS": "1",
            "COPY_HOSTS": "127.0.0.1",
            "PYTHONPATH": str(ROOT),
        }

    def start(self) -> None:
        argv = [sys.executable, "-m", "gateway.serve_door", "--port", str(self.port)]
        with (self.home / "door.log").open("ab") as log:
            self.process = subprocess.Popen(
                argv, cwd=ROOT, env=self.env, stdout=log, stderr=log, start_new_session=True
            )
        wait_until(lambda: _listens(self.port), what="the door")

    def kill(self) -> None:
        """No process of the door is left, and none had time to do anything more."""
        for pid in self.pids():
            os.kill(pid, signal.SIGKILL)
        self.process.wait(20)
        wait_until(lambda: not _listens(self.port), what="the port's end")

    def file_size_limit(self, size: int) -> None:
        """No process of the door can make a file longer than ``size`` bytes (-1: as before)."""
        for pid in self.pids():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def pids(self) -> list[int]:
        """The door's processes."""
        main = psutil.Process(self.process.pid)
        return [main.pid, *(child.pid for child in main.children(recursive=True))]

    def log(self) -> str:
        return (self.home / "door.log").read_text(errors="replace")

    def do(self, what: str, **details):
        """What the portal's side (``desk.py``) answers; Refused with the code of its error."""
        self.desk.stdin.write(json.dumps({"do": what, "with": details}) + "\n")
        self.desk.stdin.flush()
        line = self.desk.stdout.readline()
        assert line, f"the desk died at {what}"
        answer = json.loads(line)
        if "refused" in answer:
            raise Refused(answer["refused"])
        return answer["ok"]


@pytest.fixture(scope="session")
def door_process(tmp_path_factory) -> Iterator[Door]:
    port, ssh_port = free_ports(2)
    made = Door(home=tmp_path_factory.mktemp("door"), port=port, ssh_port=ssh_port)
    migrate = [sys.executable, str(ROOT / "manage.py"), "migrate", "-v0"]
    subprocess.run(migrate, env=made.env, check=True, timeout=120)
    made.desk = subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "desk.py")],
        env=made.env, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    made.start()
    yield made
    made.kill()
    made.desk.stdin.close()
    made.desk.wait(20)


@pytest.fixture
def door(door_process: Door) -> Door:
    if not _listens(door_process.port):
        door_process.start()
    return door_process


@pytest.fixture(scope="session")
def other_process(door_process: Door) -> Iterator[Door]:
    made = Door(home=door_process.home, port=free_ports(1)[0])
    made.start()
    yield made
    made.kill()


@pytest.fixture
def other_door(other_process: Door) -> Door:
    """A second door on the same database and folders."""
    return other_process


@dataclass
class Place:
    """A project at the door, and a client."""

    door: Door
    client: httpx.Client
    id: str
    root: Path
    ids: dict[str, str] = field(default_factory=dict)

    def begin(self, path: str = "raw/movie.mrc", size: int = 10, user: str = "contributor", **more) -> str:
        """The address of a new upload."""
        ticket = self.door.do("begin", user=user, project=self.id, path=path, size=size, **more)
        self.ids[ticket["url"]] = ticket["id"]
        return ticket["url"]

    def row(self, url: str) -> dict:
        return self.door.do("row", upload=self.ids[url])

    def part(self, url: str) -> Path:
        return self.root / ".portolan" / "uploads" / f"{self.ids[url]}.part"

    def patch(self, url: str, data, offset: int = 0, **headers) -> httpx.Response:
        return self.client.patch(url, content=data, headers={**BYTES, "Upload-Offset": str(offset), **headers})

    def head(self, url: str) -> httpx.Response:
        return httpx.head(url, headers=TUS, timeout=60)


@pytest.fixture
def place(door: Door) -> Iterator[Place]:
    made = door.do("project")
    with httpx.Client(timeout=60) as client:
        yield Place(door=door, client=client, id=made["id"], root=Path(made["root"]))


@pytest.fixture
def data() -> bytes:
    """Three mebibytes and a bit that do not compress and have no pattern."""
    return random.Random(7).randbytes(3 * 1024**2 + 17)
