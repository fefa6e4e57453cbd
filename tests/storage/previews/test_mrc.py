"""MRC files: slices, header, small volumes, and garbled ones."""

import io
import json
import os
import tracemalloc

import mrcfile
import numpy as np
import pytest
from PIL import Image

from common.errors import UserError
from storage.services import files


@pytest.fixture
def write(root):
    """``write(name, array, …)`` puts an MRC file into the project's folder."""

    def make(name, data, *, voxel=1.5, group=None):
        with mrcfile.new(root / name, overwrite=True) as out:
            out.set_data(data)
            out.voxel_size = voxel
            if group is not None:
                out.header.ispg = group
        return root / name

    return make


def look(user, project, path, **options):
    return files.preview(user, project.pk, path, **options)


def picture(preview):
    assert preview.content_type == "image/png"
    return np.asarray(Image.open(io.BytesIO(preview.content)))


def info(user, project, path):
    return json.loads(look(user, project, path, form="info").content)


def test_image_is_shown_with_y_upwards(project, viewer, write):
    data = np.zeros((40, 60), np.float32)
    data[0, :] = 1  # the lowest row
    write("a.mrc", data)
    shown = picture(look(viewer, project, "a.mrc", black="0", white="1"))
    assert shown.shape == (40, 60)
    assert shown[-1].min() == 255
    assert shown[:-1].max() == 0


def test_large_image_is_reduced_by_means(project, viewer, write):
    rng = np.random.default_rng(1)
    data = rng.normal(size=(1000, 1500)).astype(np.float32)
    write("a.mrc", data)
    shown = picture(look(viewer, project, "a.mrc", size="500", black="-1", white="1")).astype(float)
    means = data[:999].reshape(333, 3, 500, 3).mean(axis=(1, 3))[::-1]
    assert shown.shape == (333, 500)
    assert np.abs(shown - np.clip((means + 1) / 2, 0, 1) * 255).max() < 1


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.uint16, np.float16, np.float32])
def test_every_mode_is_read(dtype, project, viewer, write):
    write("a.mrc", np.arange(64, dtype=dtype).reshape(8, 8))
    shown = picture(look(viewer, project, "a.mrc", low=0, high=100))
    assert shown[-1, 0] == 0
    assert shown[0, -1] == 255


def test_slices_along_each_axis_are_the_right_ones(project, viewer, write):
    data = np.zeros((12, 14, 16), np.float32)
    data[2, :, :], data[:, 3, :], data[:, :, 4] = 1, 1, 1
    write("map.mrc", data, group=1)
    for axis, index, shape in (("z", 2, (14, 16)), ("y", 3, (12, 16)), ("x", 4, (12, 14))):
        shown = picture(look(viewer, project, "map.mrc", axis=axis, index=index, black=0, white=1))
        assert shown.shape == shape
        assert shown.min() == 255
        other = picture(look(viewer, project, "map.mrc", axis=axis, index=0, black=0, white=1))
        assert other.min() == 0


def test_header_is_told(project, viewer, write):
    write("map.mrc", np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32), voxel=1.77, group=1)
    told = info(viewer, project, "map.mrc")
    assert told["kind"] == "volume"
    assert told["shape"] == {"x": 6, "y": 5, "z": 4}
    assert told["voxel_size"]["x"] == pytest.approx(1.77, abs=1e-4)
    assert told["axes"] == ["x", "y", "z"]
    assert told["min"] < told["mean"] < told["max"]


def test_stack_has_frames_only(project, viewer, write):
    write("movie.mrcs", np.zeros((3, 8, 8), np.float32))
    assert info(viewer, project, "movie.mrcs")["kind"] == "stack"
    for options in ({"axis": "x"}, {"form": "volume"}, {"index": 3}, {"index": -1}):
        with pytest.raises(UserError):
            look(viewer, project, "movie.mrcs", **options)


