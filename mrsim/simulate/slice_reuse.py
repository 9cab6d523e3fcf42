"""The response of one tissue class through the slice: computed once, used at every place in the plane.

For each sub-slice z and a few in-plane phases phi, the spin state walks through all repetitions with one
affine map per distinct pulse. Repetitions that play the same and start from the same state are not walked
again. The number of in-plane phases and of sub-slices grows until the response stops changing: the change
is the discretisation error that is reported. Because crushers wind the phase through the slice many times,
160 sub-slices and more are needed; too few alias a dephased coherence back into the signal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..sequence.timeline import Timeline
from .program import Program
from .pulse_maps import Relaxation
from .steps import RealType
from .walker import Slab, walk_all

STEADY = 1e-3
"""Change of the state from one repetition to the next, relative to the wanted accuracy, below which the next
equal repetition counts as a repetition of the same."""
MAX_SUB_SLICES, MAX_PHASES = 8192, 2048
"""Where refinement stops even if the wanted accuracy is not reached; the error reached is reported."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Response:
    """Mean transverse magnetisation over M0 per layer, as Fourier coefficients in the in-plane phase."""

    coefficients: NDArray[np.complex128]
    """(row, layer, order): response = sum_n coefficients exp(i n phi), at each readout's start."""
    orders: NDArray[np.int64]
    """(order,) n."""
    row: NDArray[np.int64]
    """(readout,) row of `coefficients` for each readout of the timeline."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolution:
    """How finely a class is sampled, and the error that this leaves."""

    per_layer: int
    """Sub-slices per layer."""
    phases: int
    """In-plane phases."""
    error: float
    """Change of the response, over M0, when both were last refined."""
    wanted: float
    """Accuracy asked for, over M0."""
    steady: float
    """Change of the state, over M0, below which a repetition counts as steady."""


def refine(
    timeline: Timeline,
    plan: Program,
    slab: Slab,
    spin: Relaxation,
    accuracy: float,
    sub_slices: int | None,
    dtype: RealType,
) -> Resolution:
    """Find the resolution at which the response of a class changes by less than `accuracy`.

    Parameters
    ----------
    timeline, plan : Timeline, Program
        The scan.
    slab : Slab
        The simulated part of the slice direction.
    spin : Relaxation
        Rates 1/s, offset Hz, relative B1.
    accuracy : float
        Wanted change, over M0, at the last refinement.
    sub_slices : int or None
        Fixed number per layer, or None to refine; its error is found by one finer walk all the same.
    dtype : type
        numpy.float64 or numpy.float32.
    """
    wanted = max(accuracy, 50 * float(np.finfo(dtype).eps))
    steady = max(STEADY * accuracy, 4 * float(np.finfo(dtype).eps))
    per_layer = sub_slices or _first_guess(plan, slab)
    phases = 1 if not np.any(plan.base) else 32

    def walked(layers: int, count: int) -> NDArray[np.complex128]:
        rows, row = walk_all(timeline, plan, slab, spin, layers, count, steady, dtype)
        return rows[row]

    response = walked(per_layer, phases)
    while True:
        finer = math.ceil(per_layer * 1.37)
        refined = walked(finer, phases)
        error = float(np.abs(refined - response).max(initial=0.0))
        if sub_slices:
            break
        per_layer, response = finer, refined
        if error <= wanted or per_layer * slab.layers > MAX_SUB_SLICES:
            break
    # the phases last: where the sub-slices are too few, the phases seem too few as well
    while (tail := _tail(response)) > wanted / 4 and phases < MAX_PHASES:
        phases *= 2
        response = walked(per_layer, phases)
    return Resolution(per_layer=per_layer, phases=phases, error=max(error, tail), wanted=wanted, steady=steady)


def respond(
    timeline: Timeline, plan: Program, slab: Slab, spin: Relaxation, resolution: Resolution, dtype: RealType
) -> Response:
    """Compute the response of one class with the sub-slices that `refine` found for a class that relaxes alike."""
    phases = resolution.phases
    while True:
        rows, row = walk_all(timeline, plan, slab, spin, resolution.per_layer, phases, resolution.steady, dtype)
        if _tail(rows) <= resolution.wanted / 4 or phases >= MAX_PHASES:
            break
        phases *= 2
    coefficients = np.fft.fft(rows, axis=-1) / phases
    orders = np.rint(np.fft.fftfreq(phases) * phases).astype(np.int64)
    keep = np.abs(coefficients).max(axis=(0, 1), initial=0.0) > 1e-12
    return Response(coefficients=coefficients[..., keep], orders=orders[keep], row=row)


def _first_guess(plan: Program, slab: Slab) -> int:
    """Return sub-slices per layer such that the coherences of one repetition do not alias."""
    windings = [sum(abs(plan.intervals[i, 1]) for kind, i, _ in ops if kind == 0) for ops in plan.operations]
    turns = slab.thickness * max(windings, default=0.0)
    return math.ceil(max(96.0, 1.25 * turns) / slab.layers)


def _tail(rows: NDArray[np.complex128]) -> float:
    """Return the largest Fourier coefficient in the upper half of the orders: what more phases would change."""
    phases = rows.shape[-1]
    if phases == 1:
        return 0.0
    spectrum = np.abs(np.fft.fft(rows, axis=-1)) / phases
    return float(spectrum[..., phases // 4 : -(phases // 4) + 1].max(initial=0.0))
