"""Two half maps and a mask, checked and brought into the form that RELION is given."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from toolkit import ToolError, above_zero, require
from toolkit_images import Picture, read_map

Array = NDArray[np.floating]

BLUR = 12.0
"""The automatic mask starts from the map smoothed by a Gaussian of this full width (Å)."""


@dataclass(frozen=True, kw_only=True)
class HalfMaps:
    """Both halves and the mask (1 everywhere: the whole box), all of one box, and the pixel size in Å."""

    first: Array
    second: Array
    mask: Array
    mask_from: str
    pixel_size: float

    @property
    def masked(self) -> bool:
        """Return whether the mask leaves anything out."""
        return self.mask_from != "none"

    @property
    def box(self) -> int:
        """Return the number of voxels along a side."""
        return int(self.first.shape[0])


def read_half_maps(
    half1: Path, half2: Path, mask: Path | None, pixel_size: float | None, *, whole_box: bool
) -> HalfMaps:
    """Return the maps after checking that they belong together; raise a ToolError that names the odd one."""
    first, header1 = read_map(half1, "half1")
    second, header2 = read_map(half2, "half2")
    same_box(header1, header2, "half2")
    if np.array_equal(first, second):
        raise ToolError(
            "same-map",
            f"{half1.name} and {half2.name} hold the same map.",
            hint="Give the two independent halves of one refinement (half1 and half2).",
            about="half2",
        )
    for values, path, about in ((first, half1, "half1"), (second, half2, "half2")):
        require(float(values.std()) > 0, about, f"{path.name} is empty.", "Give the unfiltered half maps.")
    require(
        header1.width >= 16 and header1.width % 2 == 0,
        "half1",
        f"the box is {header1.width} voxels wide.",
        "RELION needs an even box of at least 16 voxels.",
    )
    size = given_or_known(pixel_size, header1, header2)
    if mask is not None:
        used, origin = read_mask(mask, header1), "given"
    elif whole_box:
        used, origin = np.ones_like(first), "none"
    else:
        used, origin = automatic_mask((first + second) / 2, size), "automatic"
    return HalfMaps(first=first, second=second, mask=used, mask_from=origin, pixel_size=size)


def same_box(one: Picture, other: Picture, about: str) -> None:
    """Raise a ToolError unless both maps have the same box."""
    if one.width != other.width:
        raise ToolError(
            "wrong-dimensions",
            f"{other.path.name} has a box of {other.width} voxels, {one.path.name} one of {one.width}.",
            hint="Give maps of one box and pixel size.",
            about=about,
        )


def given_or_known(pixel_size: float | None, one: Picture, other: Picture) -> float:
    """Return the pixel size that was given, else the one both headers state."""
    if pixel_size is not None:
        above_zero(pixel_size, "pixel_size", "the pixel size")
        return pixel_size
    a, b = one.pixel_size, other.pixel_size
    if a is None or b is None or abs(a - b) > 0.01 * a:
        told = f"{one.path.name} says {a or 'nothing'}, {other.path.name} {b or 'nothing'}"
        raise ToolError(
            "no-pixel-size",
            f"The headers do not agree on the pixel size ({told}).",
            hint="Give the pixel size in Å.",
            about="pixel_size",
        )
    return a


def read_mask(path: Path, half: Picture) -> Array:
    """Return the mask, from 0 (solvent) to 1 (particle); raise a ToolError when it is none."""
    mask, header = read_map(path, "mask")
    same_box(half, header, "mask")
    if mask.min() < -0.01 or mask.max() > 1.01 or (mask > 0.5).sum() < 100:
        raise ToolError(
            "bad-mask",
            f"{path.name} runs from {mask.min():.3g} to {mask.max():.3g}; a mask runs from 0 to 1.",
            hint="Make a mask (for example with relion_mask_create), or leave it out.",
            about="mask",
        )
    return np.clip(mask, 0, 1)


def automatic_mask(mean: Array, pixel_size: float) -> Array:
    """Return a soft mask around the particle.

    The mean map is smoothed; what stands five deviations above the corners, and at least a sixth of the brightest, is
    the particle. The largest connected piece (and others of at least a tenth of it) is grown by 3 voxels and gets a
    cosine edge of 6.
    """
    smooth = ndimage.gaussian_filter(mean, BLUR / 2.355 / pixel_size)
    corners = smooth[distance_from_centre(len(mean)) > 0.5 * len(mean)]
    limit = max(float(corners.mean() + 5 * corners.std()), float(np.percentile(smooth, 99.9)) / 6)
    pieces, count = ndimage.label(smooth > limit)
    if count == 0:
        raise ToolError("no-particle", "No particle stands out in the maps.", hint="Give a mask.", about="mask")
    sizes = np.bincount(pieces.ravel())[1:]
    kept = np.isin(pieces, 1 + np.flatnonzero(sizes >= 0.1 * sizes.max()))
    away = ndimage.distance_transform_edt(~kept)
    soft: Array = 0.5 + 0.5 * np.cos(np.pi * np.clip((away - 3) / 6, 0, 1))
    return soft.astype(np.float32)


def distance_from_centre(box: int) -> Array:
    """Return each voxel's distance from the box's centre, in voxels."""
    axis = np.arange(box) - box // 2
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij", sparse=True)
    result: Array = np.sqrt(z**2 + y**2 + x**2)
    return result


def cropped_side(mask: Array, margin: float) -> int:
    """Return the even side of the centred cube that holds the mask and `margin` voxels around it; the box at most."""
    box = len(mask)
    reach = float(distance_from_centre(box)[mask > 0.1].max(initial=0.0))
    side = 2 * int(np.ceil(reach + margin))
    return side if side <= 0.85 * box else box


def crop(volume: Array, side: int) -> Array:
    """Return the centred cube of that side."""
    low = volume.shape[0] // 2 - side // 2
    return volume[low : low + side, low : low + side, low : low + side]


def uncrop(volume: Array, box: int, fill: float) -> Array:
    """Return the cube back in the middle of its box, with `fill` around it."""
    whole = np.full((box, box, box), fill, np.float32)
    low, side = box // 2 - volume.shape[0] // 2, volume.shape[0]
    whole[low : low + side, low : low + side, low : low + side] = volume
    return whole
