"""The first page of each list is read in the order of an index, however many rows there are."""

import pytest
from django.db import connection

from jobs.models import Job
from jobs.states import JobState
from projects.models import AuditEvent, Project

pytestmark = pytest.mark.django_db


def jobs(project):
    return Job.objects.select_related("site", "submitted_by").filter(project=project)


LISTS = {
    "jobs by REST": lambda project, user: jobs(project).order_by("-created_at", "id"),
    "jobs page": lambda project, user: jobs(project).order_by("-number"),
    "trail": lambda project, user: AuditEvent.objects.filter(project=project),
    "recently ended": lambda project, user: Job.objects.filter(finished_at__isnull=False).order_by("-finished_at"),
    "last of a tool": lambda project, user: Job.objects.filter(
        tool="x", state=JobState.SUCCEEDED, started_at__isnull=False
    ).order_by("-finished_at"),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_page_is_not_sorted_out_of_all_rows(project, owner, name):
    assert not sorts(LISTS[name](project, owner)[:51])


def test_jobs_that_have_ended_are_not_looked_at_to_count_those_that_run(project, owner):
    plan = plan_of(Project.objects.visible_to(owner).with_running()[:51])
    assert "jobs_under_way" in plan


def sorts(query) -> bool:
    plan = plan_of(query)
    return "TEMP B-TREE" in plan or "Sort" in plan


def plan_of(query) -> str:
    """The database's plan; PostgreSQL is told that the tables are large."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for way in ("seqscan", "sort", "bitmapscan", "hashjoin"):
                cursor.execute(f"SET LOCAL enable_{way} = off")
    return query.explain()
