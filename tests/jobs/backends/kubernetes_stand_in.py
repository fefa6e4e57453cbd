"""A small stand-in for a Kubernetes API server and its one node, for every day.

Pods really run: each in a process namespace of its own (bubblewrap), with the machine's files. Objects and errors are
those that a real 1.20 gave (``said/kubernetes-1.20.json``). It knows the dozen paths that Portolan uses, and can be
told to fail. ``make test-kubernetes`` runs the same contract against the real thing.
"""

from __future__ import annotations

import copy
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

SAID = json.loads((Path(__file__).parent / "said" / "kubernetes-1.20.json").read_text())
CPUS, MEMORY_MI = 8, 16000
VERBS = {"GET": "get", "POST": "create", "PATCH": "patch", "DELETE": "delete"}
CONFIG = """apiVersion: v1
kind: Config
clusters: [{{name: c, cluster: {{server: "http://127.0.0.1:{port}"}}}}]
users: [{{name: u, user: {{token: secret}}}}]
contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
current-context: c
"""


def recorded(kind: str, attempt: str) -> dict:
    """The object of this kind that the real cluster had for the attempt."""
    found = next(one for one in SAID[kind]["items"] if one["metadata"]["labels"]["portolan/attempt"] == attempt)
    return copy.deepcopy(found)


