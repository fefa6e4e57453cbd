"""Forks workers that die at a named point, on a database and a home of their own; prints a line of JSON for each.

``python -m tests.jobs.crash_host SITE:POINT…``: for every point a job is submitted to that site, a worker is killed
there, and another one goes on until the job has ended. ``CRASH_SITES`` has the sites' rows, as JSON by name. Sites
go on side by side, the points of one site one after another.
"""

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "gateway.settings_test"
django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connections  # noqa: E402

from accounts.models import User  # noqa: E402
from jobs import lifecycle  # noqa: E402
from jobs.backends.base import Backend  # noqa: E402
from jobs.lifecycle.points import VARIABLE  # noqa: E402
from jobs.models import ComputeSite, Job  # noqa: E402
from jobs.services import cancel_job, submit_job  # noqa: E402
from jobs.states import ElementState, JobState  # noqa: E402
from projects.models import Membership, Project  # noqa: E402
from projects.roles import Role  # noqa: E402
from storage.filling import make_root  # noqa: E402
from storage.models import Folder  # noqa: E402
from storage.services.folders import ensure_default_site, folder_root  # noqa: E402
from tests.jobs.crash_sites import lose, lose_element  # noqa: E402

SECONDS = 120
AWAY = "-away"
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
        for ready in lifecycle.observe(ComputeSite.objects.get(jobs=job_id)):
            lifecycle.advance(ready)
        lifecycle.advance(job_id)
        time.sleep(0.02)


def many_files(root: Path, point: str, waits: str = "") -> list[str]:
    """Files for two elements, each with a text of its own; the elements stand still before those in ``waits``."""
    (root / point).mkdir()
    for name in FILES:
        (root / point / f"{name}.txt").write_text("wait" if name in waits else name)
    return [f"{point}/{name}.txt" for name in FILES]


def stands(state: ElementState, *indices: int) -> Callable[[Job], bool]:
    """What holds when these elements of a job are in the state."""
    return lambda job: job.attempts.filter(elements__state=state, elements__index__in=indices).count() == len(indices)


def go_on_one_by_one(job: Job, folder: Path) -> None:
    """The element that was tried again does its work, and only then the other one."""
    for index, name in ((1, "c"), (0, "a")):
        (folder / f"{name}.txt").write_text(name)
        in_a_child(lambda index=index: work(job.pk, until=stands(ElementState.DONE, index)))


def effects(job: Job, counted: Path, root: Path) -> int:
    """How often the command ran: by the file that it adds a line to, or by its log where it ran on a copy of that."""
    if job.elements:  # each file is begun by one element; one of them stands for all
        begun = (root / counted.stem / "began.log").read_text().split()
        return max(begun.count(name) for name in FILES)
    if job.site.work_root:
        return (root / job.folder_path / "stdout.log").read_text().count("portolan-software: Behaviour")
    return len(counted.read_text().splitlines())


def lead_to(part: str, job: Job, user: User) -> None:
    """What has to happen to the job before a worker can come to the points of this part has happened."""
    if part in ("cancel", "retry"):
        work(job.pk, until=lambda one: one.job_state is JobState.RUNNING)
    if part == "cancel":
        cancel_job(user, job.pk)
    if part == "retry":
        lose(job)
    if part == "again":
        work(job.pk, until=stands(ElementState.RUNNING, 0, 1))
        lose_element(job, 1)


def crash(site: str, point: str, user: User, project: Project, root: Path) -> dict:
    """How a job fared whose worker was killed at ``point``."""
    counted = root / f"{site}-{point}.txt"
    counted.write_text("")
    part = point.partition(".")[0]
    inputs = {
        "act": "count",
        "data": counted.name,
        "seconds": 60 if part == "cancel" else 3 if part == "retry" else 0.1,
    }
    where = f"{site}{AWAY}" if part.startswith("stage") else site
    tool = "behave"
    if part in ("gather", "again"):
        folder = many_files(root, counted.stem, waits="ac" if part == "again" else "")
        tool, inputs = "tally", {"files": [{"class": "File", "path": path} for path in folder]}
    job = submit_job(user, project.pk, tool=tool, inputs=inputs, site=where)
    lead_to(part, job, user)
    status = in_a_child(lambda: work(job.pk), kill_at=point)
    if part == "again":
        go_on_one_by_one(job, root / counted.stem)
    in_a_child(lambda: work(job.pk))
    job.refresh_from_db()
    return {
        "site": site,
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


def make_sites() -> None:
    """Each scheduler has a site that shares the project's folder and one that works on copies."""
    home = Path(settings.PORTOLAN_HOME)
    python = {"environment": {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}}
    for name, told in json.loads(os.environ.get("CRASH_SITES") or '{"local": {}}').items():
        row = {"cores": 4, "memory_mb": 4000, "settings": {}, **told}
        ComputeSite.objects.create(name=name, **row)
        if row.get("scheduler", "local") == "local":
            row["settings"] = {"root": str(home / "run" / "away")}
        copies = {"work_root": str(home / f"{name}{AWAY}"), "tools": {"*": python}}
        ComputeSite.objects.create(name=f"{name}{AWAY}", **row, **copies)


def main(wanted: list[str]) -> None:
    """One line for each point."""
    settings.TOOL_DIRS = [Path(__file__).parent / "tools"]
    call_command("migrate", verbosity=0)
    settings.JOB_RETRIES = 1
    Backend.evidence_seconds = 5.0  # all disks are those of this machine
    make_sites()
    user = User.objects.create_user(username="crash")
    project = Project.objects.create(name="Crash")
    Membership.objects.create(project=project, user=user, role=Role.OWNER)
    folder = Folder.objects.create(project=project, site=ensure_default_site())
    make_root(folder)
    root = folder_root(folder)
    connections.close_all()
    children = []
    for site, words in groupby(
        sorted(wanted, key=lambda word: word.partition(":")[0]), lambda word: word.partition(":")[0]
    ):
        points = [word.partition(":")[2] for word in words]
        if (pid := os.fork()) == 0:
            status = 1
            try:
                for point in points:
                    line = json.dumps(crash(site, point, user, project, root))
                    os.write(1, f"{line}\n".encode())  # in one piece: others write there as well
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        children.append(pid)
    sys.exit(max(os.waitpid(pid, 0)[1] != 0 for pid in children))


if __name__ == "__main__":
    main(sys.argv[1:])
