"""What users may command about uploads, and what their periodic task does."""

import hashlib
import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from common.errors import Forbidden, NotFound, QuotaExceeded, StateConflict, Unavailable, UserError
from storage.models import Folder, FolderState, Upload
from storage.services import uploads
from storage.tasks import end_idle_uploads
from storage.uploads import lifecycle, parts


def begin(user, project, path="raw/movie.mrc", size=10, **more):
    return uploads.begin_upload(user, project.pk, path=path, size=size, **more)


def fill(ticket, content: bytes) -> lifecycle.Found:
    """The bytes are in the part, as the door puts them there."""
    found = lifecycle.find(ticket.url.rpartition("/")[2])
    part = lifecycle.lock(found)
    part.append([content])
    part.close()
    return found


def test_ticket_names_the_door_and_keeps_no_secret(project, contributor, settings):
    ticket = begin(contributor, project)
    secret = ticket.url.removeprefix(f"{settings.DOOR_URL}/uploads/")
    assert len(secret) >= 43
    assert Upload.objects.get().token_digest == hashlib.sha256(secret.encode()).hexdigest()
    assert ticket.expires_at - timezone.now() > timedelta(days=13)


def test_viewer_is_refused_and_stranger_sees_nothing(project, viewer, stranger):
    with pytest.raises(Forbidden):
        begin(viewer, project)
    with pytest.raises(NotFound):
        begin(stranger, project)
    with pytest.raises(NotFound):
        uploads.open_uploads(stranger, project.pk)
    assert not Upload.objects.exists()


def test_archived_project_takes_none(project, contributor):
    project.archived_at = timezone.now()
    project.save()
    with pytest.raises(StateConflict):
        begin(contributor, project)


def test_folder_that_is_being_filled_takes_none_yet(project, contributor):
    Folder.objects.update(state=FolderState.PREPARING)
    with pytest.raises(StateConflict, match="filled"):
        begin(contributor, project)


@pytest.mark.parametrize("size", [-1, 2**63, True, "10", 1.5])
def test_size_that_is_none_is_refused(project, contributor, size):
    with pytest.raises(UserError) as raised:
        begin(contributor, project, size=size)
    assert raised.value.code == "bad_size"


def test_quota_is_told_before_the_first_byte(project, contributor):
    Folder.objects.update(quota_bytes=100, used_bytes=50)
    begin(contributor, project, path="a", size=30)
    with pytest.raises(QuotaExceeded):
        begin(contributor, project, path="b", size=21)
    begin(contributor, project, path="b", size=20)


def test_room_is_given_back_when_the_upload_ends(project, contributor):
    Folder.objects.update(quota_bytes=100)
    uploads.cancel_upload(contributor, begin(contributor, project, size=100).upload_id)
    ticket = begin(contributor, project, size=100)
    Upload.objects.filter(pk=ticket.upload_id).update(expires_at=timezone.now())
    end_idle_uploads()
    begin(contributor, project, size=100)


def test_storage_that_refuses_leaves_no_row(project, contributor, monkeypatch):
    def refuse(*args: object) -> None:
        raise Unavailable("The disk is full.", code="disk_full")

    monkeypatch.setattr(parts, "create_part", refuse)
    with pytest.raises(Unavailable):
        begin(contributor, project)
    assert not Upload.objects.exists()


def test_open_uploads_tell_how_far_they_are(project, contributor, viewer):
    fill(begin(contributor, project), b"abcd")
    (found,) = uploads.open_uploads(viewer, project.pk)
    assert (found.path, found.size, found.received, found.created_by) == ("raw/movie.mrc", 10, 4, "contributor")


def test_upload_of_another_is_cancelled_by_a_manager_only(project, owner, manager, contributor, viewer):
    ticket = begin(owner, project)
    for user in (contributor, viewer):
        with pytest.raises(Forbidden):
            uploads.cancel_upload(user, ticket.upload_id)
    uploads.cancel_upload(manager, ticket.upload_id)
    with pytest.raises(StateConflict):
        uploads.cancel_upload(manager, ticket.upload_id)


def test_idle_upload_ends_but_not_while_it_is_written(project, contributor):
    ticket = begin(contributor, project)
    found = fill(ticket, b"abcd")
    Upload.objects.update(expires_at=timezone.now())
    part = parts.lock_part(found.root, ticket.upload_id)
    assert lifecycle.end_idle() == 0
    part.close()
    assert lifecycle.end_idle() == 1
    assert Upload.objects.get().state == "expired"
    assert parts.size_now(found.root, ticket.upload_id) == 0


def test_idle_upload_whose_file_is_in_place_is_done_not_ended(project, contributor, root):
    ticket = begin(contributor, project, path="a.txt", size=4)
    fill(ticket, b"abcd")
    (root / f".portolan/uploads/{ticket.upload_id}.part").rename(root / "a.txt")
    Upload.objects.update(expires_at=timezone.now())
    lifecycle.end_idle()
    assert Upload.objects.get().state == "done"
    assert (root / "a.txt").read_bytes() == b"abcd"


def test_cancel_in_the_moment_of_the_rename_leaves_a_row_that_says_done(project, contributor, root, monkeypatch):
    ticket = begin(contributor, project, path="a.txt", size=4)
    found = fill(ticket, b"abcd")
    part = lifecycle.lock(found)
    place = parts.Part.place

    def cancelled_meanwhile(self, path, *, replace):
        placed = place(self, path, replace=replace)
        uploads.cancel_upload(contributor, ticket.upload_id)
        return placed

    monkeypatch.setattr(parts.Part, "place", cancelled_meanwhile)
    lifecycle.finish(found, part)
    part.close()
    assert Upload.objects.get().state == "done"
    assert (root / "a.txt").read_bytes() == b"abcd"


def test_closed_account_moves_no_more_bytes(project, contributor):
    ticket = begin(contributor, project)
    contributor.is_active = False
    contributor.save()
    with pytest.raises(Forbidden):
        lifecycle.find_allowed(ticket.url.rpartition("/")[2])


@pytest.mark.locks
@pytest.mark.django_db(transaction=True)
def test_of_two_uploads_at_once_the_last_room_goes_to_one(project, contributor):
    Folder.objects.update(quota_bytes=100)
    told: list[str] = []

    def ask(path: str) -> None:
        try:
            begin(contributor, project, path=path, size=60)
            told.append("open")
        except QuotaExceeded:
            told.append("full")
        finally:
            connection.close()

    threads = [threading.Thread(target=ask, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == ["full", "full", "full", "open"]
