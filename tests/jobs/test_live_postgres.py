"""A whole instance whose PostgreSQL is restarted while jobs are submitted, run and end."""

from pathlib import Path

import httpx
import psycopg
import pytest

from jobs.backends.supervisor import EXIT_FILE
from tests.live import LivePortolan, instance_running, wait_until
from tests.postgres import Server, server_running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
SERVICES = ("portal", "worker", "beat", "door")
SESSIONS = "select sessions from pg_stat_database where datname = current_database()"
ATTEMPTS = "select count(*) from jobs_attempt where job_id = %s"


@pytest.fixture
def server():
    with server_running() as made:
        yield made


@pytest.fixture
def instance(server):
    with instance_running(extra={"DATABASE_URL": server.url}) as made:
        yield made


def ready(instance: LivePortolan) -> int:
    try:
        return httpx.get(f"{instance.url}/readyz", timeout=60).status_code
    except httpx.HTTPError:
        return 0


def submitted(api: httpx.Client, project: str, root: Path, name: str, seconds: float) -> str:
    """A job that adds a line to a file of this name when its command begins."""
    (root / name).write_text("")
    inputs = {"act": "count", "data": name, "seconds": seconds}
    answer = api.post(f"/projects/{project}/jobs/", json={"tool": "behave", "inputs": inputs})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def state(api: httpx.Client, job: str) -> str:
    answer = api.get(f"/jobs/{job}/")
    return str(answer.json()["state"]) if answer.is_success else ""


def restarted(instance: LivePortolan, server: Server, meanwhile) -> None:
    """The database was away until ``meanwhile`` was true and the portal had noticed; it is back by itself since."""
    server.stop()
    wait_until(lambda: ready(instance) == 503, seconds=90, what="the portal's notice")
    wait_until(meanwhile, seconds=90, what="what happens meanwhile")
    server.start()
    wait_until(lambda: ready(instance) == 200, seconds=90, what="the portal's return")


def test_requests_and_tasks_keep_their_connections(instance, server):
    with instance.client() as api, psycopg.connect(server.url) as rows:
        project = api.post("/projects/", json={"name": "Many"}).json()["id"]
        jobs = f"/projects/{project}/jobs/"
        write = {"tool": "behave", "inputs": {"act": "write"}}
        assert api.post(jobs, json=write).status_code == 201
        rows.autocommit = True
        before = rows.execute(SESSIONS).fetchone()[0]
        for _ in range(30):
            assert api.post(jobs, json=write).status_code == 201

        def over() -> bool:
            return {one["state"] for one in api.get(jobs).json()["results"]} == {"succeeded"}

        wait_until(over, seconds=90, what="their end")
        # Each of these jobs is some requests and three tasks; a kept connection lives for a minute.
        assert rows.execute(SESSIONS).fetchone()[0] - before < 20


def test_jobs_go_on_once_when_the_database_is_restarted_at_submit_run_and_end(instance, server):
    with instance.client() as api:
        project = api.post("/projects/", json={"name": "Restarts"}).json()["id"]
        root = next((instance.home / "projects").glob(f"**/{project}"))

        def begun(name: str) -> int:
            return len((root / f"{name}.txt").read_text().splitlines())

        def ended(count: int) -> bool:
            return len(list((root / ".portolan" / "attempts").glob(f"*/{EXIT_FILE}"))) >= count

        jobs = {"running": submitted(api, project, root, "running.txt", 15)}
        jobs["ending"] = submitted(api, project, root, "ending.txt", 4)
        wait_until(lambda: begun("running") and begun("ending"), seconds=90, what="their commands")
        before = {name: instance.pid(name) for name in SERVICES}
        jobs["submitted"] = submitted(api, project, root, "submitted.txt", 0.1)
        restarted(instance, server, lambda: ended(1))
        jobs["collected"] = submitted(api, project, root, "collected.txt", 0.1)
        wait_until(lambda: begun("collected"), seconds=90, what="its command")
        restarted(instance, server, lambda: True)
        for name, job in jobs.items():
            wait_until(lambda job=job: state(api, job) in ("succeeded", "failed"), seconds=90, what=f"{name}'s end")
            assert state(api, job) == "succeeded", (name, api.get(f"/jobs/{job}/").json())
            assert begun(name) == 1, name
    with psycopg.connect(server.url) as rows:
        assert [rows.execute(ATTEMPTS, [job]).fetchone() for job in jobs.values()] == [(1,)] * 4
    # Nobody had to be started again, and pages are there.
    assert {name: instance.pid(name) for name in SERVICES} == before
    assert httpx.get(f"{instance.url}/login/", timeout=60).status_code == 200
