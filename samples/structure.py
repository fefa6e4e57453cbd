"""The structure behind all samples: an asymmetric particle made of a few thousand pseudo-atoms."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.floating]

SEED = 20240607
ATOMS = 4000
RADIUS = 115.0
"""No pseudo-atom is farther than this from the centre, in Å."""

# Centre (Å), width (Å) and weight of each domain. Chosen by hand to have no symmetry and a clear handedness:
# a body, an arm that winds upwards around it, and two knobs of different size.
DOMAINS: tuple[tuple[tuple[float, float, float], float, float], ...] = (
    ((0.0, 0.0, -25.0), 26.0, 3.0),
    ((22.0, -12.0, 14.0), 20.0, 1.8),
    ((-58.0, 8.0, -48.0), 15.0, 1.2),
    ((-42.0, 52.0, -18.0), 14.0, 1.1),
    ((4.0, 66.0, 12.0), 13.0, 1.0),
    ((48.0, 46.0, 42.0), 13.0, 1.0),
    ((44.0, -4.0, 72.0), 12.0, 0.9),
    ((10.0, -40.0, 84.0), 11.0, 0.8),
    ((62.0, -52.0, -34.0), 16.0, 1.3),
    ((-30.0, -74.0, 6.0), 13.0, 0.9),
)


def atoms() -> Array:
    """Return the pseudo-atoms' positions, shape (ATOMS, 3), columns x, y, z in Å from the centre of mass."""
    rng = np.random.default_rng(SEED)
    weights = np.array([weight for _, _, weight in DOMAINS])
    domain = rng.choice(len(DOMAINS), size=ATOMS, p=weights / weights.sum())
    centres = np.array([centre for centre, _, _ in DOMAINS])
    widths = np.array([width for _, width, _ in DOMAINS])
    points = centres[domain] + rng.normal(size=(ATOMS, 3)) * (widths[domain] / np.sqrt(3))[:, None]
    points -= points.mean(axis=0)
    reach = np.linalg.norm(points, axis=1, keepdims=True)
    kept: Array = points * np.minimum(1.0, RADIUS / np.maximum(reach, 1e-6))
    return kept


def rotation(rot: float, tilt: float, psi: float) -> Array:
    """Return the 3 × 3 matrix of the Euler angles rot, tilt, psi (ZYZ, radians) as RELION defines them."""
    ca, cb, cg = np.cos([rot, tilt, psi])
    sa, sb, sg = np.sin([rot, tilt, psi])
    return np.array(
        [
            [cg * cb * ca - sg * sa, cg * cb * sa + sg * ca, -cg * sb],
            [-sg * cb * ca - cg * sa, -sg * cb * sa + cg * ca, sg * sb],
            [sb * ca, sb * sa, cb],
        ]
    )


def views(count: int, rng: np.random.Generator) -> Array:
    """Return `count` Euler triples (radians), evenly spread over the sphere with random in-plane angles."""
    index = np.arange(count) + 0.5
    tilt = np.arccos(1 - 2 * index / count)
    rot = (np.pi * (1 + np.sqrt(5)) * index) % (2 * np.pi)
    return np.stack([rot, tilt, rng.uniform(0, 2 * np.pi, count)], axis=1)


def splat(points: Array, box: int, pixel_size: float) -> Array:
    """Return a box of `points.shape[1]` dimensions with each point spread linearly on its nearest voxels.

    Points are (x, y[, z]) in Å from the centre voxel (box // 2); the axes of the result are ([z,] y, x).
    """
    dims = points.shape[1]
    grid = points[:, ::-1] / pixel_size + box // 2
    low = np.floor(grid).astype(int)
    part = grid - low
    out = np.zeros((box,) * dims)
    for corner in np.ndindex(*(2,) * dims):
        at = low + np.array(corner)
        weight = np.prod(np.where(np.array(corner) == 1, part, 1 - part), axis=1)
        inside = np.all((at >= 0) & (at < box), axis=1)
        np.add.at(out, tuple(at[inside].T), weight[inside])
    return out


def density(box: int, pixel_size: float, blur: float) -> Array:
    """Return the structure as a map of box³ voxels, each atom a Gaussian of standard deviation `blur` (Å)."""
    result: Array = ndimage.gaussian_filter(splat(atoms(), box, pixel_size), blur / pixel_size, mode="constant")
    return result


def projection(angles: Array, box: int, pixel_size: float, blur: float) -> Array:
    """Return the view along the rotated z axis as box² pixels; `angles` is rot, tilt, psi in radians."""
    turned = atoms() @ rotation(*angles).T
    flat = splat(turned[:, :2], box, pixel_size)
    result: Array = ndimage.gaussian_filter(flat, blur / pixel_size, mode="constant")
    return result
