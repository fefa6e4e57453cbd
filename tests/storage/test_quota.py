"""Room in a folder."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from common.errors import QuotaExceeded, Unavailable
from storage.models import Folder, StorageSite, Upload, UploadState
from storage.quota import check_room, in_words, measure, note_change, room
from storage.services.folders import folder_of


@pytest.fixture
def folder(project):
    return folder_of(project)


def upload(folder, user, size, state=UploadState.OPEN, name="x"):
    return Upload.objects.create(
        folder=folder, path=name, size=size, created_by=user, state=state, token_digest=f"{name}{size}{state}",
        expires_at=timezone.now() + timedelta(days=1),
    )  # fmt: skip


def test_without_a_quota_only_the_disk_limits(folder):
    assert room(folder).left is None
    check_room(folder, 10**9)
    with pytest.raises(Unavailable) as error:
        check_room(folder, 10**18)
    assert error.value.code == "disk_full"


def test_used_and_reserved_count(folder, contributor):
    folder.quota_bytes, folder.used_bytes = 1000, 300
    folder.save()
    upload(folder, contributor, 500)
    upload(folder, contributor, 400, UploadState.CANCELLED)
    assert room(folder).left == 200
    check_room(folder, 200)
    with pytest.raises(QuotaExceeded) as error:
        check_room(folder, 201)
    for words in ("201 bytes", "200 bytes left", "1.0 KB", "300 bytes used", "500 bytes kept"):
        assert words in error.value.message


def test_quota_of_the_folder_goes_before_the_sites_and_the_settings(folder, settings):
    settings.DEFAULT_QUOTA_BYTES = 3000
    assert room(folder).limit == 3000
    StorageSite.objects.update(default_quota_bytes=2000)
    folder = Folder.objects.select_related("site").get()
    assert room(folder).limit == 2000
    folder.quota_bytes = 0
    assert room(folder).limit == 0
    assert room(folder).left == 0


def test_counter_moves_and_is_put_right(folder, root):
    note_change(folder, size=100, files=1)
    note_change(folder, size=-500, files=-5)
    folder.refresh_from_db()
    assert (folder.used_bytes, folder.used_files) == (0, 0)
    own = ("filling.lock", "locked", "uploads/c.part", "imports/d/1.part", "attempts/e/exit.json", "datasets/f/sums")
    for name in ("a", ".portolan/trash/1/b", ".portolan/purging/2/g", *(f".portolan/{name}" for name in own)):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("12345")
    (root / "link").symlink_to("/usr")
    size, files = measure(folder)
    assert (size, files) == (15, 3)


def test_storage_that_is_away_is_told(folder, root):
    root.rmdir()
    with pytest.raises(Unavailable):
        room(folder)


def test_sizes_in_words():
    assert [in_words(n) for n in (0, 999, 1000, 1_550_000, 2 * 10**12)] == [
        "0 bytes", "999 bytes", "1.0 KB", "1.6 MB", "2.0 TB"
    ]  # fmt: skip


@pytest.mark.locks
@pytest.mark.django_db(transaction=True)
def test_two_at_once_cannot_both_take_the_last_room(folder, contributor):
    Folder.objects.update(quota_bytes=100)
    outcomes, start = [], threading.Barrier(4)

    def take(number):
        start.wait()
        try:
            with transaction.atomic():
                check_room(folder, 60)
                upload(folder, contributor, 60, name=str(number))
            outcomes.append("taken")
        except QuotaExceeded:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=take, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["refused", "refused", "refused", "taken"]
