"""Many jobs on a real Slurm beside other ways, what watching them costs, and copies beside bare rsync.

The sizes can be made smaller by the environment: BENCH_JOBS, BENCH_ELEMENTS, BENCH_RIVAL_JOBS, BENCH_ACTIVE,
BENCH_COPY_MB, BENCH_COPY_FILES.
"""

import os
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from bench import copies, polling, rivals
from bench.common import gateway_of, instance
from bench.jobs import through
from gateway.running.client import FINAL, Gateway, WalkFailed
from gateway.running.slurm import Cluster, Shape, running
from tests.live import LivePortolan
from tests.postgres import private_postgres

JOBS = int(os.environ.get("BENCH_JOBS") or 1000)
ELEMENTS = int(os.environ.get("BENCH_ELEMENTS") or 300)
RIVAL_JOBS = int(os.environ.get("BENCH_RIVAL_JOBS") or 200)
# Each job of Snakemake starts a Snakemake of its own on the node, which is seconds of a core.
SNAKEMAKE_SHARE = 20
JOB_SECONDS, SLOTS = 1, 16
LOOKS = 10
MAKE_SITE = """
import json, sys
from jobs.models import ComputeSite
ComputeSite.objects.update(enabled=False)
ComputeSite.objects.create(name="slurm", scheduler="slurm", cores={cores}, memory_mb=8000, settings={settings!r})
"""


def clusters() -> dict[str, Any]:
    """Jobs through Slurm, calls and processor time of watching, the delay until a change is seen, copies."""
    with tempfile.TemporaryDirectory(prefix="ptl-", dir="/tmp") as folder:
        home = Path(folder)
        home.chmod(0o755)
        with running(home / "slurm", Shape(gpu_nodes=0, cpus=SLOTS // 2, memory_mb=8000)) as cluster:
            many = jobs_through_slurm(cluster, home)
        found = many | {"watching": polling.watching(), "copies": copies.copies(home)}
    return found


def jobs_through_slurm(cluster: Cluster, home: Path) -> dict[str, Any]:
    """Jobs a minute by each way, and how late the portal shows what Slurm says."""
    taken = {"sbatch loop": (JOBS, rivals.loop(cluster, JOBS, JOB_SECONDS))}
    with portal(cluster) as live:
        gateway = gateway_of(live)
        project = gateway.project("Many", "empty")
        through(gateway, project, "pause", {"seconds": 0})
        taken["Portolan"] = JOBS, by_rest(gateway, project)
        root = next((live.home / "projects").glob(f"**/{project}"))
        taken["Portolan, one job as an array"] = ELEMENTS, as_array(gateway, project, root)
        late = seen_after(gateway, project)
    taken["psij-python"] = RIVAL_JOBS, rivals.psij(cluster, RIVAL_JOBS, JOB_SECONDS, home)
    few = max(RIVAL_JOBS // SNAKEMAKE_SHARE, 1)
    taken["Snakemake"] = few, rivals.snakemake(cluster, few, JOB_SECONDS, home)
    loop = JOBS / taken["sbatch loop"][1]
    ways = {
        name: {"jobs": count, "s": seconds, "per_minute": 60 * count / seconds, "times_loop": loop / (count / seconds)}
        for name, (count, seconds) in taken.items()
    }
    return {"job_s": JOB_SECONDS, "slots": SLOTS, "ways": ways, "seen_after_s": late}


@contextmanager
def portal(cluster: Cluster) -> Iterator[LivePortolan]:
    """An instance on PostgreSQL, whose only site is the cluster."""
    with (
        private_postgres() as url,
        instance(DATABASE_URL=url, API_REQUESTS_PER_MINUTE="1000000", LOG_FORMAT="json") as live,
    ):
        settings = {"environment": cluster.environment}
        live.manage("shell", "--no-imports", "-c", MAKE_SITE.format(cores=SLOTS // 2, settings=settings))
        yield live


def by_rest(gateway: Gateway, project: str) -> float:
    """Seconds from the first submission until the answer that shows all jobs succeeded."""
    began = time.perf_counter()
    for _ in range(JOBS):
        gateway.submit(project, "pause", {"seconds": JOB_SECONDS}, str(uuid.uuid4()))
    jobs, newest = f"/projects/{project}/jobs/?page_size=200", f"/projects/{project}/jobs/?page_size=1"

    def over() -> bool:
        # All are looked at once the newest has ended: looking is not to cost more than the jobs do.
        ended = all(job["state"] in FINAL for job in gateway.call("GET", newest)["results"])
        return ended and all(job["state"] in FINAL for job in gateway.every(jobs))

    gateway.wait(over, seconds=900, what="the jobs", every=0.5)
    taken = time.perf_counter() - began
    states = {job["state"] for job in gateway.every(jobs)}
    if states != {"succeeded"}:
        raise WalkFailed(f"Not all jobs succeeded: {sorted(states)}")
    return taken


def as_array(gateway: Gateway, project: str, root: Path) -> float:
    """Seconds from the submission of one job that is split into elements until its merged result is there."""
    (root / "many").mkdir()
    for number in range(ELEMENTS):
        (root / "many" / f"{number:04d}.txt").touch()
    inputs = {"seconds": JOB_SECONDS, "files": {"pattern": "many/*.txt"}}
    began = time.perf_counter()
    job = gateway.submit(project, "pauses", inputs, str(uuid.uuid4()))["id"]
    gateway.wait(partial(is_final, gateway, job), seconds=900, what="the array", every=0.5)
    taken = time.perf_counter() - began
    said = [one.content.split() for one in gateway.outputs(project, job)]
    if [len(times) for times in said] != [ELEMENTS]:
        raise WalkFailed(f"The array {gateway.job(job)['state']}: {gateway.job(job).get('reason')}")
    return taken


def seen_after(gateway: Gateway, project: str) -> dict[str, float]:
    """Seconds from the end of a job's command to the answer of REST that it is no longer running; median and 95th."""
    late = []
    for _ in range(LOOKS):
        job = gateway.submit(project, "pause", {"seconds": JOB_SECONDS}, str(uuid.uuid4()))["id"]
        while gateway.job(job)["state"] not in FINAL | {"staging_out"}:
            time.sleep(0.02)  # what is measured is when a client that asks sees it
        seen = time.time()
        gateway.wait(partial(is_final, gateway, job), seconds=60, what="the end", every=0.05)
        late.append(seen - float(gateway.outputs(project, job)[0].content))
    late.sort()
    return {"median": statistics.median(late), "p95": late[round(0.95 * (len(late) - 1))], "changes": len(late)}


def is_final(gateway: Gateway, job: str) -> bool:
    """True when the job has ended."""
    return gateway.job(job)["state"] in FINAL
