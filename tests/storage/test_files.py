"""What people may do with files: list, make, move, delete and take back."""

import os
import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from common.errors import Forbidden, NotFound, PortolanError, StateConflict, UserError
from projects.models import AuditEvent
from storage import trash
from storage.models import Folder, FolderState, TrashItem
from storage.services import files
from storage.services.folders import open_project
from storage.tasks import purge_trash

CHANGES = {
    "make folder": lambda user, project: files.make_folder(user, project.pk, "new"),
    "move": lambda user, project: files.move(user, project.pk, "a.txt", "b.txt"),
    "delete": lambda user, project: files.delete(user, project.pk, ["a.txt"]),
    "empty trash": lambda user, project: files.empty_trash(user, project.pk),
}
READS = {
    "list": lambda user, project: files.list_folder(user, project.pk),
    "open": lambda user, project: files.open_file(user, project.pk, "a.txt"),
    "zip": lambda user, project: files.zip_selection(user, project.pk, ["a.txt"]),
    "preview": lambda user, project: files.preview(user, project.pk, "a.txt"),
    "pattern": lambda user, project: files.matching_files(user, project.pk, "*"),
    "trash": lambda user, project: files.trash_list(user, project.pk),
}


@pytest.fixture
def filled(root):
    (root / "a.txt").write_text("a")
    (root / "movies").mkdir()
    (root / "movies" / "m1.tif").write_text("movie")
    return root


@pytest.mark.parametrize("name", CHANGES)
def test_contributor_changes_and_viewer_does_not(name, project, filled, contributor, viewer, stranger):
    with pytest.raises(Forbidden):
        CHANGES[name](viewer, project)
    with pytest.raises(NotFound):
        CHANGES[name](stranger, project)
    CHANGES[name](contributor, project)


@pytest.mark.parametrize("name", READS)
def test_viewer_reads_and_stranger_sees_nothing(name, project, filled, viewer, stranger):
    READS[name](viewer, project)
    with pytest.raises(NotFound):
        READS[name](stranger, project)


@pytest.mark.parametrize("name", CHANGES)
def test_nothing_changes_in_an_archived_project_or_while_it_is_filled(name, project, filled, owner):
    Folder.objects.update(state=FolderState.PREPARING)
    with pytest.raises(StateConflict) as error:
        CHANGES[name](owner, project)
    assert error.value.code == "folder_preparing"
    project.archived_at = timezone.now()
    project.save()
    with pytest.raises(StateConflict) as error:
        CHANGES[name](owner, project)
    assert error.value.code == "project_archived"
    assert [entry.name for entry in files.list_folder(owner, project.pk).entries] == ["movies", "a.txt"]


def test_folder_is_made_with_those_above(project, root, contributor):
    entry = files.make_folder(contributor, project.pk, "a/b/c")
    assert (entry.kind, entry.path) == ("folder", "a/b/c")
    with pytest.raises(StateConflict) as error:
        files.make_folder(contributor, project.pk, "a/b/c")
    assert error.value.code == "name_taken"
    (root / "file").touch()
    with pytest.raises(StateConflict):
        files.make_folder(contributor, project.pk, "file/x")


def test_folders_of_the_portal_are_closed_to_others(project, root, contributor):
    files.make_folder(contributor, project.pk, "a/b")
    for path in (root, root / "a", root / "a" / "b"):
        assert path.stat().st_mode & 0o007 == 0


def test_move_never_overwrites(project, filled, contributor):
    (filled / "b.txt").write_text("b")
    for target in ("b.txt", "movies", "movies/m1.tif"):
        with pytest.raises(StateConflict) as error:
            files.move(contributor, project.pk, "a.txt", target)
        assert error.value.code == "name_taken"
    assert (filled / "b.txt").read_text() == "b"
    assert files.move(contributor, project.pk, "a.txt", "movies/a.txt").path == "movies/a.txt"
    assert files.move(contributor, project.pk, "movies", "films").kind == "folder"
    assert (filled / "films" / "a.txt").read_text() == "a"


@pytest.mark.parametrize(
    ("source", "target", "family"),
    [("movies", "movies/in", UserError), ("movies", "movies/in/x", UserError), ("gone", "x", NotFound),
     ("a.txt", "no/such/folder", NotFound), ("", "x", UserError), ("a.txt", "", UserError),
     ("a.txt/x", "y", NotFound)],
)  # fmt: skip
def test_impossible_move_is_refused(source, target, family, project, filled, contributor):
    with pytest.raises(family):
        files.move(contributor, project.pk, source, target)


def test_deleted_is_hidden_and_comes_back(project, filled, contributor, viewer):
    items = files.delete(contributor, project.pk, ["movies", "movies/m1.tif", "a.txt"])
    assert [item.path for item in items] == ["a.txt", "movies"]
    assert files.list_folder(viewer, project.pk).entries == []
    assert {item.path for item in files.trash_list(viewer, project.pk)} == {"a.txt", "movies"}
    for item in items:
        files.undelete(contributor, project.pk, item.pk)
    assert (filled / "movies" / "m1.tif").read_text() == "movie"
    assert files.trash_list(viewer, project.pk) == []
    assert os.listdir(filled / ".portolan" / "trash") == []
    actions = list(AuditEvent.objects.order_by("id").values_list("action", "subject"))
    assert actions == [("files.deleted", "a.txt"), ("files.deleted", "movies"),
                       ("files.restored", "a.txt"), ("files.restored", "movies")]  # fmt: skip


def test_delete_is_all_or_nothing(project, filled, contributor):
    with pytest.raises(NotFound):
        files.delete(contributor, project.pk, ["a.txt", "gone"])
    assert (filled / "a.txt").exists()
    for nothing in ([], [""], ["."]):
        with pytest.raises(UserError):
            files.delete(contributor, project.pk, nothing)


