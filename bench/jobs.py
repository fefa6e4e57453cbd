"""What the gateway adds to a job, and how many jobs go through it in a minute."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from bench.common import gateway_of, instance, seconds_of
from gateway.running.client import FINAL, Gateway, WalkFailed
from jobs.cwl import build_command, load_tool
from tests.live import ROOT

NOOPS = 15
BATCH = 60
LOOK_SECONDS = 0.02


def overhead() -> dict[str, Any]:
    """A job that does nothing, and the resolution map: submit to visible result, against the bare command."""
    with tempfile.TemporaryDirectory() as folder:
        samples = Path(folder) / "sample-project"
        subprocess.run([sys.executable, "-m", "samples", str(samples / "samples")], cwd=ROOT, check=True, timeout=600)
        with instance(SAMPLE_DIR=str(samples)) as live:
            gateway = gateway_of(live)
            empty = gateway.project("No-op", "empty")
            noop = statistics.median(through(gateway, empty, "noop", {"word": str(n)}) for n in range(NOOPS))
            sample = gateway.project("Sample", "sample")
            inputs = gateway.call("GET", "/tools/resolution_map/")["sample"]
            whole = through(gateway, sample, "resolution_map", inputs)
            root = next((live.home / "projects").glob(f"**/{sample}"))
            bare_map = bare("resolution_map", absolute(inputs, root), folder)
        bare_noop = statistics.median(bare("noop", {"word": "x"}, folder) for _ in range(NOOPS))
    return {
        "noop": {"bare_s": bare_noop, "gateway_s": noop, "added_s": noop - bare_noop},
        "resolution_map": {"bare_s": bare_map, "gateway_s": whole, "ratio": whole / bare_map},
    }


def through(gateway: Gateway, project: str, tool: str, inputs: dict[str, Any], *, every: float = LOOK_SECONDS) -> float:
    """Seconds from submitting until the succeeded job with its results is answered; it is asked for ``every`` so often.

    Each question takes the portal some milliseconds of a core, which a long job on the same cores does not get.
    """
    began = time.perf_counter()
    job = gateway.submit(project, tool, inputs, str(uuid.uuid4()))
    while job["state"] not in FINAL:
        time.sleep(every)
        job = gateway.job(job["id"])
    taken = time.perf_counter() - began
    if job["state"] != "succeeded" or not list(gateway.every(f"/jobs/{job['id']}/outputs/")):
        raise WalkFailed(f"{tool} {job['state']}: {job.get('reason')}")
    return taken


def bare(tool: str, inputs: dict[str, Any], scratch: str) -> float:
    """Seconds of the same command without the gateway."""
    home = ROOT / ("bench" if tool == "noop" else "jobs") / "tools" / tool / "tool.cwl"
    out = tempfile.mkdtemp(dir=scratch)
    command = build_command(load_tool(str(home)), inputs, outdir=out, tmpdir=scratch)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = os.environ | dict(command.environment) | {"PATH": path}

    def run() -> None:
        subprocess.run(command.argv, cwd=out, env=env, check=True, stdout=subprocess.DEVNULL, timeout=1800)

    return seconds_of(run)


def absolute(value: Any, root: Path) -> Any:
    """The inputs with the files' paths made absolute, as the site gives them to the command."""
    if isinstance(value, dict):
        if "path" in value:
            return value | {"path": str(root / value["path"])}
        return {name: absolute(item, root) for name, item in value.items()}
    return [absolute(item, root) for item in value] if isinstance(value, list) else value


def throughput() -> dict[str, Any]:
    """Jobs per minute through all states, with one and with two worker processes."""
    found = {str(workers): per_minute(workers) for workers in (1, 2)}
    return {"jobs_per_minute": found, "ratio": found["2"] / found["1"]}


def per_minute(workers: int) -> float:
    """Jobs per minute of a batch submitted at once, until the last is final."""
    with instance(WORKER_PROCESSES=str(workers)) as live:
        gateway = gateway_of(live)
        project = gateway.project("Throughput", "empty")
        through(gateway, project, "noop", {"word": "warm"})
        began = time.perf_counter()
        for number in range(BATCH):
            gateway.submit(project, "noop", {"word": str(number)}, str(uuid.uuid4()))
        gateway.wait(lambda: all_final(gateway, project), seconds=900, what="the batch", every=0.2)
        return 60 * BATCH / (time.perf_counter() - began)


def all_final(gateway: Gateway, project: str) -> bool:
    """True when no job of the project is active."""
    states = [job["state"] for job in gateway.every(f"/projects/{project}/jobs/?page_size=200")]
    return bool(states) and set(states) <= FINAL
