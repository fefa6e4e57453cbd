"""What watching jobs costs: calls of the scheduler's commands, and processor time, with few and with many jobs.

The scheduler is a script that answers as ``squeue`` would for all the jobs; every call adds a line to a file.
"""

import os
import tempfile
import time
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from accounts.models import User
from jobs import lifecycle
from jobs.models import Attempt, ComputeSite, Job
from jobs.states import JobState
from projects.models import Project
from storage.services.folders import open_project

FEW, ACTIVE = 10, int(os.environ.get("BENCH_ACTIVE") or 10_000)
PERIODS = 10
SQUEUE = '#!/bin/sh\necho squeue >> "{calls}"\nexec cat "{answer}"\n'
SACCT = '#!/bin/sh\necho sacct >> "{calls}"\n'


def watching() -> dict[str, Any]:
    """By the number of active jobs: calls a minute, and seconds of the portal's and its database's cores a minute."""
    user, _ = User.objects.get_or_create(username="watched")
    project = open_project(user, name="Watched")
    with tempfile.TemporaryDirectory() as folder:
        found = {str(count): _watched(project, count, Path(folder, str(count))) for count in (FEW, ACTIVE)}
    few, many = found[str(FEW)], found[str(ACTIVE)]
    return {"few": FEW, "many": ACTIVE, "found": found, "equal": few["calls"] == many["calls"]}


def _watched(project: Project, count: int, home: Path) -> dict[str, float]:
    """As many turns as there are in a while, each as the worker makes it, on jobs that wait and jobs that run."""
    home.mkdir()
    calls, answer = home / "calls", home / "answer"
    for name, text in (("squeue", SQUEUE), ("sacct", SACCT)):
        (home / name).write_text(text.format(calls=calls, answer=answer))
        (home / name).chmod(0o755)
    site = ComputeSite.objects.create(
        name=f"watched-{count}", scheduler="slurm", settings={"environment": {"PATH": f"{home}:/usr/bin:/bin"}}
    )
    answer.write_text(_with_jobs(project, site, count))
    lifecycle.observe(site)  # the first look notes every job's word; the others are as usual
    calls.write_text("")
    began = time.process_time()
    for _ in range(PERIODS):
        if lifecycle.take_turn(site, least=timedelta(0)):
            lifecycle.observe(site)
    used = time.process_time() - began
    a_minute = 60 / settings.POLL_SECONDS
    told = len(calls.read_text().split())
    Job.objects.filter(site=site).update(state=JobState.SUCCEEDED)
    return {"calls": told / PERIODS * a_minute, "cpu_s": used / PERIODS * a_minute}


def _with_jobs(project: Project, site: ComputeSite, count: int) -> str:
    """What ``squeue`` says of the site's jobs, which are made: every tenth runs, the others wait."""
    first = Job.objects.filter(project=project).count() + 1
    now = timezone.now()
    jobs = [
        Job(project=project, number=first + n, tool="noop", inputs={}, site=site,
            state=JobState.RUNNING if n % 10 == 0 else JobState.QUEUED)
        for n in range(count)
    ]  # fmt: skip
    Job.objects.bulk_create(jobs, batch_size=500)
    attempts = [Attempt(id=uuid.uuid4(), job=job, number=1, site=site, submitted_at=now) for job in jobs]
    lines = []
    for number, one in enumerate(attempts, start=1):
        one.native_id = f"{number}:{one.native_name}"
        word, why = ("RUNNING", "None") if one.job.state == JobState.RUNNING else ("PENDING", "Priority")
        lines.append(f"{number}|{word}|{why}|{one.native_name}|.\n")
    Attempt.objects.bulk_create(attempts, batch_size=500)
    return "".join(lines)
