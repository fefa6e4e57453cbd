"""The microscope: contrast transfer and the sums of frequencies that go with it."""

import numpy as np

from samples.structure import Array

VOLTAGE = 300.0
SPHERICAL_ABERRATION = 2.7
AMPLITUDE_CONTRAST = 0.1


def wavelength(kilovolts: float) -> float:
    """Return the electron's relativistic wavelength in Å."""
    volts = kilovolts * 1e3
    return float(12.2643247 / np.sqrt(volts * (1 + volts * 0.978466e-6)))


def frequencies(shape: tuple[int, ...], pixel_size: float) -> Array:
    """Return |k| in 1/Å for each coefficient of an rfftn of this shape."""
    axes = [np.fft.fftfreq(n, pixel_size) for n in shape[:-1]] + [np.fft.rfftfreq(shape[-1], pixel_size)]
    grids = np.meshgrid(*axes, indexing="ij", sparse=True)
    total: Array = np.sqrt(sum(grid**2 for grid in grids))
    return total


def transfer(k: Array, defocus: float) -> Array:
    """Return the contrast transfer function at |k| (1/Å) for an underfocus in Å (positive); sign: protein is dark."""
    length = wavelength(VOLTAGE)
    phase = np.pi * length * defocus * k**2 - 0.5 * np.pi * SPHERICAL_ABERRATION * 1e7 * length**3 * k**4
    turned = phase + np.arcsin(AMPLITUDE_CONTRAST)
    value: Array = -np.sin(turned)
    return value
