"""Principal-frequency analysis: the wavelength at which the spatial spectrum of a region peaks (as used in
discs by Walter 2017, Radiology 285:167).

For every region one number: the k that maximises |sum over the region of u exp(-i k . r)|^2, summed over components;
found on the padded discrete transform, then by Newton's method. Exact for one plane wave, damped or not. In a region
smaller than the wavelength the spectrum peaks where region and boundary say, not the medium; at k = 0 there is no
value. It tells rho c^2 alone: the loss angle is assumed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..inversion import (
    IN_PLANE,
    LOSS_ANGLE,
    MODULI,
    PROBES,
    VALIDITY,
    Array,
    Complex,
    Field,
    Inversion,
    with_loss_angle,
)
from ..model import Option

REGIONS = Option(
    name="regions", default=1.0, unit="", symbol="r", varies=True, lower=0.5,
    description="number of the region that a voxel belongs to, each of one modulus; 1.3: 30 % of it are of "
    "region 2, the rest of 1 (mre-model draws borders within voxels by it; elsewhere the nearest number counts)",
)  # fmt: skip
PADDING = 2
"""Size of the transform over that of the grid: Newton's method begins within a quarter of the peak's width."""
ROUNDS = 50


def labels_of(field: Field) -> Any:
    """Return (z, y, x) the number of each voxel's region; 0 outside the mask."""
    numbers = np.round(np.broadcast_to(np.asarray(field.options["regions"], np.float64), field.mask.shape))
    return np.where(field.mask & np.isfinite(numbers), np.nan_to_num(numbers), 0).astype(np.int64)


def principal_frequency(field: Field) -> Complex:
    """Return G* of each region's principal frequency and the assumed loss angle, Pa."""
    labels = labels_of(field)
    found = np.full(field.mask.shape, np.nan)
    for label in np.unique(labels[labels > 0]):
        inside = labels == label
        total, weights = 0.0, 0.0
        for u, omega in zip(field.u, field.omega, strict=True):
            k, power = _peak(np.where(inside, u, 0), field)
            total, weights = total + power * k / omega, weights + power
        slowness = total / weights if weights > 0 else 0.0
        found[inside] = field.density / slowness**2 if slowness > 0 else np.nan
    return np.asarray(with_loss_angle(found, field.options["loss_angle"]))


def region_extent(field: Field) -> Array:
    """Return (z, y, x) the longest side of the box around each voxel's region, m; 0 outside."""
    labels, found = labels_of(field), np.zeros(field.mask.shape)
    for label in np.unique(labels[labels > 0]):
        places = np.nonzero(labels == label)
        found[places] = max((np.ptp(places[a]) + 1) * field.spacing[a] for a in field.axes)
    return found


def _peak(u: Complex, field: Field) -> tuple[float, float]:
    """Return |k|, rad/m, at the peak of the spectrum of (component, z, y, x) waves, and the peak's power."""
    axes = field.axes
    sizes = [PADDING * n if a in axes else n for a, n in enumerate(u.shape[1:])]
    spectrum = np.sum(np.abs(np.fft.fftn(u, s=sizes, axes=(-3, -2, -1))) ** 2, axis=0)
    if 0 not in axes:
        spectrum = spectrum.sum(axis=0, keepdims=True)
    at = np.unravel_index(int(np.argmax(spectrum)), spectrum.shape)
    k = np.array([2 * np.pi * np.fft.fftfreq(sizes[a], field.spacing[a])[at[a]] for a in axes])
    z, y, x = np.nonzero(np.any(u != 0, axis=0))
    if not len(z):
        return 0.0, 0.0
    r = np.stack([(z, y, x)[a] * field.spacing[a] for a in axes])
    parts = [np.ones(len(z), bool)] if 0 in axes else [z == plane for plane in np.unique(z)]
    rows, planes = [u[:, z[p], y[p], x[p]] for p in parts], [r[:, p] for p in parts]
    k, power = _refined(k, rows, planes)
    return float(np.linalg.norm(k)), power


def _refined(k: Array, rows: list[Complex], planes: list[Array]) -> tuple[Array, float]:
    """Climb the power sum |sum u exp(-i k r)|^2 from k by Newton's method; a step that does not climb is halved."""
    width = 1 / max(float(np.ptp(p, axis=1).max()) for p in planes)
    value, slope, bend = _power(k, rows, planes)
    for _ in range(ROUNDS):
        try:
            step = -np.linalg.solve(bend, slope)
        except np.linalg.LinAlgError:
            break
        if step @ slope < 0:  # not at a maximum yet: along the slope
            step = slope / np.linalg.norm(slope) * width
        length = min(1.0, width / max(float(np.linalg.norm(step)), 1e-300))
        new = _power(k + length * step, rows, planes)
        while new[0] < value and length > 1e-9:
            length /= 2
            new = _power(k + length * step, rows, planes)
        if new[0] <= value:
            break
        k, (value, slope, bend) = k + length * step, new
    return k, value


def _power(k: Array, rows: list[Complex], planes: list[Array]) -> tuple[float, Array, Array]:
    """Return power, gradient and Hessian at k."""
    value, slope, bend = 0.0, np.zeros(len(k)), np.zeros((len(k), len(k)))
    for u, r in zip(rows, planes, strict=True):
        turned = u * np.exp(-1j * (k @ r))
        zeroth = turned.sum(axis=1)
        first = -1j * turned @ r.T
        second = -np.einsum("cr,ir,jr->cij", turned, r, r)
        value += float(np.sum(np.abs(zeroth) ** 2))
        slope += 2 * np.sum((np.conj(zeroth)[:, None] * first).real, axis=0)
        bend += 2 * np.sum((np.conj(zeroth)[:, None, None] * second).real, axis=0)
        bend += 2 * np.sum((np.conj(first)[:, :, None] * first[:, None, :]).real, axis=0)
    return value, slope, bend


PRINCIPAL_FREQUENCY = Inversion(
    name="mre-principal-frequency",
    title="peak of a region's spatial spectrum (PFA): rho c^2",
    reference="Walter 2017, Radiology 285:167",
    parameters=MODULI,
    derived=VALIDITY,
    contrast=(),
    options=(REGIONS, IN_PLANE, LOSS_ANGLE, PROBES),
    data="complex",
    formula=r"\rho c^2 = \rho (f_v / f)^2,\quad f = \arg\max \left|\sum u\, e^{-i 2 \pi f \cdot r}\right|^2",
    solve=principal_frequency,
    order=0,
    support=lambda options: 0.0,
    least_voxels=3.0,
    least_penetration=0.5,
    extent=region_extent,
)
