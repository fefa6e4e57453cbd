"""Failures are told apart, and a failed job goes on or begins anew: the same job, one more attempt, one effect."""

import json

import pytest

from common.errors import StateConflict
from jobs.backends import supervisor
from jobs.lifecycle.places import control_of
from jobs.models import ComputeSite, Job
from jobs.repairs import Action, FailedPhase, FailureClass, class_of, phase_of, repairs_of
from jobs.services import repair_job, repairs
from jobs.states import JobState
from tests.jobs.conftest import drive


def actions(job):
    return [one.action for one in repairs(job)]


def lose(job, settings):
    """The machine restarts under the running job."""
    mark = settings.PORTOLAN_HOME / "run" / "local" / "active" / job.attempts.last().native_name
    supervisor.write_whole(mark, json.loads(mark.read_text()) | {"boot_id": "another"})


def test_out_of_memory_is_repaired_with_more_of_it(behave, contributor, run_until_final):
    job = run_until_final(behave("grow", memory_mb=100))
    assert class_of(job) is FailureClass.MEMORY
    assert actions(job)[0] is Action.MORE_MEMORY
    again = repair_job(contributor, job.pk, Action.MORE_MEMORY)
    assert (again.pk, again.job_state, again.finished_at, again.failure) == (job.pk, JobState.STAGING_IN, None, {})
    assert again.memory_mb >= 200
    assert run_until_final(again).attempts.count() == 2


@pytest.mark.parametrize(
    ("code", "kind", "first"),
    [
        ("out_of_memory", FailureClass.MEMORY, Action.MORE_MEMORY),
        ("wall_time", FailureClass.TIME, Action.MORE_TIME),
        ("node_failure", FailureClass.NODE, Action.RECOVER),
        ("preempted", FailureClass.PREEMPTED, Action.RESTART),
        ("site_error", FailureClass.SITE, Action.RECOVER),
        ("bad_header", FailureClass.USER, Action.RESTART),
    ],
)
def test_each_kind_of_failure_has_its_help(project, site, code, kind, first):
    job = Job.objects.create(
        project=project, number=1, tool="behave", inputs={}, site=site, state=JobState.FAILED, failure={"code": code}
    )
    attempt = job.attempts.create(number=1, site=site, native_id="x", exit_code=1)
    found = repairs_of(job, attempt)
    assert class_of(job) is kind
    assert found[0].action is first
    assert all(one.words for one in found)


def test_a_site_failure_is_tried_again_by_itself_a_few_times(behave, run_until, run_until_final, settings):
    settings.JOB_RETRIES = 1
    job = run_until(behave("sleep", seconds=60), JobState.RUNNING)
    lose(job, settings)
    drive(job, lambda one: one.attempts.count() == 2)
    job = run_until(job, JobState.RUNNING)
    told = [event.reason for event in job.events.filter(to_state=JobState.STAGING_IN)]
    assert "tried again by itself" in told[-1]
    lose(job, settings)
    run_until_final(job)
    assert (job.job_state, job.failure["code"], job.attempts.count()) == (JobState.FAILED, "site_error", 2)


def test_a_users_mistake_is_never_tried_again(behave, run_until_final, settings):
    settings.JOB_RETRIES = 3
    assert run_until_final(behave("fail")).attempts.count() == 1


def test_results_that_could_not_be_collected_are_collected_again(behave, contributor, root, run_until_final):
    job = run_until_final(behave("forget"))
    attempt = job.attempts.get()
    assert (job.failure["code"], phase_of(attempt)) == ("output_missing", FailedPhase.BRING_BACK)
    (root / attempt.work_path / "report.txt").write_text("late")
    assert actions(job)[0] is Action.RECOVER
    repair_job(contributor, job.pk, Action.RECOVER)
    job.refresh_from_db()
    assert run_until_final(job).job_state is JobState.SUCCEEDED
    assert job.attempts.count() == 1
    assert (root / control_of(attempt) / supervisor.FENCE).exists()


def test_a_job_that_could_not_be_set_up_goes_on_from_there(behave, contributor, root, run_until_final):
    (root / "data.txt").write_text("x")
    job = behave("write", data="data.txt")
    (root / "data.txt").unlink()
    run_until_final(job)
    assert job.failure["code"] == "input_missing"
    (root / "data.txt").write_text("x")
    repair_job(contributor, job.pk, Action.RECOVER)
    job.refresh_from_db()
    assert run_until_final(job).job_state is JobState.SUCCEEDED


