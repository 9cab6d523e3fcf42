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

from ..sequence.timeline import Pulse, Timeline
from .program import PULSE, Program
from .steps import TimeTable, phasor_series, pulse_table, rotation_series

STEADY = 1e-3
"""Change of the state from one repetition to the next, relative to the wanted accuracy, below which the next
equal repetition counts as a repetition of the same."""
MAX_SUB_SLICES, MAX_PHASES = 8192, 2048
"""Where refinement stops even if the wanted accuracy is not reached; the error reached is reported."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Slab:
    """The stretch of the slice direction that is simulated, in equal layers."""

    thickness: float
    """m."""
    layers: int
    ideal: bool = False
    """True replaces every pulse by its nominal flip, the same through the whole slab."""

    def positions(self, per_layer: int) -> NDArray[np.float64]:
        """Return the (layers * per_layer,) sub-slice centres, m."""
        count = self.layers * per_layer
        return (np.arange(count) + 0.5) / count * self.thickness - self.thickness / 2


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
class Relaxation:
    """What the walk needs to know of a class."""

    r1: float
    r2: float
    offset: float
    b1: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolution:
    """How finely a class is sampled, and the error that this leaves."""

    per_layer: int
    """Sub-slices per layer."""
    phases: int
    """In-plane phases."""
    error: float
    """Change of the response, over M0, when both were last refined."""
    steady: float
    """Change of the state, over M0, below which a repetition counts as steady."""


def refine(
    timeline: Timeline, plan: Program, slab: Slab, spin: Relaxation, accuracy: float, sub_slices: int | None, dtype: type
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
        Fixed number per layer (then only the in-plane phases are refined), or None to refine.
    dtype : type
        numpy.float64 or numpy.float32.
    """
    wanted = max(accuracy, 50 * float(np.finfo(dtype).eps))
    steady = max(STEADY * accuracy, 4 * float(np.finfo(dtype).eps))
    per_layer = sub_slices or _first_guess(plan, slab)
    phases = 1 if not np.any(plan.base) else 32
    rows, row = _walk_all(timeline, plan, slab, spin, per_layer, phases, steady, dtype)
    change = 0.0 if sub_slices else np.inf
    while True:
        # sub-slices first: where they are too few, the phases seem too few as well
        finer = per_layer if change <= wanted else math.ceil(per_layer * 1.37)
        more = 2 * phases if change <= wanted and _tail(rows) > wanted / 4 else phases
        limit = per_layer * slab.layers > MAX_SUB_SLICES or phases >= MAX_PHASES
        if limit or (finer == per_layer and more == phases):
            return Resolution(per_layer=per_layer, phases=phases, error=max(change, _tail(rows)), steady=steady)
        refined, refined_row = _walk_all(timeline, plan, slab, spin, finer, more, steady, dtype)
        if finer != per_layer:
            change = float(np.abs(refined[refined_row] - rows[row]).max(initial=0.0))
        rows, row, per_layer, phases = refined, refined_row, finer, more


def respond(
    timeline: Timeline, plan: Program, slab: Slab, spin: Relaxation, resolution: Resolution, dtype: type
) -> Response:
    """Compute the response of one class at a resolution that `refine` found."""
    rows, row = _walk_all(timeline, plan, slab, spin, resolution.per_layer, resolution.phases,
                          resolution.steady, dtype)
    coefficients = np.fft.fft(rows, axis=-1) / resolution.phases
    orders = np.rint(np.fft.fftfreq(resolution.phases) * resolution.phases).astype(np.int64)
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


def _walk_all(
    timeline: Timeline, plan: Program, slab: Slab, spin: Relaxation, per_layer: int, phases: int, steady: float,
    dtype: type,
) -> tuple[NDArray[np.complex128], NDArray[np.int64]]:
    """Walk through all repetitions; return (row, layer, phi) responses and the row of each readout."""
    from ._kernels import bloch as kernels

    z = slab.positions(per_layer)
    maps = _ideal_maps(timeline.pulses, timeline, z, spin) if slab.ideal else _maps(timeline, z, spin, dtype)
    maps = maps.astype(dtype)
    interval = _decay_phasors(plan.intervals, z, spin, dtype)
    interval_e1 = np.exp(-plan.intervals[:, 0] * spin.r1).astype(dtype)
    sample = _decay_phasors(plan.samples, z, spin, dtype)
    multiples = sorted({int(n) for ops in plan.operations for n in ops[:, 2]})
    phi = 2 * np.pi * np.arange(phases) / phases
    turning = np.exp(-1j * np.outer(multiples, phi))
    in_plane = np.ascontiguousarray(np.stack([turning.real, turning.imag], axis=1).astype(dtype))
    layers = np.arange(slab.layers + 1, dtype=np.int64) * per_layer
    state = np.zeros((phases, 3, len(z)), dtype)
    state[:, 2] = 1
    row = np.zeros(len(timeline.readouts.dwell), dtype=np.int64)
    found: list[NDArray[np.complex128]] = []
    count, settled, last_rows = 0, False, np.zeros(0, dtype=np.int64)
    for repetition, ops in enumerate(plan.operations):
        readouts = plan.readouts[repetition]
        if settled and plan.same_as_before(repetition):
            row[readouts] = last_rows
            continue
        table = ops.copy()
        table[:, 2] = np.searchsorted(multiples, ops[:, 2])
        angle = plan.phases[repetition]
        out = np.zeros((len(readouts), slab.layers, 2, phases), dtype)
        before = state.copy() if repetition + 1 < len(plan.operations) and plan.same_as_before(repetition + 1) else None
        kernels.walk(state, maps, interval, interval_e1, sample, table,
                     np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(dtype), in_plane, layers, dtype(1), out)
        settled = before is not None and bool(np.abs(state - before).max() <= steady)
        last_rows = count + np.arange(len(readouts))
        row[readouts] = last_rows
        count += len(readouts)
        found.append(out[:, :, 0].astype(np.float64) + 1j * out[:, :, 1])
    return np.concatenate(found), row


