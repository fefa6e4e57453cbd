"""Pages of a folder, patterns, and what they cost."""

import os
import time
from itertools import chain

import pytest

from common.errors import NotFound, UserError
from storage import listing
from storage.listing import list_page, resolve_pattern, stat_file
from storage.ordering import Order
from storage.services.folders import folder_of


@pytest.fixture
def folder(project):
    return folder_of(project)


def pages(root, path="", limit=10):
    cursor, found = "", []
    while True:
        page = list_page(root, path, cursor=cursor, limit=limit)
        found.append([entry.name for entry in page.entries])
        cursor = page.next_cursor
        if not cursor:
            return found


def flat(found):
    return list(chain.from_iterable(found))


def make(root, names):
    for name in names:
        (root / name).touch()


def test_folders_come_first_and_numbers_in_their_order(root):
    make(root, ["m10.tif", "m2.tif", "M1.tif", "a"])
    (root / "z").mkdir()
    page = list_page(root)
    assert [entry.name for entry in page.entries] == ["z", "a", "M1.tif", "m2.tif", "m10.tif"]
    assert page.ordered
    assert page.next_cursor == ""


def test_pages_hold_everything_once(root):
    make(root, [f"f{n}" for n in range(95)])
    found = pages(root, limit=10)
    assert [len(page) for page in found] == [10] * 9 + [5]
    assert flat(found) == [f"f{n}" for n in range(95)]


def test_cursor_survives_changes(root):
    make(root, [f"f{n:02}" for n in range(30)])
    first = list_page(root, limit=10)
    for name in ("f05", "f09", "f15"):
        (root / name).unlink()
    make(root, ["a-new", "f99"])
    rest = list_page(root, cursor=first.next_cursor, limit=100)
    assert [entry.name for entry in rest.entries] == [f"f{n}" for n in range(10, 30) if n != 15] + ["f99"]


def test_hidden_area_is_never_listed(root):
    (root / ".portolan" / "trash").mkdir(parents=True)
    (root / ".notes").touch()
    assert pages(root) == [[".notes"]]


def test_kinds_and_sizes(root):
    (root / "f").write_text("12345")
    (root / "d").mkdir()
    (root / "l").symlink_to("f")
    os.mkfifo(root / "p")
    kinds = {entry.name: (entry.kind, entry.size) for entry in list_page(root).entries}
    assert kinds == {"d": ("folder", 0), "f": ("file", 5), "l": ("link", 0), "p": ("other", 0)}


def test_names_that_cannot_be_addressed_are_shown_harmless(root):
    for name in (b"bad\xff", b"new\nline", b"back\\slash", "a\u202eb".encode()):
        open(os.path.join(os.fsencode(root), name), "w").close()
    entries = list_page(root).entries
    assert len(entries) == 4
    for entry in entries:
        assert (entry.kind, entry.path) == ("other", "")
        entry.name.encode()
        assert entry.name.isprintable()


@pytest.fixture
def small_limit(monkeypatch):
    monkeypatch.setattr(listing, "SORTED_LIMIT", 50)


def test_large_folder_is_shown_once_in_the_disks_order(root, small_limit):
    make(root, [f"f{n}" for n in range(500)])
    found = pages(root, limit=40)
    assert sorted(flat(found)) == sorted(f"f{n}" for n in range(500))
    assert [len(page) for page in found] == [40] * 12 + [20]
    assert not list_page(root).ordered


def test_large_folder_that_changes_between_pages_loses_nothing(root, small_limit):
    make(root, [f"f{n}" for n in range(300)])
    first = list_page(root, limit=100)
    gone = [entry.name for entry in first.entries[:50]]
    for name in gone:
        (root / name).unlink()
    make(root, [f"new{n}" for n in range(50)])
    seen, cursor = [entry.name for entry in first.entries], first.next_cursor
    while cursor:
        page = list_page(root, cursor=cursor, limit=100)
        seen += [entry.name for entry in page.entries]
        cursor = page.next_cursor
    assert len(seen) == len(set(seen))
    assert {f"f{n}" for n in range(300)} <= set(seen)


