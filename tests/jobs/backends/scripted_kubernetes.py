"""A scripted Kubernetes: an API server and a node in memory, with objects and errors that a real one gave."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import ClassVar

import httpx2
from lightkube import Client, KubeConfig

from jobs.backends.kubernetes import NAME, OWNER, KubernetesBackend, KubernetesOptions, Volume
from jobs.backends.runner import Here
from tests.jobs.backends.kubernetes_stand_in import SAID, recorded
from tests.jobs.backends.scripted import LIMITS, Native, Scripted

NOBODY = Path(__file__).parent / "said" / "kubeconfig-nobody"


class KubernetesLike(Scripted):
    """One namespace. ``asked`` answers requests; a fault spoils one answer."""

    def _name(self, argv: Sequence[str]) -> str:
        raise NotImplementedError

    def asked(self, request: httpx2.Request) -> httpx2.Response:
        """The answer of the API server."""
        submits = request.method == "POST"
        fault = "" if self.fault in ("lost", "late") and not submits else self.fault
        self.fault = self.fault if self.fault != fault else ""
        self.calls.append(request.method)
        if fault == "down":
            raise httpx2.ConnectError("nobody there")
        status, told = self._created(request, late=fault == "late") if submits else self._other(request)
        if submits and fault in ("lost", "late"):
            raise httpx2.ReadTimeout("no answer")
        text = json.dumps(told)
        if request.method == "GET":
            spoilt = {"empty": "", "garbled": "\x00<?{|" + text[::-1], "partial": text[: len(text) // 2]}
            text = spoilt.get(fault, text)
        return httpx2.Response(status, text=text, headers={"Content-Type": "application/json"})

    def _created(self, request: httpx2.Request, *, late: bool) -> tuple[int, dict]:
        wanted = json.loads(request.content)
        job = Native(0, wanted["metadata"]["name"])
        job.script = Path(wanted["spec"]["template"]["spec"]["containers"][0]["command"][1]).read_text()
        if late:
            self.late.append([job])
        elif any(one.name == job.name for one in self.jobs):
            return 409, SAID["conflict"]
        else:
            self.take(job)
        return 201, _job(job)

    def _other(self, request: httpx2.Request) -> tuple[int, dict]:
        name = request.url.path.rpartition("/")[2]
        if name == "pods":
            return 200, _list([_pod(one) for one in self.jobs if not (one.cancelled or one.node_failed)])
        if name == "jobs":
            return 200, _list([_job(one) for one in self.jobs])
        job = next((one for one in self.jobs if one.name == name), None)
        if job is None:
            return 404, SAID["absent"]
        if request.method == "PATCH" and job.state != "ended":
            self.stop(job)
        return 200, _job(job)

    def arrive(self) -> None:
        """A name is there once: what comes late is refused where it is."""
        known = {job.name for job in self.jobs}
        self.late = list({job.name: [job] for (job,) in self.late if job.name not in known}.values())
        super().arrive()

    def purge(self) -> None:
        """Somebody has deleted the Jobs that have ended."""
        self.jobs = [job for job in self.jobs if job.state != "ended"]

    def renumber(self) -> None:
        """Names, not numbers, are the ids: nobody else has ours."""
        self.purge()


class ScriptedKubernetes(KubernetesBackend):
    """The adapter, whose requests go to a scripted cluster, by one client for all: making one takes long."""

    asked: ClassVar[list[Callable[[httpx2.Request], httpx2.Response]]] = []

    def __init__(self, cluster: KubernetesLike) -> None:
        options = KubernetesOptions(kubeconfig=NOBODY, image="job:1", volumes=(Volume(path="/tmp"),))
        super().__init__(Here(), LIMITS, options)
        self.asked[:] = [cluster.asked]

    def _client(self) -> Client:
        return _client_of_all()


@cache
def _client_of_all() -> Client:
    config = KubeConfig.from_file(NOBODY).get()
    transport = httpx2.MockTransport(lambda request: ScriptedKubernetes.asked[0](request))
    return Client(config=config, namespace="default", trust_env=False, transport=transport)


def _list(items: list[dict]) -> dict:
    return {"kind": "List", "apiVersion": "v1", "metadata": {}, "items": items}


def _labels(job: Native) -> dict:
    return {"name": job.name, "labels": {OWNER: "portolan", NAME: job.name}}


def _job(job: Native) -> dict:
    status: dict = {}
    if job.state == "ended" and not job.cancelled:
        failed = job.status or job.node_failed
        status = recorded("jobs", "portolan-three" if failed else "portolan-good")["status"]
    spec = {"parallelism": 0 if job.cancelled else 1, "completions": 1, "template": {}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": _labels(job), "spec": spec, "status": status}


def _pod(job: Native) -> dict:
    if job.state == "ended":
        status = recorded("pods", "portolan-three" if job.status else "portolan-good")["status"]
        status["containerStatuses"][0]["state"]["terminated"]["exitCode"] = job.status
    else:
        status = {"phase": "Running" if job.state == "running" else "Pending"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": _labels(job), "status": status}
