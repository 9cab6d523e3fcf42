"""Inversions that estimate a wavenumber and never a Laplacian: phase gradient, k-MDEV, and local frequency.

``mre-phase-gradient``: k is the gradient of the phase of u, and its decay that of ln |u|; for one plane wave only.

``mre-k-mdev`` (Tzschaetzsch 2016, doi:10.1016/j.media.2016.01.001) first splits the wave by directional filters in
the plane, so that each part is nearly one plane wave, and averages k over parts, components and frequencies with the
weights |u|^4; slowness k' / omega, not speed, is averaged. Its imaginary part is the decay along each part's way.

``mre-lfe`` (Knutsson 1994, doi:10.1109/ICIP.1994.413270; Manduca 2001, doi:10.1016/S1361-8415(00)00039-6): log-normal
filters R_i(f) = exp(-C ln^2(f / f_i)), C = 4 / (B^2 ln 2), one octave apart, with B = 2 sqrt 2: the ratio of the
outputs q of two neighbours is the local spatial frequency,  f = sqrt(f_i f_i+1) q_i+1 / q_i,  averaged with the
weights q_i. It tells rho c^2 alone: the loss angle is assumed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from ...core.wave_filters import directions, filtered, frequencies, gaussian
from ..inversion import (
    IN_PLANE,
    LOSS_ANGLE,
    MODULI,
    PROBES,
    SMOOTHING,
    VALIDITY,
    WINDOW,
    Array,
    Complex,
    Field,
    Inversion,
    local_support,
    with_loss_angle,
)
from ..model import Option
from ..wave_derivatives import local_wavenumber, whole, window_sum

BANDWIDTH = 2 * math.sqrt(2)
"""B, octaves: for which the ratio of neighbours is exactly proportional to the frequency."""
DIRECTIONS = Option(
    name="directions", default=8.0, unit="", symbol="n_d", description="directional filters in the plane",
    lower=3.0, upper=64.0,
)  # fmt: skip


def phase_gradient(field: Field) -> Complex:
    """Return G* from the gradients of phase and magnitude, weighted by |u|^2 over window, components, frequencies."""
    u = gaussian(field.u, field.mask, float(field.options["smoothing"]))
    return _modulus(field, [u], 2)


def k_mdev(field: Field) -> Complex:
    """Return G* from directionally filtered waves, weighted by |u|^4."""
    u = gaussian(field.u, field.mask, float(field.options["smoothing"]))
    bank = directions(field.mask.shape, field.spacing, round(float(field.options["directions"])))
    return _modulus(field, (filtered(u, transfer) for transfer in bank), 4)


def _modulus(field: Field, parts: Iterator[Complex] | list[Complex], power: int) -> Complex:
    """Return rho / slowness^2, the slowness k / omega averaged over parts, components and frequencies."""
    valid = whole(field.mask, field.axes)
    total, weights = np.zeros(field.mask.shape, complex), np.zeros(field.mask.shape)
    for u in parts:
        phase, decay = local_wavenumber(u, field.spacing, field.axes)
        size = np.sqrt(np.sum(phase**2, axis=0))
        with np.errstate(divide="ignore", invalid="ignore"):
            along = np.sum(decay * phase, axis=0) / size  # of exp(-i k r) the phase falls and the magnitude with it
            slow = (size - 1j * along) / field.omega[:, None, None, None, None]
        known = np.isfinite(slow) & valid
        weight = np.where(known, np.abs(u) ** power, 0)
        total += np.sum(weight * np.where(known, slow, 0), axis=(0, 1))
        weights += np.sum(weight, axis=(0, 1))
    total, weights = window_sum(total, valid, field), window_sum(weights, valid, field)
    known = field.mask & (weights > 0)
    slowness = np.where(known, total / np.where(known, weights, 1), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = field.density / slowness**2
    return np.asarray(np.where(np.isfinite(found), found, np.nan))


def local_frequency(field: Field) -> Complex:
    """Return G* of the local spatial frequency and the assumed loss angle, Pa."""
    u = gaussian(field.u, field.mask, float(field.options["smoothing"]))
    centres = _centres(field)
    outputs = np.stack([_magnitude(u, _log_normal(field, centre), field) for centre in centres])
    above, below = np.zeros(outputs.shape[1:]), np.zeros(outputs.shape[1:])
    for (low, high), (f_low, f_high) in zip(pairwise(outputs), pairwise(centres), strict=True):
        above += math.sqrt(f_low * f_high) * high  # weight q_low times the estimate
        below += low
    slow = above / field.omega[:, None, None, None]
    slow, below = (window_sum(v.sum(axis=0), field.mask, field) for v in (slow, below))
    known = field.mask & (below > 0)
    slowness = 2 * np.pi * np.where(known, slow / np.where(known, below, 1), np.nan)
    return np.asarray(with_loss_angle(field.density / slowness**2, field.options["loss_angle"]))


def _centres(field: Field) -> list[float]:
    """Return the filters' frequencies, 1/m, an octave apart, from one cycle over the grid to the Nyquist frequency."""
    used = [(field.mask.shape[a], field.spacing[a]) for a in field.axes]
    lowest, highest = min(1 / (n * h) for n, h in used), max(0.5 / h for _, h in used)
    count = max(2, math.floor(math.log2(highest / lowest)) + 1)
    return [lowest * 2**i for i in range(count)]


