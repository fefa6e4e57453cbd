"""Checksums, manifests, checks and datasets."""

import hashlib
import os
import subprocess
from datetime import timedelta

import pytest
from django.utils import timezone

from common.errors import Forbidden, NotFound, QuotaExceeded, StateConflict, UserError
from projects.models import AuditEvent
from storage import checks, quota, sums
from storage.models import Check, Dataset, FileSum, Folder, UsagePoint
from storage.services import files, trust, uploads
from storage.services.folders import folder_of
from storage.tasks import run_check, tend_checks
from storage.uploads import lifecycle, parts


@pytest.fixture
def filled(project, root):
    (root / "grid 7" / "raw").mkdir(parents=True)
    (root / "grid 7" / "a.mrc").write_bytes(b"a" * 1000)
    (root / "grid 7" / "raw" / "b ü.mrc").write_bytes(b"b" * 2000)
    (root / "other.txt").write_text("other")
    return project


@pytest.fixture
def sealed(filled, contributor):
    made = trust.mark_complete(contributor, filled.pk, "grid 7")
    run_check(str(made.check_run_id))
    made.refresh_from_db()
    return made


def finished(check: Check) -> Check:
    while check.state in checks.UNFINISHED:
        checks.run_slice(check)
        check.refresh_from_db()
    return check


def upload(user, project, path: str, content: bytes, **more) -> None:
    ticket = uploads.begin_upload(user, project.pk, path=path, size=len(content), **more)
    found = lifecycle.find(ticket.url.rpartition("/")[2])
    part = lifecycle.lock(found)
    part.append([content])
    lifecycle.finish(found, part, sha256=hashlib.sha256(content).hexdigest())
    part.close()


# --- checksums


def test_uploaded_file_tells_its_checksum_until_it_is_another_file(project, contributor, viewer, root):
    upload(contributor, project, "a.txt", b"abcd")
    found = trust.details(viewer, project.pk, "a.txt")
    assert (found.sha256, found.source) == (hashlib.sha256(b"abcd").hexdigest(), "upload")
    (root / "a.txt").write_bytes(b"abcde")
    assert trust.details(viewer, project.pk, "a.txt").sha256 == ""


def test_checksum_goes_with_a_file_that_is_moved_and_with_its_folder(project, contributor, viewer):
    upload(contributor, project, "x/a.txt", b"abcd")
    upload(contributor, project, "xy/b.txt", b"efgh")
    files.move(contributor, project.pk, "x/a.txt", "x/c.txt")
    files.move(contributor, project.pk, "x", "y")
    assert trust.details(viewer, project.pk, "y/c.txt").sha256 == hashlib.sha256(b"abcd").hexdigest()
    assert trust.details(viewer, project.pk, "xy/b.txt").sha256 == hashlib.sha256(b"efgh").hexdigest()


def test_file_that_came_in_parts_gets_its_checksum_from_a_worker(project, contributor, viewer, root):
    (root / "a.bin").write_bytes(b"abcd")
    sums.note_placed(folder_of(project), "a.bin", sha256="", parts=[(0, 4, "x")])
    tend_checks()
    found = trust.details(viewer, project.pk, "a.bin")
    assert (found.sha256, found.parts) == (hashlib.sha256(b"abcd").hexdigest(), [(0, 4, "x")])


def test_file_of_a_job_tells_which_job(project, viewer, root):
    (root / "jobs/3-first_map").mkdir(parents=True)
    (root / "jobs/3-first_map/map.mrc").write_text("x")
    assert trust.details(viewer, project.pk, "jobs/3-first_map/map.mrc").job_number == 3
    assert trust.details(viewer, project.pk, "jobs/3-first_map").job_number is None


# --- manifests and checks


def test_manifest_is_what_sha256sum_checks(filled, viewer, root, tmp_path):
    with pytest.raises(StateConflict) as raised:
        trust.manifest(viewer, filled.pk, "grid 7")
    assert raised.value.code == "sums_missing"
    finished(trust.start_check(viewer, filled.pk, "grid 7"))
    (tmp_path / "manifest").write_text(trust.manifest(viewer, filled.pk, "grid 7"))
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", str(tmp_path / "manifest")],
        cwd=root / "grid 7",
        capture_output=True,
        timeout=20,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(b"OK") == 2


