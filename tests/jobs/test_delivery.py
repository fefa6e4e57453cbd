"""Bells that ring twice, at once, or never: the database decides, and one worker does each step."""

import threading
import uuid
from datetime import timedelta

import pytest
from django.db import connection

from jobs import lifecycle, reconcile
from jobs.lifecycle.locks import only_one
from jobs.models import Job
from jobs.states import JobState


def test_only_one_holds_a_job_and_another_job_is_free(db):
    first, second = uuid.uuid4(), uuid.uuid4()
    found: dict[str, bool] = {}

    def other() -> None:
        try:
            for name, key in (("same", first), ("another", second)):
                with only_one(key) as mine:
                    found[name] = mine
        finally:
            connection.close()

    with only_one(first) as mine:
        assert mine
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert found == {"same": False, "another": True}
    with only_one(first) as mine:
        assert mine


def test_a_job_whose_bell_was_lost_is_found_by_the_reconciler(behave):
    job = behave("write")
    assert job.pk not in reconcile.waiting_for_a_worker()
    assert job.pk in reconcile.waiting_for_a_worker(quiet=timedelta(0))


def test_a_site_is_asked_by_one_caller_at_a_time(site):
    least = timedelta(seconds=30)
    assert lifecycle.take_turn(site, least=least)
    assert not lifecycle.take_turn(site, least=least)


def test_a_bell_for_a_job_that_has_ended_or_never_was_does_nothing(behave, run_until_final):
    job = run_until_final(behave("write"))
    events = job.events.count()
    lifecycle.advance(job.pk)
    assert lifecycle.advance(uuid.uuid4()) is None
    assert job.events.count() == events


@pytest.mark.locks
@pytest.mark.django_db(transaction=True)
def test_four_workers_at_once_do_each_step_once(behave, root, run_until_final):
    (root / "count.txt").write_text("")
    job = behave("count", data="count.txt", seconds=0.1)

    def work() -> None:
        try:
            for _ in range(10):
                lifecycle.advance(job.pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run_until_final(job)
    assert job.job_state is JobState.SUCCEEDED, job.failure
    assert len((root / "count.txt").read_text().splitlines()) == 1
    states = list(Job.objects.get(pk=job.pk).events.values_list("to_state", flat=True))
    assert len(states) == len(set(states))
