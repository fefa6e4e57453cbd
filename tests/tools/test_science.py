"""Real RELION on the samples, held to the truth they were made from."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import starfile
from scipy import ndimage

from tests.tools import compare
from tests.tools.eer import write_eer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def truth(samples: Path) -> dict:
    return json.loads((samples / "samples.json").read_text())


def align(script, samples: Path, names: list[str], *more: object):
    movies = [samples / "movies" / name for name in names]
    microscope = ["--pixel-size", 1.77, "--dose-per-frame", 1.2, "--voltage", 300, "--dose-weighting"]
    return script(
        "movie_alignment",
        ["--movies", *movies, "--gain", samples / "gain/gain.mrc", *microscope, "--threads", 2, *more],
    )


def test_drift_and_blur_meet_the_truth_and_the_outlier_is_marked(script, samples, truth):
    names = [Path(name).name for name in truth["movies"]["files"]]
    ran = align(script, samples, names)
    assert ran.status == 0, ran.stderr
    for name, motion in truth["movies"]["truth"].items():
        star = ran.folder / f"motion/{name}_motion.star"
        assert compare.drift_error(star, motion) <= 0.3
        assert compare.residual_blur(star, motion) < 0.4
    with (ran.folder / "motion.csv").open() as table:
        assert {row["movie"]: row["outlier"] for row in csv.DictReader(table)}["mic_004"] == "yes"
    assert ran.json("summary.json")["outliers"] == ["mic_004"]
    assert "portolan-progress: 4/4 aligned mic_004" in ran.stdout
    assert "portolan-warning" not in ran.stdout


def test_mrc_movies_are_as_well_aligned_as_tiff_and_by_mpi(script, samples, truth):
    ran = align(script, samples, ["mic_001.mrc", "mic_002.tiff"], "--nr-mpi", 2)
    assert ran.status == 0, ran.stderr
    for name in ("mic_001", "mic_002"):
        star, motion = ran.folder / f"motion/{name}_motion.star", truth["movies"]["truth"][name]
        assert compare.drift_error(star, motion) <= 0.3
        assert compare.residual_blur(star, motion) < 0.4


def test_average_before_lies_like_the_aligned_one_for_both_formats(script, samples):
    ran = align(script, samples, ["mic_001.mrc", "mic_001.tiff"], "--patches-x", 1, "--patches-y", 1)
    assert ran.status == 0, ran.stderr
    before = [compare.read(ran.folder / f"before/{name}_before.mrc") for name in ("mic_001", "mic_001_2")]
    after = compare.read(ran.folder / "aligned/mic_001_aligned_noDW.mrc")
    assert np.allclose(before[0], before[1])
    assert compare.correlation(before[0], after) > 2 * abs(compare.correlation(before[0][::-1], after))


def test_binning_halves_the_average_and_keeps_the_drift(script, samples, truth):
    ran = align(script, samples, ["mic_002.tiff"], "--binning", 2)
    assert ran.status == 0, ran.stderr
    assert compare.read(ran.folder / "aligned/mic_002_aligned.mrc").shape == (384, 384)
    star = ran.folder / "motion/mic_002_motion.star"
    assert compare.drift_error(star, truth["movies"]["truth"]["mic_002"]) <= 0.3


def test_a_gain_upside_down_is_told(script, samples):
    ran = align(script, samples, ["mic_001.tiff"], "--gain-flip", 1, "--patches-x", 1, "--patches-y", 1)
    assert ran.status == 0, ran.stderr
    assert "gain-orientation" in ran.stdout


def test_eer_movies_are_aligned_and_lie_as_relion_puts_them(script, tmp_path):
    rng = np.random.default_rng(4)
    sample = ndimage.gaussian_filter(rng.normal(size=(4096, 4096)).astype(np.float32), 3)
    chance = 0.012 * np.clip(1 + 0.8 * sample / sample.std(), 0, None)
    moved = [
        rng.random(sample.shape, dtype=np.float32) < np.roll(chance, (3 * (n // 2), -2 * (n // 2)), (0, 1))
        for n in range(8)
    ]
    microscope = ["--pixel-size", 1, "--dose-per-frame", 1, "--patches-x", 1, "--patches-y", 1, "--threads", 2]
    movie = write_eer(tmp_path / "a.eer", moved)
    ran = script("movie_alignment", ["--movies", movie, *microscope, "--eer-grouping", 2])
    assert ran.status == 0, ran.stderr
    shifts = starfile.read(ran.folder / "motion/a_motion.star")["global_shift"].to_numpy(float)[:, 1:]
    assert np.abs(shifts - [[2.0 * n, -3.0 * n] for n in range(4)]).max() < 0.2
    before, after = (compare.read(ran.folder / name) for name in ("before/a_before.mrc", "aligned/a_aligned.mrc"))
    assert compare.correlation(before, after) > 10 * abs(compare.correlation(before[::-1], after))


def test_local_resolution_follows_the_truth(script, samples, truth):
    folder = samples / "resolution"
    maps = ["--half1", folder / "half1.mrc", "--half2", folder / "half2.mrc", "--mask", folder / "mask.mrc"]
    ran = script("resolution_map", [*maps, "--detail", "quick", "--nr-mpi", 2])
    assert ran.status == 0, ran.stderr
    inside = compare.read(folder / "mask.mrc") > 0.5
    made, true = (
        compare.read(path)[inside]
        for path in (ran.folder / "local_resolution.mrc", samples / truth["resolution"]["truth"])
    )
    assert compare.correlation(made, true) >= 0.7
    summary = ran.json("summary.json")
    assert 7 < summary["resolution_A"] < 11
    assert summary["crossing_0143_A"] == pytest.approx(summary["resolution_A"], abs=0.5)


def test_the_automatic_mask_covers_the_particle_and_no_mask_works_too(script, small):
    maps = ["--half1", small / "resolution/half1.mrc", "--half2", small / "resolution/half2.mrc", "--detail", "quick"]
    ran = script("resolution_map", maps)
    assert ran.status == 0, ran.stderr
    made, given = (compare.read(path) > 0.5 for path in (ran.folder / "mask_used.mrc", small / "resolution/mask.mrc"))
    assert (made & given).sum() > 0.8 * given.sum()
    assert made.sum() < 2 * given.sum()


def test_the_whole_box_can_be_measured(script, small):
    maps = ["--half1", small / "resolution/half1.mrc", "--half2", small / "resolution/half2.mrc", "--whole-box"]
    ran = script("resolution_map", [*maps, "--sampling", 50])
    assert ran.status == 0, ran.stderr
    assert ran.json("summary.json")["mask"] == "none"