class StandIn:
    """State and processes; ``failing`` answers the next requests: a list of (status, body, seconds to wait).

    ``asked`` are the rights that were needed: (verb, kind, namespace).
    """

    def __init__(self) -> None:
        self.jobs: dict[str, dict] = {}
        self.pods: dict[str, dict] = {}
        self.pids: dict[str, int] = {}
        self.asked: set[tuple[str, str, str]] = set()
        self.failing: list[tuple[int, bytes, float]] = []
        self.created = 0
        self.lock = threading.RLock()

    def create(self, job: dict) -> tuple[int, dict]:
        """The job is there and its pod begins; 409 when it was there."""
        name = job["metadata"]["name"]
        with self.lock:
            if name in self.jobs:
                conflict = copy.deepcopy(SAID["conflict"])
                conflict["message"] = conflict["message"].replace("portolan-good", name)
                return 409, conflict
            self.created += 1
            job["metadata"]["uid"] = f"uid-{self.created}"
            job["status"] = {}
            self.jobs[name] = job
            self._add_pod(job)
        return 201, job

    def _add_pod(self, job: dict) -> None:
        name = job["metadata"]["name"]
        request = job["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]
        fits = int(request["cpu"]) <= CPUS and int(request["memory"].removesuffix("Mi")) <= MEMORY_MI
        pod = recorded("pods", "portolan-running" if fits else "portolan-large")
        pod["metadata"]["name"] = f"{name}-pod"
        pod["metadata"]["labels"] = dict(job["spec"]["template"]["metadata"]["labels"])
        self.pods[name] = pod
        if fits:
            pod["status"]["phase"] = "Pending"
            pod["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": "ContainerCreating"}}
            threading.Thread(target=self._run, args=(name, job, pod), daemon=True).start()

    def _run(self, name: str, job: dict, pod: dict) -> None:
        command = job["spec"]["template"]["spec"]["containers"][0]["command"]
        read_end, write_end = os.pipe()
        argv = ["bwrap", "--dev-bind", "/", "/", "--unshare-pid", "--proc", "/proc", "--as-pid-1", "--die-with-parent"]
        with self.lock:
            if job["spec"]["parallelism"] == 0:
                return
            process = subprocess.Popen(
                [*argv, "--info-fd", str(write_end), *command], pass_fds=[write_end], cwd="/",
                env={"PATH": "/usr/bin:/bin"}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            os.close(write_end)
            with os.fdopen(read_end) as told:
                self.pids[name] = json.load(told)["child-pid"]
            pod["status"]["phase"] = "Running"
            pod["status"]["containerStatuses"][0]["state"] = {"running": {}}
        code = process.wait()
        self._ended(name, job, pod, 128 - code if code < 0 else code)

    def _ended(self, name: str, job: dict, pod: dict, code: int) -> None:
        with self.lock:
            if self.pids.pop(name, None) is None:
                return  # taken away
            model = recorded("pods", "portolan-three" if code else "portolan-good")
            pod["status"] = model["status"]
            pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] = code
            if job["spec"]["parallelism"] == 0:
                self.pods.pop(name, None)
            else:
                job["status"] = recorded("jobs", "portolan-three" if code else "portolan-good")["status"]

    def change(self, name: str, patch: dict) -> tuple[int, dict]:
        """The merge patch of ``spec`` holds; with a parallelism of 0 the pod is told to end."""
        with self.lock:
            job = self.jobs.get(name)
            if job is None:
                return 404, SAID["absent"]
            job["spec"] |= patch["spec"]
            if job["spec"]["parallelism"] == 0:
                self._end_pod(name)
        return 200, job

    def delete(self, name: str) -> tuple[int, dict]:
        """The job is gone, and its pod ends."""
        with self.lock:
            if name not in self.jobs:
                return 404, SAID["absent"]
            self._end_pod(name)
            self.pods.pop(name, None)
            return 200, self.jobs.pop(name)

    def take_away(self, pod_name: str) -> tuple[int, dict]:
        """The pod is gone, as when its node was removed; its Job may not have another one and has failed."""
        name = pod_name.removesuffix("-pod")
        with self.lock:
            pod, pid = self.pods.pop(name, None), self.pids.pop(name, None)
            if pod is None:
                return 404, SAID["absent"]
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
            self.jobs[name]["status"] = recorded("jobs", "portolan-three")["status"]
        return 200, pod

    def _end_pod(self, name: str) -> None:
        pid = self.pids.get(name)
        if pid is None:
            self.pods.pop(name, None)
            return
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        threading.Timer(15, self._kill, args=(name, pid)).start()

    def _kill(self, name: str, pid: int) -> None:
        if self.pids.get(name) == pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        """No pod runs."""
        for pid in list(self.pids.values()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


class Handler(BaseHTTPRequestHandler):
    """HTTP on top of the state."""

    stand_in: StandIn

    def log_message(self, *args: object) -> None:
        """Nothing is written."""

    def _answer(self, status: int, body: dict) -> None:
        self._send(status, json.dumps(body).encode())

    def _send(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _handled(self) -> None:
        state, parts = self.stand_in, urlsplit(self.path)
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Authorization") != "Bearer secret":
            return self._answer(401, SAID["unauthorized"])
        if state.failing:
            status, body, seconds = state.failing.pop(0)
            if status == 0:  # done, but the answer is lost
                state.create(json.loads(content))
            time.sleep(seconds)
            return self._send(status or 504, body)
        words = parts.path.strip("/").split("/")
        kind, name = (words[-1], "") if words[-1] in ("jobs", "pods") else (words[-2], words[-1])
        verb = VERBS.get(self.command, self.command) if name or self.command != "GET" else "list"
        state.asked.add((verb, kind, words[words.index("namespaces") + 1]))
        return self._dispatch(kind, name, parse_qs(parts.query), content)

    def _dispatch(self, kind: str, name: str, query: dict, content: bytes) -> None:
        state = self.stand_in
        match self.command, kind, name:
            case "GET", _, "":
                wanted = dict(one.split("=", 1) for one in query["labelSelector"][0].split(","))
                with state.lock:
                    every = copy.deepcopy(list((state.jobs if kind == "jobs" else state.pods).values()))
                found = [one for one in every if wanted.items() <= one["metadata"]["labels"].items()]
                self._answer(200, {"kind": "List", "apiVersion": "v1", "metadata": {}, "items": found})
            case "GET", "jobs", _:
                with state.lock:
                    job = copy.deepcopy(state.jobs.get(name))
                self._answer(200 if job else 404, job or SAID["absent"])
            case "POST", "jobs", "":
                self._answer(*state.create(json.loads(content)))
            case "PATCH", "jobs", _:
                self._answer(*state.change(name, json.loads(content)))
            case "DELETE", "pods", _:
                self._answer(*state.take_away(name))
            case "DELETE", "jobs", _:
                self._answer(*state.delete(name))
            case _:
                self._answer(405, SAID["absent"])

    do_GET = do_POST = do_PATCH = do_DELETE = _handled


@contextmanager
def stand_in_running(home: Path) -> Iterator[tuple[StandIn, Path]]:
    """The stand-in and the kubeconfig for it."""
    home.mkdir(parents=True, exist_ok=True)
    state = StandIn()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"stand_in": state}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = home / "kubeconfig"
    config.write_text(CONFIG.format(port=server.server_address[1]))
    try:
        yield state, config
    finally:
        state.stop()
        server.shutdown()
        server.server_close()
