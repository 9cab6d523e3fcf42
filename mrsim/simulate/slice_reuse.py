"""The response of one tissue class through the slice: computed once, used at every place in the plane.

For each sub-slice z and a few in-plane phases phi, the spin state walks through all repetitions with one
affine map per distinct pulse. Repetitions that play the same and start from the same state are not walked
again. The number of in-plane phases and of sub-slices grows until the response stops changing: the change
is the discretisation error that is reported. Because crushers wind the phase through the slice many times,
160 sub-slices and more are needed; too few alias a dephased coherence back into the signal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ..core.phasors import RealType
from ..sequence.timeline import Timeline
from .program import INTERVAL, PULSE, Program
from .pulse_maps import PulseSteps, Relaxation
from .steps import chosen_parts, divided
from .walker import Slab, walk_all

STEADY = 1e-3
"""Change of the state from one repetition to the next, relative to the wanted accuracy, below which the next
equal repetition counts as a repetition of the same."""
MAX_SUB_SLICES, MAX_PHASES = 8192, 2048
"""Where refinement stops even if the wanted accuracy is not reached; the error reached is reported."""
GROWTH = 1.37
"""Factor by which sub-slices grow: no simple fraction, so that what aliases at one step does not at the next."""
SOME = 256
"""Readouts on which interpolation is judged."""
FEW = 61
"""Sub-slices on which the length of the RF steps is judged."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Response:
    """Mean transverse magnetisation over M0 per layer, as Fourier coefficients in the in-plane phase."""

    coefficients: NDArray[np.complex128]
    """(row, layer, order): response = sum_n coefficients exp(i n phi), at each readout's start."""
    orders: NDArray[np.int64]
    """(order,) n."""
    row: NDArray[np.int64]
    """(readout,) row of `coefficients` for each readout of the timeline."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Scan:
    """What all classes walk through."""

    timeline: Timeline
    plan: Program
    slab: Slab
    dtype: RealType
    seen: int | None = None
    """Highest in-plane order whose winding the cells of the object can still show; None: every order counts, to agree
    with spins at the cells' places."""
    pulses: dict[int, PulseSteps] = field(init=False, default_factory=dict)
    """The pulses as all classes walk through them, by the steps that a step is divided into."""

    def divided(self, parts: int) -> PulseSteps:
        """Return the pulses with every step divided into `parts`."""
        if parts not in self.pulses:
            self.pulses[parts] = PulseSteps(divided(self.timeline, parts), self.dtype)
        return self.pulses[parts]


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolution:
    """How finely a class is sampled, and the error that this leaves."""

    per_layer: int
    """Sub-slices per layer."""
    compared: int
    """The sub-slices per layer with which these were compared."""
    phases: int
    """In-plane phases."""
    error: float
    """Change of the response, over M0, when sub-slices or phases were last refined."""
    wanted: float
    """Accuracy asked for, over M0."""
    steady: float
    """Change of the state, over M0, below which a repetition counts as steady."""
    rf_split: int
    """Steps that every RF step of the scanner is divided into."""
    rf_error: float
    """Error of the response, over M0, that the length of the RF steps leaves."""


