"""The sample data: complete, the same each time, small, and turned as cameras turn them."""

import hashlib
import json
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import tifffile

from samples.__main__ import generate
from samples.structure import ATOMS, RADIUS, atoms, density, projection, views


def digest(folder: Path) -> dict[str, str]:
    """A hash per file, without the date that MRC labels and TIFF tags may carry."""
    found = {}
    for path in sorted(folder.rglob("*.mrc*")):
        found[path.name] = hashlib.sha256(mrcfile.read(path).tobytes()).hexdigest()
    return found


def test_all_that_the_manifest_names_is_there(small):
    said = json.loads((small / "samples.json").read_text())
    named = [*said["movies"]["files"], said["movies"]["twin_as_mrc"], said["movies"]["gain"]]
    named += [said["averages"][key] for key in ("file", "star", "truth")]
    named += [*said["resolution"]["half_maps"], said["resolution"]["mask"], said["resolution"]["truth"]]
    assert [name for name in named if not (small / name).is_file()] == []


def test_two_runs_write_the_same(small, tmp_path):
    generate(tmp_path, small=True)
    assert digest(tmp_path) == digest(small)


def test_the_tiff_movie_is_the_mrc_movie_upside_down(small):
    twin = mrcfile.read(small / "movies/mic_001.mrc")
    frames = tifffile.imread(small / "movies/mic_001.tiff", key=range(len(twin)))
    assert np.array_equal(frames[:, ::-1], twin)


def test_files_say_their_pixel_size(small):
    for name, size in (
        ("averages/averages.mrcs", 5.0),
        ("resolution/half1.mrc", 3.2 * 80 / 48),
        ("movies/mic_001.mrc", 1.77),
    ):
        with mrcfile.open(small / name, header_only=True) as mrc:
            assert float(mrc.voxel_size.x) == pytest.approx(size)


def test_a_projection_is_the_sum_of_the_turned_density():
    volume, image = density(48, 6.0, 8.0), projection(np.zeros(3), 48, 6.0, 8.0)
    assert np.corrcoef(volume.sum(axis=0).ravel(), image.ravel())[0, 1] > 0.999


def test_the_structure_has_no_mirror():
    volume = density(32, 9.0, 9.0)
    for flipped in (volume[::-1], volume[:, ::-1], volume[:, :, ::-1], volume[::-1, ::-1, ::-1]):
        assert np.corrcoef(volume.ravel(), flipped.ravel())[0, 1] < 0.9


def test_atoms_stay_inside_and_views_cover_the_sphere():
    points = atoms()
    assert points.shape == (ATOMS, 3)
    assert np.linalg.norm(points, axis=1).max() <= RADIUS + 1e-6
    tilts = views(200, np.random.default_rng(1))[:, 1]
    assert np.cos(tilts).mean() == pytest.approx(0, abs=0.02)


@pytest.mark.slow
def test_the_demo_s_samples_stay_under_60_mb(samples):
    assert sum(path.stat().st_size for path in samples.rglob("*") if path.is_file()) < 60e6