def test_check_goes_on_slice_by_slice_and_tells_its_progress(filled, viewer):
    check = trust.start_check(viewer, filled.pk)
    assert trust.start_check(viewer, filled.pk).pk == check.pk
    with pytest.raises(StateConflict):
        trust.start_check(viewer, filled.pk, "grid 7")
    seen = []
    while checks.run_slice(check, seconds=0):
        check.refresh_from_db()
        seen.append((check.done_files, check.files))
    check.refresh_from_db()
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert (check.state, check.done_size, check.size, check.problem_count) == ("done", 3005, 3005, 0)


def test_bytes_that_changed_by_themselves_are_found_and_the_old_checksum_is_kept(filled, viewer, root):
    finished(trust.start_check(viewer, filled.pk))
    file = root / "grid 7" / "a.mrc"
    before = file.stat()
    with file.open("r+b") as opened:
        opened.write(b"X")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    check = finished(trust.start_check(viewer, filled.pk, "grid 7"))
    assert [(problem["path"], problem["kind"]) for problem in check.problems] == [("grid 7/a.mrc", "damaged")]
    assert FileSum.objects.get(path="grid 7/a.mrc").sha256 == hashlib.sha256(b"a" * 1000).hexdigest()


def test_file_that_was_changed_in_the_open_gets_its_new_checksum(filled, viewer, root):
    finished(trust.start_check(viewer, filled.pk))
    (root / "other.txt").write_text("changed")
    (root / "grid 7" / "a.mrc").unlink()
    assert finished(trust.start_check(viewer, filled.pk)).problem_count == 0
    assert trust.details(viewer, filled.pk, "other.txt").sha256 == hashlib.sha256(b"changed").hexdigest()
    assert not FileSum.objects.filter(path="grid 7/a.mrc").exists()


def test_check_in_other_hands_is_left_alone(filled, viewer):
    check = trust.start_check(viewer, filled.pk)
    with checks._alone(check):
        assert checks.run_slice(check) is False
    check.refresh_from_db()
    assert check.state == "waiting"


def test_storage_that_is_away_leaves_the_check_for_later(filled, viewer, root):
    check = trust.start_check(viewer, filled.pk)
    away = root.with_name("away")
    root.rename(away)
    assert checks.run_slice(check) is False
    away.rename(root)
    assert finished(check).state == "done"


# --- datasets


def test_dataset_is_sealed_with_its_manifest(sealed, filled, viewer, root):
    assert (sealed.files, sealed.size, sealed.sealed_at is not None) == (2, 3000, True)
    kept = (root / f".portolan/datasets/{sealed.pk}/manifest-sha256.txt").read_text()
    assert trust.manifest(viewer, filled.pk, "grid 7") == kept
    assert kept.splitlines()[0] == f"{hashlib.sha256(b'a' * 1000).hexdigest()}  a.mrc"
    assert trust.details(viewer, filled.pk, "grid 7/raw/b ü.mrc").dataset == "grid 7"


def test_nothing_in_a_dataset_changes_by_whatever_way(sealed, filled, contributor, root):
    folder = folder_of(filled)
    ways = {
        "new folder": lambda: files.make_folder(contributor, filled.pk, "grid 7/new"),
        "move out": lambda: files.move(contributor, filled.pk, "grid 7/a.mrc", "a.mrc"),
        "move in": lambda: files.move(contributor, filled.pk, "other.txt", "grid 7/other.txt"),
        "move all": lambda: files.move(contributor, filled.pk, "grid 7", "grid 8"),
        "delete": lambda: files.delete(contributor, filled.pk, ["grid 7/a.mrc"]),
        "delete all": lambda: files.delete(contributor, filled.pk, ["grid 7"]),
        "upload": lambda: uploads.begin_upload(contributor, filled.pk, path="grid 7/n.mrc", size=3),
        "replace": lambda: uploads.begin_upload(contributor, filled.pk, path="grid 7/a.mrc", size=3, overwrite=True),
    }
    for name, way in ways.items():
        with pytest.raises(StateConflict) as raised:
            way()
        assert raised.value.code == "dataset_locked", name
    assert {path.name for path in (root / "grid 7").rglob("*")} == {"a.mrc", "b ü.mrc", "raw"}
    files.move(contributor, filled.pk, "other.txt", "grid 7b.txt")
    assert folder.trash.count() == 0


def test_upload_that_began_before_keeps_its_bytes_but_does_not_get_in(filled, contributor, root):
    ticket = uploads.begin_upload(contributor, filled.pk, path="grid 9/n.mrc", size=3)
    (root / "grid 9").mkdir()
    with pytest.raises(StateConflict) as raised:
        trust.mark_complete(contributor, filled.pk, "grid 9")
    assert raised.value.code == "uploads_open"
    trust.mark_complete(contributor, filled.pk, "grid 7")
    found = lifecycle.find(ticket.url.rpartition("/")[2])
    part = lifecycle.lock(found)
    part.append([b"abc"])
    found.upload.path = "grid 7/n.mrc"
    with pytest.raises(StateConflict):
        lifecycle.finish(found, part)
    part.close()
    assert parts.size_now(root, ticket.upload_id) == 3


