"""TIFF, pictures, tables, texts and charts."""

import io
import json
import os

import numpy as np
import pytest
import tifffile
from PIL import Image

from common.errors import UserError
from storage.previews import forms_of, reading
from storage.services import files


@pytest.fixture
def look(project, viewer):
    """``look(path, …)`` is the viewer's preview: a picture as an array, JSON as an object."""

    def make(path, **options):
        preview = files.preview(viewer, project.pk, path, **options)
        if preview.content_type == "image/png":
            return np.asarray(Image.open(io.BytesIO(preview.content)))
        return json.loads(preview.content)

    return make


def refused(look, path, **options):
    with pytest.raises(UserError) as error:
        look(path, **options)
    return error.value.code


# --- TIFF


@pytest.mark.parametrize("compression", [None, "lzw", "deflate"])
def test_frame_of_a_movie_is_shown_top_first(compression, root, look):
    movie = np.zeros((3, 30, 40), np.uint8)
    movie[1, 0, :] = 200
    tifffile.imwrite(root / "movie.tif", movie, compression=compression, photometric="minisblack")
    shown = look("movie.tif", index=1, low=0, high=100)
    assert shown.shape == (30, 40)
    assert shown[0].min() == 255
    assert shown[1:].max() == 0
    assert look("movie.tif", index=0).max() == 0
    assert look("movie.tif", form="info")["shape"] == {"x": 40, "y": 30, "z": 3}
    assert refused(look, "movie.tif", index=3) == "bad_option"


def test_cut_off_tiff_is_told(root, look):
    movie = np.random.default_rng(0).integers(0, 255, (3, 64, 64), np.uint8)
    tifffile.imwrite(root / "a.tif", movie, photometric="minisblack")
    whole = (root / "a.tif").read_bytes()
    for length in (0, 4, 8, 100, 300, 5000, 12600, 12720):
        (root / "cut.tif").write_bytes(whole[:length])
        assert refused(look, "cut.tif", index=2) == "unreadable_file"


def test_garbled_tiff_is_told(root, look):
    tifffile.imwrite(root / "a.tif", np.zeros((64, 64), np.uint8), compression="lzw")
    rng, whole = np.random.default_rng(3), (root / "a.tif").read_bytes()
    for _ in range(40):
        garbled = bytearray(whole)
        for at in rng.integers(0, len(whole), 5):
            garbled[at] = rng.integers(0, 256)
        (root / "bad.tif").write_bytes(garbled)
        try:
            look("bad.tif")
        except UserError as error:
            assert error.code in ("unreadable_file", "preview_too_large")  # noqa: PT017


def test_tiff_that_promises_too_much_is_refused(root, look):
    tifffile.imwrite(root / "a.tif", np.zeros((8, 8), np.uint8))
    with tifffile.TiffFile(root / "a.tif", mode="r+b") as opened:
        opened.pages[0].tags["ImageWidth"].overwrite(60000)
        opened.pages[0].tags["ImageLength"].overwrite(60000)
    assert refused(look, "a.tif") in ("preview_too_large", "unreadable_file")


# --- pictures


@pytest.mark.parametrize("kind", ["png", "jpg", "gif", "webp"])
def test_picture_comes_back_as_png(kind, root, look):
    Image.new("RGB", (300, 200), (255, 0, 0)).save(root / f"a.{kind}")
    assert look(f"a.{kind}", size=100).shape[:2] == (67, 100)
    assert look(f"a.{kind}", form="info")["shape"]["x"] == 300


