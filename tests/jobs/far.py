"""A cluster that sees nothing of the portal's folders, and a person who uses it by REST alone.

Slurm and the sshd before it run in a mount namespace in which the portal's home and the tools are empty directories:
what a job reads there was copied, what the portal shows was brought home. Only root may make one; for others the
cluster merely has a work root of its own.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import mrcfile
import numpy as np
import pytest

from gateway.running.slurm import Cluster, Shape
from tests.jobs.backends.sshd import sshd_running
from tests.jobs.test_scatter_movies import words
from tests.live import LivePortolan, wait_until

SECONDS = 240
#: The tool “tally” waits while its input has the first of these words.
WAIT, GO = b"wait", b"counted"
QUEUE_FIELDS = {
    "id": "%i", "comment": "%k", "state": "%T", "reason": "%r", "nodes": "%D", "on": "%N", "partition": "%P",
    "gres": "%b", "limit": "%l", "memory": "%m",
}  # fmt: skip


@contextmanager
def hidden(paths: Sequence[Path]) -> Iterator[list[str]]:
    """Words before a command that make it run where these directories are empty."""
    if os.getuid() != 0:
        yield []
        return
    script = 'for path; do mount -t tmpfs tmpfs "$path" || exit; done; exec sleep infinity'
    argv = ["unshare", "--mount", "--propagation", "slave", "sh", "-c", script, "sh", *map(str, paths)]
    holder = subprocess.Popen(argv)
    try:
        deadline = time.monotonic() + 60
        while Path(f"/proc/{holder.pid}/comm").read_text() != "sleep\n":
            assert holder.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield ["nsenter", "-t", str(holder.pid), "--mount", "--wd=/"]
    finally:
        holder.kill()
        holder.wait(10)


class Elsewhere(Cluster):
    """A cluster whose daemons are started with these words before them."""

    def __init__(self, home: Path, shape: Shape, inside: list[str]) -> None:
        super().__init__(home, shape)
        self.inside = inside

    def _daemon(self, name: str, argv: list[str]) -> None:
        super()._daemon(name, [*self.inside, *argv])


@dataclass(frozen=True, kw_only=True)
class Far:
    """The cluster; ``root`` is its work root, ``inside`` the words that make a command run there."""

    cluster: Cluster
    root: Path
    inside: list[str]
    row: dict[str, Any]

    def files(self) -> list[str]:
        """What is in the work root, by path; it may be growing or going away."""
        found = [
            os.path.relpath(Path(above, name), self.root) for above, _, names in os.walk(self.root) for name in names
        ]
        return sorted(found)

    def release(self, path: str) -> None:
        """The copy of this file of a project, which one attempt waits for, says that it may go on."""
        wait_until(lambda: len(list(self.root.glob(f"*/folder/{path}"))) == 1, seconds=180, what=f"one {path}")
        (copy,) = self.root.glob(f"*/folder/{path}")
        copy.write_bytes(GO)


def seen(cluster: Cluster, job: dict[str, Any]) -> list[dict[str, str]]:
    """What the cluster's Slurm has of the job's attempts, oldest first."""
    said = cluster.command("squeue", "-h", "-t", "all", "-S", "i", "-o", "|".join(QUEUE_FIELDS.values()))
    rows = [dict(zip(QUEUE_FIELDS, line.split("|"), strict=True)) for line in said.splitlines()]
    return [row for row in rows if row["comment"] == f"{job['tool']} #{job['number']}"]


@contextmanager
def far_running(home: Path, *unseen: Path) -> Iterator[Far]:
    """Two nodes of two cores, one with two GPUs, behind an sshd; to none of them is there anything in ``unseen``."""
    root = home / "scratch"
    root.mkdir(parents=True)
    shape = Shape(cpus=2, memory_mb=20_000)
    with hidden(unseen) as inside, sshd_running(home / "sshd", inside=inside) as server:
        cluster = Elsewhere(home / "slurm", shape, inside)
        machine = server.machine
        ssh = {
            "host": machine.host, "port": machine.port, "user": machine.user, "key_file": str(machine.key_file),
            "known_hosts_file": str(machine.known_hosts_file),
        }  # fmt: skip
        # Open MPI takes the nodes for one machine, as they have one name, and root for a mistake.
        environment = {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "OMPI_MCA_btl": "self,tcp",
            "OMPI_ALLOW_RUN_AS_ROOT": "1",
            "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        }
        node = {"cores": shape.cpus, "memory_mb": shape.memory_mb}
        row = {
            "name": "far", "scheduler": "slurm", "work_root": str(root), **node,
            "settings": {"runner": "ssh", "ssh": ssh, "environment": cluster.environment},
            "installed": {"*": {"environment": environment}},
            "queues": [{"name": "cpu", "nodes": 2, "mpi": True, **node}, {"name": "gpu", "gpus": 2, **node}],
        }  # fmt: skip
        try:
            cluster.start()
            yield Far(cluster=cluster, root=root, inside=inside, row=row)
        finally:
            cluster.stop()


def assert_same(one: Path, other: Path) -> None:
    """Two folders of results are equal but for RELION's log and the times in its comments."""
    first, second = (sorted(path.relative_to(top) for path in top.rglob("*") if path.is_file()) for top in (one, other))
    assert first == second
    for name in map(str, first):
        if name.endswith(".mrc"):
            assert np.array_equal(mrcfile.read(one / name), mrcfile.read(other / name)), name
        elif name.endswith(".star"):
            assert words(one / name) == words(other / name), name
        elif name != "relion.log":
            assert (one / name).read_bytes() == (other / name).read_bytes(), name