def refine(
    scan: Scan,
    spin: Relaxation,
    accuracy: float,
    sub_slices: int | None,
    rf_step: float | None = None,
    start: Resolution | None = None,
) -> tuple[Resolution, Response]:
    """Find the resolution at which the response of a class changes by less than `accuracy`.

    Parameters
    ----------
    scan : Scan
        The scan and the slab.
    spin : Relaxation
        Rates 1/s, offset Hz, relative B1.
    accuracy : float
        Wanted change, over M0, at the last refinement.
    sub_slices : int or None
        Fixed number per layer, or None to refine; its error is found by one finer walk all the same.
    rf_step : float or None
        Longest RF step, s; None divides the scanner's steps until their error is below a quarter of `accuracy`.
    start : Resolution, optional
        A resolution that turned out too coarse.

    Returns
    -------
    resolution : Resolution
    response : Response
        The last walk, of the class on which the resolution was found.
    """
    wanted = max(accuracy, 50 * float(np.finfo(scan.dtype).eps))
    first = start.per_layer if start else (sub_slices or _first_guess(scan))
    found = Resolution(
        per_layer=first,
        compared=first,
        phases=start.phases if start else _first_phases(scan),
        error=math.inf,
        wanted=wanted,
        steady=max(STEADY * accuracy, 4 * float(np.finfo(scan.dtype).eps)),
        rf_split=1,
        rf_error=0.0,
    )
    if not scan.slab.ideal:
        found = _rf_steps(scan, spin, found, rf_step)
    walked = _walked(scan, spin, found)
    while True:
        finer = replace(found, per_layer=math.ceil(found.per_layer * GROWTH), compared=found.per_layer)
        refined = _walked(scan, spin, finer)
        error = _difference(scan, refined, walked)
        if sub_slices:
            found = replace(found, compared=finer.per_layer, error=error)
            break
        found, walked = replace(finer, error=error), refined
        if error <= wanted or found.per_layer * scan.slab.layers > MAX_SUB_SLICES:
            break
    # the phases last: where the sub-slices are too few, the phases seem too few as well
    found, walked = _enough_phases(scan, spin, found, walked)
    tail = _tail(walked[0]) if scan.seen is None else 0.0
    return replace(found, error=max(found.error, tail)), _response(scan, *walked)


def change(scan: Scan, spin: Relaxation, found: Resolution) -> float:
    """Return how much the response of another class changes, over M0, at the last refinement of `found`."""
    other = replace(found, per_layer=found.compared)
    return _difference(scan, _walked(scan, spin, found), _walked(scan, spin, other))


def responses(scan: Scan, spin: Relaxation, found: Resolution) -> NDArray[np.complex128]:
    """Return the (readout, layer, order) response of a class in the orders that are seen."""
    rows, row = _walked(scan, spin, found)
    seen = scan.seen or 0
    return _coefficients(rows)[..., np.arange(-seen, seen + 1) % rows.shape[-1]][row]


def some_responses(scan: Scan, spin: Relaxation, found: Resolution) -> NDArray[np.complex128]:
    """Return the (readout, layer, phi) response of a class in some of the readouts."""
    rows, row = _walked(scan, spin, found)
    return rows[row[some_readouts(len(row), SOME)]]


