"""Jobs by REST: one key one job, plans, following, and lists that cost the same at any length."""

import json
import threading

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.scopes import Scope
from accounts.services import make_token
from jobs.api import job_events
from jobs.models import Job, JobEvent
from jobs.services import JobNews, job_changes
from jobs.states import JobState
from projects.audit import record
from projects.models import Membership, Project
from storage.services.folders import open_project
from tests.gateway.test_operations import is_problem, signed_in
from tests.gateway.world import INPUTS, World, _person

BODY = {"tool": "movie_alignment", "inputs": INPUTS}


def submit(client, project, key=None, query="", **changes):
    headers = {"Idempotency-Key": key} if key else {}
    address = f"/api/v1/projects/{project.pk}/jobs/{query}"
    return client.post(address, BODY | changes, content_type="application/json", headers=headers)


def test_the_same_key_and_body_is_the_same_job(world):
    client, before = signed_in(world.people["contributor"]), Job.objects.count()
    first, again = submit(client, world.project, "k"), submit(client, world.project, "k")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["id"] == again.json()["id"]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert first.headers["Location"] == f"/api/v1/jobs/{first.json()['id']}/"
    assert Job.objects.count() == before + 1


def test_the_same_key_with_another_body_is_422(world):
    client = signed_in(world.people["contributor"])
    submit(client, world.project, "k")
    is_problem(submit(client, world.project, "k", title="other"), 422, "idempotency_mismatch")
    is_problem(submit(client, world.project, "k" * 201), 400, "bad_key")


def test_a_key_is_one_persons_own(world):
    mine = submit(signed_in(world.people["contributor"]), world.project, "k")
    theirs = submit(signed_in(world.people["manager"]), world.project, "k")
    assert mine.json()["id"] != theirs.json()["id"]


@pytest.mark.locks
@pytest.mark.django_db(transaction=True)
def test_the_same_key_at_once_is_one_job(transactional_db, settings):
    world = World(settings.SAMPLE_DIR)
    _, secret = make_token(world.people["contributor"], label="t", scopes=list(Scope))
    ready, answers = threading.Barrier(4), []

    def ask():
        client = Client(headers={"Authorization": f"Bearer {secret}"}, raise_request_exception=False)
        try:
            ready.wait(20)
            answers.append(submit(client, world.project, "k"))
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [answer.status_code for answer in answers] == [201] * 4, [answer.content for answer in answers]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert Job.objects.filter(idempotency_key="k").count() == 1


def test_a_dry_run_tells_the_plan_and_makes_nothing(world):
    before = Job.objects.count()
    answer = submit(signed_in(world.people["contributor"]), world.project, "k", query="?dry_run=1")
    assert answer.status_code == 200
    plan = answer.json()
    assert (plan["tool"], plan["site"], plan["files"]) == ("movie_alignment", "here", 2)
    assert "movie_alignment.py" in plan["command"]
    assert str(world.root) not in plan["command"]
    assert Job.objects.count() == before
    is_problem(
        submit(signed_in(world.people["contributor"]), world.project, query="?dry_run=1", inputs={}),
        400,
        "invalid_inputs",
    )


def test_a_wrong_input_is_named_by_its_field(world):
    inputs = {**INPUTS, "pixel_size": 0}
    said = is_problem(submit(signed_in(world.people["contributor"]), world.project, inputs=inputs), 400)
    assert list(said["errors"]) == ["inputs.pixel_size"]


def test_a_job_that_is_over_can_not_be_cancelled(world):
    Job.objects.update(state=JobState.SUCCEEDED)
    job = Job.objects.get(number=1)
    is_problem(signed_in(world.people["contributor"]).post(f"/api/v1/jobs/{job.pk}/cancel/"), 409)


def test_what_changed_in_a_rerun_is_told(world):
    client, job = signed_in(world.people["contributor"]), Job.objects.get(number=1)
    body = {"changes": {"pixel_size": 0.9}}
    made = client.post(f"/api/v1/jobs/{job.pk}/rerun/", body, content_type="application/json").json()
    assert made["rerun_of"] == str(job.pk)
    how = client.get(f"/api/v1/jobs/{made['id']}/how/").json()
    assert {"path": "pixel_size", "before": 0.885, "after": 0.9} in how["changes"]


def news(state, results=0):
    return JobNews(state=state, reason="", progress={}, stdout_size=0, stderr_size=0, results=results)


async def _all(events):
    return [event async for event in events]


def test_news_are_server_sent_events_and_known_ones_are_not_repeated():
    async def come():
        yield news("queued")
        yield news("succeeded", results=3)

    events = async_to_sync(_all)(job_events(come()))
    assert len(events) == 2
    assert events[1].splitlines()[1] == "event: job"
    assert json.loads(events[1].splitlines()[2].removeprefix("data: "))["results"] == 3
    known = events[0].splitlines()[0].removeprefix("id: ")
    assert async_to_sync(_all)(job_events(come(), known=known)) == events[1:]


def test_who_loses_the_right_hears_no_more(world):
    async def watch():
        found = []
        async for event in job_events(job_changes(world.people["viewer"], job_id)):
            found.append(event)
            await Membership.objects.filter(user=world.people["viewer"]).adelete()
        return found

    job_id = Job.objects.get(number=1).pk
    first, last = async_to_sync(watch)()
    assert first.splitlines()[1] == "event: job"
    assert "job_not_found" in last


LISTS = [
    "/projects/",
    "/projects/{id}/jobs/",
    "/projects/{id}/audit/",
    "/projects/{id}/members/",
    "/projects/{id}/grants/",
    "/jobs/{job}/events/",
]


@pytest.mark.parametrize("address", LISTS)
def test_a_list_costs_the_same_at_any_length(world, address):
    job, owner = Job.objects.get(number=1), world.people["owner"]
    address = "/api/v1" + address.format(id=world.project.pk, job=job.pk) + "?page_size=200"
    client = signed_in(owner)
    client.get(address)
    few = _queries(client, address)
    for number in range(10):
        person = _person(f"p{number}")
        Membership.objects.create(project=world.project, user=person, role="viewer", granted_by=owner)
        record(world.project, person, "x")
        JobEvent.objects.create(job=job, from_state="created", to_state="held", actor=person)
        other = open_project(owner, name=f"Project {number}")
        Job.objects.create(
            project=world.project, number=number + 10, tool="x", inputs={}, site=job.site, submitted_by=person
        )
        assert Project.objects.filter(pk=other.pk).exists()
    many = _queries(client, address)
    assert many == few


def _queries(client, address):
    with CaptureQueriesContext(connection) as caught:
        assert client.get(address).status_code == 200
    return len(caught)
