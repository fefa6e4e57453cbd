"""Transfer links against others on the same machine with the same clients: a download, and many small files."""

import os
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import psutil

from bench.common import gateway_of, instance, seconds_of
from bench.transfer import NGINX, _running, peak_of
from gateway.running.services import program
from tests.live import free_ports

SIZE = int(os.environ.get("BENCH_DOWNLOAD_MB") or 1024) * 2**20
FILES = int(os.environ.get("BENCH_SMALL_FILES") or 10_000)
ROUNDS = 3
ALL = ["list", "read", "write-new", "overwrite", "delete"]


def links() -> dict[str, Any]:
    """Median seconds of a download by link and from nginx; seconds, also of a core, of a folder by rclone to each."""
    with instance() as live, tempfile.TemporaryDirectory() as home:
        gateway = gateway_of(live)
        project = gateway.project("Bench of links", "empty")
        made = gateway.call("POST", f"/projects/{project}/links/", json={"path": "bench", "rights": ALL})
        folder = live.home / "projects" / project / "bench"
        for name in ("files", "small", "there"):
            (Path(home) / name).mkdir()
        for top in (folder, Path(home) / "files"):
            (top / "big").write_bytes(os.urandom(2**20) * (SIZE // 2**20))
        for number in range(FILES):
            (Path(home) / "small" / f"{number:06}.txt").write_bytes(b"%d\n" % number)
        return {
            "bytes": SIZE,
            "files": FILES,
            "download_s": _downloads(Path(home), made),
            **_small(Path(home), made, live.pid("door")),
            "door_peak_mb": peak_of(live.pid("door")),
        }


def _downloads(home: Path, made: dict[str, Any]) -> dict[str, float]:
    (port,) = free_ports(1)
    home.chmod(0o755)
    text = NGINX.format(home=home, port=port)
    (home / "conf").write_text(f"user root;{text}" if os.geteuid() == 0 else text)
    ways = {"by link": f"{made['url']}big", "nginx": f"http://127.0.0.1:{port}/big"}
    taken: dict[str, list[float]] = {name: [] for name in ways}
    with _running([program("nginx"), "-e", str(home / "log"), "-c", str(home / "conf")], port):
        for number in range(ROUNDS + 1):
            for name, url in ways.items():
                argv = ["curl", "-sSf", "-o", "/dev/null", "-H", f"Authorization: Bearer {made['token']}", url]
                seconds = seconds_of(lambda argv=argv: subprocess.run(argv, check=True, timeout=600))  # type: ignore[misc]
                if number:  # the first round is for warming up
                    taken[name].append(seconds)
    return {name: statistics.median(found) for name, found in taken.items()}


def _small(home: Path, made: dict[str, Any], door: int) -> dict[str, dict[str, float]]:
    (port,) = free_ports(1)
    serve = [program("rclone"), "serve", "webdav", str(home / "there"), "--addr", f"127.0.0.1:{port}"]
    taken, used = {}, {}
    with _running([*serve, "--config", "/dev/null"], port) as other:
        for name, url, token, pid in (
            ("by link", made["url"], made["token"], door),
            ("rclone serve webdav", f"http://127.0.0.1:{port}", "", other),
        ):
            before = _cpu_of(pid)
            taken[name] = seconds_of(lambda url=url, token=token: _rclone(home, url, token))  # type: ignore[misc]
            used[name] = _cpu_of(pid) - before
    return {"small_s": taken, "small_cpu_s": used}


def _cpu_of(pid: int) -> float:
    """Seconds of a core that a server's processes have used so far."""
    main = psutil.Process(pid)
    return sum(sum(one.cpu_times()[:2]) for one in [main, *main.children(recursive=True)])


def _rclone(home: Path, url: str, token: str) -> None:
    argv = [program("rclone"), "--config", "/dev/null", f"--webdav-url={url}", "--webdav-vendor=other", "--transfers=8"]
    env = os.environ | ({"RCLONE_WEBDAV_BEARER_TOKEN": token} if token else {})
    subprocess.run([*argv, "copy", str(home / "small"), ":webdav:small"], check=True, timeout=3600, env=env)
