"""Projects opened empty, from the sample, and as clones; filling that can be killed."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from django.conf import settings

from common.errors import Forbidden, NotFound, QuotaExceeded, StateConflict, UserError
from projects.models import AuditEvent, Membership, Project
from projects.roles import Role
from storage import filling
from storage.filling import fill
from storage.models import Folder, FolderState, StorageSite
from storage.services import files
from storage.services.folders import (
    ensure_default_site,
    folder_of,
    folder_root,
    open_project,
    retry_filling,
    writable_folder,
)
from storage.tasks import fill_folder, measure_folders, tend_folders


@pytest.fixture
def sample(settings):
    settings.SAMPLE_DIR.mkdir(parents=True)
    (settings.SAMPLE_DIR / "movies").mkdir()
    (settings.SAMPLE_DIR / "movies" / "m1.tif").write_bytes(b"movie" * 1000)
    (settings.SAMPLE_DIR / "empty").mkdir()
    (settings.SAMPLE_DIR / "readme.txt").write_text("read me")
    return settings.SAMPLE_DIR


def tree(root):
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else None
        for path in root.rglob("*")
        if ".portolan" not in path.parts
    }


def opened(user, **more):
    project = open_project(user, name="Apoferritin", **more)
    folder = folder_of(project)
    return project, folder, folder_root(folder)


def test_empty_project_is_ready_at_once(owner):
    project, folder, root = opened(owner)
    assert folder.state == FolderState.READY
    assert root.is_dir()
    assert root.stat().st_mode & 0o007 == 0
    assert files.list_folder(owner, project.pk).entries == []
    assert AuditEvent.objects.filter(project=project, action="project.created").exists()


def test_default_site_is_made_once(db, settings):
    assert ensure_default_site() == ensure_default_site()
    assert StorageSite.objects.get().root == str(settings.STORAGE_ROOT)


def test_project_from_the_sample_is_a_copy(owner, sample):
    project, folder, root = opened(owner, source="sample")
    assert folder.state == FolderState.PREPARING
    with pytest.raises(StateConflict):
        writable_folder(owner, project.pk)
    assert files.list_folder(owner, project.pk).entries == []  # it is looked at before a worker comes to it
    fill_folder(str(folder.pk))
    folder.refresh_from_db()
    assert (folder.state, folder.problem) == (FolderState.READY, "")
    assert tree(root) == tree(sample)
    assert (folder.used_bytes, folder.used_files) == (5007, 2)
    (root / "readme.txt").write_text("changed")
    assert (sample / "readme.txt").read_text() == "read me"
    assert os.stat(root / "movies" / "m1.tif").st_nlink == 1
    assert not (root / ".portolan" / "filling").exists()


def test_there_must_be_a_sample_to_begin_with_it(owner):
    with pytest.raises(UserError) as error:
        open_project(owner, name="x", source="sample")
    assert error.value.code == "no_sample"
    assert not Project.objects.exists()


def test_clone_has_the_files_but_neither_jobs_nor_what_is_hidden(project, root, viewer):
    (root / "data").mkdir()
    (root / "data" / "a.mrc").write_text("a")
    (root / "odd .").write_text("kept under its name")
    (root / "jobs" / "1-x").mkdir(parents=True)
    (root / "jobs" / "1-x" / "stdout.log").touch()
    (root / "data" / "link").symlink_to("/etc/passwd")
    (root / ".portolan").mkdir()
    (root / ".portolan" / "secret").touch()
    clone, folder, copy = opened(viewer, source=str(project.pk))
    assert clone.cloned_from == project
    fill(folder)
    folder.refresh_from_db()
    assert folder.state == FolderState.READY
    assert "data/link" in folder.problem
    assert tree(copy) == {"data": None, "data/a.mrc": b"a", "odd .": b"kept under its name"}
    assert not (copy / ".portolan" / "secret").exists()


def test_stranger_cannot_clone_and_learns_nothing(project, stranger):
    with pytest.raises(NotFound):
        open_project(stranger, name="x", source=str(project.pk))
    with pytest.raises(UserError) as error:
        open_project(stranger, name="x", source="/etc")
    assert error.value.code == "bad_source"
    assert Project.objects.count() == 1


def test_clone_that_does_not_fit_is_refused_before_it_is_made(project, owner):
    Folder.objects.update(used_bytes=2000)
    StorageSite.objects.update(default_quota_bytes=1000)
    with pytest.raises(QuotaExceeded):
        open_project(owner, name="x", source=str(project.pk))
    assert Project.objects.count() == 1


def test_filling_goes_on_in_slices_of_time_and_resumes_large_files(owner, sample, monkeypatch):
    monkeypatch.setattr(filling, "_CHUNK", 1000)
    _, folder, root = opened(owner, source="sample")
    calls = 1
    while fill(folder, seconds=0):
        calls += 1
        assert calls < 50
    folder.refresh_from_db()
    assert folder.state == FolderState.READY
    assert calls > 3
    assert tree(root) == tree(sample)


def test_filling_twice_changes_nothing(owner, sample):
    _, folder, root = opened(owner, source="sample")
    fill(folder)
    (root / "readme.txt").write_text("the user's own")
    assert fill(folder) is False
    Folder.objects.update(state=FolderState.PREPARING)
    fill(folder)
    assert (root / "readme.txt").read_text() == "the user's own"


def test_second_worker_leaves_the_first_alone(owner, sample):
    _, folder, root = opened(owner, source="sample")
    filling.make_root(folder)
    with filling._alone(root) as mine:
        assert mine
        assert fill(folder) is False
        assert tree(root) == {}
    folder.refresh_from_db()
    assert folder.state == FolderState.PREPARING
    fill(folder)
    assert tree(root) == tree(sample)


def test_full_disk_fails_with_words_and_can_be_tried_again(owner, sample, monkeypatch):
    project, folder, root = opened(owner, source="sample")

    def full(*_):
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr(filling.os, "pwrite", full)
        fill(folder)
    folder.refresh_from_db()
    assert folder.state == FolderState.FAILED
    assert "full" in folder.problem
    assert all(content is None for content in tree(root).values())
    retry_filling(owner, project.pk)
    fill(folder)
    folder.refresh_from_db()
    assert folder.state == FolderState.READY
    assert tree(root) == tree(sample)
    with pytest.raises(StateConflict):
        retry_filling(owner, project.pk)


def test_only_writers_try_again(owner, viewer, sample):
    project, _, _ = opened(owner, source="sample")
    Membership.objects.create(project=project, user=viewer, role=Role.VIEWER)
    with pytest.raises(Forbidden):
        retry_filling(viewer, project.pk)


def test_storage_that_is_away_leaves_the_project_for_later(owner, settings, tmp_path):
    site = ensure_default_site()
    (tmp_path / "a-file").touch()
    site.root = str(tmp_path / "a-file" / "below")
    site.save()
    _, folder, _ = opened(owner)
    assert folder.state != FolderState.READY
    assert folder.problem
    site.root = str(tmp_path / "elsewhere")
    site.save()
    folder = folder_of(folder.project)
    if folder.state == FolderState.FAILED:
        retry_filling(owner, folder.project_id)
    fill(folder)
    folder.refresh_from_db()
    assert folder.state == FolderState.READY


def test_dead_broker_does_not_fail_the_request(owner, sample, monkeypatch):
    def dead(*_):
        raise ConnectionRefusedError

    monkeypatch.setattr(fill_folder, "delay", dead)
    _, folder, _ = opened(owner, source="sample")
    assert folder.state == FolderState.PREPARING


def test_periodic_tasks_find_what_is_to_be_done(owner, sample, monkeypatch):
    rung = []
    monkeypatch.setattr(fill_folder, "delay", rung.append)
    _, folder, _ = opened(owner, source="sample")
    tend_folders()
    assert rung == [str(folder.pk)] * 2
    measured = []
    monkeypatch.setattr("storage.tasks.measure_folder.delay", measured.append)
    measure_folders()
    assert measured == [str(folder.pk)]


COPY_ONE = """
    import sys, time
    from pathlib import Path
    import django
    django.setup()
    from storage import filling
    filling._CHUNK = 64 * 1024
    real = filling.os.pwrite
    def slow(*given):
        time.sleep(0.002)
        return real(*given)
    filling.os.pwrite = slow
    with filling._alone(Path(sys.argv[2])) as mine:
        assert mine
        filling._copy_file(Path(sys.argv[1]), Path(sys.argv[2]), "big.bin", time.monotonic() + 60)