def test_delete_that_fails_midway_is_taken_back(project, filled, contributor, monkeypatch):
    real = trash.rename_beneath

    def fails(root, source, target, **more):
        if source == "movies":
            raise StateConflict("no")
        return real(root, source, target, **more)

    monkeypatch.setattr(trash, "rename_beneath", fails)
    with pytest.raises(StateConflict):
        files.delete(contributor, project.pk, ["a.txt", "movies"])
    assert sorted(os.listdir(filled)) == [".portolan", "a.txt", "movies"]
    assert files.trash_list(contributor, project.pk) == []


def test_undelete_makes_the_folder_above_again_and_overwrites_nothing(project, filled, contributor):
    (item,) = files.delete(contributor, project.pk, ["movies/m1.tif"])
    files.delete(contributor, project.pk, ["movies"])
    files.undelete(contributor, project.pk, item.pk)
    assert (filled / "movies" / "m1.tif").read_text() == "movie"
    (again,) = files.delete(contributor, project.pk, ["movies/m1.tif"])
    (filled / "movies" / "m1.tif").write_text("other")
    with pytest.raises(StateConflict) as error:
        files.undelete(contributor, project.pk, again.pk)
    assert error.value.code == "name_taken"
    assert (filled / "movies" / "m1.tif").read_text() == "other"
    assert len(files.trash_list(contributor, project.pk)) == 2


def test_undelete_refuses_the_wrong_people(project, filled, contributor, viewer, stranger):
    (item,) = files.delete(contributor, project.pk, ["a.txt"])
    with pytest.raises(Forbidden):
        files.undelete(viewer, project.pk, item.pk)
    for wrong in (item.pk, "not-an-id", "00000000-0000-0000-0000-000000000000"):
        with pytest.raises(NotFound):
            files.undelete(stranger, project.pk, wrong)


def test_undelete_takes_nothing_from_another_projects_trash(project, filled, contributor):
    (item,) = files.delete(contributor, project.pk, ["a.txt"])
    other = open_project(contributor, name="Another")
    with pytest.raises(NotFound) as error:
        files.undelete(contributor, other.pk, item.pk)
    assert error.value.code == "trash_not_found"


def test_same_name_can_be_deleted_again_and_again(project, root, contributor):
    for text in ("one", "two", "three"):
        (root / "a.txt").write_text(text)
        files.delete(contributor, project.pk, ["a.txt"])
    newest = files.trash_list(contributor, project.pk)[0]
    files.undelete(contributor, project.pk, newest.pk)
    assert (root / "a.txt").read_text() == "three"


def test_trash_is_purged_when_its_time_is_over_and_room_is_given_back(project, filled, contributor):
    (item,) = files.delete(contributor, project.pk, ["movies"])
    Folder.objects.update(used_bytes=100, used_files=10)
    purge_trash()
    assert files.trash_list(contributor, project.pk) == [item]
    TrashItem.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    purge_trash()
    purge_trash()
    folder = Folder.objects.get()
    assert (folder.used_bytes, folder.used_files) == (95, 9)
    assert os.listdir(filled / ".portolan" / "trash") == []
    assert files.trash_list(contributor, project.pk) == []
    event = AuditEvent.objects.get(action="files.purged")
    assert (event.actor, event.subject) == (None, "movies")
    with pytest.raises(NotFound):
        files.undelete(contributor, project.pk, item.pk)


def test_purge_that_was_killed_is_finished_later(project, filled, contributor, monkeypatch):
    (item,) = files.delete(contributor, project.pk, ["movies"])
    TrashItem.objects.update(expires_at=timezone.now(), created_at=timezone.now() - timedelta(days=1))

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(trash, "remove_beneath", killed)
        with pytest.raises(KeyboardInterrupt):
            trash.purge(item.pk)
    with pytest.raises(NotFound):
        files.undelete(contributor, project.pk, item.pk)
    purge_trash()
    assert os.listdir(filled / ".portolan" / "purging") == []
    assert TrashItem.objects.get().purged_at is not None


def test_row_without_its_file_is_dropped_after_a_crash(project, filled, contributor, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(trash, "rename_beneath", killed)
        with pytest.raises(KeyboardInterrupt):
            files.delete(contributor, project.pk, ["a.txt"])
    assert (filled / "a.txt").exists()
    assert trash.drop_empty() == 0
    TrashItem.objects.update(created_at=timezone.now() - timedelta(hours=1))
    assert trash.drop_empty() == 1
    assert not TrashItem.objects.exists()


def test_emptying_the_trash_is_recorded(project, filled, contributor):
    files.delete(contributor, project.pk, ["a.txt"])
    assert files.empty_trash(contributor, project.pk) == 1
    assert AuditEvent.objects.filter(action="files.purged", actor=contributor).exists()


@pytest.mark.locks
@pytest.mark.django_db(transaction=True)
def test_of_two_who_take_the_same_name_one_wins(project, root, contributor):
    for number in range(8):
        (root / f"{number}.txt").write_text(str(number))
    outcomes, start = [], threading.Barrier(8)

    def move(number):
        start.wait()
        try:
            files.move(contributor, project.pk, f"{number}.txt", "taken.txt")
            outcomes.append(number)
        except PortolanError as error:
            outcomes.append(error.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=move, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winner = [outcome for outcome in outcomes if isinstance(outcome, int)]
    assert len(winner) == 1
    assert outcomes.count("name_taken") == 7
    assert (root / "taken.txt").read_text() == str(winner[0])
    assert len(os.listdir(root)) == 8
