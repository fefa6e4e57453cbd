"""What can go wrong at a cluster, through every adapter: the job's state stays true, and its end is one that helps."""

import os
from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.backends.runner import Ran
from jobs.states import JobState
from tests.jobs.backends.scripted_sites import KINDS
from tests.jobs.portal import RETRIES, clock, crash_soon, portal  # noqa: F401 - fixtures

# ruff: noqa: F811 - the fixtures
pytestmark = pytest.mark.parametrize("kind", KINDS)
MINUTES = timedelta(minutes=1)


def test_a_submit_that_times_out_after_it_was_taken_is_adopted(portal, kind):
    one = portal(kind)
    job = one.do("lost", "advance")
    assert (job.job_state, "tried again" in job.reason) == (JobState.SUBMITTING, True)
    assert one.do("advance").job_state is JobState.QUEUED
    assert one.finish().job_state is JobState.SUCCEEDED
    assert (one.cluster.taken.total(), one.cluster.effects.total()) == (1, 1)


def test_empty_garbled_partial_and_slow_answers_change_no_state(portal, kind):
    one = portal(kind)
    one.do("advance", "begin", "observe")
    for fault in ("empty", "garbled", "partial", "down"):
        assert one.do(fault, "observe").job_state is JobState.RUNNING, fault
    assert one.finish().job_state is JobState.SUCCEEDED
    assert one.cluster.effects.total() == 1


def test_a_scheduler_that_is_down_for_an_hour_costs_time_only(portal, kind, clock):
    one = portal(kind)
    for _ in range(6):
        assert one.do("down", "advance").job_state is JobState.SUBMITTING
        clock(10 * MINUTES)
    one.do("advance", "begin", "observe")
    for _ in range(6):
        assert one.do("down", "observe").job_state is JobState.RUNNING
        clock(10 * MINUTES)
    assert one.do("observe").job_state is JobState.RUNNING
    assert one.finish().job_state is JobState.SUCCEEDED
    assert (one.job.attempts.count(), one.cluster.effects.total()) == (1, 1)


def test_a_restarted_scheduler_that_gives_our_number_to_somebody_else_misleads_nobody(portal, kind):
    one = portal(kind)
    one.do("advance", "begin", "observe", "end", "renumber", "observe")
    assert one.finish().job_state is JobState.SUCCEEDED
    other = portal(kind)
    other.do("advance", "begin", "end", "renumber", "cancel", "advance")
    assert other.finish().job_state is JobState.CANCELLED
    assert all(job.state == "running" for job in other.cluster.jobs if job.name == "somebody-s")


def test_a_node_that_dies_is_told_and_the_job_tried_again_some_times(portal, kind):
    one = portal(kind)
    one.do("advance", "begin", "observe", "fail", "observe")
    assert one.finish().job_state is JobState.SUCCEEDED
    assert (one.job.attempts.count(), one.cluster.most) == (2, 1)
    other = portal(kind)
    for _ in range(RETRIES + 1):
        other.do("advance", "begin", "observe", "fail", "observe")
    assert (other.job.job_state, other.job.failure["code"]) == (JobState.FAILED, "node_failure")
    assert other.job.failure["hint"]


def test_a_job_that_vanished_from_the_queue_is_held_in_words_and_goes_on(portal, kind, clock):
    one = portal(kind)
    one.do("advance", "begin", "observe")
    known, one.cluster.jobs = one.cluster.jobs, []
    assert one.do("observe").job_state is JobState.RUNNING
    clock(11 * MINUTES)
    assert one.do("observe").job_state is JobState.HELD
    assert "no longer knows" in one.job.reason
    one.cluster.jobs = known
    assert one.do("observe").job_state is JobState.RUNNING
    assert one.finish().job_state is JobState.SUCCEEDED
    assert one.cluster.effects.total() == 1


def test_a_vanished_job_that_left_its_exit_file_has_ended(portal, kind):
    one = portal(kind)
    one.do("advance", "begin", "observe", "end")
    one.cluster.jobs = []
    assert one.do("observe").job_state is JobState.SUCCEEDED


def test_an_accounting_that_is_away_costs_time_only(portal, kind, monkeypatch):
    """The queue has forgotten the job, and what would tell its end does not answer for a while."""
    one = portal(kind)
    one.do("advance", "begin", "observe", "fail", "purge")
    real = one.cluster.answer

    def away(argv: list[str]) -> Ran:
        return Ran(status=1, stdout="", stderr="no connection") if argv[0] in ("sacct", "qacct") else real(argv)

    monkeypatch.setattr(one.cluster, "answer", away)
    assert one.do("observe").job_state is JobState.RUNNING
    monkeypatch.setattr(one.cluster, "answer", real)
    told = one.cluster.accounted(one.job.attempts.get().native_name)
    assert one.do("observe").job_state is (JobState.QUEUED if told else JobState.RUNNING)


def test_a_clock_that_is_a_day_off_makes_no_times_up(portal, kind):
    for day in (-86400, 86400):
        one = portal(kind)
        one.do("advance", "begin", "observe")
        there = timezone.now().timestamp() + day
        for job in one.cluster.commands():
            job.leave(started_at=there, ended_at=there + 1)
        assert one.do("observe").job_state is JobState.SUCCEEDED
        attempt = one.job.attempts.get()
        assert attempt.submitted_at <= attempt.ended_at <= one.job.finished_at


def test_a_node_that_cant_reach_the_folder_runs_nothing_and_the_job_says_so(portal, root, kind):
    one = portal(kind)
    one.do("advance")
    area = root / ".portolan" / "attempts"
    area.rename(area.with_name("away"))
    area.write_text("the file system is not mounted")
    one.do("begin")
    area.unlink()
    area.with_name("away").rename(area)
    job = one.do("observe")
    assert one.cluster.effects.total() == 0
    if job.job_state is JobState.FAILED:
        assert (job.failure["code"], bool(job.failure["hint"])) == ("not_started", True)
    else:  # where the scheduler does not tell its status, it is tried again as a failure of the site
        assert one.finish().job_state is JobState.SUCCEEDED


def test_outputs_that_are_missing_or_lead_away_are_no_success(portal, root, kind):
    for left in ("nothing", "link"):
        one = portal(kind)
        one.do("advance", "begin", "observe")
        for job in one.cluster.commands():
            job.leave()
            (job.places["cwd"] / "report.txt").unlink()
            if left == "link":
                os.symlink("/etc/passwd", job.places["cwd"] / "report.txt")
        job = one.do("observe")
        assert (job.job_state, job.failure["code"]) == (JobState.FAILED, "output_missing")
        assert not job.results.exists()
        assert not (root / job.outputs_path).exists()


def test_an_output_that_is_empty_is_shown_as_such(portal, kind):
    one = portal(kind)
    one.do("advance", "begin", "observe")
    for job in one.cluster.commands():
        job.leave()
        (job.places["cwd"] / "report.txt").write_text("")
    assert one.do("observe").job_state is JobState.SUCCEEDED
    assert one.job.results.get(output="report").size == 0


def test_a_cancel_that_races_with_the_end_leaves_nothing_running(portal, kind):
    for acts in (("end", "cancel"), ("cancel", "end"), ("end", "observe", "cancel")):
        one = portal(kind)
        one.do("advance", "begin", "observe", *acts)
        job = one.finish()
        assert job.job_state is (JobState.SUCCEEDED if "observe" in acts else JobState.CANCELLED)
        assert job.results.exists() == (job.job_state is JobState.SUCCEEDED)
        assert (one.cluster.effects.total(), list(one.cluster.commands())) == (1, [])
