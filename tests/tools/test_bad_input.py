"""Each kind of bad input ends with status 2 and one line that names what to change, before RELION is started."""

from pathlib import Path

import mrcfile
import numpy as np
import pytest
import tifffile


def write_mrc(path: Path, data: np.ndarray, *, pixel_size: float = 2.0, stack: bool = False) -> Path:
    with mrcfile.new(path, overwrite=True) as mrc:
        mrc.set_data(data.astype(np.float32))
        if stack:
            mrc.set_image_stack()
        mrc.voxel_size = pixel_size
    return path


def write_tiff(path: Path, frames: int, side: int = 128) -> Path:
    with tifffile.TiffWriter(path) as tiff:
        for number in range(frames):
            tiff.write(np.full((side, side), number, np.uint8))
    return path


def cut(path: Path, part: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    return path


def noise(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def refused(ran, code: str, about: str) -> None:
    assert ran.status == 2, ran.stderr
    assert ran.error["code"] == code
    assert ran.error["input"] == about
    assert ran.error["message"]
    assert ran.finals() == []


@pytest.fixture
def movie(tmp_path):
    return write_tiff(tmp_path / "good.tiff", 4)


@pytest.fixture
def align(inside):
    def run(*movies: Path, pixel_size: float = 1.0, dose: float = 1.0, more: tuple = ()):
        given = ["--movies", *movies, "--pixel-size", pixel_size, "--dose-per-frame", dose]
        return inside("movie_alignment", [*given, "--patches-x", 1, "--patches-y", 1, *more])

    return run


@pytest.mark.parametrize("part", [0.3, 0.9, 0.999])
def test_truncated_mrc_movie_is_refused(align, tmp_path, part):
    path = cut(write_mrc(tmp_path / "movie.mrcs", noise(4, 64, 64), stack=True), part)
    refused(align(path), "broken-file", "movies")


@pytest.mark.parametrize("part", [0.05, 0.5, 0.9, 0.999])
def test_truncated_tiff_movie_is_refused(align, tmp_path, part):
    refused(align(cut(write_tiff(tmp_path / "movie.tif", 6), part)), "broken-file", "movies")


def test_text_called_tiff_is_refused(align, tmp_path):
    path = tmp_path / "movie.tiff"
    path.write_text("not a picture")
    refused(align(path), "broken-file", "movies")


def test_header_alone_is_refused(align, tmp_path):
    refused(align(cut(write_mrc(tmp_path / "movie.mrc", noise(4, 64, 64)), 0.01)), "broken-file", "movies")


def test_unknown_ending_is_refused(align, tmp_path):
    path = tmp_path / "movie.txt"
    path.write_text("x")
    refused(align(path), "unknown-format", "movies")


def test_missing_movie_is_refused(align, tmp_path):
    refused(align(tmp_path / "gone.tiff"), "missing-file", "movies")


def test_movie_of_one_frame_is_refused(align, tmp_path):
    refused(align(write_tiff(tmp_path / "one.tiff", 1)), "single-frame", "movies")


def test_no_movies_at_all_is_refused(align):
    refused(align(), "no-movies", "movies")


def test_movies_of_unlike_size_are_refused(align, movie, tmp_path):
    refused(align(movie, write_tiff(tmp_path / "other.tiff", 4, side=96)), "wrong-dimensions", "movies")


def test_gain_of_another_size_is_refused(align, movie, tmp_path):
    gain = write_mrc(tmp_path / "gain.mrc", noise(96, 128))
    refused(align(movie, more=("--gain", gain)), "gain-size", "gain")


def test_gain_of_many_images_is_refused(align, movie, tmp_path):
    gain = write_mrc(tmp_path / "gain.mrc", noise(3, 128, 128))
    refused(align(movie, more=("--gain", gain)), "gain-size", "gain")


@pytest.mark.parametrize("value", [0, -1, "nan"])
def test_pixel_size_not_above_zero_is_refused(align, movie, value):
    refused(align(movie, pixel_size=value), "out-of-range", "pixel_size")


@pytest.mark.parametrize("value", [0, -1.5, "nan"])
def test_dose_not_above_zero_is_refused(align, movie, value):
    refused(align(movie, dose=value), "out-of-range", "dose_per_frame")


def test_more_frames_than_there_are_is_refused(align, movie):
    refused(align(movie, more=("--last-frame", 9)), "out-of-range", "last_frame")


def test_patches_too_small_to_align_are_refused(align, movie):
    refused(align(movie, more=("--patches-x", 5)), "out-of-range", "patches_x")


def test_a_word_for_a_number_is_refused(align, movie):
    refused(align(movie, more=("--bfactor", "much")), "bad-argument", "")


@pytest.fixture
def build(inside):
    def run(path: Path, *more: object, diameter: float = 50):
        return inside("first_map", ["--averages", path, "--particle-diameter", diameter, *more])

    return run


@pytest.fixture
def stack(tmp_path):
    return write_mrc(tmp_path / "averages.mrcs", noise(8, 32, 32), stack=True)


def star(path: Path, column: str, *names: str) -> Path:
    path.write_text(f"data_particles\n\nloop_\n_{column} #1\n_rlnOpticsGroup #2\n" + "".join(f"{n} 1\n" for n in names))
    return path


def test_star_without_the_image_column_is_refused(build, tmp_path):
    ran = build(star(tmp_path / "averages.star", "rlnMicrographName", "a.mrc", "b.mrc"))
    refused(ran, "missing-column", "averages")
    assert "_rlnImageName" in ran.error["message"]


def test_star_whose_stack_is_not_there_is_refused(build, tmp_path):
    refused(build(star(tmp_path / "a.star", "rlnImageName", "1@gone.mrcs", "2@gone.mrcs")), "missing-stack", "stack")


def test_star_that_names_an_image_too_many_is_refused(build, stack, tmp_path):
    refused(
        build(star(tmp_path / "a.star", "rlnImageName", f"1@{stack.name}", f"99@{stack.name}")),
        "missing-image",
        "averages",
    )


def test_truncated_stack_is_refused(build, stack):
    refused(build(cut(stack, 0.7)), "broken-file", "averages")


def test_averages_that_are_not_square_are_refused(build, tmp_path):
    path = write_mrc(tmp_path / "a.mrcs", noise(8, 32, 48), stack=True)
    refused(build(path), "wrong-dimensions", "averages")


def test_averages_without_a_pixel_size_are_refused(build, tmp_path):
    path = write_mrc(tmp_path / "a.mrcs", noise(8, 32, 32), pixel_size=1.0, stack=True)
    refused(build(path), "no-pixel-size", "pixel_size")


def test_pixel_size_zero_of_averages_is_refused(build, stack):
    refused(build(stack, "--pixel-size", 0), "out-of-range", "pixel_size")


def test_too_few_averages_are_refused(build, tmp_path):
    data = noise(8, 32, 32)
    data[3:] = 0
    refused(build(write_mrc(tmp_path / "a.mrcs", data, stack=True)), "too-few-averages", "averages")


def test_particle_wider_than_its_image_is_refused(build, stack):
    refused(build(stack, diameter=500), "out-of-range", "particle_diameter")


@pytest.mark.parametrize("group", ["", "X3", "C0", "C4; reboot"])
def test_unknown_symmetry_is_refused(build, stack, group):
    refused(build(stack, "--symmetry", group), "out-of-range", "symmetry")


@pytest.fixture
def resolve(inside):
    def run(half1: Path, half2: Path, *more: object):
        return inside("resolution_map", ["--half1", half1, "--half2", half2, *more])

    return run


@pytest.fixture
def halves(tmp_path):
    return tuple(write_mrc(tmp_path / f"half{seed}.mrc", noise(32, 32, 32, seed=seed)) for seed in (1, 2))


def test_half_maps_of_unlike_boxes_are_refused(resolve, halves, tmp_path):
    other = write_mrc(tmp_path / "other.mrc", noise(48, 48, 48))
    refused(resolve(halves[0], other), "wrong-dimensions", "half2")


def test_a_stack_as_half_map_is_refused(resolve, halves, tmp_path):
    other = write_mrc(tmp_path / "other.mrc", noise(5, 32, 32))
    refused(resolve(other, halves[1]), "wrong-dimensions", "half1")


def test_truncated_half_map_is_refused(resolve, halves):
    refused(resolve(halves[0], cut(halves[1], 0.6)), "broken-file", "half2")


def test_one_map_given_twice_is_refused(resolve, halves):
    refused(resolve(halves[0], halves[0]), "same-map", "half2")


def test_mask_of_another_box_is_refused(resolve, halves, tmp_path):
    mask = write_mrc(tmp_path / "mask.mrc", np.ones((48, 48, 48)))
    refused(resolve(*halves, "--mask", mask), "wrong-dimensions", "mask")


def test_mask_that_is_none_is_refused(resolve, halves, tmp_path):
    mask = write_mrc(tmp_path / "mask.mrc", 30 * noise(32, 32, 32))
    refused(resolve(*halves, "--mask", mask), "bad-mask", "mask")


def test_pixel_size_zero_of_maps_is_refused(resolve, halves):
    refused(resolve(*halves, "--pixel-size", 0), "out-of-range", "pixel_size")


def test_headers_that_disagree_ask_for_the_pixel_size(resolve, halves, tmp_path):
    other = write_mrc(tmp_path / "other.mrc", noise(32, 32, 32, seed=5), pixel_size=3.0)
    refused(resolve(halves[0], other), "no-pixel-size", "pixel_size")


def test_values_that_are_no_numbers_are_refused(resolve, halves, tmp_path):
    data = noise(32, 32, 32)
    data[3, 3, 3] = np.nan
    refused(resolve(halves[0], write_mrc(tmp_path / "other.mrc", data)), "not-finite", "half2")
