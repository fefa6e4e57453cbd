"""Canaries: small jobs that are watched to their end, say what was wrong, count in the site's health, leave nothing."""

import shutil
import time
from dataclasses import replace
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest
from django.utils import timezone

from jobs import lifecycle
from jobs.backends.base import JobRejected, NativeObservation, Phase, SiteUnavailable
from jobs.backends.local import LocalBackend
from jobs.lifecycle import canary
from jobs.models import ComputeSite
from jobs.services.reconciling import reconcile
from tests.jobs.backends.conftest import cluster_home, slurm  # noqa: F401 - fixtures

LIMIT = 120


def watched(site: ComputeSite, *, seconds: float = LIMIT) -> dict:
    """The outcome of a canary that begins now."""
    deadline = time.monotonic() + seconds
    lifecycle.tend_canary(site.pk, now=True)
    site.refresh_from_db()
    while "name" in site.canary:
        assert time.monotonic() < deadline, site.canary
        time.sleep(0.02)
        lifecycle.tend_canary(site.pk)
        site.refresh_from_db()
    return site.canary


def left_at(site: ComputeSite) -> list[Path]:
    """What canaries left in their directory."""
    return [path for root in canary.roots(site) for path in Path(root).glob(".portolan-probe-*")]


def late(site: ComputeSite, by: timedelta) -> None:
    """The site's canary was sent so long ago."""
    ComputeSite.objects.filter(pk=site.pk).update(canary_at=timezone.now() - by)


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
    site.refresh_from_db()
    assert "name" not in site.canary
    late(site, timedelta(minutes=11))
    assert lifecycle.canaries_due() == []
    ComputeSite.objects.update(canary={"ok": False, "words": "x"})
    assert lifecycle.canaries_due() == [site.pk]
    ComputeSite.objects.update(canary={"ok": True}, canary_at=timezone.now() - timedelta(hours=2))
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
    site.refresh_from_db()
    assert "name" in site.canary
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
    site.refresh_from_db()
    assert "name" in site.canary
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
