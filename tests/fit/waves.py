"""Waves whose modulus is known in closed form."""

import numpy as np

from mrsim.core.grid import Grid
from mrsim.core.wave import Waves, wavenumber


def places(shape, spacing):
    """Return the (z, y, x) grid and the coordinates z, y, x of its voxels, m."""
    grid = Grid(shape=shape, spacing=spacing[::-1])
    z, y, x = np.meshgrid(*(grid.coordinates(a) for a in (2, 1, 0)), indexing="ij")
    return grid, z, y, x


def plane_wave(modulus=10e3, frequencies=(100.0,), direction=(0.0, 0.0, 1.0), shape=(1, 24, 40), spacing=3 * (1e-3,),
               amplitude=1e-5, components=("x", "y", "z"), polarisation=(0.5, -0.3, 1.0), **more):  # fmt: skip
    """Return a damped plane wave exp(-i k n . r) along `direction` (z, y, x), the same modulus at all frequencies."""
    grid, z, y, x = places(shape, spacing)
    n = np.asarray(direction, float) / np.linalg.norm(direction)
    way = n[0] * z + n[1] * y + n[2] * x
    way = way - way.min()
    waves = [amplitude * np.exp(-1j * wavenumber(modulus, f) * way) for f in frequencies]
    u = np.array([[p * wave for p, _ in zip(polarisation, components, strict=False)] for wave in waves])
    return Waves(grid=grid, frequencies=np.array(frequencies), displacement=u, components=components, **more)


def noisy(waves, sigma, rng):
    """Return the waves with complex Gaussian noise of standard deviation `sigma` per part, m."""
    shape = waves.displacement.shape
    noise = sigma * (rng.standard_normal(shape) + 1j * rng.standard_normal(shape))
    return Waves(
        grid=waves.grid, frequencies=waves.frequencies, displacement=waves.displacement + noise,
        components=waves.components, density=waves.density, mask=waves.mask, sigma=np.array(sigma),
    )  # fmt: skip


def length_for(stiffness_voxels, frequency, spacing=1e-3, density=1000.0):
    """Return the elastic modulus, Pa, whose wavelength has so many voxels."""
    return density * (stiffness_voxels * spacing * frequency) ** 2
