"""A whole instance: portal, worker, beat and Redis; jobs that live through the loss of each."""

import json
import signal
import sqlite3
import stat
from contextlib import closing

import pytest
import redis

from gateway.running.places import redis_socket
from tests.live import LivePortolan, instance_running, wait_until

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


def attempt_of(instance: LivePortolan, job: str) -> str:
    with closing(sqlite3.connect(instance.home / "portolan.sqlite3", timeout=30)) as database:
        row = database.execute("select id from jobs_attempt where job_id = ?", [job.replace("-", "")]).fetchone()
    return str(row[0])


def wait_for(instance: LivePortolan, job: str, *states: str, seconds: float = 180) -> dict:
    wait_until(lambda: look(instance, job)["state"] in states, seconds=seconds, what=f"{states}")
    return look(instance, job)


@pytest.fixture(scope="module")
def instance():
    with instance_running() as made:
        yield made


def test_a_short_job_is_done_in_short_time_and_its_group_may_use_what_it_made(instance):
    job = run(instance, SUBMIT, json.dumps({"act": "write", "text": "modes"}))
    found = wait_for(instance, job, "succeeded", "failed")
    assert found["state"] == "succeeded", found
    assert found["seconds"] < 30
    report = next(path for path in instance.home.rglob("outputs/report.txt") if path.read_text() == "modes")
    folder = report.parents[1]
    for path in (report, report.parent, folder, folder / "inputs.json", folder / "stdout.log"):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode & 0o067 == 0o060, f"{path} {mode:o}"


def test_jobs_live_through_a_flush_of_redis_while_they_are_queued(instance):
    instance.kill("worker", signal.SIGSTOP)
    try:
        jobs = [run(instance, SUBMIT, json.dumps({"act": "write"})) for _ in range(2)]
        with closing(redis.Redis(unix_socket_path=str(redis_socket(instance.home)))) as client:
            client.flushall()
    finally:
        instance.kill("worker", signal.SIGCONT)
    for job in jobs:
        assert wait_for(instance, job, "succeeded", "failed")["state"] == "succeeded"


def test_a_job_lives_through_the_loss_of_every_service(instance):
    job = run(instance, SUBMIT, json.dumps({"act": "sleep", "seconds": 8}))
    wait_for(instance, job, "running")
    for name in ("worker", "redis", "portal", "beat"):
        old = instance.kill(name)
        wait_until(lambda name=name, old=old: instance.pid(name) not in (0, old), seconds=120, what=f"new {name}")
    found = wait_for(instance, job, "succeeded", "failed")
    assert found["state"] == "succeeded", found
    assert found["attempts"] == 1


def test_a_job_ends_while_the_whole_instance_is_down(instance):
    job = run(instance, SUBMIT, json.dumps({"act": "sleep", "seconds": 2}))
    wait_for(instance, job, "running")
    instance.stop()
    ended = f"run/local/jobs/portolan-{attempt_of(instance, job)}/exit.json"
    wait_until((instance.home / ended).exists, what="its end")
    instance.start()
    assert wait_for(instance, job, "succeeded", "failed")["state"] == "succeeded"
