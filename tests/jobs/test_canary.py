"""Canaries: small jobs that are watched to their end, say what was wrong, count in the site's health, leave nothing."""

import shutil
import time
from dataclasses import replace
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from jobs import lifecycle
from jobs.backends.base import JobRejected, NativeObservation, Phase, SiteUnavailable
from jobs.backends.local import LocalBackend
from jobs.lifecycle import canary
from jobs.models import ComputeSite
from jobs.services.reconciling import reconcile
from tests.jobs.backends.conftest import cluster_home, slurm  # noqa: F401 - fixtures

LIMIT = 120


def told_of(site: ComputeSite, queue: str = "") -> dict:
    """What the site's row says of the queue's canary now."""
    site.refresh_from_db()
    return site.canaries[queue]


def watched(site: ComputeSite, queue: str = "", *, seconds: float = LIMIT) -> dict:
    """The outcome of the queue's canary that begins now, once all of them have ended."""
    deadline = time.monotonic() + seconds
    lifecycle.tend_canary(site.pk, now=True)
    site.refresh_from_db()
    while any("name" in told for told in site.canaries.values()):
        assert time.monotonic() < deadline, site.canaries
        time.sleep(0.02)
        lifecycle.tend_canary(site.pk)
        site.refresh_from_db()
    return site.canaries[queue]


def left_at(site: ComputeSite) -> list[Path]:
    """What canaries left in their directory."""
    return [path for root in canary.roots(site) for path in Path(root).glob(".portolan-probe-*")]


def late(site: ComputeSite, by: timedelta, queue: str = "", **more: object) -> None:
    """The queue's canary was sent so long ago, and found ``more``."""
    told = told_of(site, queue) | {"at": (timezone.now() - by).isoformat()} | more
    ComputeSite.objects.filter(pk=site.pk).update(canaries=site.canaries | {queue: told})


@pytest.fixture
def queues(site):
    """Two queues of the site, the second with GPUs."""
    site.queues.create(name="cpu", cores=2, memory_mb=2000)
    site.queues.create(name="gpu", cores=2, memory_mb=2000, gpus=1, position=1)


def test_it_runs_to_its_end_says_where_and_leaves_nothing(site, operator):
    told = watched(site)
    assert (told["ok"], told["hint"], told["left"]) == (True, "", []), told
    assert "ended well" in told["words"]
    assert 0 <= told["seconds"] < LIMIT
    assert site.healthy
    assert left_at(site) == []
    assert reconcile(operator).differences == []


def test_one_is_due_at_first_each_hour_and_sooner_after_a_failure(site):
    assert lifecycle.canaries_due() == [site.pk]
    lifecycle.tend_canary(site.pk)
    assert lifecycle.canaries_due() == [site.pk]  # it is under way
    watched(site)
    assert lifecycle.canaries_due() == []
    lifecycle.tend_canary(site.pk)  # a bell that comes late begins none
    assert "name" not in told_of(site)
    late(site, timedelta(minutes=11))
    assert lifecycle.canaries_due() == []
    late(site, timedelta(minutes=11), ok=False)
    assert lifecycle.canaries_due() == [site.pk]
    late(site, timedelta(hours=2), ok=True)
    assert lifecycle.canaries_due() == [site.pk]
    ComputeSite.objects.update(enabled=False)
    assert lifecycle.canaries_due() == []


def test_a_site_whose_jobs_fail_says_why_and_is_ill_until_one_ends_well(site, operator, browser_of, monkeypatch):
    spec = canary._spec
    fails = ["sh", "-c", "echo no licence >&2; exit 3"]
    monkeypatch.setattr(canary, "_spec", lambda *told: replace(spec(*told), argv=fails))
    told = watched(site)
    assert told["ok"] is False
    assert told["words"] == "It ended with status 3. It said: no licence"
    assert told["hint"]
    assert (site.answers, site.healthy, site.takes_jobs) == (True, False, True)
    page = unescape(browser_of(operator).get("/operator/sites/here/").text)
    assert "Canary failed" in page
    assert told["hint"] in page
    assert "Canary failed" in browser_of(operator).get("/operator/sites/").text
    assert left_at(site) == []
    monkeypatch.undo()
    lifecycle.tend_canary(site.pk, now=True)
    site.refresh_from_db()
    assert site.canary_failed  # what the last one found counts until this one has ended
    assert "The one before failed" in browser_of(operator).get("/operator/sites/here/").text
    assert watched(site)["ok"] is True
    assert site.healthy


def test_a_refused_one_has_failed_at_once(site, monkeypatch):
    def refuse(self, spec):
        raise JobRejected("Invalid partition.", hint="Name another one.")

    monkeypatch.setattr(LocalBackend, "submit", refuse)
    told = watched(site)
    assert (told["ok"], told["words"], told["hint"]) == (
        False,
        "It was refused: Invalid partition.",
        "Name another one.",
    )