def test_page_that_calls_itself_a_picture_is_refused(root, look):
    (root / "a.png").write_text("<html><script>alert(1)</script></html>")
    assert refused(look, "a.png") == "unreadable_file"
    (root / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n" + os.urandom(50))
    assert refused(look, "b.png") == "unreadable_file"


# --- tables

STAR = """
# version 30001

data_optics

loop_
_rlnOpticsGroupName #1
_rlnVoltage #2
'first group' 300.0

data_movies

loop_
_rlnMicrographMovieName #1
_rlnAccumMotionTotal #2
a10.tif 3.5
a2.tif  12
a1.tif  nan

data_general

_rlnImageSizeX 4096
_rlnTitle "a b"
"""


def test_star_page_sorted(root, look):
    (root / "a.star").write_text(STAR)
    page = look("a.star", table="movies", sort="rlnAccumMotionTotal", descending="true")
    assert page["tables"] == ["optics", "movies", "general"]
    assert page["columns"] == ["rlnMicrographMovieName", "rlnAccumMotionTotal"]
    assert page["rows"] == [["a1.tif", "nan"], ["a2.tif", 12], ["a10.tif", 3.5]]
    assert page["complete"]
    assert look("a.star")["table"] == "movies"
    assert look("a.star", table="optics")["rows"] == [["first group", 300.0]]
    assert look("a.star", table="general")["rows"] == [["rlnImageSizeX", 4096], ["rlnTitle", "a b"]]
    assert look("a.star", table="movies", offset=1, limit=1)["rows"] == [["a2.tif", 12]]
    assert refused(look, "a.star", table="none") == "bad_option"
    assert refused(look, "a.star", sort="none") == "bad_option"


def test_garbled_star_is_told_with_its_line(root, look):
    (root / "a.star").write_text(STAR.replace("a2.tif  12", "a2.tif"))
    with pytest.raises(UserError) as error:
        look("a.star")
    assert error.value.code == "unreadable_file"
    assert "line 17" in error.value.message
    for content in (b"", b"hello\n", b"\0\1\2", b"data_x\n"):
        (root / "b.star").write_bytes(content)
        assert refused(look, "b.star") == "unreadable_file"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_page(delimiter, root, look):
    lines = ["name,total", '"a, b",1.5', "c,2,surplus", "d"]
    (root / "a.csv").write_text("\n".join(lines).replace(",", delimiter))
    page = look("a.csv", sort="total")
    assert page["columns"] == ["name", "total"]
    assert page["rows"] == [[f"a{delimiter} b", 1.5], ["c", 2], ["d", ""]]
    assert page["total"] == 3


def test_long_table_says_that_it_is_cut(root, look, monkeypatch):
    monkeypatch.setattr("storage.previews.tables.MAX_CSV_BYTES", 1000)
    (root / "a.csv").write_text("n\n" + "\n".join(str(n) for n in range(1000)))
    page = look("a.csv", limit=5, offset=10)
    assert page["rows"] == [[10], [11], [12], [13], [14]]
    assert not page["complete"]


# --- texts and charts


def test_head_and_tail_of_a_text(root, look):
    (root / "run.log").write_text("".join(f"line {n}\n" for n in range(1000)))
    assert look("run.log", limit=20)["text"].startswith("line 0\nline 1\n")
    assert look("run.log", limit=20, end="tail")["text"] == "line 998\nline 999\n"
    assert not look("run.log", limit=20)["complete"]
    assert look("run.log")["complete"]
    (root / "empty.txt").touch()
    assert look("empty.txt")["text"] == ""


def test_binary_file_has_no_preview(root, look):
    (root / "a.bin").write_bytes(b"\0" * 100)
    assert refused(look, "a.bin") == "no_preview"
    assert refused(look, "a.bin", form="image") == "no_preview"


SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"


def test_chart_is_passed_on(root, look):
    chart = {"$schema": SCHEMA, "data": {"values": [{"a": 1}]}, "mark": "line"}
    (root / "a.vl.json").write_text(json.dumps(chart))
    assert look("a.vl.json") == chart
    (root / "b.json").write_text('{"x": 1}')
    assert look("b.json")["text"] == '{"x": 1}'
    assert refused(look, "b.json", form="chart") == "no_preview"


def test_chart_that_loads_from_elsewhere_is_refused(root, look):
    chart = {"$schema": SCHEMA, "layer": [{"data": {"url": "https://example.org/x"}}]}
    (root / "a.vl.json").write_text(json.dumps(chart))
    assert refused(look, "a.vl.json") == "chart_with_address"


@pytest.mark.parametrize("body", ["{", '{"$schema": "vega-lite", "a": NaN}', "[" * 100_000])
def test_half_written_chart_is_told(body, root, look):
    (root / "a.vl.json").write_text(body)
    assert refused(look, "a.vl.json", form="chart") == "unreadable_file"


# --- all


@pytest.mark.parametrize(
    "options",
    [{"axis": "w"}, {"index": "x"}, {"size": 5}, {"size": "5000"}, {"low": 60, "high": 40}, {"high": "nan"},
     {"form": "exe"}, {"unknown": 1}, {"offset": -1}, {"limit": 0}, {"end": "middle"}, {"black": "inf"}],
)  # fmt: skip
def test_bad_option_is_named(options, root, look):
    (root / "a.txt").write_text("x")
    assert refused(look, "a.txt", **options) == "bad_option"


def test_look_that_takes_too_long_is_given_up(root, look, monkeypatch):
    (root / "a.txt").write_text("x")
    monkeypatch.setattr(reading.Source.__init__, "__kwdefaults__", {"seconds": -1.0})
    assert refused(look, "a.txt") == "preview_too_large"


def test_forms_of_a_name():
    assert forms_of("x.MRC") == ("image", "info", "volume")
    assert forms_of("x") == ("text",)


def test_etag_follows_file_and_options(root, project, viewer):
    (root / "a.txt").write_text("x")

    def etag(**options):
        return files.preview(viewer, project.pk, "a.txt", **options).etag

    first = etag()
    assert etag() == first
    assert etag(limit=1) != first
    os.utime(root / "a.txt", ns=(1, 1))
    assert etag() != first