def test_change_in_a_dataset_that_went_round_the_portal_is_found(sealed, filled, viewer, root):
    (root / "grid 7" / "a.mrc").write_bytes(b"other")
    (root / "grid 7" / "raw" / "b ü.mrc").unlink()
    check = finished(trust.start_check(viewer, filled.pk, "grid 7"))
    assert sorted((problem["path"], problem["kind"]) for problem in check.problems) == [
        ("grid 7/a.mrc", "changed"), ("grid 7/raw/b ü.mrc", "missing")]  # fmt: skip


def test_unlocking_is_a_managers_recorded_decision(sealed, filled, contributor, manager, stranger, root):
    with pytest.raises(Forbidden):
        trust.unlock(contributor, filled.pk, sealed.pk, reason="x")
    with pytest.raises(NotFound):
        trust.unlock(stranger, filled.pk, sealed.pk, reason="x")
    with pytest.raises(UserError):
        trust.unlock(manager, filled.pk, sealed.pk, reason=" ")
    trust.unlock(manager, filled.pk, sealed.pk, reason="A movie is missing")
    with pytest.raises(StateConflict):
        trust.unlock(manager, filled.pk, sealed.pk, reason="again")
    event = AuditEvent.objects.get(action="dataset.unlocked")
    assert (event.actor, event.subject, event.details["reason"]) == (manager, "grid 7", "A movie is missing")
    files.make_folder(contributor, filled.pk, "grid 7/new")
    assert (root / f".portolan/datasets/{sealed.pk}/manifest-sha256.txt").exists()
    trust.mark_complete(contributor, filled.pk, "grid 7")


def test_datasets_do_not_overlap_and_are_folders(sealed, filled, contributor, viewer):
    for path, code in (
        ("grid 7/raw", "dataset_locked"),
        ("grid 7", "dataset_locked"),
        ("other.txt", "not_a_folder"),
        ("", "not_a_folder"),
    ):
        with pytest.raises((StateConflict, UserError)) as raised:
            trust.mark_complete(contributor, filled.pk, path)
        assert raised.value.code == code
    with pytest.raises(Forbidden):
        trust.mark_complete(viewer, filled.pk, "grid 7/raw")
    assert Dataset.objects.count() == 1


# --- room


def test_quota_of_files_is_kept_too(project, contributor):
    Folder.objects.update(quota_files=3, used_files=1)
    uploads.begin_upload(contributor, project.pk, path="a", size=1)
    uploads.begin_upload(contributor, project.pk, path="b", size=1)
    with pytest.raises(QuotaExceeded, match="3 files"):
        uploads.begin_upload(contributor, project.pk, path="c", size=1)


@pytest.mark.parametrize(
    ("used", "level"), [(799, "ok"), (800, "warning"), (949, "warning"), (950, "critical"), (1200, "critical")]
)
def test_warning_comes_at_80_and_at_95_percent(project, viewer, used, level):
    Folder.objects.update(quota_bytes=1000, used_bytes=used)
    assert trust.usage(viewer, project.pk).level == level


def test_forecast_is_drawn_from_the_last_two_weeks(project, viewer):
    folder = folder_of(project)
    Folder.objects.update(quota_bytes=1900, used_bytes=1000)
    assert trust.usage(viewer, project.pk).days_left is None
    UsagePoint.objects.create(folder=folder, at=timezone.now() - timedelta(days=40), size=900, files=0)
    UsagePoint.objects.create(folder=folder, at=timezone.now() - timedelta(days=10), size=0, files=0)
    assert trust.usage(viewer, project.pk).days_left == pytest.approx(9, abs=0.1)
    Folder.objects.update(used_bytes=0)
    assert trust.usage(viewer, project.pk).days_left is None


def test_measuring_makes_the_counters_right_after_a_crash_and_remembers_the_day(project, root):
    (root / "a").write_bytes(b"12345")
    Folder.objects.update(used_bytes=99, used_files=7)
    quota.measure(folder_of(project))
    folder = folder_of(project)
    assert (folder.used_bytes, folder.used_files) == (5, 1)
    assert [(point.size, point.files) for point in folder.usage.all()] == [(5, 1)]
