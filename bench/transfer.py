"""Uploads through the door, and through others on the same machine with the same client; and their memory."""

import hashlib
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bench.common import gateway_of, instance, seconds_of
from bench.sending import TUS, Sender, patch_all, patch_parts, put
from gateway.running.client import Gateway
from gateway.running.services import program
from tests.live import ROOT, LivePortolan, _listens, free_ports, wait_until

SIZE = int(os.environ.get("BENCH_UPLOAD_MB") or 1024) * 2**20
ROUNDS = 3
NGINX = """
daemon off; worker_processes 1; pid {home}/pid; error_log {home}/log;
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {home}/body; client_max_body_size 0; client_body_buffer_size 1m;
  proxy_temp_path {home}/p; fastcgi_temp_path {home}/f; uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;
  server {{ listen 127.0.0.1:{port}; root {home}/files; location / {{ dav_methods PUT; }} }}
}}
"""


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way for a file to get to the disk: ``send(number)`` does it once; ``pid`` is whose costs are looked at."""

    name: str
    send: Callable[[int], None]
    pid: int = 0


def upload() -> dict[str, Any]:
    """Median seconds of each way, in rounds, and of a processor in its server; the highest memory of each server."""
    found: dict[str, Any] = {"bytes": SIZE, "rounds": ROUNDS, "load": os.getloadavg()[0]}
    with (
        tempfile.TemporaryDirectory(dir="/dev/shm") as memory,
        tempfile.TemporaryDirectory() as home,
        ExitStack() as up,
    ):
        source = Path(memory) / "source.bin"
        _fill(source)
        ways = [
            Way(name="cp", send=lambda number: _copy(source, Path(home) / f"copy {number}")),
            up.enter_context(_nginx(Path(home) / "nginx", source)),
            *up.enter_context(_doors(source)),
            up.enter_context(_reference(Path(home) / "tus", source)),
            up.enter_context(_rclone(Path(home) / "rclone", source)),
        ]
        taken: dict[str, list[float]] = {way.name: [] for way in ways}
        busy: dict[str, list[float]] = {way.name: [] for way in ways if way.pid}
        for number in range(ROUNDS + 1):
            for way in ways:
                os.sync()
                before = busy_of(way.pid) if way.pid else 0.0
                seconds = seconds_of(lambda way=way, number=number: way.send(number))  # type: ignore[misc]
                if number:  # the first round is for warming up
                    taken[way.name].append(seconds)
                    if way.pid:
                        busy[way.name].append(busy_of(way.pid) - before)
                print(f"  {way.name}: {seconds:.2f} s", flush=True)
                _clean(Path(home))
        peaks = {way.name: peak_of(way.pid) for way in ways if way.pid}
    return found | {
        "seconds": {name: statistics.median(rounds) for name, rounds in taken.items()},
        "spread": max(max(rounds) / min(rounds) for rounds in taken.values()),
        "busy": {name: statistics.median(rounds) for name, rounds in busy.items()},
        "hashing": _hashing(),
        "peak_mb": peaks,
    }


@contextmanager
def _doors(source: Path) -> Iterator[list[Way]]:
    with instance() as one, instance(DOOR_PROCESSES="2") as two, instance(UPLOAD_DURABILITY="door") as quick:
        found = []
        for live, streams, name in (
            (quick, 1, "door, one stream, UPLOAD_DURABILITY=door"),
            (one, 1, "door, one stream"),
            (one, 4, "door, four streams"),
            (two, 4, "two door processes, four streams"),
        ):
            gateway = gateway_of(live)
            project = gateway.project("Upload", "empty")
            found.append(Way(name=name, send=_by_door(live, gateway, project, source, streams), pid=live.pid("door")))
        yield found


def _by_door(live: LivePortolan, gateway: Gateway, project: str, source: Path, streams: int) -> Callable[[int], None]:
    root = next((live.home / "projects").glob(f"**/{project}"))

    def send(number: int) -> None:
        path = f"{streams} {number}.bin"
        asked = {"path": path, "size": SIZE}
        url = gateway.call("POST", f"/projects/{project}/uploads/", json=asked)["url"]
        if streams == 1:
            patch_all(url, source)
        else:
            patch_parts(url, source, streams)
        if (root / path).stat().st_size != SIZE:
            raise ConnectionError("the file is not whole")
        (root / path).unlink()

    return send


@contextmanager
def _nginx(home: Path, source: Path) -> Iterator[Way]:
    (home / "files").mkdir(parents=True)
    home.chmod(0o755)
    (port,) = free_ports(1)
    (home / "conf").write_text(
        "user root;" + NGINX.format(home=home, port=port) if os.geteuid() == 0 else NGINX.format(home=home, port=port)
    )
    with _running(["/usr/sbin/nginx", "-e", str(home / "log"), "-c", str(home / "conf")], port) as pid:
        yield Way(name="nginx PUT", send=lambda number: put(f"http://127.0.0.1:{port}/{number}", source), pid=pid)


@contextmanager
def _rclone(home: Path, source: Path) -> Iterator[Way]:
    home.mkdir()
    (port,) = free_ports(1)
    argv = [program("rclone"), "serve", "webdav", str(home), "--addr", f"127.0.0.1:{port}", "--config", "/dev/null"]
    with _running(argv, port) as pid:
        yield Way(
            name="rclone serve webdav", send=lambda number: put(f"http://127.0.0.1:{port}/{number}", source), pid=pid
        )


@contextmanager
def _reference(home: Path, source: Path) -> Iterator[Way]:
    home.mkdir()
    (port,) = free_ports(1)
    argv = [program("node"), str(ROOT / "bench" / "tus_server.mjs"), str(port), str(home)]

    def send(number: int) -> None:
        sender = Sender(f"http://127.0.0.1:{port}/files", source)
        status, told = sender.request("POST", "/files", TUS | {"Upload-Length": str(SIZE)})
        if status != 201:
            raise ConnectionError(f"the server answered {status}")
        sender.close()
        patch_all(told["location"], source)

    with _running(argv, port) as pid:
        yield Way(name="@tus/server (Node)", send=send, pid=pid)


@contextmanager
def _running(argv: list[str], port: int) -> Iterator[int]:
    with tempfile.TemporaryFile() as log, subprocess.Popen(argv, cwd=ROOT, stdout=log, stderr=log) as process:
        try:
            wait_until(lambda: _listens(port), what=argv[0])
            yield process.pid
        finally:
            process.terminate()


def peak_of(pid: int) -> float:
    """The highest resident memory so far of the largest process of a server, in MB."""
    found = 0
    for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        found = max(found, next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0))
    return found / 1024


def busy_of(pid: int) -> float:
    """Seconds of a processor that a server with its processes has used so far, in the kernel too."""
    found = 0.0
    for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        times = process.cpu_times()
        found += times.user + times.system
    return found


def _hashing() -> float:
    """Seconds of a processor that SHA-256 of the file's bytes takes by itself."""
    block, found = os.urandom(2**20), hashlib.sha256()
    before = time.process_time()
    for _ in range(SIZE // len(block)):
        found.update(block)
    return time.process_time() - before


def _fill(path: Path) -> None:
    block = os.urandom(2**22)
    with path.open("wb") as file:
        for _ in range(SIZE // len(block)):
            file.write(block)


def _copy(source: Path, target: Path) -> None:
    subprocess.run(["cp", str(source), str(target)], check=True, timeout=600)


def _clean(home: Path) -> None:
    """What was uploaded is gone; the disk is as it was for the next one."""
    for path in [*home.glob("copy *"), *home.glob("nginx/files/*"), *home.glob("tus/*"), *home.glob("rclone/*")]:
        path.unlink()
