"""Inversions of waves against their published definitions, written out once more and evaluated in plain numpy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.grid import Grid
from ...core.wave import Waves
from .check import Check

STEP, DENSITY, SHAPE = 1e-3, 1000.0, (24, 32)
HERTZ = np.array([60.0, 90.0])


def fields() -> tuple[NDArray[np.complex128], ...]:
    """Return two (frequency, component, y, x) motions, m: a damped plane wave, and two crossing waves in noise."""
    y, x = np.meshgrid(*(STEP * np.arange(n) for n in SHAPE), indexing="ij")
    k = (2 * np.pi * HERTZ * np.sqrt(DENSITY / (3e3 * np.exp(0.4j))))[:, None, None]
    oblique, across = (np.exp(-1j * k * (x * math.cos(a) + y * math.sin(a))) for a in (0.5, 1.7))
    draw = np.random.default_rng(11)
    noise = 0.05 * (draw.normal(size=(2, 2, *SHAPE)) + 1j * draw.normal(size=(2, 2, *SHAPE)))
    plane = np.stack([0.8 * oblique, -0.3 * oblique], axis=1)
    crossing = np.stack([oblique + 0.4 * across, 0.7j * across], axis=1) + noise
    return np.asarray(1e-5 * plane, complex), np.asarray(1e-5 * crossing, complex)


def maps_of(u: NDArray[np.complex128], name: str, **options: Any) -> Any:
    """Return the maps of an inversion of a (frequency, component, y, x) motion, no filter before it."""
    from ...fit.fit import fit

    grid = Grid(shape=(1, *SHAPE), spacing=(STEP,) * 3)
    waves = Waves(grid=grid, frequencies=HERTZ, displacement=u[:, :, None], components=("x", "z"), density=DENSITY)
    return fit(waves, name, smoothing=0.0, probes=0, **options).values


def mdev() -> float:
    """Return the largest relative error of |G*| and error of the angle, rad, of sums of magnitudes, voxel by voxel."""
    errors = []
    for u in fields():
        inner = u[:, :, 1:-1, 1:-1]
        bent = (u[:, :, 2:, 1:-1] + u[:, :, :-2, 1:-1] + u[:, :, 1:-1, 2:] + u[:, :, 1:-1, :-2] - 4 * inner) / STEP**2
        force = DENSITY * (2 * np.pi * HERTZ[:, None, None, None]) ** 2 * np.abs(inner)
        size = force.sum((0, 1)) / np.abs(bent).sum((0, 1))
        along = inner.real * bent.real + inner.imag * bent.imag
        angle = np.arccos(-along.sum((0, 1)) / (np.abs(inner) * np.abs(bent)).sum((0, 1)))
        found = maps_of(u, "mre-mdev", low_pass=0.0)
        inside = (0, slice(1, -1), slice(1, -1))
        errors.append(np.abs(found["shear_modulus_magnitude"][inside] / size - 1).max())
        errors.append(np.abs(found["loss_angle"][inside] - angle).max())
    return float(max(errors))


def lfe() -> float:
    """Return the largest relative error of rho c^2 from ratios of log-normal quadrature filters, voxel by voxel."""
    rows, columns = (np.exp(2j * np.pi * np.outer(np.arange(n), np.arange(n)) / n) for n in SHAPE)
    turns = [(np.arange(n) + n // 2) % n - n // 2 for n in SHAPE]
    fy, fx = np.meshgrid(*(t / (n * STEP) for t, n in zip(turns, SHAPE, strict=True)), indexing="ij")
    radius, angle = np.hypot(fx, fy), np.arctan2(fy, fx)
    radius[0, 0] = 1e-300  # the mean passes no filter
    centres = [2.0**i / (max(SHAPE) * STEP) for i in range(5)]  # one cycle over the grid, octaves, Nyquist's at most
    errors = []
    for u in fields():
        spectrum = np.einsum("ab,fcbd,de->fcae", rows.conj(), u, columns.conj()) / math.prod(SHAPE)
        q = []
        for centre in centres:
            bell = np.exp(-4 / (8 * math.log(2)) * np.log(radius / centre) ** 2)
            ways = [np.maximum(np.cos(angle - i * np.pi / 2), 0) ** 2 for i in range(4)]
            parts = [np.einsum("ab,fcbd,de->fcae", rows, spectrum * bell * way, columns) for way in ways]
            q.append(np.abs(np.array(parts)).sum((0, 2)))
        omega = (2 * np.pi * HERTZ)[:, None, None]
        above = sum((math.sqrt(2) * centres[i] * q[i + 1] / omega).sum(0) for i in range(4))
        slowness = 2 * np.pi * above / sum(q[i].sum(0) for i in range(4))
        found = maps_of(u, "mre-lfe")["shear_stiffness"][0]
        errors.append(np.abs(found * slowness**2 / DENSITY - 1).max())
    return float(max(errors))


CHECKS = (
    Check(name="mdev", part="Elastography", claim="MDEV is Hirsch's sums of magnitudes, for a plane wave and in noise",
          reference="published formula", tolerance=1e-6, why="round-off, which arccos widens near 0", error=mdev),
    Check(name="lfe", part="Elastography", claim="LFE is Knutsson's ratios of filters, for a plane wave and in noise",
          reference="published formula", tolerance=1e-6, why="round-off of two transforms", error=lfe),
)  # fmt: skip
