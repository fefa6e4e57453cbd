"""A job over many files is split into the elements of an array, each is followed, and the results are merged once."""

import json
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from jobs.backends.base import JobRejected, Phase, SiteUnavailable
from jobs.backends.local import LocalBackend
from jobs.lifecycle import parts, sidebyside
from jobs.lifecycle.places import control_of
from jobs.models import Attempt, Element
from jobs.repairs import Action
from jobs.services import cancel_job, repair_job, submit_job
from jobs.states import Does, ElementState, JobState
from tests.jobs.conftest import drive, step

NAMES = ("a", "b", "c", "d", "e", "f", "g")


@pytest.fixture
def files(root):
    """``files(c="fail")`` writes seven files, the third of them with that text."""

    def write(**texts: str) -> None:
        (root / "in").mkdir(exist_ok=True)
        for number, name in enumerate(NAMES):
            (root / "in" / f"{name}.txt").write_text(texts.get(name, "x" * (number + 1)))

    return write


@pytest.fixture
def tally(contributor, project, site):
    """``tally()`` submits a job over the files."""

    def submit(pattern: str = "in/*.txt", **more: object):
        inputs = {"files": {"pattern": pattern}}
        return submit_job(contributor, project.pk, tool="tally", inputs=inputs, site=site.name, **more)

    return submit


def states(job) -> list[str]:
    return [one.state for one in parts.standing(job)]


def lose_the_second(job, settings):
    """The machine of the second element failed while the first ran; it runs again, alone."""
    drive(job, lambda one: running(one, 0) and running(one, 1))
    kill_supervisor(settings, Element.objects.get(attempt__job=job, index=1))
    drive(job, lambda one: running(one, 1, retry=1))


def kill_supervisor(settings, element: Element) -> None:
    mark = settings.PORTOLAN_HOME / "run" / "local" / "active" / element.native_id
    os.kill(json.loads(mark.read_text())["pid"], signal.SIGKILL)


def test_seven_files_run_in_three_elements_and_give_what_one_run_gives(
    files, tally, root, run_until_final, monkeypatch
):
    files()
    job = run_until_final(tally())
    assert job.job_state is JobState.SUCCEEDED, job.failure
    assert (job.elements, job.cores, job.memory_mb, job.wall_seconds) == (3, 1, 200, 180)
    assert [(one.does, one.exit_code) for one in job.attempts.all()] == [(Does.ELEMENTS, 0), (Does.MERGE, 0)]
    assert job.progress == {"done": 3, "total": 3, "text": "elements 3 of 3 done"}
    crate = json.loads((root / job.folder_path / "ro-crate-metadata.json").read_text())["@graph"]
    told = {one["@id"] for one in crate}
    assert {"elements/0000.stdout.log", "elements/0002.stderr.log", "command.txt", "merge-command.txt"} <= told
    assert ("Tally", "1.0") in {(one.get("name"), one.get("softwareVersion")) for one in crate}
    assert len([one for one in crate if str(one.get("name")).startswith("in/")]) == len(NAMES)
    assert not (root / job.folder_path / "work-1").exists()
    monkeypatch.setattr(LocalBackend, "arrays", False)
    whole = run_until_final(tally())
    assert (whole.elements, whole.cores, whole.attempts.get().does) == (0, 2, Does.ALL)
    assert "takes no arrays" in whole.choice[0]["words"]
    for one in (job, whole):
        rows = (root / one.outputs_path / "rows.csv").read_text()
        assert rows == "".join(f"{name},{number + 1}\n" for number, name in enumerate(NAMES))
    names = [
        sorted((r.output, r.title, r.viewer, r.path.rpartition("/")[2], r.size, r.sha256) for r in one.results.all())
        for one in (job, whole)
    ]
    assert names[0] == names[1]
    assert sorted((root / "in" / "began.log").read_text().split()) == sorted([*NAMES, *NAMES])


def test_few_files_or_two_of_one_name_are_not_split(files, tally, root):
    files()
    assert tally("in/[abc].txt").elements == 0
    (root / "in" / "more").mkdir()
    (root / "in" / "more" / "a.txt").write_text("x")
    assert tally("in/**/*.txt").elements == 0


