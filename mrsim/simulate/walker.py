"""The walk of one tissue class through all repetitions of a scan, for every in-plane phase and sub-slice.

A repetition is an affine map of the spin state. Repetitions that play the same and start from the same state are
not walked again; and where all play the same, the state that repeats itself is the map's fixed point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.phasors import RealType
from .program import Program, Stretch
from .pulse_maps import PulseSteps, Relaxation, ideal_maps, real_maps


@dataclass(frozen=True, kw_only=True, slots=True)
class Slab:
    """A stretch of the slice direction that is simulated, in equal layers."""

    thickness: float
    """m."""
    layers: int
    ideal: bool = False
    """True replaces every pulse by its nominal flip, the same through the whole slab."""
    middle: float = 0.0
    """Where its middle lies along z, m."""
    start: str = "equilibrium"
    """``"equilibrium"``, or ``"steady"`` for the periodic state of endless equal repetitions."""

    def positions(self, per_layer: int) -> NDArray[np.float64]:
        """Return the (layers * per_layer,) sub-slice centres, m."""
        count = self.layers * per_layer
        return self.middle + (np.arange(count) + 0.5) / count * self.thickness - self.thickness / 2


class _Walker:
    """What the walk looks up: pulse maps, intervals and their decay, samples, in-plane phasors, layers."""

    def __init__(
        self,
        steps: PulseSteps,
        plan: Program,
        slab: Slab,
        spin: Relaxation,
        per_layer: int,
        phases: int,
    ) -> None:
        timeline, dtype = steps.timeline, steps.dtype
        z = slab.positions(per_layer)
        if slab.ideal:
            self.maps = np.asarray(ideal_maps(timeline.pulses, timeline, z, spin), dtype=dtype)
        else:
            self.maps = np.asarray(real_maps(steps, z, spin, plan.played), dtype=dtype)
        self.interval = _decay_phasors(plan.intervals, z, spin, dtype)
        self.interval[plan.spoiled] = 0
        self.interval_e1 = np.exp(-plan.intervals[:, 0] * spin.r1).astype(dtype)
        self.sample = _decay_phasors(plan.samples, z, spin, dtype)
        turning = np.exp(-1j * np.outer(plan.multiples, 2 * np.pi * np.arange(phases) / phases))
        self.in_plane = np.ascontiguousarray(np.stack([turning.real, turning.imag], axis=1).astype(dtype))
        self.layers = np.arange(slab.layers + 1, dtype=np.int64) * per_layer
        self.shape = (phases, 3, len(z))
        self.dtype = dtype

    def state(self, component: int | None) -> NDArray[Any]:
        """Return (phi, 3, z) magnetisation of 1 along one component, or none at all."""
        state: NDArray[Any] = np.zeros(self.shape, self.dtype)
        if component is not None:
            state[:, component] = 1
        return state

    def walk(self, state: NDArray[Any], stretch: Stretch) -> NDArray[np.complex128]:
        """Carry the state, in place, through some repetitions; return its (readout, layer, phi) responses."""
        from ._kernels.walk import walk

        play: Any = walk
        turn = stretch.turn.astype(self.dtype, copy=False)
        out: NDArray[Any] = np.zeros((len(stretch.readouts), len(self.layers) - 1, 2, self.shape[0]), self.dtype)
        tables = (self.maps, self.interval, self.interval_e1, self.sample, stretch.operations, turn)
        play(state, *tables, self.in_plane, self.layers, self.dtype(1), out)
        return np.asarray(out[:, :, 0].astype(np.float64) + 1j * out[:, :, 1])

    def fixed_point(self, period: Stretch) -> NDArray[Any]:
        """Return the state that one repetition carries into itself."""
        rest = self.state(None)
        self.walk(rest, period)
        columns = []
        for component in range(3):
            state = self.state(component)
            self.walk(state, period)
            columns.append((state - rest).astype(np.float64))
        matrix = np.stack(columns, axis=-1).transpose(0, 2, 1, 3)  # (phi, z, to, from)
        constant = rest.astype(np.float64).transpose(0, 2, 1)[..., None]
        solved = np.linalg.solve(np.eye(3) - matrix, constant)[..., 0]
        return np.ascontiguousarray(solved.transpose(0, 2, 1).astype(self.dtype))


def walk_all(
    steps: PulseSteps,
    plan: Program,
    slab: Slab,
    spin: Relaxation,
    per_layer: int,
    phases: int,
    steady: float,
) -> tuple[NDArray[np.complex128], NDArray[np.int64]]:
    """Walk through all repetitions.

    Returns
    -------
    rows : (row, layer, phi) array
        Distinct responses, over M0.
    row : (readout,) array
        The row of each readout of the timeline.
    """
    walker = _Walker(steps, plan, slab, spin, per_layer, phases)
    row = np.zeros(len(steps.timeline.readouts.dwell), dtype=np.int64)
    rows = _periodic(walker, plan, row) if slab.start == "steady" else _transient(walker, plan, row, steady)
    return rows, row


def _transient(walker: _Walker, plan: Program, row: NDArray[np.int64], steady: float) -> NDArray[np.complex128]:
    """Walk from equilibrium; a repetition counts as steady when the state changes by no more than `steady`."""
    state = walker.state(2)
    found: list[NDArray[np.complex128]] = []
    count, settled, last_rows = 0, False, np.zeros(0, dtype=np.int64)
    for stretch in plan.stretches:
        if settled and stretch.same_as_before:
            row[stretch.readouts] = last_rows
            continue
        before = state.copy() if stretch.again else None
        found.append(walker.walk(state, stretch))
        if before is not None:
            before -= state
        settled = before is not None and bool(max(before.max(), -before.min()) <= steady)
        last_rows = count + np.arange(len(stretch.readouts))
        row[stretch.readouts] = last_rows
        count += len(stretch.readouts)
    return np.concatenate(found)


def _periodic(walker: _Walker, plan: Program, row: NDArray[np.int64]) -> NDArray[np.complex128]:
    """Walk one repetition from its fixed point and use it for all."""
    period = plan.period()
    if isinstance(period, str):
        raise InputError(f"there is no periodic state: {period}; start from equilibrium", key="start")
    for rows in plan.readouts:
        row[rows] = np.arange(len(rows))
    return walker.walk(walker.fixed_point(period), period)


def _decay_phasors(
    table: NDArray[np.float64], z: NDArray[np.float64], spin: Relaxation, dtype: RealType
) -> NDArray[np.floating]:
    """Return (row, 2, z): exp(-r2 t) exp(-i 2 pi (moment z + offset t)) of each (t, moment)."""
    t, moment = table[:, :1], table[:, 1:]
    value = np.exp(-spin.r2 * t - 2j * np.pi * (moment * z + spin.offset * t))
    return np.ascontiguousarray(np.stack([value.real, value.imag], axis=1).astype(dtype))