def _decay_phasors(table: NDArray[np.float64], z: NDArray[np.float64], spin: Relaxation, dtype: type) -> NDArray[np.floating]:
    """Return (row, 2, z): exp(-r2 t) exp(-i 2 pi (moment z + offset t)) of each (t, moment)."""
    t, moment = table[:, :1], table[:, 1:]
    value = np.exp(-spin.r2 * t - 2j * np.pi * (moment * z + spin.offset * t))
    return np.ascontiguousarray(np.stack([value.real, value.imag], axis=1).astype(dtype))


def _maps(timeline: Timeline, z: NDArray[np.float64], spin: Relaxation, dtype: type) -> NDArray[np.floating]:
    """Return (pulse, 3, 4, z): the affine map of every distinct pulse at every sub-slice."""
    from ._kernels import bloch as kernels

    times = TimeTable()
    reach = np.array([0.0, 0.0, np.abs(z).max()])
    table = pulse_table(timeline.pulses, timeline.gamma_bar, reach, abs(spin.offset), abs(spin.b1), times, dtype)
    e1, e2 = times.decay(np.array([spin.r1]), dtype), times.decay(np.array([spin.r2]), dtype)
    position = np.zeros((3, len(z)), dtype)
    position[2] = z
    maps = np.zeros((len(timeline.pulses), 3, 4, len(z)), dtype)
    for p in range(len(timeline.pulses)):
        runs = table.runs[table.pulse_run[p] : table.pulse_run[p + 1]]
        kernels.propagators(position, dtype(spin.offset), dtype(spin.b1), e1, e2, runs.astype(dtype), table.b1,
                            table.gradient, rotation_series(dtype), maps[p])
    return maps


def _ideal_maps(
    pulses: tuple[Pulse, ...], timeline: Timeline, z: NDArray[np.float64], spin: Relaxation
) -> NDArray[np.float64]:
    """Return the maps of instantaneous nominal flips at each pulse's centre, free precession around them."""
    maps = np.zeros((len(pulses), 3, 4, len(z)))
    for p, pulse in enumerate(pulses):
        edges = np.concatenate([[0.0], np.cumsum(pulse.dt)])
        share = np.clip((pulse.centre - edges[:-1]) / pulse.dt, 0, 1) * pulse.dt
        before = timeline.gamma_bar * float(share @ pulse.gradient[:, 2])
        after = timeline.gamma_bar * float((pulse.dt - share) @ pulse.gradient[:, 2])
        axis = float(np.angle(np.sum(pulse.b1 * pulse.dt)))
        flip = rotation(pulse.flip * spin.b1, axis)
        rest = float(edges[-1]) - pulse.centre
        maps[p] = _compose(_free(rest, after, z, spin), _compose(flip[:, :, None], _free(pulse.centre, before, z, spin)))
    return maps


def rotation(angle: float, axis: float) -> NDArray[np.float64]:
    """Return the (3, 4) map of a turn by `angle`, rad, under a B1 in the transverse plane at `axis`, rad."""
    n = np.array([np.cos(axis), np.sin(axis), 0.0])
    cross = np.array([[0, -n[2], n[1]], [n[2], 0, -n[0]], [-n[1], n[0], 0]])
    # gamma M x B turns M about -B
    turn = np.cos(angle) * np.eye(3) - np.sin(angle) * cross + (1 - np.cos(angle)) * np.outer(n, n)
    return np.concatenate([turn, np.zeros((3, 1))], axis=1)


def _free(time: float, moment: float, z: NDArray[np.float64], spin: Relaxation) -> NDArray[np.float64]:
    """Return the (3, 4, z) map of free precession and relaxation."""
    e1, e2 = np.exp(-spin.r1 * time), np.exp(-spin.r2 * time)
    phase = 2 * np.pi * (moment * z + spin.offset * time)
    result = np.zeros((3, 4, len(z)))
    result[0, 0] = result[1, 1] = e2 * np.cos(phase)
    result[0, 1], result[1, 0] = e2 * np.sin(phase), -e2 * np.sin(phase)
    result[2, 2], result[2, 3] = e1, 1 - e1
    return result


def _compose(second: NDArray[np.float64], first: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the affine map `second` after `first`, both (3, 4, z)."""
    result = np.einsum("ijz,jkz->ikz", second[:, :3], first)
    result[:, 3] += second[:, 3]
    return result