def test_a_job_begins_anew_on_another_site(behave, contributor, site, run_until_final, tmp_path):
    other = ComputeSite.objects.create(name="other", cores=2, memory_mb=2000, settings={"root": str(tmp_path / "run")})
    job = run_until_final(behave("die"))
    Job.objects.filter(pk=job.pk).update(failure={"code": "site_error"})
    again = repair_job(contributor, job.pk, Action.OTHER_SITE)
    assert again.site == other
    assert run_until_final(again).attempts.last().site == other


def test_what_succeeded_can_not_be_repaired(behave, contributor, run_until_final):
    job = run_until_final(behave("write"))
    with pytest.raises(StateConflict):
        repair_job(contributor, job.pk, Action.RESTART)


def test_the_page_has_a_button_for_each_repair(behave, contributor, run_until_final, browser_of):
    job = run_until_final(behave("fail"))
    page = browser_of(contributor).get(f"/jobs/{job.pk}/").text
    assert "Start again" in page
    answer = browser_of(contributor).post(f"/jobs/{job.pk}/repair/", {"action": "restart"})
    assert answer.status_code == 302
    job.refresh_from_db()
    assert job.job_state is JobState.STAGING_IN


@pytest.fixture
def short_of_memory(behave):
    """A job on ``here``, which failed because 1500 MB were not enough."""
    job = behave("write", memory_mb=1500)
    Job.objects.filter(pk=job.pk).update(state=JobState.FAILED, failure={"code": "out_of_memory"})
    job.refresh_from_db()
    return job


def test_more_memory_stays_on_the_site_where_that_has_it(short_of_memory, contributor, site):
    ComputeSite.objects.create(name="empty", cores=64, memory_mb=64000)
    ComputeSite.objects.filter(pk=site.pk).update(memory_mb=4000, canaries={"": {"ok": False}})
    told = repairs(short_of_memory, contributor)[0]
    assert told.words == "It starts again with 3000 MB instead of 1500 MB. It stays on here."
    assert repair_job(contributor, short_of_memory.pk, Action.MORE_MEMORY).site == site


def test_more_memory_goes_to_another_queue_of_the_site_first(short_of_memory, contributor, site):
    ComputeSite.objects.create(name="empty", cores=64, memory_mb=64000)
    site.queues.create(name="small", cores=2, memory_mb=2000)
    site.queues.create(name="large", cores=2, memory_mb=8000, position=1)
    Job.objects.filter(pk=short_of_memory.pk).update(queue="small")
    short_of_memory.refresh_from_db()
    words = "It goes to here, queue large, because queue small has 2000 MB of memory."
    assert words in repairs(short_of_memory, contributor)[0].words
    again = repair_job(contributor, short_of_memory.pk, Action.MORE_MEMORY)
    assert (again.site, again.queue, again.memory_mb) == (site, "large", 3000)
    assert words in again.events.last().reason


def test_more_memory_that_only_another_site_has_is_told_with_the_reason(short_of_memory, contributor, browser_of):
    ComputeSite.objects.create(name="large", cores=2, memory_mb=8000)
    words = "It goes to large, because here has 2000 MB of memory."
    browser = browser_of(contributor)
    assert words in browser.get(f"/jobs/{short_of_memory.pk}/").text
    assert words in browser.get(f"/api/v1/jobs/{short_of_memory.pk}/").json()["repairs"][0]["words"]
    assert repair_job(contributor, short_of_memory.pk, Action.MORE_MEMORY).site.name == "large"


def test_more_memory_that_no_site_has_is_told_and_is_no_button(short_of_memory, contributor, browser_of):
    told = repairs(short_of_memory, contributor)[0]
    assert (told.action, told.possible) == (Action.MORE_MEMORY, False)
    assert "That can't be had: here has 2000 MB of memory." in told.words
    page = browser_of(contributor).get(f"/jobs/{short_of_memory.pk}/").text
    assert "That can&#x27;t be had" in page
    assert 'value="more_memory"' not in page