def test_progress_follows_each_element_and_one_poll_asks_for_all(files, tally, run_until, root, monkeypatch):
    files(a="fail", d="wait", f="wait")
    job = run_until(tally(), JobState.RUNNING)
    asked = []
    real = LocalBackend.poll
    monkeypatch.setattr(LocalBackend, "poll", lambda self, ids: (asked.append(list(ids)), real(self, ids))[1])
    drive(job, lambda one: states(one)[0] == ElementState.FAILED)
    assert job.job_state is JobState.RUNNING
    assert job.progress["text"] == "elements 0 of 3 done, 1 failed"
    asked.clear()
    step(job)
    assert len(asked) == 1
    (root / "in" / "d.txt").write_text("go")
    drive(job, lambda one: one.progress["text"] == "elements 1 of 3 done, 1 failed")
    (root / "in" / "f.txt").write_text("go")
    drive(job, lambda one: one.job_state.final)
    assert job.failure["message"].startswith("1 of 3 elements failed. Element 1: ")


def test_a_failed_element_is_told_and_retried_alone(files, tally, contributor, root, run_until_final, browser_of):
    files(d="fail")
    job = run_until_final(tally())
    assert job.job_state is JobState.FAILED
    assert (job.failure["code"], job.progress["text"]) == ("tool_failed", "elements 2 of 3 done, 1 failed")
    assert "1 of 3 elements failed. Element 2: " in job.failure["message"]
    assert "d.txt can't be counted" in job.failure["message"]
    assert states(job) == [ElementState.DONE, ElementState.FAILED, ElementState.DONE]
    assert "d.txt can't" in (root / job.folder_path / "elements" / "0001.stderr.log").read_text()
    browser = browser_of(contributor)
    page = browser.get(f"/jobs/{job.pk}/").text
    assert "Elements (3)" in page
    assert "Retry what failed" in page
    assert "d.txt can&#x27;t be counted" in page
    assert "d.txt can't" in browser.get(f"/jobs/{job.pk}/log/?element=2&stream=stderr").text
    assert browser.get(f"/jobs/{job.pk}/log/?element=x").status_code == 404
    files()
    repair_job(contributor, job.pk, Action.RETRY)
    run_until_final(job)
    assert job.job_state is JobState.SUCCEEDED, job.failure
    assert [one.elements.count() for one in job.attempts.all()] == [3, 1, 0]
    began = (root / "in" / "began.log").read_text().split()
    assert sorted(began) == sorted(NAMES)  # each file once: the element failed at its first one
    assert (root / job.outputs_path / "rows.csv").read_text().startswith("a,1\nb,2\nc,3\nd,4\n")


def test_an_element_that_was_never_seen_running_tells_how_long_it_ran(
    files, tally, contributor, run_until_final, browser_of, monkeypatch
):
    real = LocalBackend.poll
    ended = {Phase.ENDED}
    monkeypatch.setattr(
        LocalBackend, "poll", lambda self, ids: {k: one for k, one in real(self, ids).items() if one.phase in ended}
    )
    files()
    job = run_until_final(tally())
    for one in parts.standing(job):
        told = [one.evidence["started_at"], one.evidence["ended_at"]]
        assert [one.began_at.timestamp(), one.ended_at.timestamp()] == pytest.approx(told)
    table = browser_of(contributor).get(f"/jobs/{job.pk}/").text.partition('aria-label="Elements of the job"')[2]
    ran = re.findall(r'<td class="small">([^<]*)</td>\s*<td class="small"><a', table.partition("</table>")[0])
    assert len(ran) == job.elements
    assert "–" not in ran


def test_starting_again_runs_all_elements(files, tally, contributor, root, run_until_final):
    files(d="fail")
    job = run_until_final(tally())
    files()
    repair_job(contributor, job.pk, Action.RESTART)
    run_until_final(job)
    assert job.job_state is JobState.SUCCEEDED, job.failure
    assert [one.elements.count() for one in job.attempts.all()] == [3, 3, 0]


def running(job, index: int, retry: int = 0) -> bool:
    wanted = Element.objects.filter(attempt__job=job, index=index, retry=retry, state=ElementState.RUNNING)
    return wanted.exists()


