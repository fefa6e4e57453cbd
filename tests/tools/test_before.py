"""What a movie shows before its alignment, against the plain way to compute it."""

import alignment_before as before
import numpy as np
import pytest
import tifffile
import toolkit_images as images
from scipy import ndimage


def movie(path, *, frames: int, height: int, width: int):
    counts = np.random.default_rng(5).poisson(6, size=(frames, height, width)).astype(np.uint8)
    with tifffile.TiffWriter(path) as tiff:
        for frame in counts:
            tiff.write(np.flipud(frame), photometric="minisblack")
    return counts.astype(np.float64)


def plain_spectrum(image: np.ndarray, side: int) -> np.ndarray:
    n = min(image.shape) // 2 * 2
    top, left = (image.shape[0] - n) // 2, (image.shape[1] - n) // 2
    square = image[top : top + n, left : left + n]
    amplitude = np.abs(np.fft.fftshift(np.fft.fft2(square - square.mean())))
    factor = max(1, n // side)
    return ndimage.uniform_filter(amplitude, factor, mode="wrap")[::factor, ::factor] if factor > 1 else amplitude


@pytest.mark.parametrize(("height", "width"), [(96, 96), (1024, 1100)])
def test_average_and_spectrum_are_those_of_the_plain_way(tmp_path, height, width):
    counts = movie(tmp_path / "a.tif", frames=6, height=height, width=width)
    gain = np.random.default_rng(6).uniform(0.8, 1.2, (height, width)).astype(np.float32)
    found = before.before_alignment(tmp_path / "a.tif", first=2, last=6, group=2, gain=gain)
    assert np.allclose(found.counts, counts[1:].sum(0))
    assert np.allclose(found.average, (counts[1:] * gain).sum(0), rtol=1e-5)
    expected = sum(plain_spectrum((counts[at : at + 2] * gain).sum(0), before.SPECTRUM_SIDE) for at in (1, 3))
    side = len(found.spectrum)
    away = np.ones_like(found.spectrum, bool)
    away[side // 2 - 1 : side // 2 + 2, side // 2 - 1 : side // 2 + 2] = False
    assert np.allclose(found.spectrum[away], expected[away], rtol=1e-3)
    middle = found.spectrum[side // 2 - 1 : side // 2 + 2, side // 2 - 1 : side // 2 + 2]
    assert middle.max() < 3 * np.median(found.spectrum)


def test_a_spectrum_made_smaller_keeps_its_middle(tmp_path):
    side = 1636
    row = 6 + 4 * np.cos(2 * np.pi * 99 * np.arange(side) / side)
    wave = np.tile(row.astype(np.uint8), (side, 1))
    tifffile.imwrite(tmp_path / "a.tif", np.stack([wave, wave]), photometric="minisblack")
    found = before.before_alignment(tmp_path / "a.tif", first=1, last=2, group=2, gain=None).spectrum
    half = len(found) // 2
    assert found[half, half + 33] == found.max()
    assert found[half, half - 33] == pytest.approx(found.max())


def test_fewer_frames_than_a_group_have_a_spectrum_too(tmp_path):
    movie(tmp_path / "a.tif", frames=3, height=64, width=64)
    some = before.before_alignment(tmp_path / "a.tif", first=1, last=3, group=8, gain=None)
    all_ = before.before_alignment(tmp_path / "a.tif", first=1, last=3, group=3, gain=None)
    assert np.array_equal(some.spectrum, all_.spectrum)


@pytest.mark.parametrize("turn", [None, np.flipud, np.fliplr, lambda image: np.rot90(image, 2)])
def test_the_gain_that_lies_wrong_is_told_from_the_middle_of_a_large_picture(tmp_path, capfd, turn):
    gain = np.random.default_rng(7).uniform(0.7, 1.3, (1300, 1200)).astype(np.float32)
    counts = np.random.default_rng(8).poisson(100 / gain).astype(np.float32)
    movie(tmp_path / "a.tif", frames=1, height=8, width=8)
    one = before.Movie(name="a", picture=images.inspect(tmp_path / "a.tif", "movies"))
    before.check_orientation(one, counts, gain if turn is None else turn(gain))
    assert ("gain-orientation" in capfd.readouterr().out) == (turn is not None)
