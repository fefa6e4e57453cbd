"""SQL queries of pages with few and with many jobs; a listing's first page with few and with many files."""

import os
from functools import partial
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from bench.common import median_of
from jobs.models import ComputeSite, Job
from jobs.states import JobState
from projects.models import Project
from storage.services import files, folders

FEW_JOBS, MANY_JOBS = 10, 10_000
FEW_FILES, MANY_FILES = 100, 100_000


def queries() -> dict[str, Any]:
    """SQL queries of each page with 10 and with 10,000 jobs in one project."""
    user = _user()
    project = folders.open_project(user, name="Queries")
    client = Client(headers={"host": "localhost"})
    client.force_login(user)
    found: dict[str, dict[str, int]] = {}
    for count in (FEW_JOBS, MANY_JOBS):
        _jobs(project, user, count)
        newest = Job.objects.filter(project=project).first()
        if newest is None:
            raise RuntimeError("No jobs were made.")
        for name, url in _urls(project, newest).items():
            found.setdefault(name, {})[str(count)] = _count(client, url)
    return {"pages": found, "equal": all(len(set(counts.values())) == 1 for counts in found.values())}


def listing() -> dict[str, Any]:
    """The first page of a folder with 100 and with 100,000 files."""
    user = _user()
    project = folders.open_project(user, name="Listing")
    root = folders.folder_root(folders.folder_of(project))
    taken: dict[str, float] = {}
    for count in (FEW_FILES, MANY_FILES):
        place = root / f"f{count}"
        place.mkdir()
        for number in range(count):
            os.close(os.open(place / f"file_{number:06}.mrc", os.O_CREAT | os.O_WRONLY, 0o600))
        taken[str(count)] = median_of(partial(files.list_folder, user, project.pk, place.name), 25)
    return {"first_page_s": taken, "ratio": taken[str(MANY_FILES)] / taken[str(FEW_FILES)]}


def _urls(project: Project, job: Job) -> dict[str, str]:
    own = f"/projects/{project.pk}"
    return {
        "home": "/",
        "projects": "/projects/",
        "project": f"{own}/",
        "jobs": f"{own}/jobs/",
        "job": f"/jobs/{job.pk}/",
        "activity": f"{own}/activity/",
        "api: projects": "/api/v1/projects/",
        "api: jobs": f"/api/v1{own}/jobs/",
        "api: job": f"/api/v1/jobs/{job.pk}/",
    }


def _count(client: Client, url: str) -> int:
    client.get(url)
    with CaptureQueriesContext(connection) as caught:
        answer = client.get(url)
    if answer.status_code != 200:
        raise RuntimeError(f"{url} answered {answer.status_code}")
    return len(caught)


def _user() -> User:
    return User.objects.get_or_create(username="bench", defaults={"email": "bench@example.org"})[0]


def _jobs(project: Project, user: User, count: int) -> None:
    site, _ = ComputeSite.objects.get_or_create(name="local")
    there = Job.objects.filter(project=project).count()
    Job.objects.bulk_create(
        [
            Job(
                project=project,
                number=number + 1,
                tool="noop",
                tool_digest="0" * 64,
                inputs={"word": str(number)},
                site=site,
                state=JobState.SUCCEEDED,
                submitted_by=user,
            )
            for number in range(there, count)
        ],
        batch_size=1000,
    )
