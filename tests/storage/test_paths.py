"""Attacks on paths, each through every operation that takes one."""

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis.strategies import text

from common.errors import NotFound, PortolanError, QuotaExceeded, StateConflict, Unavailable, UserError
from storage import paths
from storage.paths import HAS_OPENAT2, as_found, clean, clean_new, ensure_dir, inner, open_beneath, path_beneath
from storage.services import files
from tests.storage.attacks import BAD_NEW_NAMES, BAD_TEXTS, LINKS

CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL


@pytest.fixture(params=["openat2", "walk"])
def resolver(request, monkeypatch):
    """Both ways to resolve a path; the second is what an old kernel gets."""
    if request.param == "walk":
        monkeypatch.setattr(paths, "HAS_OPENAT2", False)
    else:
        assert HAS_OPENAT2
    return request.param


@pytest.fixture
def hostile(root, resolver):
    """A project folder with a secret beside it and hostile links in it."""
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("secret")
    (root / "sub").mkdir()
    (root / "sub" / "inner.txt").write_text("inner")
    (root / "mine.txt").write_text("mine")
    (root / ".portolan" / "uploads").mkdir(parents=True)
    (root / ".portolan" / "uploads" / "part").write_text("half")
    (root / "chain-1").symlink_to("chain-2")
    (root / "chain-2").symlink_to("../outside")
    return root


def everything(base):
    """All names and contents below ``base``, to see that nothing was changed."""
    found = {}
    for above, folders, names in os.walk(base):
        for name in folders + names:
            path = os.path.join(above, name)
            found[path] = os.readlink(path) if os.path.islink(path) else os.path.isdir(path) or Path(path).read_bytes()
    return found


def preview_of(user, project, path):
    return files.preview(user, project.pk, path)


READING = {
    "list": lambda user, project, path: files.list_folder(user, project.pk, path),
    "read": lambda user, project, path: files.open_file(user, project.pk, path),
    "zip": lambda user, project, path: b"".join(files.zip_selection(user, project.pk, [path])[2]),
    "preview": preview_of,
    "pattern": lambda user, project, path: files.matching_files(user, project.pk, path) or refuse(),
}
CHANGING = {
    "make folder": lambda user, project, path: files.make_folder(user, project.pk, path),
    "move from": lambda user, project, path: files.move(user, project.pk, path, "moved"),
    "move to": lambda user, project, path: files.move(user, project.pk, "mine.txt", path),
    "delete": lambda user, project, path: files.delete(user, project.pk, ["mine.txt", path]),
}


def refuse():
    raise NotFound("nothing matched")


def test_the_list_is_long_enough():
    assert len(set(BAD_TEXTS)) + len(LINKS) >= 60


@pytest.mark.parametrize("text", BAD_TEXTS, ids=ascii)
def test_bad_text_is_refused_by_every_operation(text, project, hostile, owner):
    before = everything(hostile.parent)
    with pytest.raises(UserError) as error:
        clean(text)
    assert error.value.code == "bad_path"
    for operation in (READING | CHANGING).values():
        with pytest.raises(UserError) as error:
            operation(owner, project, text)
        assert error.value.code == "bad_path"
    for flags in (os.O_RDONLY, CREATE):
        with pytest.raises(UserError):
            open_beneath(hostile, text, flags)
    assert everything(hostile.parent) == before


@pytest.mark.parametrize("text", BAD_NEW_NAMES, ids=ascii)
def test_odd_name_is_not_made(text, project, hostile, owner):
    before = everything(hostile.parent)
    for name in ("make folder", "move to"):
        with pytest.raises(UserError) as error:
            CHANGING[name](owner, project, text)
        assert error.value.code == "bad_path"
    assert everything(hostile.parent) == before


@pytest.mark.parametrize("name", LINKS)
def test_link_out_of_the_folder_leads_nowhere(name, project, hostile, owner):
    target, below = LINKS[name]
    (hostile / "link").symlink_to(target.format(root=hostile, name="link"))
    path = f"link/{below}".rstrip("/")
    before = everything(hostile.parent)
    for operation in ("list", "read", "preview", "pattern"):
        with pytest.raises(PortolanError):
            READING[operation](owner, project, path)
    if below:
        for operation in (*CHANGING.values(), READING["zip"]):
            with pytest.raises(PortolanError):
                operation(owner, project, path)
    for flags in (CREATE, os.O_WRONLY, os.O_RDWR | os.O_TRUNC, os.O_WRONLY | os.O_CREAT):
        with pytest.raises(PortolanError):
            open_beneath(hostile, path, flags)
    for operation in (ensure_dir, path_beneath):
        with pytest.raises(PortolanError):
            operation(hostile, f"{path}/new" if operation is ensure_dir else path)
    assert everything(hostile.parent) == before