"""


@pytest.mark.slow
def test_copy_killed_at_any_moment_ends_in_the_same_bytes(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    (source / "big.bin").write_bytes(os.urandom(8 * 1024**2 + 17))
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "gateway.settings_test", "PORTOLAN_HOME": str(tmp_path)}
    command = [sys.executable, "-c", textwrap.dedent(COPY_ONE), str(source), str(target)]
    parts = target / ".portolan" / "filling"
    for least in (1, 4 * 1024**2):
        child = subprocess.Popen(command, env=environment, cwd=settings.BASE_DIR)
        deadline = time.monotonic() + 60
        while not any(part.stat().st_size > least for part in parts.glob("*")) and child.poll() is None:
            assert time.monotonic() < deadline
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert not (target / "big.bin").exists()
    subprocess.run(command, env=environment, cwd=settings.BASE_DIR, check=True, timeout=60)
    assert (target / "big.bin").read_bytes() == (source / "big.bin").read_bytes()
    assert not any(parts.iterdir())


def test_source_that_changes_under_the_copy_is_noticed(owner, sample, monkeypatch):
    _, folder, root = opened(owner, source="sample")
    real = filling._copy_bytes

    def meddled(*given):
        real(*given)
        (sample / "readme.txt").write_text("changed meanwhile")

    monkeypatch.setattr(filling, "_copy_bytes", meddled)
    fill(folder)
    folder.refresh_from_db()
    assert folder.state == FolderState.FAILED
    assert "changed while it was copied" in folder.problem
    assert not (root / "readme.txt").exists()
