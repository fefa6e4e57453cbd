"""The schedulers on which workers are killed, as rows of sites, and how each of them is made to lose a job."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from lightkube.resources.core_v1 import Pod

from gateway.running.slurm import Cluster, Shape, running
from jobs.backends import natives, supervisor
from jobs.backends.base import SiteUnavailable
from jobs.backends.kubernetes import KubernetesBackend
from jobs.lifecycle.sites import backend_of, runner_of
from jobs.models import Job
from tests.jobs.backends.gridengine import Cell, cell_running
from tests.jobs.backends.kubernetes_cluster import IMAGE
from tests.jobs.backends.kubernetes_stand_in import stand_in_running
from tests.jobs.backends.test_pbs import look_alike

#: Name in the table, by the key of the site's row.
TITLES = {
    "local": "this machine",
    "slurm": "Slurm",
    "accounts": "Slurm with accounting",
    "gridengine": "Grid Engine",
    "pbs": "PBS look-alike",
    "kubernetes": "Kubernetes stand-in",
}
SHEPHERD = "sge_shepherd"


def of_slurm(cluster: Cluster) -> dict[str, Any]:
    """The row of a Slurm cluster."""
    return {"scheduler": "slurm", "settings": {"environment": dict(cluster.environment)}}


def of_grid_engine(cell: Cell) -> dict[str, Any]:
    """The row of a cell: its commands are found by the path, and go into its namespaces."""
    place = cell.home / "commands"
    place.mkdir(exist_ok=True)
    inside = f"nsenter -t {cell.holder.pid} --net --uts --mount --wd=/"
    for name in ("qsub", "qstat", "qacct", "qdel"):
        (place / name).write_text(f'#!/bin/sh\nexec {inside} /usr/bin/{name} "$@"\n')
        (place / name).chmod(0o755)
    environment = cell.environment | {"PATH": f"{place}:{cell.environment['PATH']}"}
    return {"scheduler": "gridengine", "settings": {"environment": environment}}


def of_pbs(place: Path, *, torque: bool = False) -> dict[str, Any]:
    """The row of the look-alike of OpenPBS, or of Torque."""
    return {"scheduler": "pbs", "settings": {"environment": dict(look_alike(place, torque=torque).runner.environment)}}


def of_kubernetes(kubeconfig: Path) -> dict[str, Any]:
    """The row of the stand-in; its pods see this machine's directories."""
    told = {"kubeconfig": str(kubeconfig), "image": IMAGE, "pull_policy": "Never"}
    return {"scheduler": "kubernetes", "settings": told | {"volumes": [{"path": "/usr"}, {"path": "/tmp"}]}}


@contextmanager
def sites_running(home: Path, names: list[str]) -> Iterator[dict[str, dict[str, Any]]]:
    """The rows of these schedulers, which are up inside the block."""
    with ExitStack() as stack:
        rows: dict[str, dict[str, Any]] = {}
        for name in names:
            match name:
                case "local":
                    rows[name] = {"scheduler": "local"}
                case "slurm":
                    rows[name] = of_slurm(stack.enter_context(running(home / name)))
                case "accounts":
                    shape = Shape(accounting=True, gpu_nodes=0, min_job_age=2)
                    rows[name] = of_slurm(stack.enter_context(running(home / name, shape)))
                case "gridengine":
                    rows[name] = of_grid_engine(stack.enter_context(cell_running(home / name)))
                case "pbs":
                    rows[name] = of_pbs(home / name)
                case "kubernetes":
                    rows[name] = of_kubernetes(stack.enter_context(stand_in_running(home / name))[1])
        yield rows


# --- a job is lost


def lose(job: Job) -> None:
    """The site has lost the running job, by a failure of its node."""
    LOSSES[job.site.scheduler](job)


def lose_element(job: Job, index: int) -> None:
    """The job's script for this element of the running array, and all that it started, is killed: no word is left."""
    element = job.attempts.get().elements.get(index=index)
    if job.site.scheduler == "local":
        mark = Path(settings.PORTOLAN_HOME) / "run" / "local" / "active" / element.native_name
        os.kill(json.loads(mark.read_text())["pid"], signal.SIGKILL)
        return
    script = f"/{element.attempt_id.hex}/{index}/job.sh".encode()
    scripts = [int(one.name) for one in _processes() if script in _command(one)]
    supervisor.signal_all(scripts, signal.SIGKILL)
    _end_marked(element.native_name)


def _lose_local(job: Job) -> None:
    state = Path(settings.PORTOLAN_HOME) / "run" / "local" / "active" / job.attempts.get().native_name
    os.kill(json.loads(state.read_text())["pid"], signal.SIGKILL)


def _lose_slurm(job: Job) -> None:
    run, number = runner_of(job.site).checked, natives.split(job.attempts.get().native_id)[0]
    node = run(["squeue", "-h", "-j", number, "-o", "%N"]).strip()
    run(["scontrol", "update", f"nodename={node}", "state=down", "reason=test"])
    with contextlib.suppress(SiteUnavailable):  # the node itself may have been quicker to come back
        run(["scontrol", "update", f"nodename={node}", "state=resume"])


def _lose_grid_engine(job: Job) -> None:
    """What watches the job on the node dies with it."""
    number = natives.split(job.attempts.get().native_id)[0]
    for pid in _processes():
        with contextlib.suppress(OSError):
            if (pid / "cmdline").read_bytes().decode().startswith(f"{SHEPHERD}-{number}"):
                children = supervisor.descendants(int(pid.name))
                supervisor.signal_all([int(pid.name), *children], signal.SIGKILL)
    _end_marked(job.attempts.get().native_name)


def _lose_pbs(job: Job) -> None:
    number = natives.split(job.attempts.get().native_id)[0]
    place = Path(job.site.settings["environment"]["PBS_STATE"]) / number
    (place / "lost").touch()
    os.kill(int((place / "pid").read_text()), signal.SIGKILL)
    _end_marked(job.attempts.get().native_name)


def _lose_kubernetes(job: Job) -> None:
    backend, name = backend_of(job.site), f"{job.attempts.get().native_name}-pod"
    assert isinstance(backend, KubernetesBackend)
    backend._call(lambda client: client.delete(Pod, name))


def _end_marked(name: str) -> None:
    """No process of the command of this native name is left on the node."""
    wanted = f"{supervisor.MARK}={name}/".encode()
    deadline = time.monotonic() + 30
    while found := [pid for pid in _processes() if wanted in _environment(pid)]:
        supervisor.signal_all([int(pid.name) for pid in found], signal.SIGKILL)
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _processes() -> list[Path]:
    return [one for one in Path("/proc").iterdir() if one.name.isdigit() and one.name != str(os.getpid())]


def _command(pid: Path) -> bytes:
    try:
        return (pid / "cmdline").read_bytes()
    except OSError:
        return b""


def _environment(pid: Path) -> list[bytes]:
    try:
        return (pid / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


LOSSES: dict[str, Callable[[Job], None]] = {
    "local": _lose_local,
    "slurm": _lose_slurm,
    "gridengine": _lose_grid_engine,
    "pbs": _lose_pbs,
    "kubernetes": _lose_kubernetes,
}
