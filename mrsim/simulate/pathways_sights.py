"""What a readout sees of the states at its start: transverse states, averaged through the slice, the faint left out.

Where the slice gradient rests during the readout, one number per layer is left of all sub-slices, so that a walk
keeps little of what it passes through. Pools that exchange are seen as the modes in which they precess and decay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..sequence.timeline import Timeline
from .pathways_states import Complex, States, transverse
from .pathways_steps import UNITS, Glance
from .sub_slices import SubSlices

PLACES = 0.1 * np.stack([np.arange(32) * 0.6180339887 % 1 - 0.5, np.arange(32) * 0.7548776662 % 1 - 0.5])
"""(2, place) m; evenly scattered points of the plane at which the error through the slice is judged."""
SAFETY = 2.0
"""The error through the slice over what the highest polynomial contributes: from 0.1 to 1.3 in
trials, and 2.6 where it was below 1e-4."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Sight:
    """The transverse states that matter at a readout's start."""

    names: NDArray[np.int64]
    """(state, 4) right after the pulse."""
    value: Complex
    """(state, layer, mode, sample or 1) at the window's start, over M0; along the slice dephased at every sample."""
    bound: float
    """Largest signal by states dropped on the way or left out here, over M0."""
    change: float
    """Estimated error of the signal by the sub-slices, over M0."""


class Kept(NamedTuple):
    """Which states are kept, and the sum of the sizes of the others."""

    keep: NDArray[np.int64]
    left_out: float


def least(size: NDArray[np.float64], allowed: float) -> Kept:
    """Return which states to keep if the smallest, that sum up to no more than `allowed`, are left out."""
    order = np.argsort(size, kind="stable")
    count = int(np.searchsorted(np.cumsum(size[order]), allowed, "right"))
    return Kept(np.sort(order[count:]), float(size[order[:count]].sum()))


class Looker:
    """Looks at states for readouts; leaves out what sums up to `allowed` at most."""

    def __init__(
        self,
        timeline: Timeline,
        places: SubSlices,
        diffusion: NDArray[np.float64] | None,
        allowed: float,
    ) -> None:
        self.places, self.diffusion, self.allowed = places, diffusion, allowed
        self.moment: NDArray[np.float64] = timeline.readouts.moment[:, :, 2]
        self.readouts = len(self.moment)

    def look(self, state: States, glance: Glance) -> Sight:
        """Look at the states right after a pulse with the eyes of a readout that follows."""
        names = np.concatenate([state.names, -state.names[1:]])
        count = len(state.names)
        row = np.concatenate([np.arange(count), np.arange(1, count)])
        rate, modes, inverse = state.pools.modes()
        gone = np.exp(rate * state.pools.elapsed(glance.path))
        decay = np.ones(len(names))
        if self.diffusion is not None:
            decay = np.exp(-transverse(names[:, :3] * UNITS[:3], glance.path, self.diffusion))
        slowest = float(np.abs(gone).max())
        faint = least(state.sizes[row] * decay * slowest, self.allowed / 2)
        keep = faint.keep
        kz = names[keep, 2] * UNITS[2] + glance.path.moment[2]
        both = self._through(state, row[keep], keep >= count, kz, glance)
        if state.pools.count > 1:
            both = np.einsum("mp,bnlps->bnlms", inverse, both)
        both = both * (modes.sum(axis=0) * gone)[:, None]
        value, last = both * decay[keep, None, None, None]
        weak = least(np.abs(value).sum(axis=2).max(axis=(1, 2), initial=0.0), self.allowed / 2)
        return Sight(
            names=names[keep][weak.keep],
            value=value[weak.keep],
            bound=state.bound * min(slowest, 1.0) + faint.left_out + weak.left_out,
            change=_slice_error(names[keep][weak.keep], last[weak.keep]),
        )

    def _through(
        self,
        state: States,
        row: NDArray[np.int64],
        opposite: NDArray[np.bool_],
        kz: NDArray[np.float64],
        glance: Glance,
    ) -> Complex:
        """Return the (2, state, layer, pool, sample or 1) means over each layer, and their highest polynomials."""
        from ._kernels import states as kernels

        moment, places = self.moment[glance.row], self.places
        k = np.ascontiguousarray(kz[:, None] + (moment if np.any(moment) else np.zeros(1)))
        centred: NDArray[Any] = np.zeros((len(row), places.layers, state.pools.count, k.shape[1], 4))
        look: Any = kernels.through
        look(state.values, state.rows[row], opposite, k, places.width, places.polynomials, places.layers, centred)
        both = np.stack([centred[..., 0] + 1j * centred[..., 1], centred[..., 2] + 1j * centred[..., 3]])
        # an ideal profile is one lane for all layers, which have their own places
        phase = np.exp(-2j * np.pi * k[:, None, :] * places.centres[:, None])
        return np.asarray(both * phase[:, :, None])


def _slice_error(names: NDArray[np.int64], value: Complex) -> float:
    """Return the error that (state, layer, mode, sample) amplitudes of the highest polynomial tell of, over M0."""
    turning = np.exp(-2j * np.pi * (names[:, :2] * UNITS[:2]) @ PLACES)
    return SAFETY * float(np.abs(np.tensordot(turning, value.sum(axis=2), axes=(0, 0))).max(initial=0.0))
