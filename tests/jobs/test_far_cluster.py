"""Jobs by REST on a real Slurm behind a real sshd that sees no folder of the portal; a whole instance sends them."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.running.slurm import Shape
from samples.__main__ import SMALL
from samples.movies import write_movies
from tests.jobs.backends.conftest import cluster_home  # noqa: F401 - fixture
from tests.jobs.backends.limited import Limited, why_not
from tests.jobs.far import GO, WAIT, Person, assert_same, far_running, seen
from tests.live import ROOT, TEST_TOOLS, instance_running, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

MOVIES = {
    "movies": {"pattern": "movies/*.tiff"}, "gain": {"class": "File", "path": "gain/gain.mrc"},
    "pixel_size": 1.77, "dose_per_frame": 1.2, "patches_x": 1, "patches_y": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def instance():
    with instance_running() as made:
        yield made


@pytest.fixture(scope="module")
def far(instance, cluster_home):  # noqa: F811
    with far_running(cluster_home / "far", instance.home, ROOT / "jobs" / "tools", TEST_TOOLS) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def person(instance, far) -> Person:
    """An operator, who has added the cluster, and a member of a project."""
    made = Person(instance)
    made.post("/sites/", **far.row)
    return made


@pytest.fixture(scope="module")
def aligned_here(person, tmp_path_factory) -> Path:
    """What the movie alignment gives on this machine, for two movies that were uploaded."""
    made = tmp_path_factory.mktemp("samples")
    write_movies(made, SMALL)
    for path in (*made.glob("movies/*.tiff"), made / "gain" / "gain.mrc"):
        person.upload(str(path.relative_to(made)), path.read_bytes())
    return person.outputs(person.ended(person.submit("movie_alignment", MOVIES, site="local")), made / "outputs")


@contextmanager
def nowhere_but(person: Person, name: str) -> Iterator[None]:
    """Only this site takes jobs meanwhile."""
    others = [one["name"] for one in person.get("/sites/")["results"] if one["name"] != name and one["enabled"]]
    for other in others:
        person.patch(f"/sites/{other}/", enabled=False)
    try:
        yield
    finally:
        for other in others:
            person.patch(f"/sites/{other}/", enabled=True)


def test_what_is_declared_goes_there_and_what_is_made_comes_home_while_it_runs(person, far, instance, tmp_path):
    wait_until(lambda: far.files() == [], seconds=180, what="the cleaning up after other jobs")
    person.upload("texts/a.txt", WAIT)
    person.upload("texts/secret.txt", b"not declared")
    job = person.submit("tally", {"files": [{"class": "File", "path": "texts/a.txt"}]}, site="far")
    person.wait(job, lambda one: one["state"] == "running")
    wait_until(lambda: "Tally 1.0" in person.log(job), seconds=180, what="the log at home")
    assert person.get(f"/jobs/{job['id']}/")["state"] == "running"
    if far.inside:
        unseen = [instance.home, TEST_TOOLS]
        said = subprocess.run([*far.inside, "find", *map(str, unseen)], capture_output=True, text=True, check=True)
        assert said.stdout.split() == list(map(str, unseen))
    ours = [path.partition("/")[2] for path in far.files()]
    assert "folder/texts/a.txt" in ours
    assert "tools/tally/tally.py" in ours
    assert not [path for path in ours if "secret" in path or (path.startswith("tools/") and "tally" not in path)]
    far.release("texts/a.txt")
    person.ended(job)
    made = person.outputs(job, tmp_path / "made")
    assert ((made / "rows.csv").read_text(), (made / "copies" / "a.txt").read_bytes()) == ("a,7\n", GO)
    wait_until(lambda: far.files() == [], seconds=180, what="the cleaning up")


def test_movies_aligned_there_give_what_they_give_here(person, far, aligned_here, tmp_path):
    job = person.ended(person.submit("movie_alignment", MOVIES, site="far"))
    assert (job["queue"], job["tasks"]) == ("cpu", 1)
    assert "MB to copy" in next(one["words"] for one in job["choice"] if one["chosen"])
    assert_same(aligned_here, person.outputs(job, tmp_path))
    wait_until(lambda: far.files() == [], seconds=180, what="the cleaning up")


def test_relion_s_mpi_program_runs_across_two_nodes(person, far, aligned_here, tmp_path):
    job = person.submit("movie_alignment", MOVIES | {"nr_mpi": 2}, site="far")
    assert (job["queue"], job["cores"], job["tasks"]) == ("cpu", 2, 2)
    job = person.ended(job)
    assert_same(aligned_here, person.outputs(job, tmp_path))
    assert "relion_run_motioncorr_mpi" in (tmp_path / "relion.log").read_text()
    (row,) = seen(far.cluster, job)
    assert (row["state"], row["nodes"], row["on"]) == ("COMPLETED", "2", "c[1-2]")
    # The second rank was started by the second node.
    assert f"launch task StepId={row['id']}.0" in (far.cluster.home / "log" / "slurmd.c2.log").read_text()


def test_a_method_for_gpus_goes_to_the_gpu_queue(person, far, tmp_path):
    plain = person.submit("either", {})
    assert (plain["queue"] == "gpu", plain["gpus"]) == (False, 0)
    job = person.submit("either", {"on_gpu": True})
    assert (job["site"], job["queue"], job["gpus"]) == ("far", "gpu", 1)
    weighed = {(one["site"], one["queue"]): one["words"] for one in job["choice"]}
    assert weighed["local", ""] == weighed["far", "cpu"] == "has no GPU queue."
    assert (person.outputs(person.ended(job), tmp_path) / "said.txt").read_text() == "GPU 0 in gpu\n"
    (row,) = seen(far.cluster, job)
    assert (row["partition"], row["on"]) == ("gpu", "g1")
    assert "gpu" in row["gres"]
    person.ended(plain)


def test_what_slurm_ends_at_its_time_is_told_and_begun_anew_with_more(person, far):
    person.upload("times/a.txt", WAIT)
    inputs = {"files": [{"class": "File", "path": "times/a.txt"}]}
    with nowhere_but(person, "far"):
        job = person.submit("tally", inputs, wall_seconds=600)
        person.wait(job, lambda one: one["state"] == "running")
        (row,) = seen(far.cluster, job)
        assert row["limit"] == "12:00"
        far.cluster.command("scontrol", "update", f"jobid={row['id']}", "EndTime=now")
        job = person.ended(job, "failed")
        assert seen(far.cluster, job)[-1]["state"] == "TIMEOUT"
        assert job["failure"]["code"] == "wall_time"
        assert "more time" in job["failure"]["hint"]
        assert job["repairs"][0]["action"] == "more_time"
        assert person.repair(job, "more_time")["wall_seconds"] == 1200
        person.wait(job, lambda one: one["state"] == "running")
        assert seen(far.cluster, job)[-1]["limit"] == "22:00"
        far.release("times/a.txt")
        person.ended(job)
    wait_until(lambda: far.files() == [], seconds=180, what="the cleaning up")


def test_what_slurm_ends_for_its_memory_is_told_and_begun_anew_with_more(person, instance, cluster_home):  # noqa: F811
    if problem := why_not():
        pytest.skip(problem)
    cluster = Limited(cluster_home / "limited", Shape(cpu_nodes=1, gpu_nodes=0, cpus=2, memory_mb=2000))
    try:
        cluster.start()
        row = {"name": "limited", "scheduler": "slurm", "cores": 2, "memory_mb": 2000}
        person.post("/sites/", **row, settings={"environment": cluster.environment})
        with nowhere_but(person, "limited"):
            job = person.ended(person.submit("behave", {"act": "hold"}, memory_mb=100), "failed")
            (ended,) = seen(cluster, job)
            assert (ended["state"], ended["reason"], ended["memory"]) == ("OUT_OF_MEMORY", "OutOfMemory", "100M")
            assert job["failure"]["code"] == "out_of_memory"
            assert "more than its 100 MB" in job["failure"]["message"]
            assert "more memory" in job["failure"]["hint"]
            assert job["repairs"][0]["action"] == "more_memory"
            assert person.repair(job, "more_memory")["memory_mb"] >= 200
            assert person.ended(job)["site"] == "limited"
        person.patch("/sites/limited/", enabled=False)
    finally:
        cluster.stop()
