import pytest

from common.errors import Forbidden, QuotaExceeded
from storage.links import traffic
from storage.links.traffic import Done, Ledger
from storage.models import LinkAccess, TransferLink
from storage.services import links


@pytest.fixture
def link(contributor, project):
    made = links.create_link(contributor, project.pk, rights=["read"], expires_in=3600, max_bytes=1000, max_uses=2)
    return made.link


def done(link, **more):
    words = {"address": "192.0.2.1", "operation": "read", "path": "a", "size": 5, "outcome": "ok"}
    return Done(link_id=link.pk, **(words | more))


def test_bytes_are_given_once(link):
    traffic.spend(link, 600)
    with pytest.raises(QuotaExceeded):
        traffic.spend(link, 401)
    traffic.give_back(link, 200)
    traffic.spend(link, 600)
    link.refresh_from_db()
    assert link.spent_bytes == 1000


def test_uses_are_given_once(link):
    traffic.use(link)
    traffic.use(link)
    with pytest.raises(Forbidden):
        traffic.use(link)


def test_what_was_noted_is_written_together(link, django_assert_max_num_queries):
    ledger = Ledger()
    for _ in range(50):
        ledger.moved(link.pk, bytes_out=5)
        ledger.note(done(link), files_out=1)
    with django_assert_max_num_queries(6):
        ledger.write()
    link.refresh_from_db()
    assert (link.bytes_out, link.files_out, link.accesses.count()) == (250, 50, 50)
    assert link.last_used_at is not None


def test_strange_paths_and_links_that_are_gone_stop_no_log(link):
    ledger = Ledger()
    ledger.note(done(link, path="a\0b\ud800c" + "x" * 5000))
    ledger.note(Done(link_id=link.folder_id, address="", operation="read", path="", size=0, outcome="ok"))
    ledger.write()
    assert LinkAccess.objects.get().path.startswith("a\ufffdb?c")


def test_what_could_not_be_written_is_kept(link, monkeypatch):
    ledger = Ledger()
    ledger.note(done(link), files_out=1)
    with monkeypatch.context() as broken:
        broken.setattr(Ledger, "_write", lambda *given: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            ledger.write()
    ledger.write()
    assert (link.accesses.count(), TransferLink.objects.get().files_out) == (1, 1)


def test_the_newest_rows_are_kept(link, monkeypatch):
    monkeypatch.setattr(traffic, "KEPT_ROWS", 20)
    monkeypatch.setattr(traffic, "_TRIM_EVERY", 10)
    ledger = Ledger()
    for number in range(60):
        ledger.note(done(link, path=str(number)))
        ledger.write()
    assert 20 <= link.accesses.count() <= 30
    assert link.accesses.first().path == "59"
