"""Kubernetes: the contract, and what is its own."""

import json
import os
from pathlib import Path

import kubernetes_validate
import pytest

from jobs.backends.base import Cause, JobRejected, JobSpec, Phase, SiteUnavailable
from jobs.backends.kubernetes import Job, KubernetesBackend, KubernetesOptions, Pod, Volume, manifest, observation
from jobs.backends.limits import Limits
from jobs.backends.runner import Here
from tests.jobs.backends.contract import ArrayContract
from tests.jobs.backends.kubernetes_cluster import IMAGE, real_cluster
from tests.jobs.backends.kubernetes_stand_in import SAID, stand_in_running

REAL = os.environ.get("KUBERNETES_PROGRAMS")
HOST = ("/usr", "/tmp")


def backend_for(kubeconfig: Path, **more: object) -> KubernetesBackend:
    """Pods see the machine's programs and the tests' directories."""
    known = {"image": IMAGE, "volumes": tuple(Volume(path=path) for path in HOST), "pull_policy": "Never", **more}
    limits = Limits(cores=2, memory_mb=4000)
    return KubernetesBackend(Here(), limits, KubernetesOptions(kubeconfig=kubeconfig, **known))


@pytest.fixture
def stand_in(tmp_path):
    with stand_in_running(tmp_path / "k8s") as (state, kubeconfig):
        state.kubeconfig = kubeconfig
        yield state


class TestKubernetes(ArrayContract):
    @pytest.fixture
    def backend(self, stand_in):
        return backend_for(stand_in.kubeconfig)

    def test_a_second_submit_is_answered_that_it_is_there(self, backend, stand_in, make_spec):
        spec = make_spec("sh", "-c", "echo ran")
        assert backend.submit(spec) == backend.submit(spec) == spec.name
        self.ended(backend, spec.name)
        assert (stand_in.created, spec.stdout.read_text()) == (1, "ran\n")

    def test_a_submit_whose_answer_was_lost_is_adopted(self, backend, stand_in, make_spec):
        spec = make_spec("sh", "-c", "echo ran")
        stand_in.failing = [(0, b"", 0)]
        with pytest.raises(SiteUnavailable):
            backend.submit(spec)
        assert backend.find(spec.name) == spec.name
        self.ended(backend, spec.name)
        assert (stand_in.created, spec.stdout.read_text()) == (1, "ran\n")

    @pytest.mark.parametrize(
        ("status", "body"), [(200, b""), (200, b"<html>"), (200, b'{"items": [{"metadata": 3}]}'), (200, b'["x"]'),
                             (500, b"oops"), (503, b"{}"), (401, b"{}")]
    )  # fmt: skip
    def test_an_answer_that_is_none_is_a_site_without_answer(self, backend, stand_in, make_spec, status, body):
        stand_in.failing = [(status, body, 0)]
        with pytest.raises(SiteUnavailable):
            backend.poll(["portolan-a"])

    def test_an_ended_job_can_be_forgotten_and_a_running_one_not(self, backend, make_spec):
        ended, runs = make_spec("true", name="e"), make_spec("sleep", "60", name="r")
        for spec in (ended, runs):
            backend.submit(spec)
        self.ended(backend, ended.name)
        self.reached(backend, runs.name, Phase.RUNNING)
        for spec in (ended, runs):
            backend.forget(spec.name)
        assert set(backend.poll([ended.name, runs.name])) == {runs.name}
        backend.cancel(runs.name)
        self.ended(backend, runs.name)

    def test_calls_share_a_client_until_the_kubeconfig_changes_or_a_call_fails(self, stand_in, monkeypatch):
        made, new = [], KubernetesBackend._new_client
        monkeypatch.setattr(KubernetesBackend, "_new_client", lambda self: made.append(1) or new(self))
        for _ in range(3):
            backend_for(stand_in.kubeconfig).poll(["portolan-a"])
        assert len(made) == 1
        backend_for(stand_in.kubeconfig, namespace="other").poll(["portolan-a"])
        assert len(made) == 2
        os.utime(stand_in.kubeconfig, (1, 1))
        backend_for(stand_in.kubeconfig).poll(["portolan-a"])
        assert len(made) == 3
        stand_in.failing = [(401, b"{}", 0)]
        with pytest.raises(SiteUnavailable):
            backend_for(stand_in.kubeconfig).poll(["portolan-a"])
        backend_for(stand_in.kubeconfig).poll(["portolan-a"])
        assert len(made) == 4


