"""Headers, frames and STAR files as the tools read them."""

import averages
import mrcfile
import numpy as np
import pytest
import tifffile
import toolkit_images as images
from alignment_motion import Drift, drift_chart, summary_chart, table
from PIL import Image
from resolution_figures import palette
from toolkit_star import read_tables

from tests.tools.eer import write_eer
from tests.tools.test_bad_input import noise, star, write_mrc, write_tiff


def drift(name: str, reach: float) -> Drift:
    whole = np.stack([np.linspace(0, reach, 6), np.zeros(6)], axis=1)
    return Drift(
        name=name,
        first_frame=1,
        whole=whole,
        places=np.array([[50.0, 50.0]]),
        patches=np.zeros((1, 6, 2)),
        width=100,
        height=100,
    )


def test_tiff_rows_run_the_other_way_than_mrc(tmp_path):
    image = np.arange(64 * 64, dtype=np.float32).reshape(64, 64)
    tifffile.imwrite(tmp_path / "a.tif", image)
    with mrcfile.new(tmp_path / "a.mrc") as mrc:
        mrc.set_data(image)
    assert np.array_equal(next(images.read_frames(tmp_path / "a.tif")), image[::-1])
    assert np.array_equal(next(images.read_frames(tmp_path / "a.mrc")), image)


def test_four_bit_movies_are_read_low_half_first(tmp_path):
    path = write_mrc(tmp_path / "a.mrcs", noise(2, 8, 9), stack=True)
    values = np.random.default_rng(3).integers(0, 16, size=(2, 8, 10), dtype=np.uint8)
    packed = values[:, :, 0::2] | (values[:, :, 1::2] << 4)
    header = bytearray(path.read_bytes()[:1024])
    header[12:16] = (101).to_bytes(4, "little")
    path.write_bytes(bytes(header) + packed.tobytes())
    assert images.inspect(path, "movies").frames == 2
    assert np.array_equal(np.stack(list(images.read_frames(path))), values[:, :, :9])


@pytest.mark.parametrize("share", [0.5, 0.01, 0.0005])
def test_eer_frames_are_read_as_they_were_counted(tmp_path, share):
    frames = [np.random.default_rng(seed).random((96, 64)) < share for seed in range(3)]
    path = write_eer(tmp_path / "a.eer", frames)
    assert images.inspect(path, "movies").frames == 3
    assert np.array_equal(np.stack(list(images.read_frames(path))), np.stack(frames))


@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
def test_whole_tiff_movies_are_accepted(tmp_path, compression):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise(5, 70, 80).astype(np.float32), compression=compression, photometric="minisblack")
    picture = images.inspect(path, "movies")
    assert (picture.frames, picture.height, picture.width) == (5, 70, 80)


def test_big_tiff_cut_between_pages_is_refused(tmp_path):
    path = write_tiff(tmp_path / "a.tif", 3)
    with tifffile.TiffFile(path) as tiff:
        end = tiff.pages[1].dataoffsets[0] + tiff.pages[1].databytecounts[0]
    path.write_bytes(path.read_bytes()[:end])
    with pytest.raises(images.ToolError) as caught:
        images.inspect(path, "movies")
    assert caught.value.code == "broken-file"


def test_star_and_stack_give_the_same_averages(tmp_path):
    stack = write_mrc(tmp_path / "a.mrcs", noise(6, 32, 32), pixel_size=3.0, stack=True)
    names = star(tmp_path / "a.star", "rlnImageName", *[f"{n:06d}@a.mrcs" for n in range(1, 7)])
    direct, named = (averages.read_averages(path, None, None) for path in (stack, names))
    assert np.array_equal(direct.images, named.images)
    assert direct.pixel_size == named.pixel_size == pytest.approx(3.0)


def test_a_model_star_beside_a_stack_elsewhere_uses_the_stack_given(tmp_path):
    (tmp_path / "far").mkdir()
    stack = write_mrc(tmp_path / "far/classes.mrcs", noise(6, 32, 32), stack=True)
    model = star(tmp_path / "model.star", "rlnReferenceImage", *[f"{n}@Class2D/classes.mrcs" for n in range(1, 7)])
    assert len(averages.read_averages(model, stack, None).images) == 6


