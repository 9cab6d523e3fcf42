"""Complex gradient echoes of one or two species in one field: arrays in, arrays out.

The signal is e^(i phi) sum_k A_k a_k(t) e^(-R2* t - i 2 pi psi t); see `_kernels.echoes`. The offset psi has many local
minima. Where water and fat could be swapped, each voxel's deepest minima are kept as candidates, and neighbours agree
on one of each by belief propagation: the data are weighed against the square of the step between neighbours' offsets,
on the circle of one period 1 / (echo spacing).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.unwrap import unwrap
from .solve import over_chunks

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
NODES = 96
"""Offsets per period that are searched."""
CANDIDATES = 4
"""Minima that are kept per voxel."""
DECAYS = (0.0, 60.0, 200.0)
"""R2* at which minima are looked for, 1/s."""
SMOOTHNESS = 1.0
"""Cost of a step of the offset by one period between neighbours, in units of a typical voxel's energy."""
ROUNDS = 30
"""Of belief propagation."""
HIGHEST = 5e3
"""Largest R2* of a fit, 1/s."""
LIMIT = 60
"""Iterations after which a voxel is given up."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EchoSolution:
    """What a fit finds in each voxel; the rows of `values` are amplitudes, phase (rad), offset (Hz), R2* (1/s), and how
    much faster the second species decays (1/s).
    """

    values: Array
    """(kind + 3 or 4, voxel)."""
    unit_errors: Array
    """(kind + 3 or 4, voxel) standard errors for noise of 1 per quadrature channel in an echo of weight 1."""
    unit_covariance: Array
    """(voxel,) covariance of the two amplitudes for such noise."""
    status: NDArray[np.int8]
    """(voxel,); see `mrsim.core.maps.STATUS`."""
    cost: Array
    """(voxel,) weighted sum of squared residuals."""

    kinds: int
    """Number of species."""

    @property
    def amplitudes(self) -> Array:
        """(kind, voxel)."""
        return self.values[: self.kinds]

    @property
    def phase(self) -> Array:
        """(voxel,) rad."""
        return np.asarray(self.values[self.kinds])

    @property
    def offset(self) -> Array:
        """(voxel,) Hz."""
        return np.asarray(self.values[self.kinds + 1])

    @property
    def decay(self) -> Array:
        """(voxel,) 1/s."""
        return np.asarray(self.values[self.kinds + 2])

    def signal(self, te: Array, basis: Complex) -> Complex:
        """Return the (echo, voxel) fitted signal."""
        species = np.broadcast_to(basis[:, :, None], (*basis.shape, self.values.shape[1])).copy()
        if len(self.values) > self.kinds + 3:
            species[1] *= np.exp(-self.values[-1] * te[:, None])
        turn = np.exp(1j * self.phase - (2j * np.pi * self.offset + self.decay) * te[:, None])
        return np.asarray(turn * np.einsum("knv,kv->nv", species, self.amplitudes))


def period(te: Array) -> float:
    """Return the range of offsets that the echoes can tell apart, Hz: the inverse of their smallest distance."""
    return 1.0 / float(np.diff(np.sort(te)).min())


def equally_spaced(te: Array) -> bool:
    """Whether the echoes follow one another at equal distances."""
    steps = np.diff(te)
    return bool(np.ptp(steps) < 1e-6 * steps.mean())


def solve_echoes(
    series: Complex,
    te: Array,
    basis: Complex,
    offset: Array,
    decay: Array,
    *,
    free: int,
    weight: Array | None = None,
    factor: Array | None = None,
    floor: Array | None = None,
    prior: Array | None = None,
    threads: int | None = None,
) -> EchoSolution:
    """Fit every voxel by least squares, from a start.

    Parameters
    ----------
    series : (echo, voxel) array
        Complex signals.
    te : (echo,) array
        s.
    basis : (kind, echo) array
        What each species' signal is at the echoes, without field and decay: ones for water.
    offset, decay : (voxel,) array
        Start, Hz and 1/s.
    free : int
        0: the decay stays at its start; 1: it is fitted; 2: the second species has its own.
    weight : (echo,) array, optional
        1 / variance of each echo, relative; ones by default.
    factor : (echo, voxel) array, optional
        Known real factor of the signal, e.g. the dephasing by a gradient.
    floor : (voxel,) array, optional
        Root mean square per echo below which a voxel has no signal.
    prior : (voxel,) array, optional
        For `free` 2: variance of the noise over that of the difference of the decays, before the data speak.
    threads : int, optional
        All available cores by default.
    """
    from ._kernels.echoes import fit_echoes

    kinds, (n, voxels) = len(basis), series.shape
    rows = kinds + 3 + (free == 2)
    values = np.zeros((rows, voxels))
    values[kinds + 1], values[kinds + 2] = offset, decay
    solution = EchoSolution(
        values=values,
        unit_errors=np.full((rows, voxels), np.nan),
        unit_covariance=np.full(voxels, np.nan),
        status=np.zeros(voxels, np.int8),
        cost=np.full(voxels, np.nan),
        kinds=kinds,
    )
    data = np.ascontiguousarray(series, np.complex128)
    shared = (
        np.ascontiguousarray(te, np.float64),
        np.ascontiguousarray(basis, np.complex128),
        np.ones((n, 1)) if factor is None else np.ascontiguousarray(factor, np.float64),
        np.ones(n) if weight is None else np.ascontiguousarray(weight, np.float64),
        free,
        np.zeros(voxels) if floor is None else np.ascontiguousarray(floor, np.float64),
        np.zeros(voxels) if prior is None else np.ascontiguousarray(prior, np.float64),
        HIGHEST,
        LIMIT,
    )
    written = (solution.values, solution.unit_errors, solution.unit_covariance, solution.status, solution.cost)
    over_chunks(lambda start, stop: fit_echoes(data, start, stop, *shared, *written), 0, voxels, threads)
    return solution


def search(
    series: Complex, te: Array, basis: Complex, weight: Array, decays: tuple[float, ...], threads: int | None = None
) -> tuple[Array, Array, Array]:
    """Return the deepest minima of each voxel's misfit: (candidate, voxel) misfit over energy, offset, decay."""
    from ._kernels.echoes import candidates

    span = period(te)
    offsets = (np.arange(NODES) / NODES - 0.5) * span
    turns = np.exp(2j * np.pi * np.outer(offsets, te))
    faded = basis[None] * np.exp(-np.outer(decays, te))[:, None]
    projected = np.ascontiguousarray(faded.conj() * weight)
    inverse = np.ascontiguousarray(np.linalg.inv(np.einsum("dkn,dln->dkl", projected, faded).real))
    cost = np.empty((CANDIDATES, series.shape[1]))
    where = np.empty(cost.shape, np.int64)
    data = np.ascontiguousarray(series, np.complex128)

    def work(start: int, stop: int) -> None:
        candidates(data, start, stop, weight, turns, projected, inverse, offsets, cost, where)

    over_chunks(work, 0, series.shape[1], threads)
    return cost, offsets[where // len(decays)], np.asarray(decays)[where % len(decays)]


def agree(cost: Array, offset: Array, energy: Array, mask: NDArray[np.bool_], span: float) -> NDArray[np.int64]:
    """Return which candidate each voxel of the mask takes, so that neighbours' offsets agree.

    Parameters
    ----------
    cost, offset : (candidate, voxel) array
        Misfit over energy and offset, Hz, of the voxels inside the mask.
    energy : (voxel,) array
        Sum of squared signals, by which voxels are weighed.
    mask : (z, y, x) array of bool
    span : float
        Period of the offset, Hz.
    """
    from ._kernels.echoes import pass_messages

    inside = mask.ravel()
    typical = float(np.median(energy[energy > 0]))
    weight = np.minimum(energy / typical, 1.0)  # a bright voxel knows no more than a typical one
    finite = np.isfinite(cost)
    data, place = np.zeros((len(cost), inside.size)), np.zeros((len(cost), inside.size))
    data[:, inside] = np.where(finite, (np.where(finite, cost, 0.0) - cost[:1]) * weight, np.inf)
    place[:, inside] = offset
    data[1:, ~inside] = np.inf
    share = np.zeros(inside.size)
    share[inside] = weight
    choice = np.zeros(inside.size, np.int64)
    messages = np.zeros((6, *data.shape))
    pass_messages(data, place, share, span, SMOOTHNESS, np.array(mask.shape), ROUNDS, messages, choice)
    return choice[inside]


def first_offset(series: Complex, te: Array) -> Array:
    """Return the (voxel,) offset of one species from the phases between successive, equally spaced echoes, Hz."""
    step = np.sum(series[1:] * series[:-1].conj(), axis=0)
    return np.asarray(-np.angle(step) / (2 * np.pi * float(np.diff(te).mean())))


def first_decay(series: Complex, te: Array) -> Array:
    """Return the (voxel,) rate from the energies of the early and the late half of the echoes, 1/s."""
    half = len(te) // 2
    early, late = (np.mean(np.abs(part) ** 2, axis=0) for part in (series[:half], series[-half:]))
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.log(early / late) / (2 * (te[-half:].mean() - te[:half].mean()))
    return np.asarray(np.clip(np.nan_to_num(rate, nan=10.0, posinf=HIGHEST, neginf=0.0), 0.0, HIGHEST))


def unaliased(offset: Array, held: NDArray[np.bool_], span: float) -> Array:
    """Return a (z, y, x) offset, Hz, without jumps by its period; NaN outside of `held`."""
    turns = np.where(held, offset, 0.0) * (2 * np.pi / span)
    return np.asarray(unwrap(turns, held) * (span / (2 * np.pi)))


def alternation(series: Complex, fitted: Complex, mask: NDArray[np.bool_]) -> tuple[float, float]:
    """Return phase and slope, rad and rad per voxel, by which even echoes lead and odd ones lag along x.

    Readouts of alternating polarity turn delays and eddy currents into a phase +theta(x), -theta(x), +theta(x), ...

    Parameters
    ----------
    series, fitted : (echo, voxel) array
        Of the voxels inside the mask.
    mask : (z, y, x) array of bool
    """
    even, odd = (np.sum(series[k::2] * fitted[k::2].conj(), axis=0) for k in (0, 1))
    column = np.nonzero(mask)[2]
    width = mask.shape[2]
    product = even * odd.conj()
    sums = np.bincount(column, product.real, width) + 1j * np.bincount(column, product.imag, width)
    strong = np.abs(sums) > 1e-3 * np.abs(sums).max()
    place, weight = np.flatnonzero(strong) - width // 2, np.abs(sums[strong])
    phase = 0.5 * np.unwrap(np.angle(sums[strong]))
    if len(place) < 2:
        return float(phase.mean()), 0.0
    slope, start = np.polyfit(place, phase, 1, w=np.sqrt(weight))
    return float(start), float(slope)