def test_nobody_there_is_a_site_without_answer(tmp_path):
    config = tmp_path / "config"
    config.write_text((Path(__file__).parent / "said" / "kubeconfig-nobody").read_text())
    with pytest.raises(SiteUnavailable, match="did not answer"):
        backend_for(config).find("portolan-a")
    with pytest.raises(SiteUnavailable):
        backend_for(tmp_path / "none").find("portolan-a")


@pytest.mark.parametrize("version", ["1.25.0", "1.37.0"])
@pytest.mark.parametrize("more", [{}, {"gpus": 1, "queue": "gpu", "comment": "Job 3"}])
def test_the_manifest_is_valid_for_the_oldest_and_the_newest_version(tmp_path, version, more):
    """The oldest whose schema is to be had; 1.20 itself takes it in ``make test-kubernetes``."""
    spec = _spec(tmp_path, **more)
    options = KubernetesOptions(
        kubeconfig=tmp_path, image="x:1", user=5001, group=5001, node_selector={"zone": "a"},
        volumes=(Volume(path="/data", claim="data", sub_path="p"), Volume(path="/scratch", host_path="/mnt")),
    )  # fmt: skip
    kubernetes_validate.validate(manifest(spec, "/data/job.sh", options), version, strict=True)


@pytest.mark.parametrize(
    ("attempt", "word", "phase", "cause", "words"),
    [
        ("good", "Complete", Phase.ENDED, Cause.NONE, ""),
        ("three", "Error", Phase.ENDED, Cause.NONE, ""),
        ("running", "Running", Phase.RUNNING, Cause.NONE, ""),
        ("large", "Pending", Phase.QUEUED, Cause.NONE, "Insufficient cpu"),
        ("never", "Pending", Phase.QUEUED, Cause.NONE, "image is not on the node"),
        ("pull", "Pending", Phase.QUEUED, Cause.NONE, "can't be pulled"),
        ("memory", "OOMKilled", Phase.ENDED, Cause.OUT_OF_MEMORY, "more memory than it asked for"),
        ("volume", "Pending", Phase.QUEUED, Cause.NONE, "container is being made"),
        ("fence", "Error", Phase.ENDED, Cause.NONE, "met the fence"),
        ("cancelled", "Cancelled", Phase.ENDED, Cause.CANCELLED, "cancelled"),
    ],
)
def test_what_a_real_cluster_said_is_understood(attempt, word, phase, cause, words):
    name = f"portolan-{attempt}"
    mine = {kind: [one for one in SAID[kind]["items"] if one["metadata"]["labels"]["portolan/attempt"] == name]
            for kind in ("jobs", "pods")}  # fmt: skip
    seen = observation(name, Job.from_dict(mine["jobs"][0]), [Pod.from_dict(one) for one in mine["pods"]])
    assert (seen.word, seen.phase, seen.cause) == (word, phase, cause)
    assert words in seen.reason


def test_a_failed_job_whose_pod_was_taken_away_is_lost(tmp_path):
    told = next(one for one in SAID["jobs"]["items"] if one["metadata"]["name"] == "portolan-three")
    seen = observation("portolan-three", Job.from_dict(told), [])
    assert (seen.phase, seen.cause) == (Phase.LOST, Cause.NODE_FAILURE)


def test_a_refused_job_is_told_in_words(tmp_path, stand_in):
    stand_in.failing = [(422, json.dumps(SAID["invalid"]).encode(), 0)]
    with pytest.raises(JobRejected, match="restartPolicy: Required value"):
        backend_for(stand_in.kubeconfig).submit(_spec(tmp_path))


def _spec(place: Path, **more: object):
    return JobSpec(
        name="portolan-a", argv=["true"], cwd=place, control=place / "control", stdout=place / "o", stderr=place / "e",
        memory_mb=100, **more,
    )  # fmt: skip


if REAL:

    @pytest.fixture(scope="module")
    def cluster(cluster_home):
        with real_cluster(cluster_home / "k8s", Path(REAL)) as made:
            yield made

    class TestRealKubernetes(ArrayContract):
        @pytest.fixture
        def backend(self, cluster):
            return backend_for(cluster.kubeconfig)