def test_an_element_whose_machine_failed_is_tried_again_alone_while_the_others_run(
    files, tally, root, run_until, settings, contributor, browser_of
):
    settings.JOB_RETRIES = 1
    files(a="wait", d="wait")
    job = run_until(tally(), JobState.RUNNING)
    lose_the_second(job, settings)
    assert running(job, 0)
    assert (job.attempts.count(), states(job)[1]) == (1, ElementState.RUNNING)
    page = browser_of(contributor).get(f"/jobs/{job.pk}/").text
    assert "tried again: The process that watched the job was killed" in page
    files()
    drive(job, lambda one: one.job_state.final)
    assert job.job_state is JobState.SUCCEEDED, job.failure
    tries = [list(one.elements.values_list("index", "retry", "state")) for one in job.attempts.all()]
    assert tries == [[(0, 0, "done"), (1, 0, "dropped"), (1, 1, "done"), (2, 0, "done")], []]
    assert (root / job.outputs_path / "rows.csv").read_text().count("\n") == len(NAMES)
    assert sorted((root / "in" / "began.log").read_text().split()) == list(NAMES)


def test_an_element_that_failed_last_is_tried_again_in_a_further_attempt(files, tally, run_until, settings):
    settings.JOB_RETRIES = 1
    files(d="wait")
    job = run_until(tally(), JobState.RUNNING)
    ended = Element.objects.filter(attempt__job=job, ended_at__isnull=False)
    drive(job, lambda one: running(one, 1) and ended.count() == 2)
    kill_supervisor(settings, Element.objects.get(attempt__job=job, index=1))
    drive(job, lambda one: one.attempts.count() == 2)
    files()
    drive(job, lambda one: one.job_state.final)
    assert job.job_state is JobState.SUCCEEDED, job.failure
    assert [list(one.elements.values_list("index", flat=True)) for one in job.attempts.all()] == [[0, 1, 2], [1], []]
    assert any("tried again by itself" in event.reason for event in job.events.all())


def test_an_element_that_nothing_takes_again_has_failed_and_the_others_go_on(
    files, tally, run_until, settings, monkeypatch
):
    settings.JOB_RETRIES = 1
    files(a="wait", d="wait")
    job = run_until(tally(), JobState.RUNNING)
    drive(job, lambda one: running(one, 0) and running(one, 1))

    def refuse(*_: object):
        raise JobRejected("It is too large now.")

    monkeypatch.setattr(LocalBackend, "submit", refuse)
    kill_supervisor(settings, Element.objects.get(attempt__job=job, index=1))
    drive(job, lambda one: states(one)[1] == ElementState.FAILED)
    assert running(job, 0)
    files()
    drive(job, lambda one: one.job_state.final)
    assert (job.job_state, job.failure["code"]) == (JobState.FAILED, "site_refused")


def test_cancel_ends_also_an_element_that_is_tried_again(files, tally, contributor, backend, run_until, settings):
    settings.JOB_RETRIES = 1
    files(a="wait", d="wait")
    job = run_until(tally(), JobState.RUNNING)
    lose_the_second(job, settings)
    cancel_job(contributor, job.pk)
    drive(job, lambda one: one.job_state.final)
    assert job.job_state is JobState.CANCELLED
    assert backend.listed() == {}


def test_retries_have_an_end(files, tally, run_until, settings):
    settings.JOB_RETRIES = 0
    files(d="wait")
    job = run_until(tally(), JobState.RUNNING)
    drive(job, lambda one: Element.objects.filter(state=ElementState.RUNNING, index=1).exists())
    kill_supervisor(settings, Element.objects.get(attempt__job=job, index=1))
    drive(job, lambda one: one.job_state.final)
    assert (job.job_state, job.failure["code"]) == (JobState.FAILED, "site_error")


def test_cancel_ends_all_elements(files, tally, contributor, backend, run_until):
    files(a="wait", d="wait", f="wait")
    job = run_until(tally(), JobState.RUNNING)
    cancel_job(contributor, job.pk)
    drive(job, lambda one: one.job_state.final)
    assert job.job_state is JobState.CANCELLED
    assert set(states(job)) == {ElementState.DROPPED}
    assert backend.listed() == {}


