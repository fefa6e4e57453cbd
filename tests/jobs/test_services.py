"""What a person may command: checks, keys, numbers, differences."""

import threading

import pytest
from django.db import connection
from kombu.exceptions import OperationalError

from common.errors import Forbidden, NotFound, Unprocessable, UserError
from jobs import tasks
from jobs.models import Job
from jobs.services import (
    count_matches,
    expected_seconds,
    get_job,
    job_difference,
    read_log,
    rerun_job,
    submit_job,
)
from jobs.services.looking import _whole_letters
from jobs.states import JobState
from projects.models import AuditEvent
from projects.roles import Action
from storage.services.folders import folder_of


@pytest.fixture
def words(contributor, project, root, site):
    (root / "in").mkdir()
    (root / "in" / "a.txt").write_text("a b")
    (root / "in" / "b.bin").write_text("c")

    def submit(user=contributor, **inputs):
        return submit_job(user, project.pk, tool="words", inputs=inputs)

    return submit


@pytest.mark.parametrize(
    ("inputs", "field", "words_of_error"),
    [
        ({}, "inputs.texts", "needed"),
        ({"texts": {"pattern": "no/*.txt"}}, "inputs.texts", "matches no file"),
        ({"texts": ["gone.txt"]}, "inputs.texts.0", "no file"),
        ({"texts": ["in"]}, "inputs.texts.0", "not a file"),
        ({"texts": ["../x"]}, "inputs.texts.0", "not allowed"),
        ({"texts": [".portolan/x"]}, "inputs.texts.0", "kept for the portal"),
        ({"texts": ["in/a.txt"], "least": -1}, "inputs.least", "at least 0 words"),
        ({"texts": ["in/a.txt"], "least": "many"}, "inputs.least", "whole number"),
        ({"texts": ["in/a.txt"], "least": True}, "inputs.least", "whole number"),
        ({"texts": ["in/a.txt"], "wrong": 1}, "inputs.wrong", "no such input"),
        ({"texts": 3}, "inputs.texts", "list of files"),
    ],
)
def test_wrong_inputs_are_named_with_what_is_wrong(words, inputs, field, words_of_error):
    with pytest.raises(UserError) as refused:
        words(**inputs)
    assert refused.value.code == "invalid_inputs"
    assert words_of_error in " ".join(refused.value.errors[field]), refused.value.errors
    assert not Job.objects.exists()


def test_a_folder_means_its_files_of_the_right_kind(words):
    job = words(texts={"folder": "in"})
    assert [one["path"] for one in job.job_order["texts"]] == ["in/a.txt"]
    assert job.inputs == {"texts": {"folder": "in"}}


def test_matches_are_counted_for_the_form(words, project):
    folder = folder_of(project)
    assert count_matches(folder, {"pattern": "in/*"}) == 2
    assert count_matches(folder, [{"class": "File", "path": "in/a.txt"}]) == 1


def test_viewer_cannot_submit_and_stranger_does_not_see(words, viewer, stranger):
    with pytest.raises(Forbidden):
        words(user=viewer, texts=["in/a.txt"])
    with pytest.raises(NotFound):
        words(user=stranger, texts=["in/a.txt"])


def test_stranger_and_nonsense_get_the_same_answer(words, stranger):
    job = words(texts=["in/a.txt"])
    for wanted in (job.pk, "nonsense", "00000000-0000-0000-0000-000000000000"):
        with pytest.raises(NotFound, match="no such job"):
            get_job(stranger, Action.VIEW, wanted)


def test_submitting_is_in_the_audit_trail(words, project):
    words(texts=["in/a.txt"])
    assert AuditEvent.objects.filter(project=project, action="job.submitted").count() == 1


def test_one_key_one_job(contributor, project, words):
    def submit(**more):
        asked = {"tool": "words", "inputs": {"texts": ["in/a.txt"]}, "idempotency_key": "k", **more}
        return submit_job(contributor, project.pk, **asked)

    first = submit()
    assert submit().pk == first.pk
    with pytest.raises(Unprocessable) as refused:
        submit(title="other")
    assert refused.value.code == "idempotency_mismatch"
    assert Job.objects.count() == 1


