"""How results are compared with the truth of the samples."""

from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import starfile
from scipy import ndimage, optimize
from scipy.spatial.transform import Rotation

GRID = (np.arange(5) + 0.5) / 5


def read(path: Path) -> np.ndarray:
    return np.asarray(mrcfile.read(path), dtype=np.float64)


def true_motion(truth: dict[str, Any], u: float, v: float) -> np.ndarray:
    """The true shift of each frame (frames, 2) in pixels at the place u, v (-1 to 1)."""
    whole, bend = np.array(truth["whole"]), np.array(truth["bend"])
    time = np.arange(len(whole)) / (len(whole) - 1)
    space = np.array([u, v, u * u - 1 / 3, v * v - 1 / 3, u * v])
    powers = np.array([time, time**2, time**3])
    return whole + np.stack([space @ bend[axis] @ powers for axis in (0, 1)], axis=1)


def drift_error(star: Path, truth: dict[str, Any]) -> float:
    """RMS distance in pixels between RELION's global track and the true one, free in its origin."""
    left = corrections(star)[0] + np.array(truth["whole"])
    left -= left.mean(axis=0)
    return float(np.sqrt((left**2).sum(axis=1).mean()))


def corrections(star: Path) -> tuple[np.ndarray, np.ndarray]:
    """RELION's shifts of the frames, and the 2 × 6 × 3 weights of its local model."""
    tables = starfile.read(star)
    shifts = tables["global_shift"][["rlnMicrographShiftX", "rlnMicrographShiftY"]].to_numpy(float)
    return shifts, tables["local_motion_model"]["rlnMotionModelCoeff"].to_numpy(float).reshape(2, 6, 3)


def residual_blur(star: Path, truth: dict[str, Any]) -> float:
    """RMS distance in pixels that frames stay apart after the whole correction, over the field."""
    shifts, weights = corrections(star)
    frame = np.arange(len(shifts))
    powers = np.array([frame, frame**2, frame**3])
    squares = []
    for y in GRID - 0.5:
        for x in GRID - 0.5:
            local = np.stack([np.array([1, x, x * x, y, y * y, x * y]) @ weights[axis] @ powers for axis in (0, 1)], 1)
            left = shifts + local + true_motion(truth, 2 * x, 2 * y)
            squares.append(((left - left.mean(axis=0)) ** 2).sum(axis=1).mean())
    return float(np.sqrt(np.mean(squares)))


def shrunk(volume: np.ndarray, pixel_size: float, resolution: float, side: int) -> np.ndarray:
    """The volume low-passed (Å) and on a grid of side³."""
    axes = np.meshgrid(*[np.fft.fftfreq(n, pixel_size) for n in volume.shape], indexing="ij", sparse=True)
    k = np.sqrt(sum(axis**2 for axis in axes))
    spectrum = np.fft.fftshift(np.fft.fftn(volume) / (1 + (k * resolution) ** 8))
    low = volume.shape[0] // 2 - side // 2
    return np.fft.ifftn(np.fft.ifftshift(spectrum[(slice(low, low + side),) * 3])).real


def turned(volume: np.ndarray, matrix: np.ndarray, shift: np.ndarray) -> np.ndarray:
    centre = np.array(volume.shape) // 2
    return ndimage.affine_transform(volume, matrix, offset=centre - matrix @ (centre + shift), order=1)


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def best_correlation(volume: np.ndarray, truth: np.ndarray, pixel_size: float, tries: int = 1500) -> float:
    """The correlation at 30 Å after the best turn and shift, in the better of both hands."""
    side = 24
    seen, wanted = (shrunk(part, pixel_size, 30.0, side) for part in (volume, truth))
    grid = np.indices((side,) * 3) - side // 2
    ball = (grid**2).sum(axis=0) < (side / 2 - 1) ** 2
    starts = Rotation.random(tries, random_state=0).as_matrix()
    found = []
    for map_ in (seen, np.ascontiguousarray(seen[::-1])):
        scores = [correlation(turned(map_, start, np.zeros(3))[ball], wanted[ball]) for start in starts]
        for index in np.argsort(scores)[-3:]:
            found.append(_refined(map_, wanted, ball, starts[index]))
    return max(found)


def _refined(map_: np.ndarray, wanted: np.ndarray, ball: np.ndarray, start: np.ndarray) -> float:
    def loss(place: np.ndarray) -> float:
        matrix = Rotation.from_rotvec(place[:3]).as_matrix() @ start
        return -correlation(turned(map_, matrix, place[3:] * 3)[ball], wanted[ball])

    options = {"maxiter": 4, "xtol": 1e-2, "ftol": 1e-3}
    return -float(optimize.minimize(loss, np.zeros(6), method="Powell", options=options).fun)