def test_folder_that_grows_large_between_pages_goes_on_sorted(root, small_limit):
    make(root, [f"f{n:03}" for n in range(40)])
    first = list_page(root, limit=10)
    make(root, [f"f{n:03}" for n in range(40, 100)])
    rest = list_page(root, cursor=first.next_cursor, limit=1000)
    assert [entry.name for entry in rest.entries] == [f"f{n:03}" for n in range(10, 100)]


def test_without_the_kernels_positions_the_listing_still_works(root, monkeypatch, small_limit):
    monkeypatch.setattr(listing, "_SYS_GETDENTS64", None)
    make(root, [f"f{n}" for n in range(75)])
    assert flat(pages(root)) == [f"f{n}" for n in range(75)]


@pytest.mark.parametrize("cursor", ["x", "####", "e30", "bnVsbA", "WzFd", "eyJvIjogInh4In0", "eyJvIjogLTF9", "é"])
def test_foreign_cursor_is_refused(cursor, root):
    with pytest.raises(UserError) as error:
        list_page(root, cursor=cursor)
    assert error.value.code == "bad_cursor"


def test_listing_of_nothing_or_of_a_file(root):
    make(root, ["f"])
    for path in ("gone", "f", "f/x"):
        with pytest.raises(NotFound):
            list_page(root, path)


@pytest.mark.slow
def test_first_page_of_100_000_files_costs_what_one_of_100_costs(root):
    for name, count in (("small", 100), ("large", 100_000)):
        (root / name).mkdir()
        fd = os.open(root / name, os.O_RDONLY)
        for number in range(count):
            os.close(os.open(f"movie_{number:06}.tif", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
        os.close(fd)

    def cost(path):
        best = 1.0
        for _ in range(20):
            begin = time.perf_counter()
            assert len(list_page(root, path).entries) == 100
            best = min(best, time.perf_counter() - begin)
        return best

    assert cost("large") < 2 * cost("small")
    assert len(flat(pages(root, "large", limit=1000))) == 100_000


# --- patterns


@pytest.fixture
def tree(root):
    for name in ("m/m10.tif", "m/m2.tif", "m/x.mrc", "m/sub/m3.tif", "m/.hidden.tif", "top.tif", "odd[1].tif"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / ".portolan").mkdir()
    (root / ".portolan" / "x.tif").touch()
    (root / "m" / "link.tif").symlink_to("m2.tif")
    (root / "way").symlink_to("m")
    return root


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("m/*.tif", ["m/m2.tif", "m/m10.tif"]),
        ("m/m?.tif", ["m/m2.tif"]),
        ("m/m[12]*.tif", ["m/m2.tif", "m/m10.tif"]),
        ("**/*.tif", ["m/m2.tif", "m/m10.tif", "m/sub/m3.tif", "odd[1].tif", "top.tif"]),
        ("m/**", ["m/m2.tif", "m/m10.tif", "m/sub/m3.tif", "m/x.mrc"]),
        ("*/*.mrc", ["m/x.mrc"]),
        ("m", ["m/m2.tif", "m/m10.tif", "m/x.mrc"]),
        ("m/", ["m/m2.tif", "m/m10.tif", "m/x.mrc"]),
        ("m/x.mrc", ["m/x.mrc"]),
        ("odd[1].tif", ["odd[1].tif"]),
        ("m/.*", ["m/.hidden.tif"]),
        ("nothing*", []),
        ("way/*.tif", []),
        ("m/x.mrc/*", []),
        ("", ["odd[1].tif", "top.tif"]),
    ],
)
def test_pattern_names_files(pattern, found, tree, folder):
    assert resolve_pattern(folder, pattern) == found


@pytest.mark.parametrize("pattern", ["../*", "/etc/*", ".portolan/*", "m/../../*"])
def test_pattern_stays_in_the_folder(pattern, tree, folder):
    with pytest.raises(UserError):
        resolve_pattern(folder, pattern)


