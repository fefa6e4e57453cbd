"""Forks workers that die at a named point, on a database and a home of their own; prints a line of JSON for each.

``python -m tests.jobs.crash_host POINT…``: for every point a job is submitted, a worker is killed there, and another
one goes on until the job has ended.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "gateway.settings_test"
django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connections  # noqa: E402

from accounts.models import User  # noqa: E402
from jobs import lifecycle  # noqa: E402
from jobs.lifecycle.points import VARIABLE  # noqa: E402
from jobs.models import ComputeSite, Job  # noqa: E402
from jobs.services import cancel_job, submit_job  # noqa: E402
from jobs.states import JobState  # noqa: E402
from projects.models import Membership, Project  # noqa: E402
from projects.roles import Role  # noqa: E402
from storage.filling import make_root  # noqa: E402
from storage.models import Folder  # noqa: E402
from storage.services.folders import ensure_default_site, folder_root  # noqa: E402

SECONDS = 60
FILES = ("a", "b", "c", "d")


def in_a_child(act, *, kill_at: str = "") -> int:
    """The wait status of a fork that ran ``act``."""
    connections.close_all()
    pid = os.fork()
    if pid == 0:
        try:
            os.environ[VARIABLE] = kill_at
            act()
            connections.close_all()
        finally:
            os._exit(0)
    return os.waitpid(pid, 0)[1]


def work(job_id, *, until=lambda job: job.job_state.final) -> None:
    """What workers and beat do, until the job has ended."""
    deadline = time.monotonic() + SECONDS
    while not until(Job.objects.get(pk=job_id)) and time.monotonic() < deadline:
        for site in ComputeSite.objects.all():
            for ready in lifecycle.observe(site):
                lifecycle.advance(ready)
        lifecycle.advance(job_id)
        time.sleep(0.01)


def many_files(root: Path, point: str) -> list[str]:
    """Files for two elements, each with a text of its own."""
    (root / point).mkdir()
    for name in FILES:
        (root / point / f"{name}.txt").write_text(name)
    return [f"{point}/{name}.txt" for name in FILES]


def effects(job: Job, counted: Path, root: Path) -> int:
    """How often the command ran: by the file that it adds a line to, or by its log where it ran on a copy of that."""
    if job.elements:  # each file is begun by one element; one of them stands for all
        begun = (root / counted.stem / "began.log").read_text().split()
        return max(begun.count(name) for name in FILES)
    if job.site.work_root:
        return (root / job.folder_path / "stdout.log").read_text().count("portolan-software: Behaviour")
    return len(counted.read_text().splitlines())


def lose_supervisor(job: Job) -> None:
    """The site has lost the job: what watched it was killed."""
    state = Path(settings.PORTOLAN_HOME) / "run" / "local" / "active" / job.attempts.get().native_name
    os.kill(json.loads(state.read_text())["pid"], signal.SIGKILL)


def crash(point: str, user: User, project: Project, root: Path) -> dict:
    """How a job fared whose worker was killed at ``point``."""
    counted = root / f"{point}.txt"
    counted.write_text("")
    part = point.partition(".")[0]
    inputs = {
        "act": "count",
        "data": counted.name,
        "seconds": 60 if part == "cancel" else 2 if part == "retry" else 0.1,
    }
    where = "away" if part.startswith("stage") else "here"
    tool = "behave"
    if part == "gather":
        tool, inputs = "tally", {"files": [{"class": "File", "path": path} for path in many_files(root, point)]}
    job = submit_job(user, project.pk, tool=tool, inputs=inputs, site=where)
    if part in ("cancel", "retry"):
        work(job.pk, until=lambda one: one.job_state is JobState.RUNNING)
    if part == "cancel":
        cancel_job(user, job.pk)
    if part == "retry":
        lose_supervisor(job)
    status = in_a_child(lambda: work(job.pk), kill_at=point)
    in_a_child(lambda: work(job.pk))
    job.refresh_from_db()
    return {
        "point": point,
        "killed": os.WIFSIGNALED(status),
        "state": job.state,
        "failure": job.failure,
        "effects": effects(job, counted, root),
        "attempts": job.attempts.count(),
        "results": job.results.count(),
        "outputs": (root / job.outputs_path / ("rows.csv" if job.elements else "report.txt")).exists(),
        "crate": (root / job.folder_path / "ro-crate-metadata.json").exists(),
    }


def main(points: list[str]) -> None:
    """One line for each point."""
    settings.TOOL_DIRS = [Path(__file__).parent / "tools"]
    call_command("migrate", verbosity=0)
    settings.JOB_RETRIES = 1
    ComputeSite.objects.create(name="here", cores=4, memory_mb=4000)
    home = Path(settings.PORTOLAN_HOME)
    python = {"environment": {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}}
    ComputeSite.objects.create(name="away", cores=4, memory_mb=4000, work_root=str(home / "away"), tools={"*": python},
                               settings={"root": str(home / "run" / "away")})  # fmt: skip
    user = User.objects.create_user(username="crash")
    project = Project.objects.create(name="Crash")
    Membership.objects.create(project=project, user=user, role=Role.OWNER)
    folder = Folder.objects.create(project=project, site=ensure_default_site())
    make_root(folder)
    for point in points:
        print(json.dumps(crash(point, user, project, folder_root(folder))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