@pytest.mark.parametrize("name", LINKS)
def test_zip_of_a_link_holds_a_note_and_no_target(name, project, hostile, owner):
    (hostile / "link").symlink_to(LINKS[name][0].format(root=hostile, name="link"))
    content = READING["zip"](owner, project, "")
    assert b"secret" not in content
    assert b"root:" not in content
    assert b"half" not in content
    assert b"NOT-INCLUDED.txt" in content


@pytest.mark.parametrize("name", LINKS)
def test_deleting_and_moving_a_link_leaves_its_target(name, project, hostile, owner):
    (hostile / "link").symlink_to(LINKS[name][0].format(root=hostile, name="link"))
    files.move(owner, project.pk, "link", "renamed")
    files.delete(owner, project.pk, ["renamed"])
    assert not (hostile / "renamed").is_symlink()
    assert (hostile.parent / "outside" / "secret.txt").read_text() == "secret"
    assert (hostile / ".portolan" / "uploads" / "part").read_text() == "half"


def test_reading_follows_a_link_that_stays_inside(project, root, owner):
    (root / "sub").mkdir()
    (root / "sub" / "inner.txt").write_text("inner")
    (root / "link").symlink_to("sub")
    assert files.open_file(owner, project.pk, "link/inner.txt").handle.read() == b"inner"
    assert [entry.name for entry in files.list_folder(owner, project.pk, "link").entries] == ["inner.txt"]
    assert path_beneath(root, "link/inner.txt") == root / "sub" / "inner.txt"


def test_writing_follows_no_link_even_inside(project, hostile, owner):
    (hostile / "link").symlink_to("sub")
    with pytest.raises(UserError):
        files.make_folder(owner, project.pk, "link/new")
    with pytest.raises(UserError):
        open_beneath(hostile, "link/new.txt", CREATE)


def test_link_swapped_in_while_working_never_leads_out(hostile):
    """A job flips ``flip`` between a folder and a link to the outside as fast as it can."""
    (hostile / "good").mkdir()
    (hostile / "good" / "secret.txt").write_text("harmless")
    (hostile / "bad").symlink_to("../outside")
    stop = threading.Event()

    def flip():
        while not stop.is_set():
            os.rename(hostile / "good", hostile / "flip")
            os.rename(hostile / "flip", hostile / "good")
            os.rename(hostile / "bad", hostile / "flip")
            os.rename(hostile / "flip", hostile / "bad")

    thread = threading.Thread(target=flip)
    thread.start()
    try:
        seen = set()
        for number in range(3000):
            try:
                fd = open_beneath(hostile, "flip/secret.txt", os.O_RDONLY)
                seen.add(os.read(fd, 100))
                os.close(fd)
                os.close(open_beneath(hostile, f"flip/new-{number}", CREATE))
            except (NotFound, UserError):
                continue
    finally:
        stop.set()
        thread.join()
    assert seen <= {b"harmless"}
    assert os.listdir(hostile.parent / "outside") == ["secret.txt"]


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_special_file_is_refused_at_once(kind, project, root, owner):
    if kind == "pipe":
        os.mkfifo(root / "odd")
    else:
        os.mknod(root / "odd", 0o600 | 0o140000)
    for operation in ("read", "preview"):
        with pytest.raises(UserError) as error:
            READING[operation](owner, project, "odd")
        assert error.value.code == "not_a_file"
    assert b"NOT-INCLUDED" in READING["zip"](owner, project, "odd")


def test_folder_swapped_for_a_link_is_not_entered(project, root, owner):
    elsewhere = root.parent / "elsewhere"
    root.rename(elsewhere)
    (elsewhere / "x.txt").write_text("x")
    root.symlink_to(elsewhere)
    with pytest.raises(NotFound):
        files.open_file(owner, project.pk, "x.txt")


