"""A movie before its alignment: its frames laid on each other, their power spectrum, and how the gain fits them.

Each frame is read once. The gain is applied to sums of frames instead of to each, which is the same, since it is the
same for all of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.fft
from alignment_inputs import Movie
from toolkit import warn
from toolkit_images import Array, read_counts

SPECTRUM_SIDE = 512
FIT_SIDE = 1024
"""The gain's grain is compared in the middle of the picture, as far as this many pixels."""


@dataclass(frozen=True, kw_only=True)
class Before:
    """What a movie shows unaligned.

    `counts` is the sum of its raw frames, `average` the same with the gain applied: a sum, as RELION's averages are.
    `spectrum` is the amplitude spectrum, added up over sums of a few frames, for comparison with RELION's.
    """

    counts: Array
    average: Array
    spectrum: Array


def before_alignment(path: Path, *, first: int, last: int, group: int, gain: Array | None) -> Before:
    """Return what the frames `first` to `last` (from 1) show, with spectra of sums of `group` frames.

    Frames that are left over when groups are full count in the average only.
    """
    counts: Array | None = None
    amplitudes: Array | None = None
    for size, some in _groups(path, first, last, group):
        if size == group or amplitudes is None:
            found = _amplitudes(some.copy() if gain is None else some * gain)
            amplitudes = found if amplitudes is None else np.add(amplitudes, found, out=amplitudes)
        counts = some if counts is None else np.add(counts, some, out=counts)
    average = counts if gain is None else counts * gain
    return Before(counts=counts, average=average, spectrum=_centred(amplitudes, SPECTRUM_SIDE))


def _groups(path: Path, first: int, last: int, size: int) -> Iterator[tuple[int, Array]]:
    """Yield sums of `size` frames each, and of those left over, with the number of frames in each sum."""
    total: Array | None = None
    count = 0
    for number, frame in enumerate(read_counts(path), start=1):
        if number > last:
            break
        if number < first:
            continue
        # Counts stay exact in float32 up to 16 million electrons in a pixel.
        total = frame.astype(np.float32) if total is None else np.add(total, frame, out=total)
        count += 1
        if count == size:
            yield count, total
            total, count = None, 0
    if total is not None:
        yield count, total


def _amplitudes(image: Array) -> Array:
    """Return the half of the amplitude spectrum that a real image has, of its middle square of even side.

    The image is changed: nothing as large is made anew where it need not be.
    """
    side = min(image.shape) // 2 * 2
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    square = image[top : top + side, left : left + side]
    square -= square.mean()
    found: Array = np.abs(scipy.fft.rfft2(square))
    return found


def _centred(half: Array, side: int) -> Array:
    """Return the whole spectrum averaged down to `side` pixels or a little more, zero frequency damped, in the middle.

    A pixel of the result is the mean of a block of pixels around its frequency.
    """
    n = len(half)
    whole = np.empty((n, n), np.float32)
    whole[:, : n // 2 + 1] = half
    whole[0, n // 2 + 1 :] = half[0, n // 2 - 1 : 0 : -1]
    whole[1:, n // 2 + 1 :] = half[:0:-1, n // 2 - 1 : 0 : -1]
    ground = np.median(half[:: max(1, n // side)])
    for row in (-1, 0, 1):
        for column in (-1, 0, 1):
            whole[row, column] = ground
    factor = max(1, n // side)
    count = n // factor // 2 * 2
    before = count // 2 * factor + factor // 2
    kept = np.roll(whole, (before, before), (0, 1))[: count * factor, : count * factor]
    return kept.reshape(count, factor, -1).mean(axis=1).reshape(count, count, factor).mean(axis=2)


def check_orientation(movie: Movie, counts: Array, gain: Array) -> None:
    """Warn when the gain reference would fit the movie better upside down or turned: RELION would not complain.

    Raw counts are the light divided by the gain, so fine detail of their sum must follow 1 / gain.
    """
    middle = _middle(gain)
    inverse = np.where(middle > 0, 1 / np.maximum(middle, 1e-6), 0)
    seen = _detail(_middle(counts))
    fits: dict[str, float] = {}
    for name, other in (
        ("as given", inverse),
        ("flipped up-down", np.flipud(inverse)),
        ("flipped left-right", np.fliplr(inverse)),
        ("turned by 180°", np.rot90(inverse, 2)),
    ):
        fits[name] = float(np.corrcoef(seen, _detail(other), dtype=np.float32)[0, 1])
    best = max(fits, key=lambda name: fits[name])
    if best != "as given" and fits[best] > 0.05 and fits[best] > 2 * fits["as given"]:
        warn("gain-orientation", f"The gain reference fits {movie.picture.path.name} better {best}; check gain flip.")


def _middle(image: Array) -> Array:
    """Return the middle of an image, which a flip of the image flips in place."""
    top, left = (max(0, (side - FIT_SIDE) // 2) for side in image.shape)
    return image[top : image.shape[0] - top, left : image.shape[1] - left]


def _detail(image: Array) -> Array:
    """Return the differences of neighbouring pixels, which hold the gain's grain and little of the sample."""
    return np.diff(image, axis=1).ravel()
