"""Zips of selections."""

import io
import zipfile

import pytest

from common.errors import NotFound, UserError
from storage import archive
from storage.services import files


@pytest.fixture
def pack(project, viewer, root):
    """``pack(paths)`` is (name, the zip) of the viewer's download."""
    for name in ("a.txt", "d/b.txt", "d/e/c.txt", "d/e/ü.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / "d" / "empty").mkdir()
    (root / ".portolan" / "trash").mkdir(parents=True)
    (root / ".portolan" / "trash" / "x").touch()

    def make(*paths):
        name, size, blocks = files.zip_selection(viewer, project.pk, list(paths))
        content = b"".join(blocks)
        assert len(content) == size
        packed = zipfile.ZipFile(io.BytesIO(content))
        assert packed.testzip() is None
        return name, packed

    return make


def test_everything(pack):
    name, packed = pack("")
    assert name == "Apoferritin.zip"
    assert set(packed.namelist()) == {"a.txt", "d/", "d/b.txt", "d/e/", "d/e/c.txt", "d/e/ü.txt", "d/empty/"}
    assert packed.read("d/e/ü.txt").decode() == "d/e/ü.txt"


@pytest.mark.parametrize(
    ("paths", "name", "names"),
    [
        (["d/e"], "e.zip", {"e/", "e/c.txt", "e/ü.txt"}),
        (["d/e/c.txt"], "c.txt.zip", {"c.txt"}),
        (["d/b.txt", "d/e/c.txt"], "d.zip", {"b.txt", "e/c.txt"}),
        (["a.txt", "d/e/c.txt"], "Apoferritin.zip", {"a.txt", "d/e/c.txt"}),
        (["d/e", "d/e/c.txt", "d/e/"], "e.zip", {"e/", "e/c.txt", "e/ü.txt"}),
    ],
)
def test_selection_begins_below_what_it_shares(paths, name, names, pack):
    made, packed = pack(*paths)
    assert made == name
    assert set(packed.namelist()) == names


def test_links_are_named_and_not_followed(pack, root):
    (root / "d" / "link").symlink_to("/etc/passwd")
    _, packed = pack("d")
    assert "d/link" in packed.read("NOT-INCLUDED.txt").decode()
    assert "d/link" not in packed.namelist()


def test_gap_empty_and_too_large_selections_are_refused(pack, monkeypatch):
    with pytest.raises(NotFound):
        pack("gone")
    with pytest.raises(UserError):
        pack()
    monkeypatch.setattr(archive, "MAX_ENTRIES", 2)
    with pytest.raises(UserError) as error:
        pack("d")
    assert error.value.code == "selection_too_large"


def test_file_that_shrinks_breaks_the_zip_off(project, viewer, pack, root):
    _, _, blocks = files.zip_selection(viewer, project.pk, ["a.txt"])
    (root / "a.txt").write_text("")
    with pytest.raises(OSError, match="shorter"):
        b"".join(blocks)


def test_file_that_grows_is_sent_as_long_as_it_was(project, viewer, pack, root):
    _, size, blocks = files.zip_selection(viewer, project.pk, ["a.txt"])
    (root / "a.txt").write_text("a.txt and more")
    content = b"".join(blocks)
    assert len(content) == size
    assert zipfile.ZipFile(io.BytesIO(content)).read("a.txt") == b"a.txt"
