"""A whole instance: portal, worker, beat and Redis; jobs that live through the loss of each."""

import json
import sqlite3
import time
from contextlib import closing

import psutil
import pytest

from tests.live import LivePortolan, new_instance, wait_until

pytestmark = pytest.mark.slow

SUBMIT = """
import json, sys
from accounts.models import User
from jobs.services import submit_job
from projects.models import Project
from storage.services.folders import open_project
user, _ = User.objects.get_or_create(username="worker-test")
project = Project.objects.filter(memberships__user=user).first() or open_project(user, name="Live")
job = submit_job(user, project.pk, tool="behave", inputs=json.loads(sys.argv[-1]))
print(job.pk)
"""
LOOK = """
select state, failure, (julianday(finished_at) - julianday(created_at)) * 86400,
       (select count(*) from jobs_attempt where job_id = job.id)
from jobs_job as job where id = ?
"""


def run(instance: LivePortolan, script: str, argument: str) -> str:
    code = f"import sys; sys.argv = ['', {argument!r}]\n{script}"
    return instance.manage("shell", "--no-imports", "-c", code).strip().splitlines()[-1]


def look(instance: LivePortolan, job: str) -> dict:
    # Straight from the table: a new manage.py for every look would cost more than the job.
    with closing(sqlite3.connect(instance.home / "portolan.sqlite3", timeout=30)) as database:
        row = database.execute(LOOK, [job.replace("-", "")]).fetchone()
    return dict(zip(("state", "failure", "seconds", "attempts"), row, strict=True))


def wait_for(instance: LivePortolan, job: str, *states: str, seconds: float = 60) -> dict:
    wait_until(lambda: look(instance, job)["state"] in states, seconds=seconds, what=f"{states}")
    return look(instance, job)


@pytest.fixture
def instance():
    made = new_instance()
    try:
        made.start()
        yield made
    finally:
        made.stop()
        for process in psutil.process_iter(["environ"]):
            if str(made.home) in (process.info["environ"] or {}).get("TMPDIR", ""):
                process.kill()


def test_a_short_job_is_done_in_short_time(instance):
    job = run(instance, SUBMIT, json.dumps({"act": "write"}))
    found = wait_for(instance, job, "succeeded", "failed")
    assert found["state"] == "succeeded", found
    assert found["seconds"] < 10


def test_a_job_lives_through_the_loss_of_every_service(instance):
    job = run(instance, SUBMIT, json.dumps({"act": "sleep", "seconds": 12}))
    wait_for(instance, job, "running")
    for name in ("worker", "redis", "portal", "beat"):
        old = instance.kill(name)
        wait_until(lambda name=name, old=old: instance.pid(name) not in (0, old), what=f"new {name}")
    found = wait_for(instance, job, "succeeded", "failed")
    assert found["state"] == "succeeded", found
    assert found["attempts"] == 1


def test_a_job_ends_while_the_whole_instance_is_down(instance):
    job = run(instance, SUBMIT, json.dumps({"act": "sleep", "seconds": 3}))
    wait_for(instance, job, "running")
    instance.stop()
    time.sleep(3)
    instance.start()
    assert wait_for(instance, job, "succeeded", "failed")["state"] == "succeeded"
