"""Other ways to have many jobs run by Slurm: a plain loop of ``sbatch``, Snakemake, psij-python.

The last two live in throw-away environments of their own: they want other versions of the portal's libraries.
"""

import os
import subprocess
import time
from pathlib import Path
from shutil import which

from gateway.running.services import program
from gateway.running.slurm import Cluster
from tests.live import ROOT

ENVIRONMENTS = {
    "snakemake": ["snakemake==9.27.1", "snakemake-executor-plugin-slurm==2.8.0"],
    "psij": ["psij-python==0.9.11"],
}
LIMIT = 600
SNAKEFILE = """rule all:
    input: expand("done/{{n}}", n=range({count}))
rule one:
    output: "done/{{n}}"
    resources: mem_mb=250, runtime=5
    shell: "sleep {seconds}; touch {{output}}"
"""
PSIJ = """import datetime, sys
import psij
from psij.executors.batch.slurm import SlurmExecutorConfig
count, seconds = int(sys.argv[1]), sys.argv[2]
config = SlurmExecutorConfig(queue_polling_interval=1, initial_queue_polling_delay=1)
executor = psij.JobExecutor.get_instance("slurm", config=config)
attributes = psij.JobAttributes(duration=datetime.timedelta(minutes=5))
attributes.custom_attributes = {"slurm.mem": "64"}
jobs = []
for _ in range(count):
    jobs.append(psij.Job(psij.JobSpec(executable="/bin/sleep", arguments=[seconds], attributes=attributes)))
    executor.submit(jobs[-1])
states = [job.wait().state for job in jobs]
sys.exit(any(state is not psij.JobState.COMPLETED for state in states))
"""


def loop(cluster: Cluster, count: int, seconds: int) -> float:
    """Seconds for the jobs by one ``sbatch`` after the other, until the queue has none of them."""
    script = f"#!/bin/sh\nexec sleep {seconds}\n".encode()
    argv = ["sbatch", "--parsable", "--job-name=loop", "--output=/dev/null", "--mem=64", "--time=5"]
    began = time.perf_counter()
    for _ in range(count):
        subprocess.run(argv, input=script, env=os.environ | cluster.environment, cwd="/", check=True, timeout=60,
                       stdout=subprocess.DEVNULL)  # fmt: skip
    while cluster.command("squeue", "-h", "--name=loop").strip():
        time.sleep(0.2)  # Slurm's commands tell no end of many jobs by themselves
    return time.perf_counter() - began


def snakemake(cluster: Cluster, count: int, seconds: int, home: Path) -> float:
    """Seconds for the jobs as a workflow of Snakemake, with its first look at their states as early as it allows."""
    binaries, folder = environment("snakemake"), home / "snakemake"
    folder.mkdir()
    (folder / "Snakefile").write_text(SNAKEFILE.format(count=count, seconds=seconds))
    argv = [str(binaries / "snakemake"), "--executor", "slurm", "--jobs", str(count), "--slurm-no-account"]
    argv += ["--slurm-init-seconds-before-status-checks", "1", "--seconds-between-status-checks", "1"]
    argv += ["--slurm-status-command", "squeue", "--latency-wait", "30"]
    argv += ["--default-resources", "slurm_partition=cpu", "runtime=5", "mem_mb=250"]
    return _run(argv, cluster, folder, binaries)


def psij(cluster: Cluster, count: int, seconds: int, home: Path) -> float:
    """Seconds for the jobs by psij-python, which asks for the states once a second here (its default is 30 s)."""
    binaries, folder = environment("psij"), home / "psij"
    folder.mkdir()
    (folder / "many.py").write_text(PSIJ)
    return _run([str(binaries / "python"), "many.py", str(count), str(seconds)], cluster, folder, binaries)


def environment(name: str) -> Path:
    """Where the programs of the environment are; it is made once, below ``.cache``."""
    where = ROOT / ".cache" / "bench" / name
    if not (where / "whole").exists():
        uv = program("uv")
        subprocess.run([uv, "venv", "--quiet", "--clear", str(where)], check=True, timeout=LIMIT)
        argv = [uv, "pip", "install", "--quiet", "--python", str(where / "bin" / "python"), *ENVIRONMENTS[name]]
        subprocess.run(argv, check=True, timeout=LIMIT)
        (where / "whole").touch()
    return where / "bin"


def _run(argv: list[str], cluster: Cluster, folder: Path, binaries: Path) -> float:
    # Snakemake takes Slurm's variables from its jobs, and with them where a private Slurm is told of.
    srun = folder / "srun"
    srun.write_text(f'#!/bin/sh\nSLURM_CONF={cluster.environment["SLURM_CONF"]} exec {which("srun")} "$@"\n')
    srun.chmod(0o755)
    path = os.pathsep.join([str(folder), str(binaries), os.environ["PATH"]])
    env = {"PATH": path, "HOME": str(folder), "LANG": "C.UTF-8", **cluster.environment}
    began = time.perf_counter()
    with (folder / "log").open("wb") as log:
        subprocess.run(argv, cwd=folder, env=env, check=True, timeout=LIMIT, stdout=log, stderr=log)
    return time.perf_counter() - began