def some_readouts(count: int, most: int) -> NDArray[np.int64]:
    """Return the rows of at most so many of the readouts, half of them the first."""
    spread = np.linspace(0, count - 1, most - most // 2).astype(np.int64)
    return np.union1d(np.arange(min(most // 2, count)), spread)


def coefficients(scan: Scan, spin: Relaxation, found: Resolution, rows: NDArray[np.int64]) -> NDArray[np.complex128]:
    """Return the (row, layer, order) response of a class in some readouts, in as many orders as there are phases."""
    responses, row = _walked(scan, spin, found)
    return _coefficients(responses[row[rows]])


def respond(scan: Scan, spin: Relaxation, found: Resolution) -> Response:
    """Compute the response of one class with the resolution that `refine` found for a class that relaxes alike."""
    walked = _walked(scan, spin, found)
    return _response(scan, *(walked if scan.seen is not None else _enough_phases(scan, spin, found, walked)[1]))


_Walked = tuple[NDArray[np.complex128], NDArray[np.int64]]
"""Distinct responses (row, layer, phi) and the row of each readout."""


def _walked(scan: Scan, spin: Relaxation, found: Resolution) -> _Walked:
    steps = scan.divided(found.rf_split)
    return walk_all(steps, scan.plan, scan.slab, spin, found.per_layer, found.phases, found.steady)


def _difference(scan: Scan, first: _Walked, second: _Walked) -> float:
    """Return the largest difference of two walks; where orders are judged, of the mean over the layers."""
    if scan.seen is None:
        return float(np.abs(first[0][first[1]] - second[0][second[1]]).max(initial=0.0))
    orders = np.arange(-scan.seen, scan.seen + 1)
    one, other = (_coefficients(rows)[..., orders % rows.shape[-1]] for rows, _ in (first, second))
    pairs = np.unique(np.stack([first[1], second[1]]), axis=1)
    return float(np.abs(one[pairs[0]] - other[pairs[1]]).sum(axis=2).mean(axis=1).max(initial=0.0))


def _coefficients(rows: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return the (row, layer, order) Fourier coefficients in the in-plane phase."""
    return np.asarray(np.fft.fft(rows, axis=-1) / rows.shape[-1])


def _response(scan: Scan, rows: NDArray[np.complex128], row: NDArray[np.int64]) -> Response:
    phases = rows.shape[-1]
    coefficients = _coefficients(rows)
    orders = np.rint(np.fft.fftfreq(phases) * phases).astype(np.int64)
    if scan.seen is None:
        keep = (orders == 0) | (np.abs(coefficients).max(axis=(0, 1), initial=0.0) > 1e-12)
    else:
        keep = np.abs(orders) <= scan.seen
    return Response(coefficients=coefficients[..., keep], orders=orders[keep], row=row)


def _first_phases(scan: Scan) -> int:
    """Return the in-plane phases with which refinement begins."""
    if not np.any(scan.plan.base):
        return 1
    return 32 if scan.seen is None else max(8, 2 * scan.seen + 4)


def _enough_phases(scan: Scan, spin: Relaxation, found: Resolution, walked: _Walked) -> tuple[Resolution, _Walked]:
    """Add in-plane phases until the highest orders hold nothing, or, where orders are judged, the seen ones rest."""
    if scan.seen is not None:
        before = found.error
        while found.phases > 1:
            more = replace(found, phases=math.ceil(1.5 * found.phases))
            again = _walked(scan, spin, more)
            error = _difference(scan, again, walked)
            found, walked = replace(more, error=max(before, error)), again
            if error <= found.wanted / 2 or found.phases > MAX_PHASES:
                break
        return found, walked
    while _tail(walked[0]) > found.wanted / 4 and found.phases < MAX_PHASES:
        found = replace(found, phases=2 * found.phases)
        walked = _walked(scan, spin, found)
    return found, walked


def _rf_steps(scan: Scan, spin: Relaxation, found: Resolution, rf_step: float | None) -> Resolution:
    """Divide the RF steps until their error is a quarter of what is wanted, or as asked, and state the error.

    A few sub-slices tell: they need not resolve the crushers.
    """
    few = replace(found, per_layer=math.ceil(FEW / scan.slab.layers), phases=min(found.phases, 4))
    walked = cache(lambda parts: _walked(scan, spin, replace(few, rf_split=parts)))

    def halved(parts: int) -> float:
        return _difference(scan, walked(2 * parts), walked(parts))

    split, error = chosen_parts(scan.timeline, rf_step, halved, found.wanted / 4, scan.dtype)
    return replace(found, rf_split=split, rf_error=error)


def _first_guess(scan: Scan) -> int:
    """Return sub-slices per layer such that what one excitation, or one repetition, winds up does not alias."""
    excites = np.array([pulse.use == "excitation" for pulse in scan.timeline.pulses], dtype=np.bool_)
    operations = scan.plan.operations
    ops = np.concatenate(operations)
    between, index = ops[:, 0] == INTERVAL, ops[:, 1]
    wound = np.zeros(len(ops))
    wound[between] = np.abs(scan.plan.intervals[index[between], 1])
    begins = np.zeros(len(ops), dtype=np.bool_)
    begins[ops[:, 0] == PULSE] = excites[index[ops[:, 0] == PULSE]]
    lengths = np.array([len(each) for each in operations])
    begins[(np.cumsum(lengths) - lengths)[lengths > 0]] = True
    most = float(np.bincount(np.cumsum(begins), wound).max(initial=0.0))
    return math.ceil(max(96.0, 1.25 * scan.slab.thickness * most) / scan.slab.layers)


def _tail(rows: NDArray[np.complex128]) -> float:
    """Return the largest Fourier coefficient in the upper half of the orders: what more phases would change."""
    phases = rows.shape[-1]
    if phases == 1:
        return 0.0
    spectrum = np.abs(np.fft.fft(rows, axis=-1)) / phases
    return float(spectrum[..., phases // 4 : -(phases // 4) + 1].max(initial=0.0))
