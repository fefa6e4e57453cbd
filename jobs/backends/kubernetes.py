"""Kubernetes: an attempt is a ``batch/v1`` Job of its native name, so a second submit is answered "409, it is there".

The project's folder is a volume, mounted in the pod at the same path as here; the script of the job lies in its control
directory there. A poll is two calls whatever the number of jobs: the Jobs and the pods of Portolan. ``cancel`` sets the
Job's parallelism to 0, which ends its pods in order and leaves the Job to be asked about; ``forget`` deletes it.
Nothing newer than Kubernetes 1.20 is used. The image needs ``sh``, grep and coreutils or busybox.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import httpx2
from lightkube import ApiError, Client, KubeConfig
from lightkube.core.exceptions import ConfigError
from lightkube.models.core_v1 import ContainerStatus
from lightkube.resources.batch_v1 import Job
from lightkube.resources.core_v1 import Pod
from lightkube.types import CascadeType, PatchType

from jobs.backends import natives
from jobs.backends.base import (
    Backend,
    Cause,
    JobRejected,
    JobSpec,
    NativeObservation,
    Phase,
    SiteUnavailable,
    element_name,
)
from jobs.backends.limits import Limits
from jobs.backends.runner import Runner
from jobs.backends.script import REFUSED, UNREACHABLE, job_script

SECONDS = 30.0
GRACE_SECONDS = 15
OWNER, NAME = "app.kubernetes.io/managed-by", "portolan/attempt"
PAGE = 500
T = TypeVar("T")
Access = tuple[Path, str, str]

_OFTEN = "Look at the image and the secrets of the site; the operator has to change something."
_WAITS: dict[str, str] = {
    "ContainerCreating": "Its container is being made.",
    "PodInitializing": "Its container is being made.",
    "ErrImagePull": f"Its image can't be pulled. {_OFTEN}",
    "ImagePullBackOff": f"Its image can't be pulled. {_OFTEN}",
    "ErrImageNeverPull": f"Its image is not on the node. {_OFTEN}",
    "InvalidImageName": f"Its image has a name that is none. {_OFTEN}",
    "CreateContainerConfigError": f"Its container can't be made. {_OFTEN}",
    "CreateContainerError": f"Its container can't be made. {_OFTEN}",
}


@dataclass(frozen=True, kw_only=True)
class Volume:
    """A directory that pods see at ``path``: ``host_path`` of the node, or a claim (and a path in it)."""

    path: str
    host_path: str = ""
    claim: str = ""
    sub_path: str = ""


@dataclass(frozen=True, kw_only=True)
class KubernetesOptions:
    """What the operator says of a cluster. The secrets are in ``kubeconfig``, a file that is named here."""

    kubeconfig: Path
    image: str
    volumes: tuple[Volume, ...]
    context: str = ""
    namespace: str = "default"
    pull_policy: str = "IfNotPresent"
    gpu_resource: str = "nvidia.com/gpu"
    user: int | None = None
    group: int | None = None
    node_selector: Mapping[str, str] = field(default_factory=dict)

    @property
    def access(self) -> Access:
        """What tells one client from another."""
        return self.kubeconfig, self.context, self.namespace


# A client keeps its connections, and reading certificates for a new one takes longer than most calls. The stamp is that
# of the process and of the kubeconfig.
_kept: dict[Access, tuple[tuple[int, ...], Client]] = {}


class KubernetesBackend(Backend):
    """One namespace of a cluster. ``runner`` writes the scripts to where the volumes are."""

    arrays = True
    gpu: ClassVar[bool] = True
    containers: ClassVar[bool] = True

    def __init__(self, runner: Runner, limits: Limits, options: KubernetesOptions) -> None:
        self.runner = runner
        self.limits = limits
        self.options = options

    def submit(self, spec: JobSpec) -> str:
        """The API server has the Job, from this call or from an earlier one.

        It would take one that fits on no node as well, so ``limits`` are looked at first.
        """
        self.limits.check(spec)
        script = spec.control / "job.sh"
        self.runner.make_dirs(spec.control)
        self.runner.put(script, job_script(spec).encode("utf-8", "surrogateescape"))
        wanted: Any = Job.from_dict(manifest(spec, str(script), self.options))
        try:
            self._call(lambda client: client.create(wanted))
        except ApiError as error:
            if error.status.code != 409:
                raise _refused(error) from error
        return spec.name

    def submit_array(self, name: str, specs: Sequence[JobSpec], *, at_once: int = 0) -> list[str]:
        """A Job for each element: one Indexed Job would end them all when a pod of one fails, and 1.20 has none.

        A second call adds those that are missing. ``at_once`` is not kept: a quota of the namespace bounds them.
        """
        return [self.submit(spec) for spec in specs]

    def find_array(self, name: str, count: int) -> list[str] | None:
        """The names of the elements, when there is a Job for each."""
        names, every = [element_name(name, place) for place in range(count)], self._every()
        return names if all(one in every for one in names) else None

    def find(self, name: str) -> str | None:
        """``name``, when there is a Job of this name."""
        try:
            self._call(lambda client: client.get(Job, name))
        except ApiError as error:
            if error.status.code == 404:
                return None
            raise _unavailable(error) from error
        return name

    def poll(self, native_ids: Iterable[str]) -> dict[str, NativeObservation]:
        """The Jobs and the pods, each in one call (of some pages when there are very many)."""
        every = self._every()
        return {one: every[one] for one in native_ids if one in every}

    def listed(self) -> dict[str, NativeObservation]:
        """What the namespace has of ours and has not ended, in two calls."""
        return natives.unfinished(self._every().values())

    def cancel(self, native_id: str) -> None:
        """The Job wants no pod any more; running ones get a SIGTERM, then a SIGKILL."""
        nothing = {"spec": {"parallelism": 0}}
        try:
            self._call(lambda client: client.patch(Job, native_id, nothing, patch_type=PatchType.MERGE))
        except ApiError as error:
            if error.status.code not in (404, 422):  # gone, or no name that a Job could have
                raise _unavailable(error) from error

    def forget(self, native_id: str) -> None:
        """The Job and its pods are deleted, if it has ended."""
        seen = self._every().get(native_id)
        if seen is None or seen.phase not in (Phase.ENDED, Phase.LOST):
            return
        try:
            self._call(lambda client: client.delete(Job, native_id, cascade=CascadeType.BACKGROUND))
        except ApiError as error:
            if error.status.code != 404:
                raise _unavailable(error) from error

    # --- asking

    def _every(self) -> dict[str, NativeObservation]:
        labels: dict[str, Any] = {OWNER: "portolan"}
        try:
            jobs, pods = self._call(
                lambda client: (
                    list(client.list(Job, labels=labels, chunk_size=PAGE)),
                    list(client.list(Pod, labels=labels, chunk_size=PAGE)),
                )
            )
        except ApiError as error:
            raise _unavailable(error) from error
        by_job: dict[str, list[Pod]] = {}
        for pod in pods:
            by_job.setdefault(((pod.metadata and pod.metadata.labels) or {}).get(NAME, ""), []).append(pod)
        names = [(job.metadata.name or "", job) for job in jobs if job.metadata]
        return {name: observation(name, job, by_job.get(name, [])) for name, job in names}

    def _call(self, act: Callable[[Client], T]) -> T:
        """What ``act`` returned; ApiError for what the API server refused, SiteUnavailable for all else."""
        try:
            return act(self._client())
        except ApiError as error:
            if error.response.status_code == 401:  # the credentials may have been renewed where they come from
                _kept.pop(self.options.access, None)
            raise
        except (ConfigError, httpx2.HTTPError, OSError) as error:
            _kept.pop(self.options.access, None)
            raise SiteUnavailable(f"Kubernetes did not answer: {error or type(error).__name__}") from error
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            _kept.pop(self.options.access, None)
            raise SiteUnavailable(f"Kubernetes gave an answer that can't be read: {error}") from error

    def _client(self) -> Client:
        """The client that this process keeps for the site; another one once its kubeconfig has changed."""
        told = os.stat(self.options.kubeconfig)
        stamp = (os.getpid(), told.st_ino, told.st_mtime_ns, told.st_size)
        known = _kept.get(self.options.access)
        if known is None or known[0] != stamp:
            known = _kept[self.options.access] = (stamp, self._new_client())
        return known[1]

    def _new_client(self) -> Client:
        config = KubeConfig.from_file(self.options.kubeconfig).get(self.options.context or None)
        if config is None:
            raise SiteUnavailable(f"{self.options.kubeconfig} has no usable context.")
        timeout = httpx2.Timeout(SECONDS)
        return Client(config=config, namespace=self.options.namespace, timeout=timeout, trust_env=False)


def manifest(spec: JobSpec, script: str, options: KubernetesOptions) -> dict[str, Any]:
    """The Job for one attempt: one pod, never started again by Kubernetes where it can be told so."""
    labels = {OWNER: "portolan", NAME: spec.name}
    template = {"metadata": {"labels": labels}, "spec": _pod(spec, script, options)}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": spec.name,
            "namespace": options.namespace,
            "labels": labels,
            "annotations": {"portolan/comment": spec.comment},
        },
        "spec": {"backoffLimit": 0, "completions": 1, "parallelism": 1, "template": template},
    }


def _pod(spec: JobSpec, script: str, options: KubernetesOptions) -> dict[str, Any]:
    amounts: dict[str, str] = {"cpu": str(spec.cores), "memory": f"{spec.memory_mb}Mi"}
    limits = {"memory": amounts["memory"]}
    if spec.gpus:
        limits[options.gpu_resource] = amounts[options.gpu_resource] = str(spec.gpus)
    container = {
        "name": "job",
        "image": options.image,
        "imagePullPolicy": options.pull_policy,
        "command": ["/bin/sh", script],
        "resources": {"requests": amounts, "limits": limits},
        "volumeMounts": [_mount(number, one) for number, one in enumerate(options.volumes)],
    }
    user = {"runAsUser": options.user, "runAsGroup": options.group}
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "containers": [container],
        "volumes": [_volume(number, one) for number, one in enumerate(options.volumes)],
        "securityContext": {name: value for name, value in user.items() if value is not None},
    }
    if options.node_selector or spec.queue:
        pod["nodeSelector"] = dict(options.node_selector) | ({"portolan/queue": spec.queue} if spec.queue else {})
    return pod


def _mount(number: int, volume: Volume) -> dict[str, Any]:
    found = {"name": f"v{number}", "mountPath": volume.path}
    return found | ({"subPath": volume.sub_path} if volume.sub_path else {})


def _volume(number: int, volume: Volume) -> dict[str, Any]:
    if volume.claim:
        return {"name": f"v{number}", "persistentVolumeClaim": {"claimName": volume.claim}}
    return {"name": f"v{number}", "hostPath": {"path": volume.host_path or volume.path, "type": "Directory"}}


def observation(name: str, job: Job, pods: list[Pod]) -> NativeObservation:
    """What a Job and its pods say together."""
    going = [pod for pod in pods if _phase(pod) not in ("Succeeded", "Failed")]
    ended = {one.type: one for one in (job.status and job.status.conditions) or [] if one.status == "True"}
    cancelled = job.spec is not None and job.spec.parallelism == 0
    if "Complete" in ended and not going:
        return _seen(name, "Complete", Phase.ENDED)
    if "Failed" in ended and not going and not cancelled:
        return _failed(name, ended["Failed"].reason or "Failed", pods)
    if cancelled and not going:
        return _seen(name, "Cancelled", Phase.ENDED, "It was cancelled.", Cause.CANCELLED)
    if any(_phase(pod) == "Running" for pod in going):
        return _seen(name, "Running", Phase.RUNNING)
    for pod in going:
        return _seen(name, _phase(pod), Phase.QUEUED if _phase(pod) == "Pending" else Phase.UNKNOWN, _waits(pod))
    return _seen(name, "Created", Phase.QUEUED, "Waits for its pod to be made.")


def _seen(name: str, word: str, phase: Phase, reason: str = "", cause: Cause = Cause.NONE) -> NativeObservation:
    return NativeObservation(native_id=name, word=word, phase=phase, reason=reason[:500], cause=cause)


def _phase(pod: Pod) -> str:
    return (pod.status and pod.status.phase) or ""


def _failed(name: str, word: str, pods: list[Pod]) -> NativeObservation:
    """A failed Job, by its last pod; without a pod the node or an operator has taken it away."""
    if word == "DeadlineExceeded":
        return _seen(name, word, Phase.ENDED, "Kubernetes ended it: its time was over.", Cause.WALL_TIME)
    last = max(pods, key=lambda pod: str(pod.metadata and pod.metadata.creationTimestamp), default=None)
    if last is None:
        return _seen(name, word, Phase.LOST, "Its pod was taken away while it ran.", Cause.NODE_FAILURE)
    reason = (last.status and last.status.reason) or ""
    if reason in ("Evicted", "Preempting"):
        return _seen(name, reason, Phase.LOST, "The node had no room for it any more.", Cause.PREEMPTED)
    if reason in ("NodeLost", "NodeShutdown", "Shutdown", "Terminated", "NodeAffinity"):
        return _seen(name, reason, Phase.LOST, "The node failed while it ran.", Cause.NODE_FAILURE)
    ended = _terminated(last)
    if ended is None:
        return _seen(name, reason or word, Phase.LOST, "Its pod ended without a word.", Cause.NODE_FAILURE)
    code, why = ended.exitCode, ended.reason or ""
    if why == "OOMKilled":
        words = "Kubernetes ended it: it used more memory than it asked for."
        return _seen(name, why, Phase.ENDED, words, Cause.OUT_OF_MEMORY)
    if why in ("ContainerCannotRun", "StartError") or code == UNREACHABLE:
        words = "The node could not start it: its directories or its program are not there."
        return _seen(name, why or word, Phase.ENDED, words, Cause.NOT_STARTED)
    if code == REFUSED:
        words = "Kubernetes started it again after its pod was lost; the second copy met the fence and left."
        return _seen(name, why or word, Phase.ENDED, words, Cause.NODE_FAILURE if len(pods) > 1 else Cause.NONE)
    return _seen(name, why or word, Phase.ENDED)


def _container(pod: Pod) -> ContainerStatus | None:
    statuses = (pod.status and pod.status.containerStatuses) or []
    return statuses[0] if statuses else None


def _terminated(pod: Pod) -> Any:
    status = _container(pod)
    return status.state.terminated if status and status.state else None


def _waits(pod: Pod) -> str:
    status = _container(pod)
    waiting = status.state.waiting if status and status.state else None
    if waiting is not None:
        known = _WAITS.get(waiting.reason or "")
        return known or f"Kubernetes says why it waits: {waiting.reason}."
    for one in (pod.status and pod.status.conditions) or []:
        if one.type == "PodScheduled" and one.status == "False":
            return f"Waits for a node: {one.message or one.reason}"
    return "Waits for a node."


def _refused(error: ApiError) -> JobRejected | SiteUnavailable:
    if error.status.code in (400, 403, 422):
        return JobRejected(
            f"Kubernetes does not take this job: {error.status.message}",
            hint="Ask for less, or tell the operator.",
        )
    return _unavailable(error)


def _unavailable(error: ApiError) -> SiteUnavailable:
    return SiteUnavailable(f"Kubernetes answered {error.status.code}: {error.status.message}")