def test_small_volume_keeps_place_and_voxel_size(project, viewer, write, tmp_path):
    data = np.zeros((200, 200, 200), np.float32)
    data[100:, 50:, :] = 2
    write("map.mrc", data, voxel=1.0)
    small = look(viewer, project, "map.mrc", form="volume")
    (tmp_path / "small.mrc").write_bytes(small.content)
    assert mrcfile.validate(tmp_path / "small.mrc", print_file=io.StringIO())
    with mrcfile.open(tmp_path / "small.mrc") as read:
        assert read.data.shape == (100, 100, 100)
        assert read.voxel_size.x == pytest.approx(2.0)
        assert np.array_equal(read.data, data.reshape(100, 2, 100, 2, 100, 2).mean(axis=(1, 3, 5)))


@pytest.mark.parametrize("side", [100, 129, 300])
def test_small_volume_is_at_most_128_voxels_wide(side, project, viewer, write):
    write("map.mrc", np.ones((side, side, side), np.int8))
    small = look(viewer, project, "map.mrc", form="volume").content
    x, y, z = np.frombuffer(small[:12], "<i4")
    assert max(x, y, z) <= 128
    assert len(small) == 1024 + 4 * x * y * z


def test_cut_off_file_is_told_with_its_sizes(project, viewer, write):
    path = write("a.mrc", np.zeros((10, 10), np.float32))
    os.truncate(path, 1200)
    with pytest.raises(UserError) as error:
        look(viewer, project, "a.mrc")
    assert error.value.code == "unreadable_file"
    assert "1424" in error.value.message
    assert "1200" in error.value.message


@pytest.mark.parametrize("length", [0, 1, 100, 1023, 1024, 5000])
@pytest.mark.parametrize("form", ["", "info", "volume"])
def test_garbage_is_told_as_such(length, form, project, viewer, root):
    (root / "a.mrc").write_bytes(os.urandom(length))
    with pytest.raises(UserError) as error:
        look(viewer, project, "a.mrc", form=form)
    assert error.value.code == "unreadable_file"


def test_header_that_promises_too_much_allocates_nothing(project, viewer, root):
    header = bytearray(1024)
    header[:16] = np.array([2**31 - 1, 2**31 - 1, 2**31 - 1, 2], "<i4").tobytes()
    (root / "a.mrc").write_bytes(header)
    with pytest.raises(UserError) as error:
        look(viewer, project, "a.mrc")
    assert error.value.code == "unreadable_file"


def test_other_byte_order_is_read(project, viewer, root):
    header = bytearray(1024)
    header[:16] = np.array([4, 3, 1, 1], ">i4").tobytes()
    header[212:214] = b"\x11\x11"
    (root / "a.mrc").write_bytes(bytes(header) + np.arange(12, dtype=">i2").tobytes())
    shown = picture(look(viewer, project, "a.mrc", low=0, high=100))
    assert shown.shape == (3, 4)
    assert shown[-1, 0] == 0
    assert shown[0, -1] == 255


def test_nan_and_flat_images_are_shown(project, viewer, write):
    data = np.full((8, 8), np.nan, np.float32)
    write("nan.mrc", data)
    write("flat.mrc", np.ones((8, 8), np.float32))
    data[0, 0] = np.inf
    write("inf.mrc", data)
    for name in ("nan.mrc", "flat.mrc", "inf.mrc"):
        assert picture(look(viewer, project, name)).shape == (8, 8)


def test_file_that_shrinks_while_it_is_read_is_told(project, viewer, write, monkeypatch):
    write("a.mrc", np.zeros((10, 10), np.float32))
    monkeypatch.setattr(os, "pread", lambda fd, length, at: b"" if at >= 1024 else os.read(fd, length))
    with pytest.raises(UserError) as error:
        look(viewer, project, "a.mrc")
    assert error.value.code == "unreadable_file"


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(project, viewer, root):
    header = bytearray(1024)
    header[:16] = np.array([16384, 16384, 1, 2], "<i4").tobytes()
    with open(root / "huge.mrc", "wb") as file:
        file.write(header)
        file.truncate(1024 + 16384 * 16384 * 4)
    tracemalloc.start()
    look(viewer, project, "huge.mrc")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 120 * 1024**2