def _log_normal(field: Field, centre: float) -> Array:
    z, y, x = frequencies(field.mask.shape, field.spacing)
    radius = np.sqrt(x**2 + y**2 + (z**2 if 0 in field.axes else 0 * z))
    with np.errstate(divide="ignore"):
        exponent = np.log(radius / centre) ** 2
    return np.asarray(np.where(radius > 0, np.exp(-4 / (BANDWIDTH**2 * math.log(2)) * exponent), 0.0))


def _magnitude(u: Complex, transfer: Array, field: Field) -> Array:
    """Return (frequency, z, y, x) sums over components and one-sided directions of |filtered u|, 1 per plane wave.

    Two orthogonal axes in both senses, cos^2 each, in space three: they sum to one for every direction.
    """
    z, y, x = frequencies(field.mask.shape, field.spacing)
    along = [(z, y, x)[a] + 0 * transfer for a in field.axes]
    radius = np.sqrt(sum(f**2 for f in along))
    safe = np.where(radius > 0, radius, 1.0)
    total: Any = 0.0
    for f in along:
        for sense in (1, -1):
            total = total + np.abs(filtered(u, transfer * np.maximum(sense * f / safe, 0) ** 2)).sum(axis=1)
    return np.asarray(total)


def _far(options: Mapping[str, Any]) -> float:
    return 4 + round(float(options["window"]))


PHASE_GRADIENT = Inversion(
    name="mre-phase-gradient",
    title="gradient of the phase of one plane wave",
    reference="Manduca 2001, doi:10.1016/S1361-8415(00)00039-6",
    parameters=MODULI,
    derived=VALIDITY,
    contrast=(),
    options=(WINDOW, SMOOTHING, IN_PLANE, PROBES),
    data="complex",
    formula=r"k = |\nabla \arg u| - i\, \partial_n \ln |u|,\quad G^* = \rho \omega^2 / k^2",
    solve=phase_gradient,
    order=1,
    support=local_support,
    least_voxels=3.0,
)
K_MDEV_OPTIONS = (
    replace(WINDOW, default=0.0),
    replace(SMOOTHING, default=0.65),
    replace(IN_PLANE, default=1.0),
    DIRECTIONS,
    PROBES,
)
K_MDEV = Inversion(
    name="mre-k-mdev",
    title="wavenumbers of directionally filtered waves (k-MDEV)",
    reference="Tzschaetzsch 2016, doi:10.1016/j.media.2016.01.001",
    parameters=MODULI,
    derived=VALIDITY,
    contrast=(),
    options=K_MDEV_OPTIONS,
    data="complex",
    formula=r"\bar{k} = \frac{\sum |u|^4 k}{\sum |u|^4},\quad k = |\nabla \arg u| - i\, \partial_n \ln |u|",
    solve=k_mdev,
    order=1,
    support=_far,
    least_voxels=3.0,
)
LFE = Inversion(
    name="mre-lfe",
    title="local frequency estimation by log-normal quadrature filters (LFE): rho c^2",
    reference="Manduca 2001, doi:10.1016/S1361-8415(00)00039-6",
    parameters=MODULI,
    derived=VALIDITY,
    contrast=(),
    options=(replace(WINDOW, default=0.0), SMOOTHING, IN_PLANE, LOSS_ANGLE, PROBES),
    data="complex",
    formula=r"f = \frac{\sum \sqrt{f_i f_{i+1}}\, q_{i+1}}{\sum q_i},\quad \rho c^2 = \rho (f_v / f)^2",
    solve=local_frequency,
    order=1,
    support=_far,
    least_voxels=4.0,
    least_penetration=0.5,
)
