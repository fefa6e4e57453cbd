"""From numbers to a PNG."""

from __future__ import annotations

import math
from collections.abc import Callable
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from storage.previews.options import Preview, PreviewOptions

SIZE = 512
Plane = npt.NDArray[np.float32]
STRIP_PIXELS = 4 * 1024**2


def reduced(rows: Callable[[int, int], npt.NDArray], shape: tuple[int, int], size: int) -> Plane:
    """A plane (float32) whose sides are at most ``size``, each pixel the mean of a square block of the original.

    ``rows(first, count)`` gives that many rows, so that a plane larger than memory is read in strips.
    """
    return reduced_by(rows, shape, max(1, math.ceil(max(shape) / size)))


def reduced_by(rows: Callable[[int, int], npt.NDArray], shape: tuple[int, int], factor: int) -> Plane:
    """A plane (float32) of the means over ``factor`` × ``factor`` blocks; what is left at the far edges is dropped."""
    height, width = shape
    if factor == 1:
        return np.asarray(rows(0, height), dtype=np.float32)
    if height < factor or width < factor:  # very long and narrow: every n-th value
        return np.asarray(rows(0, height)[::factor, ::factor], dtype=np.float32)
    out_height, out_width = height // factor, width // factor
    result = np.empty((out_height, out_width), np.float32)
    step = max(1, STRIP_PIXELS // (width * factor))
    for first in range(0, out_height, step):
        count = min(step, out_height - first)
        strip = np.asarray(rows(first * factor, count * factor), dtype=np.float32)[:, : out_width * factor]
        result[first : first + count] = strip.reshape(count, factor, out_width, factor).mean(axis=(1, 3))
    return result


def png(plane: Plane, options: PreviewOptions) -> Preview:
    """``plane`` as an 8-bit grey PNG, its first row at the top, between the asked percentiles or values."""
    finite = plane[np.isfinite(plane)]
    low, high = np.percentile(finite, [options.low, options.high]) if finite.size else (0.0, 1.0)
    black = float(low) if options.black is None else options.black
    white = float(high) if options.white is None else options.white
    span = white - black or 1.0
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = np.nan_to_num((plane.astype(np.float64) - black) / span, nan=0.0, posinf=1.0, neginf=0.0)
    grey = (np.clip(scaled, 0, 1) * 255 + 0.5).astype(np.uint8)
    return encoded(Image.fromarray(grey))


def encoded(picture: Image.Image) -> Preview:
    """``picture`` as PNG."""
    out = BytesIO()
    picture.save(out, "PNG", compress_level=3)
    return Preview(content_type="image/png", content=out.getvalue())