def test_averages_are_made_coarser_but_not_needlessly():
    fine = averages.Averages(images=noise(3, 128, 128).astype(np.float32), pixel_size=1.25)
    coarse = averages.coarser(fine, 5.0)
    assert coarse.images.shape == (3, 32, 32)
    assert coarse.pixel_size == pytest.approx(5.0)
    assert averages.coarser(coarse, 5.0) is coarse


def test_averages_with_an_empty_background_stay_finite():
    data = np.zeros((5, 32, 32), np.float32)
    data[:, 12:20, 12:20] = 1 + noise(5, 8, 8)
    result = averages.normalised(averages.Averages(images=data, pixel_size=2.0), 40.0)
    assert np.isfinite(result).all()
    assert 0.5 < result.std() < 2


def test_the_movie_that_moves_most_is_an_outlier_only_among_enough_movies():
    drifts = [drift("a", 5), drift("b", 6), drift("c", 5.5), drift("d", 40)]
    assert [row["outlier"] for row in table(drifts, 1.0)] == ["no", "no", "no", "yes"]
    assert [row["outlier"] for row in table(drifts[1:], 1.0)] == ["no", "no", "no"]


def test_early_motion_ends_at_four_electrons():
    (row,) = table([drift("a", 5)], 2.0)
    assert (row["early_motion_A"], row["late_motion_A"], row["total_motion_A"]) == (1.0, 4.0, 5.0)


def test_charts_of_many_movies_stay_small():
    drifts = [drift(f"movie{number:04d}", number + 1) for number in range(200)]
    document = drift_chart(drifts, 1.0)
    shown = {row["movie"] for row in document["data"]["values"]}
    assert len(shown) == 60
    assert "movie0199" in shown
    assert "140 more" in document["title"]["subtitle"]
    assert len(summary_chart(table(drifts, 1.0))["data"]["values"]) == 400


def test_a_picture_has_its_first_row_at_the_bottom():
    image = np.zeros((40, 40))
    image[:10] = 1
    grey = images.to_grey(image, 40)
    assert grey[-1].mean() > grey[0].mean()


def test_colours_run_from_fine_to_coarse():
    ends = palette(np.array([1.0, 5.0, 10.0, 99.0]), 5.0, 10.0)
    assert ends[0].tolist() == ends[1].tolist() == [0x2C, 0x3E, 0x9E]
    assert ends[2].tolist() == ends[3].tolist() == [0xC8, 0x27, 0x1F]


def test_relions_star_files_are_read_table_by_table(tmp_path):
    (tmp_path / "a.star").write_text(
        "\n# version 30001\n\ndata_general\n\n_rlnImageSizeX   768\n_rlnMicrographMovieName  my movie.tiff\n\n"
        "# version 30001\n\ndata_global_shift\n\nloop_\n_rlnMicrographFrameNumber #1\n_rlnMicrographShiftX #2\n"
        "           1     0.000000\n           2     -1.250000\n \n"
    )
    tables = read_tables(tmp_path / "a.star")
    assert tables["general"] == {"rlnImageSizeX": ["768"], "rlnMicrographMovieName": ["my movie.tiff"]}
    assert tables["global_shift"]["rlnMicrographShiftX"] == ["0.000000", "-1.250000"]


def test_a_row_that_was_cut_is_no_row(tmp_path):
    (tmp_path / "a.star").write_text("data_a\n\nloop_\n_one #1\n_two #2\n1 2\n3\n")
    with pytest.raises(ValueError, match="shorter"):
        read_tables(tmp_path / "a.star")


def test_grey_pictures_make_a_grey_sheet_and_a_coloured_one_a_coloured_sheet():
    grey, red = Image.new("L", (20, 10), 90), Image.new("RGB", (20, 10), "red")
    assert images.sheet([("a", grey), ("b", grey)], 2).mode == "L"
    mixed = images.sheet([("a", grey), ("b", red)], 2)
    assert (255, 0, 0) in {colour for _, colour in mixed.getcolors(10**5)}