def test_a_cancelled_job_that_was_never_handed_over_leaves_fences(files, tally, contributor, root, run_until, backend):
    files()
    job = tally()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jobs.lifecycle.starting._submitted", no_answer)
        drive(job, lambda one: one.job_state is JobState.SUBMITTING)
        cancel_job(contributor, job.pk)
        drive(job, lambda one: one.job_state.final)
    control = root / control_of(job.attempts.get())
    assert sorted(path.parent.name for path in control.glob("*/fence")) == ["0", "1", "2"]


def no_answer(*_: object):
    raise SiteUnavailable("no answer")


def test_an_array_whose_answer_was_lost_is_adopted(files, tally, root, monkeypatch, run_until_final):
    files()
    job, real, times = tally(), LocalBackend.submit_array, []

    def lost(self, name, specs, *, at_once=0):
        times.append(name)
        real(self, name, specs, at_once=at_once)
        raise SiteUnavailable("the answer was lost")

    monkeypatch.setattr(LocalBackend, "submit_array", lost)
    run_until_final(job)
    assert (job.job_state, len(times)) == (JobState.SUCCEEDED, 1)
    assert sorted((root / "in" / "began.log").read_text().split()) == list(NAMES)


def test_a_failed_merge_is_retried_without_the_elements(files, tally, contributor, root, monkeypatch, run_until_final):
    files()
    job = tally()
    drive(job, lambda one: one.attempts.filter(does=Does.ELEMENTS, ended_at__isnull=False).exists())
    (root / job.folder_path / "work-1" / "0001" / "rows.csv").rename(root / "aside.csv")
    run_until_final(job)
    if job.job_state is JobState.FAILED and job.attempts.filter(does=Does.MERGE).exists():
        (root / "aside.csv").rename(root / job.folder_path / "work-1" / "0001" / "rows.csv")
        repair_job(contributor, job.pk, Action.RETRY)
        run_until_final(job)
        assert job.job_state is JobState.SUCCEEDED, job.failure
    assert sorted((root / "in" / "began.log").read_text().split()) == list(NAMES)


def test_elements_are_no_strangers_to_the_reconciler(files, tally, site, run_until):
    files(d="wait")
    job = run_until(tally(), JobState.RUNNING)
    assert sidebyside.differences(site) == []
    Attempt.objects.filter(job=job).update(native_id="")
    Element.objects.all().update(native_id="")
    job.__class__.objects.filter(pk=job.pk).update(state=JobState.SUBMITTING)
    found = sidebyside.differences(site)
    assert {one.kind for one in found} == {"to_adopt"}
    found[0].mend()
    job.refresh_from_db()
    assert job.job_state is JobState.QUEUED
    assert Element.objects.exclude(native_id="").count() == 3
    files()
    drive(job, lambda one: one.job_state.final)
    assert job.job_state is JobState.SUCCEEDED


def test_limits_of_the_site_bound_the_elements_at_once(files, tally, site, monkeypatch, run_until):
    files()
    site.most_jobs_each = 1
    site.save()
    asked = []
    real = LocalBackend.submit_array

    def noted(self, name, specs, *, at_once=0):
        asked.append(at_once)
        return real(self, name, specs, at_once=at_once)

    monkeypatch.setattr(LocalBackend, "submit_array", noted)
    run_until(tally(), JobState.QUEUED)
    assert asked == [1]


def test_elements_run_on_copies_and_their_results_come_home(
    files, tally, site, root, tmp_path, contributor, run_until_final
):
    away = tmp_path / "away"
    away.mkdir()
    site.work_root = str(away)
    site.tools = {"*": {"environment": {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}}}
    site.save()
    files(d="fail")
    job = run_until_final(tally())
    assert "Element 2: " in job.failure["message"], job.failure
    files()
    repair_job(contributor, job.pk, Action.RETRY)
    run_until_final(job)
    assert job.job_state is JobState.SUCCEEDED, job.failure
    assert [one.staging["files"] for one in job.attempts.all()] == [7, 2, 10]
    assert (root / job.outputs_path / "rows.csv").read_text().count("\n") == len(NAMES)
    assert list(away.iterdir()) == []