def test_pattern_that_matches_too_much_is_refused(tree, folder, monkeypatch):
    monkeypatch.setattr(listing, "MAX_MATCHES", 2)
    with pytest.raises(UserError) as error:
        resolve_pattern(folder, "**/*.tif")
    assert error.value.code == "too_many_matches"


def test_stat_of_a_file(tree, folder):
    assert stat_file(folder, "m/x.mrc").kind == "file"
    with pytest.raises(NotFound):
        stat_file(folder, "gone")


# --- orders and parts of the names


def names(page):
    return [entry.name for entry in page.entries]


@pytest.fixture
def mixed(root):
    for number, (name, size) in enumerate([("a1", 30), ("a10", 10), ("a2", 20), ("B", 20)]):
        (root / name).write_bytes(b"x" * size)
        os.utime(root / name, (1000 + number, 1000 + number))
    for name in ("f", "g"):
        (root / name).mkdir()
    return root


@pytest.mark.parametrize(
    ("order", "found"),
    [
        (Order(), ["a1", "a2", "a10", "B"]),
        (Order(descending=True), ["B", "a10", "a2", "a1"]),
        (Order(by="size"), ["a10", "a2", "B", "a1"]),
        (Order(by="size", descending=True), ["a1", "a2", "B", "a10"]),
        (Order(by="modified"), ["a1", "a10", "a2", "B"]),
        (Order(by="modified", descending=True), ["B", "a2", "a10", "a1"]),
    ],
)
def test_order_is_that_of_the_whole_folder_over_all_pages(order, found, mixed):
    (mixed / "f").touch()
    listed, cursor = [], ""
    while True:
        page = list_page(mixed, cursor=cursor, limit=1, order=order)
        listed += names(page)
        cursor = page.next_cursor
        if not cursor:
            break
    assert listed[2:] == found
    assert set(listed[:2]) == {"f", "g"}


@pytest.mark.parametrize(
    ("match", "found"),
    [
        ("A1", ["a1", "a10"]),
        ("a?", ["a1", "a2"]),
        ("*0", ["a10"]),
        ("[", []),
        ("b", ["B"]),
        ("", ["f", "g", "a1", "a2", "a10", "B"]),
    ],
)
def test_part_of_the_names_or_a_pattern_is_looked_for_in_the_whole_folder(match, found, mixed):
    assert names(list_page(mixed, order=Order(match=match))) == found


def test_accents_match_however_they_are_written(root):
    (root / "Mu\u0308ller").touch()
    assert len(list_page(root, order=Order(match="M\u00fcl")).entries) == 1


def test_cursor_of_another_order_is_refused(mixed):
    cursor = list_page(mixed, limit=1, order=Order(by="size")).next_cursor
    for order in (Order(), Order(by="size", descending=True), Order(by="modified")):
        with pytest.raises(UserError) as error:
            list_page(mixed, cursor=cursor, order=order)
        assert error.value.code == "bad_cursor"


def test_large_folder_is_not_sorted_but_searched_to_its_end(root, monkeypatch):
    monkeypatch.setattr(listing, "SORTED_LIMIT", 50)
    monkeypatch.setattr(listing, "READ_LIMIT", 60)
    make(root, [f"f{n}" for n in range(300)])
    assert not list_page(root, order=Order(by="size", descending=True)).ordered
    found, cursor, asked = [], "", 0
    while True:
        page = list_page(root, cursor=cursor, order=Order(match="f29"))
        found, asked, cursor = found + names(page), asked + 1, page.next_cursor
        if not cursor:
            break
    assert sorted(found) == sorted(["f29", *(f"f29{n}" for n in range(10))])
    assert asked == 5


def test_few_names_that_fit_are_sorted_also_in_a_folder_too_large_to_be_sorted(root, small_limit):
    make(root, [f"f{n}" for n in range(200)])
    page = list_page(root, order=Order(by="name", descending=True, match="f19"))
    assert page.ordered
    assert names(page) == [*(f"f19{n}" for n in reversed(range(10))), "f19"]