def test_a_lost_answer_is_asked_for_by_name_and_nothing_is_submitted_twice(site, monkeypatch):
    submitted, submit = [], LocalBackend.submit

    def lost(self, spec):
        submitted.append(submit(self, spec))
        raise SiteUnavailable("no answer")

    monkeypatch.setattr(LocalBackend, "submit", lost)
    assert watched(site)["ok"] is True
    assert len(submitted) == 1
    assert left_at(site) == []


def test_a_site_that_takes_none_is_told_once_the_limit_is_over(site, monkeypatch):
    def away(self, *_):
        raise SiteUnavailable("connection refused")

    for name in ("submit", "find", "poll"):
        monkeypatch.setattr(LocalBackend, name, away)
    lifecycle.tend_canary(site.pk, now=True)
    lifecycle.tend_canary(site.pk)
    assert "name" in told_of(site)
    late(site, canary.LIMIT * 2)
    told = watched(site)
    assert told["ok"] is False
    assert "connection refused" in told["words"]
    monkeypatch.undo()
    assert len(told["left"]) == 1  # a submit whose answer was lost may still arrive
    assert (watched(site)["ok"], left_at(site)) == (True, [])


@pytest.mark.parametrize(
    ("phase", "ok", "words"),
    [
        (Phase.QUEUED, None, "did not begin: Resources"),
        (Phase.RUNNING, False, "did not end within 30 minutes"),
        (Phase.LOST, False, "left no exit file. The site said “X”. Resources"),
    ],
)
def test_at_its_limit_it_is_cancelled_and_a_full_queue_is_no_failure(site, monkeypatch, phase, ok, words):
    cancelled = []
    monkeypatch.setattr(LocalBackend, "submit", lambda self, spec: "7:x")
    seen = NativeObservation(native_id="7:x", word="X", phase=phase, reason="Resources")
    monkeypatch.setattr(LocalBackend, "poll", lambda self, ids: {"7:x": seen})
    monkeypatch.setattr(LocalBackend, "cancel", lambda self, native_id: cancelled.append(native_id))
    lifecycle.tend_canary(site.pk, now=True)
    lifecycle.tend_canary(site.pk)
    assert "name" in told_of(site)
    assert site.healthy
    late(site, canary.LIMIT * 2)
    told = watched(site)
    assert (told["ok"], cancelled, told["left"]) == (ok, ["7:x"], [])
    assert words in told["words"]
    assert site.healthy is (ok is None)


def test_a_site_with_wrong_settings_is_told_and_not_broken_on(site):
    site.scheduler, site.settings = "slurm", {"runner": "ssh"}
    site.save()
    lifecycle.tend_canary(site.pk, now=True)
    late(site, canary.LIMIT * 2)
    told = watched(site)
    assert told["ok"] is False
    assert "“ssh” must be an object" in told["words"]


def test_each_queue_has_its_own_and_one_that_fails_leaves_the_site_well(
    site, queues, operator, browser_of, monkeypatch
):
    spec = canary._spec

    def fails(site, queue, *told):
        argv = ["sh", "-c", "echo no driver >&2; exit 3"]
        return replace(spec(site, queue, *told), **({"argv": argv} if queue == "gpu" else {}))

    monkeypatch.setattr(canary, "_spec", fails)
    assert watched(site, "cpu")["ok"] is True
    told = site.canaries["gpu"]
    assert (told["ok"], told["words"]) == (False, "It ended with status 3. It said: no driver")
    assert (site.healthy, site.canary_failed) == (True, False)
    assert left_at(site) == []
    browser = browser_of(operator)
    page = unescape(browser.get("/operator/sites/here/").text)
    assert "Canary failed" not in page
    for shown in ("<strong>cpu</strong>", "<strong>gpu</strong>", "ended well", told["words"], told["hint"]):
        assert shown in page
    found = browser.get("/api/v1/sites/here/settings/").json()["canaries"]
    assert [(one["queue"], one["ok"], one["under_way"]) for one in found] == [
        ("cpu", True, False),
        ("gpu", False, False),
    ]
    assert (found[1]["words"], found[1]["hint"]) == (told["words"], told["hint"])
    site.queues.filter(name="cpu").delete()
    site.refresh_from_db()
    assert site.canary_failed  # none is left that is well


def test_each_queue_has_its_own_time(site, queues):
    watched(site, "cpu")
    assert lifecycle.canaries_due() == []
    late(site, timedelta(minutes=11), "gpu", ok=False)
    assert lifecycle.canaries_due() == [site.pk]
    lifecycle.tend_canary(site.pk)
    assert "name" in told_of(site, "gpu")
    assert "name" not in told_of(site, "cpu")


