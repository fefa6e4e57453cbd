"""Movies of drifting particles: known global and local motion, CTF, gain and counting noise."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import tifffile
from numpy.typing import NDArray
from scipy import ndimage

from samples.optics import frequencies, transfer
from samples.structure import Array, projection, views

PIXEL_SIZE = 1.77
DOSE_PER_FRAME = 1.2
PARTICLE_BOX = 160
MARGIN = 24


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How large the movies are and how many."""

    count: int
    frames: int
    size: int
    particles: int


@dataclass(frozen=True, kw_only=True)
class Motion:
    """Where things are in each frame, in pixels relative to the first one.

    `whole` has shape (frames, 2), columns x, y: the same for the whole field. `bend` has shape (2, 5, 3): for x and
    for y, the weights of {u, v, u², v², uv} (u, v from -1 to 1 over the field) times {t, t², t³} (t from 0 to 1).
    """

    whole: Array
    bend: Array

    def at(self, frame: int, u: Array, v: Array) -> tuple[Array, Array]:
        """Return dx, dy in pixels at the places u, v in one frame."""
        time = frame / (len(self.whole) - 1)
        powers = np.array([time, time**2, time**3])
        space = (u, v, u**2 - 1 / 3, v**2 - 1 / 3, u * v)
        moved = [
            self.whole[frame, axis] + sum(w * s for w, s in zip(self.bend[axis] @ powers, space, strict=True))
            for axis in (0, 1)
        ]
        return np.asarray(moved[0]), np.asarray(moved[1])


def draw_motion(frames: int, reach: float, rng: np.random.Generator) -> Motion:
    """Return a motion that starts fast and slows down, about `reach` pixels in all, and bends the field a little."""
    time = np.arange(frames) / (frames - 1)
    slowing = (1 - np.exp(-3.5 * time)) / (1 - np.exp(-3.5))
    heading = rng.uniform(0, 2 * np.pi)
    turn = rng.uniform(-0.8, 0.8) * time
    steps = np.diff(slowing, prepend=0.0)[:, None] * np.stack([np.cos(heading + turn), np.sin(heading + turn)], axis=1)
    jitter = np.cumsum(rng.normal(scale=0.12, size=(frames, 2)), axis=0)
    whole = reach * np.cumsum(steps, axis=0) + jitter
    bend = rng.normal(scale=0.85, size=(2, 5, 3)) * np.array([1.6, -1.0, 0.35])
    return Motion(whole=whole - whole[0], bend=bend)


def field(plan: Plan, rng: np.random.Generator) -> Array:
    """Return the expected intensity (mean 1) of a still field of particles in ice, with the CTF applied."""
    side = plan.size + 2 * MARGIN
    scene = rng.normal(scale=0.10, size=(side, side))
    cells = int(np.ceil(np.sqrt(plan.particles)))
    pitch = (side - PARTICLE_BOX) / max(1, cells - 1)
    for number, angles in enumerate(views(plan.particles, rng)):
        row, column = divmod(number, cells)
        spot = np.array([row, column]) * pitch + rng.uniform(-12, 12, 2)
        y, x = np.clip(spot, 0, side - PARTICLE_BOX).astype(int)
        scene[y : y + PARTICLE_BOX, x : x + PARTICLE_BOX] += projection(angles, PARTICLE_BOX, PIXEL_SIZE, 2.5)
    k = frequencies(scene.shape, PIXEL_SIZE)
    defocus = rng.uniform(9000, 16000)
    seen = np.fft.irfftn(
        np.fft.rfftn(scene) * transfer(k, defocus) * np.exp(-60 * k**2 / 4), s=scene.shape, axes=(0, 1)
    )
    intensity: Array = np.clip(1 + 0.35 * seen / seen.std() * 0.5, 0.05, None)
    return intensity


def expose(plan: Plan, motion: Motion, gain: Array, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the camera's counts as uint8 (frames, y, x); a count × gain is an electron."""
    still = ndimage.spline_filter(field(plan, rng), order=3)
    y, x = np.mgrid[: plan.size, : plan.size].astype(np.float32)
    u, v = 2 * x / (plan.size - 1) - 1, 2 * y / (plan.size - 1) - 1
    electrons = DOSE_PER_FRAME * PIXEL_SIZE**2
    frames = np.empty((plan.frames, plan.size, plan.size), np.uint8)
    for number in range(plan.frames):
        dx, dy = motion.at(number, u, v)
        seen = ndimage.map_coordinates(still, [y - dy + MARGIN, x - dx + MARGIN], order=3, prefilter=False)
        frames[number] = np.clip(rng.poisson(np.clip(seen, 0, None) * electrons / gain), 0, 127)
    return frames


def camera_gain(size: int, rng: np.random.Generator) -> Array:
    """Return a gain reference: columns and blocks of unlike sensitivity and a fixed grain, mean 1."""
    columns = 1 + 0.03 * rng.normal(size=size)[None, :]
    blocks = np.kron(1 + 0.04 * rng.normal(size=(4, 4)), np.ones((size // 4 + 1, size // 4 + 1)))[:size, :size]
    grain = 1 + 0.06 * rng.normal(size=(size, size))
    raw = np.clip(columns * blocks * grain, 0.5, 1.6)
    gain: Array = raw / raw.mean()
    return gain


def write_mrc(path: Path, frames: NDArray[Any], pixel_size: float, *, stack: bool) -> None:
    """Write an MRC file with the pixel size (Å) in its header."""
    with mrcfile.new(path) as mrc:
        mrc.set_data(frames)
        if stack:
            mrc.set_image_stack()
        mrc.voxel_size = pixel_size


def write_tiff(path: Path, frames: NDArray[np.uint8]) -> None:
    """Write a movie as cameras do: rows from the top down, so that a reader which flips them gets MRC's order."""
    with tifffile.TiffWriter(path) as tiff:
        for frame in frames:
            tiff.write(np.flipud(frame), compression="zlib", compressionargs={"level": 1}, photometric="minisblack")


def write_movies(out: Path, plan: Plan) -> dict[str, Motion]:
    """Write movies/, gain/ and truth/motion/; return each movie's motion by its name.

    The last movie drifts much more than the others: it is the outlier. The first one is also there as MRC.
    """
    rng = np.random.default_rng(11)
    gain = camera_gain(plan.size, rng).astype(np.float32)
    for folder in ("movies", "gain", "truth/motion"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    write_mrc(out / "gain/gain.mrc", gain, PIXEL_SIZE, stack=False)
    motions: dict[str, Motion] = {}
    for number in range(1, plan.count + 1):
        name = f"mic_{number:03d}"
        own = np.random.default_rng([11, number])
        reach = 24.0 if plan.count > 3 and number == plan.count else own.uniform(5, 8)
        motion = draw_motion(plan.frames, reach, own)
        frames = expose(plan, motion, gain, own)
        write_tiff(out / f"movies/{name}.tiff", frames)
        if number == 1:
            write_mrc(out / f"movies/{name}.mrc", frames.astype(np.int8), PIXEL_SIZE, stack=True)
        np.savetxt(
            out / f"truth/motion/{name}.csv", motion.whole, delimiter=",", header="x_px,y_px", comments="", fmt="%.4f"
        )
        motions[name] = motion
    return motions
