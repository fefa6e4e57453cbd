"""Class averages and half maps of the structure."""

from pathlib import Path

import numpy as np
from scipy import ndimage

from samples.movies import write_mrc
from samples.optics import SPHERICAL_ABERRATION, VOLTAGE, frequencies
from samples.structure import Array, density, projection, views

AVERAGE_PIXEL = 5.0
AVERAGE_BOX = 64
HALF_BOX, HALF_PIXEL = 80, 3.2
FINEST, COARSEST = 8.0, 16.0


def write_averages(out: Path, count: int) -> None:
    """Write averages/averages.mrcs and averages.star, and the structure they show as truth/structure.mrc."""
    for folder in ("averages", "truth"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(23)
    stack = np.empty((count, AVERAGE_BOX, AVERAGE_BOX), np.float32)
    for number, angles in enumerate(views(count, rng)):
        image = projection(angles, AVERAGE_BOX, AVERAGE_PIXEL, 5.0)
        image = ndimage.shift(image, rng.uniform(-0.7, 0.7, 2), order=3)
        noise = ndimage.gaussian_filter(rng.normal(size=image.shape), 0.8)
        stack[number] = image / image.max() + 0.04 * noise / noise.std()
    write_mrc(out / "averages/averages.mrcs", stack, AVERAGE_PIXEL, stack=True)
    rows = "".join(f"{number + 1:06d}@averages.mrcs 1\n" for number in range(count))
    (out / "averages/averages.star").write_text(
        "data_optics\n\nloop_\n_rlnOpticsGroupName #1\n_rlnOpticsGroup #2\n_rlnImagePixelSize #3\n_rlnImageSize #4\n"
        "_rlnImageDimensionality #5\n_rlnVoltage #6\n_rlnSphericalAberration #7\n_rlnAmplitudeContrast #8\n"
        f"opticsGroup1 1 {AVERAGE_PIXEL:.4f} {AVERAGE_BOX} 2 {VOLTAGE:.1f} {SPHERICAL_ABERRATION:.1f} 0.1\n\n\n"
        f"data_particles\n\nloop_\n_rlnImageName #1\n_rlnOpticsGroup #2\n{rows}\n"
    )
    truth = density(AVERAGE_BOX, AVERAGE_PIXEL, 5.0).astype(np.float32)
    write_mrc(out / "truth/structure.mrc", truth, AVERAGE_PIXEL, stack=False)


def resolution_field(box: int, pixel_size: float) -> Array:
    """Return the resolution in Å that each voxel is given: best near the body, worst at the ends of the arms."""
    z, y, x = (np.mgrid[:box, :box, :box] - box // 2) * pixel_size
    away = np.sqrt((x - 10) ** 2 + (y + 25) ** 2 + (z + 15) ** 2)
    result: Array = FINEST + (COARSEST - FINEST) * np.clip((away - 15) / 95, 0, 1)
    return result * (pixel_size / HALF_PIXEL)


def blurred_by_place(volume: Array, resolution: Array, pixel_size: float) -> Array:
    """Return the map with each voxel low-passed at its own resolution, between seven filtered copies."""
    k = frequencies(volume.shape, pixel_size)
    spectrum = np.fft.rfftn(volume)
    levels = np.linspace(resolution.min(), resolution.max(), 7)
    place = (resolution - levels[0]) / (levels[-1] - levels[0]) * (len(levels) - 1)
    mixed = np.zeros_like(volume)
    for number, level in enumerate(levels):
        low_pass = 1 / np.sqrt(1 + (k * level) ** 24)
        weight = np.clip(1 - np.abs(place - number), 0, 1)
        mixed += weight * np.fft.irfftn(spectrum * low_pass, s=volume.shape, axes=(0, 1, 2))
    return mixed


def write_half_maps(out: Path, box: int) -> float:
    """Write resolution/half1.mrc, half2.mrc and mask.mrc, and the true local resolution under truth/.

    Return the pixel size in Å: a smaller box has larger pixels, and its resolution is coarser by as much.
    """
    for folder in ("resolution", "truth"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(37)
    pixel_size = HALF_PIXEL * HALF_BOX / box
    volume = density(box, pixel_size, pixel_size / 2)
    resolution = resolution_field(box, pixel_size)
    signal = blurred_by_place(volume, resolution, pixel_size)
    envelope = ndimage.gaussian_filter(volume, 8.0 / pixel_size)
    inside = ndimage.binary_dilation(envelope > 0.12 * envelope.max(), iterations=2)
    edge = ndimage.distance_transform_edt(~inside)
    mask = 0.5 + 0.5 * np.cos(np.pi * np.clip(edge / 5, 0, 1))
    # White noise at a level that the true signal crosses about where its low-pass filter cuts it.
    sigma = 0.45 * signal[inside].std()
    for half in (1, 2):
        noisy = (signal + rng.normal(scale=sigma, size=signal.shape)).astype(np.float32)
        write_mrc(out / f"resolution/half{half}.mrc", noisy / np.float32(signal.max()), pixel_size, stack=False)
    write_mrc(out / "resolution/mask.mrc", mask.astype(np.float32), pixel_size, stack=False)
    write_mrc(out / "truth/local_resolution.mrc", resolution.astype(np.float32), pixel_size, stack=False)
    return pixel_size
