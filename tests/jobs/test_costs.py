"""How often a job asks the database: each statement is paid for by every job, so their numbers are known here."""

import uuid

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.scopes import Scope
from accounts.services import make_token
from jobs import lifecycle
from jobs.models import Job
from jobs.states import JobState
from tests.jobs.conftest import drive

SUBMITTED, HANDED_OVER, COLLECTED = 16, 12, 8
ENVELOPES = ("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT", "SELECT pg_")


class Statements(CaptureQueriesContext):
    """What is asked in the block, but for what begins and ends transactions."""

    @property
    def asked(self) -> list[str]:
        return [one["sql"] for one in self.captured_queries if not one["sql"].startswith(ENVELOPES)]


def test_a_job_costs_few_statements_from_its_submission_to_its_results(contributor, project, site, root):
    _, secret = make_token(contributor, label="many", scopes=list(Scope))
    client = Client(headers={"Authorization": f"Bearer {secret}"})

    def submit() -> Job:
        key = {"Idempotency-Key": uuid.uuid4().hex}
        body = {"tool": "behave", "inputs": {"act": "write"}}
        address = f"/api/v1/projects/{project.pk}/jobs/"
        answer = client.post(address, body, content_type="application/json", headers=key)
        return Job.objects.get(pk=answer.json()["id"])

    drive(submit(), lambda job: job.job_state.final)
    with Statements(connection) as found:
        job = submit()
    # One of them is this test's own.
    assert len(found.asked) - 1 == SUBMITTED, "\n".join(found.asked)
    with Statements(connection) as found:
        lifecycle.advance(job.pk)
    assert len(found.asked) == HANDED_OVER, "\n".join(found.asked)
    while not lifecycle.observe(site):
        pass
    with Statements(connection) as found:
        lifecycle.advance(job.pk)
    assert len(found.asked) == COLLECTED, "\n".join(found.asked)
    job.refresh_from_db()
    assert job.job_state is JobState.SUCCEEDED