@pytest.mark.parametrize(("needs", "asked"), [(False, [("cpu", 0), ("gpu", 0)]), (True, [("cpu", 0), ("gpu", 1)])])
def test_only_a_queue_that_refuses_jobs_without_a_gpu_is_asked_for_one(site, queues, monkeypatch, needs, asked):
    taken = []

    def submit(self, spec):
        if spec.queue == "gpu" and needs and not spec.gpus:
            raise JobRejected("QOSMinGRES")
        taken.append((spec.queue, spec.gpus))
        return f"7:{spec.name}"

    monkeypatch.setattr(LocalBackend, "submit", submit)
    lifecycle.tend_canary(site.pk, now=True)
    assert taken == asked
    assert told_of(site, "gpu")["native_id"] == f"7:{told_of(site, 'gpu')['name']}"


def test_a_refusal_of_one_queue_keeps_no_other_from_its_own(site, queues, monkeypatch):
    submit = LocalBackend.submit

    def refuse(self, spec):
        if spec.queue == "cpu":
            raise JobRejected("Invalid partition.")
        return submit(self, spec)

    monkeypatch.setattr(LocalBackend, "submit", refuse)
    assert watched(site, "gpu")["ok"] is True
    assert told_of(site, "cpu")["words"] == "It was refused: Invalid partition."


def test_one_of_a_queue_that_was_removed_is_watched_to_its_end_and_then_forgotten(site, queues):
    lifecycle.tend_canary(site.pk, now=True)
    site.queues.filter(name="gpu").delete()
    assert watched(site, "gpu")["ok"] is True
    assert left_at(site) == []
    watched(site, "cpu")
    assert set(site.canaries) == {"cpu"}


@pytest.mark.django_db(transaction=True)
def test_what_a_sites_one_canary_found_is_kept_as_that_of_its_first_queue():
    at, before = timezone.now(), [("jobs", "0008_element_retries")]
    latest = MigrationExecutor(connection).loader.graph.leaf_nodes()
    ended = {"ok": False, "words": "It failed.", "hint": "Mend it.", "seconds": 2.5, "left": []}
    last = {"last_ok": False, "last_words": "It failed.", "last_hint": "Mend it."}
    begun = {"name": "portolan-probe-1", "place": "/scratch/x", "native_id": "7", "left": []} | last
    executor = MigrationExecutor(connection)
    executor.migrate(before)
    try:
        old = executor.loader.project_state(before).apps.get_model("jobs", "ComputeSite")
        old.objects.create(name="alone", canary=ended, canary_at=at)
        old.objects.create(name="untried")
        begins = old.objects.create(name="many", canary=begun, canary_at=at)
        for name in ("cpu", "gpu"):
            begins.queues.create(name=name)
    finally:
        MigrationExecutor(connection).migrate(latest)
    found = {site.name: site for site in ComputeSite.objects.all()}
    assert {name: list(site.canaries) for name, site in found.items()} == {
        "alone": [""],
        "untried": [],
        "many": ["cpu"],
    }
    for told in (found["alone"].canary_of(""), found["many"].canary_of("cpu")):
        assert (told.failed, told.words, told.hint, told.at) == (True, "It failed.", "Mend it.", at)
    assert found["many"].canaries["cpu"]["place"] == "/scratch/x"
    assert [site.name for site in ComputeSite.objects.filter(pk__in=lifecycle.canaries_due()).order_by("name")] == [
        "many", "untried",
    ]  # fmt: skip
    executor = MigrationExecutor(connection)
    executor.migrate(before)
    try:
        rows = old.objects.in_bulk(field_name="name")
        assert (rows["many"].canary, rows["many"].canary_at) == (begun, at)
        assert (rows["alone"].canary["ok"], rows["alone"].canary_at) == (False, at)
    finally:
        MigrationExecutor(connection).migrate(latest)


@pytest.mark.slow
def test_on_a_real_slurm_it_runs_and_one_that_no_node_takes_is_told(db, slurm, tmp_path):  # noqa: F811
    settings = {"environment": dict(slurm.environment)}
    root = slurm.home / "canaries"
    site = ComputeSite.objects.create(name="farm", scheduler="slurm", work_root=str(root), settings=settings)
    told = watched(site)
    assert told["ok"] is True, told
    assert " on " in told["words"]
    site.settings = settings | {"partition": "none"}
    site.save()
    told = watched(site)
    assert (told["ok"], told["words"].startswith("It was refused")) == (False, True), told
    assert left_at(site) == []
    shutil.rmtree(root)