@pytest.mark.parametrize(
    ("text", "path"),
    [("", ""), (".", ""), ("a/", "a"), ("./a", "a"), ("a//b", "a/b"), ("a/./b", "a/b"), ("…", "…"), ("a..b", "a..b"),
     ("..a", "..a"), ("CON", "CON"), ("a:b", "a:b"), ("-rf", "-rf"), ("~", "~"), ("100%", "100%"), ("a%20b", "a%20b"),
     ("日本語/ファイル", "日本語/ファイル"), ("Ångström.mrc", "Ångström.mrc"), (".portolan-notes", ".portolan-notes")],
)  # fmt: skip
def test_harmless_path_is_taken(text, path):
    assert clean(text) == path


def test_new_names_are_nfc_and_old_ones_keep_their_spelling(root):
    assert clean_new("e\u0301") == "é"
    (root / "e\u0301").mkdir()
    assert ensure_dir(root, "e\u0301/e\u0301") == "e\u0301/é"
    assert ensure_dir(root, "e\u0301/é") == "e\u0301/é"


@pytest.mark.parametrize("name", ["..", ".", "a/b", "", "a\0"])
def test_inner_takes_plain_names_only(name):
    with pytest.raises(ValueError, match="plain"):
        inner("trash", name)


def test_as_found_still_refuses_what_no_listing_shows():
    with pytest.raises(UserError):
        as_found("../x")


def test_rename_overwrites_nothing_unless_told(root, resolver):
    (root / "a").write_text("a")
    (root / "b").write_text("b")
    with pytest.raises(StateConflict) as error:
        paths.rename_beneath(root, "a", "b")
    assert error.value.code == "name_taken"
    paths.rename_beneath(root, "a", "b", replace=True)
    assert (root / "b").read_text() == "a"
    (root / "d").mkdir()
    for source, target in (("b", "d"), ("d", "b")):
        with pytest.raises(PortolanError):
            paths.rename_beneath(root, source, target, replace=True)


def test_rename_without_the_kernels_help_overwrites_nothing(root, monkeypatch):
    def refuses(*_):
        paths.ctypes.set_errno(22)
        return -1

    monkeypatch.setattr(paths._libc, "renameat2", refuses)
    (root / "a").write_text("a")
    (root / "b").write_text("b")
    (root / "d").mkdir()
    (root / "e").mkdir()
    for source, target in (("a", "b"), ("d", "e"), ("a", "e"), ("d", "b")):
        with pytest.raises(StateConflict):
            paths.rename_beneath(root, source, target)
    paths.rename_beneath(root, "a", "c")
    paths.rename_beneath(root, "d", "f")
    assert sorted(os.listdir(root)) == ["b", "c", "e", "f"]


@pytest.mark.parametrize(
    ("number", "family", "code"),
    [(28, Unavailable, "disk_full"), (122, QuotaExceeded, "storage_quota"), (5, Unavailable, "storage_error"),
     (17, StateConflict, "name_taken"), (2, NotFound, "file_not_found"), (40, UserError, "bad_path")],
)  # fmt: skip
def test_errors_of_the_disk_are_told_in_words(number, family, code):
    error = paths.plain_error(OSError(number, os.strerror(number)), "a.mrc")
    assert isinstance(error, family)
    assert error.code == code


def test_full_disk_is_told_as_such(root):
    fd = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(Unavailable) as error, paths.plain_errors("a.mrc"):
        os.write(fd, b"x")
    os.close(fd)
    assert error.value.code == "disk_full"


@given(text())
def test_whatever_is_taken_stays_inside(given_text):
    try:
        path = clean(given_text)
    except UserError as error:
        assert error.code == "bad_path"  # noqa: PT017
        return
    assert os.path.normpath(os.path.join("/root", path)) == os.path.join("/root", path).rstrip("/")
    assert clean(path) == path
    path.encode()


@given(text(alphabet="./\\%2eEfF\u202e\0 a:C~\u0301\u200b", max_size=30))
def test_whatever_is_made_keeps_its_name(given_text):
    try:
        path = clean_new(given_text)
    except UserError:
        return
    assert clean_new(path) == path
    assert not {".", "..", ""} & set(path.split("/"))