class Person:
    """Somebody who has a token and a project, and knows the REST interface only."""

    def __init__(self, instance: LivePortolan) -> None:
        headers = {"Authorization": f"Bearer {instance.token('operator', operator=True)}"}
        self.http = httpx.Client(base_url=f"{instance.url}/api/v1", headers=headers, timeout=60)
        self.project = self.post("/projects/", name="Far")["id"]

    def get(self, address: str, **query: Any) -> Any:
        """The answer's JSON."""
        return self._told(self.http.get(address, params=query))

    def post(self, address: str, **body: Any) -> Any:
        """The answer's JSON."""
        return self._told(self.http.post(address, json=body))

    def patch(self, address: str, **body: Any) -> Any:
        """The answer's JSON."""
        return self._told(self.http.patch(address, json=body))

    @staticmethod
    def _told(answer: httpx.Response) -> Any:
        assert answer.is_success, answer.text
        return answer.json()

    def upload(self, path: str, content: bytes) -> None:
        """The file is in the project; its bytes went to the door."""
        ticket = self.post(f"/projects/{self.project}/uploads/", path=path, size=len(content))
        headers = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        httpx.patch(ticket["url"], content=content, headers=headers, timeout=60).raise_for_status()

    def submit(self, tool: str, inputs: dict[str, Any], **more: Any) -> dict[str, Any]:
        """The new job."""
        made: dict[str, Any] = self.post(f"/projects/{self.project}/jobs/", tool=tool, inputs=inputs, **more)
        return made

    def wait(self, job: dict[str, Any], until: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """The job, once ``until`` holds; the test fails when that takes too long or it ends before."""
        deadline = time.monotonic() + SECONDS
        while True:
            found: dict[str, Any] = self.get(f"/jobs/{job['id']}/")
            if until(found):
                return found
            if found["final"] or time.monotonic() > deadline:
                pytest.fail(f"{found['tool']} stands at {found['state']}: {found['reason']} {self.log(job, 'stderr')}")
            time.sleep(0.1)

    def ended(self, job: dict[str, Any], state: str = "succeeded") -> dict[str, Any]:
        """The job, which has ended so."""
        return self.wait(job, lambda one: one["state"] == state)

    def log(self, job: dict[str, Any], stream: str = "stdout") -> str:
        """What the job has said, as far as it is known here."""
        return str(self.get(f"/jobs/{job['id']}/log/", stream=stream)["text"])

    def outputs(self, job: dict[str, Any], place: Path) -> Path:
        """``place``, in which each output file is as it was downloaded, with the SHA-256 that is told of it."""
        for one in self.get(f"/jobs/{job['id']}/outputs/")["results"]:
            content = self.http.get(one["url"]).raise_for_status().content
            assert hashlib.sha256(content).hexdigest() == one["sha256"], one["path"]
            file = place / one["path"].partition("/outputs/")[2]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        return place

    def repair(self, job: dict[str, Any], action: str) -> dict[str, Any]:
        """The failed job is taken up again."""
        again: dict[str, Any] = self.post(f"/jobs/{job['id']}/repair/", action=action)
        return again