def test_a_dry_run_makes_nothing_and_says_why(contributor, project, words):
    plan = submit_job(contributor, project.pk, tool="words", inputs={"texts": ["in/a.txt"]}, dry_run=True)
    assert (plan.site, plan.files, plan.bytes) == ("here", 1, 3)
    assert plan.reasons
    assert plan.command.startswith("wc -w ./in/a.txt")
    assert not Job.objects.exists()


@pytest.mark.parametrize(("field", "value"), [("cores", 99), ("memory_mb", 10**7), ("site", "nowhere")])
def test_what_no_site_has_is_refused_beside_the_field(contributor, project, words, field, value):
    with pytest.raises(UserError) as refused:
        submit_job(contributor, project.pk, tool="words", inputs={"texts": ["in/a.txt"]}, **{field: value})
    assert field in refused.value.errors


def test_a_dead_broker_does_not_fail_the_submit(words, monkeypatch, django_capture_on_commit_callbacks):
    def dead(*_: object) -> None:
        raise OperationalError("nobody there")

    monkeypatch.setattr(tasks.advance, "delay", dead)
    with django_capture_on_commit_callbacks(execute=True):
        assert words(texts=["in/a.txt"]).job_state is JobState.CREATED


def test_numbers_go_on_after_the_job_folders_of_a_clone(words, root):
    (root / "jobs" / "7-old").mkdir(parents=True)
    assert words(texts=["in/a.txt"]).number == 8


def test_a_rerun_shows_what_changed(contributor, words):
    first = words(texts=["in/a.txt"], least=1)
    second = rerun_job(contributor, first.pk, changes={"least": 2, "label": "new"})
    assert second.rerun_of_id == first.pk
    changes = {one.path: (one.before, one.after) for one in job_difference(first, second)}
    assert changes == {"least": (1, 2), "label": (None, "new")}
    third = rerun_job(contributor, second.pk, changes={"label": None})
    assert "label" not in third.inputs


def test_expected_seconds_come_from_past_jobs(behave, run_until_final):
    assert expected_seconds("behave") is None
    run_until_final(behave("sleep", seconds=0.3))
    found = expected_seconds("behave")
    assert found is not None
    assert found < 30


def test_a_log_is_read_on_from_where_one_was(contributor, behave, root, run_until_final):
    job = run_until_final(behave("write"))
    (root / job.folder_path / "stdout.log").write_text("aü" * 10)
    text, offset = "", 0
    for _ in range(100):
        chunk = read_log(contributor, job.pk, "stdout", offset=offset, limit=4)
        text, offset = text + chunk.text, chunk.next_offset
        if chunk.complete:
            break
    assert text == "aü" * 10


CUT = [("aü".encode(), 3), ("aü".encode()[:2], 1), (b"", 0), ("€".encode()[:2], 0)]


@pytest.mark.parametrize(("data", "used"), CUT)
def test_a_letter_is_not_cut(data, used):
    assert _whole_letters(data, last=False)[1] == used


@pytest.mark.locks
@pytest.mark.django_db(transaction=True)
def test_many_submits_at_once_get_numbers_of_their_own_and_one_key_makes_one_job(contributor, project, root, site):
    (root / "a.txt").write_text("a")
    made, wrong = [], []

    def submit(key: str | None) -> None:
        try:
            asked = {"tool": "words", "inputs": {"texts": ["a.txt"]}, "idempotency_key": key}
            made.append(submit_job(contributor, project.pk, **asked))
        except Exception as error:
            wrong.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=submit, args=(key,)) for key in [None] * 5 + ["same"] * 5]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert sorted(Job.objects.values_list("number", flat=True)) == [1, 2, 3, 4, 5, 6]
    assert len({job.pk for job in made if job.idempotency_key}) == 1
