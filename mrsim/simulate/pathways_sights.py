"""What a readout sees of the states at its start: transverse states, averaged through the slice, the faint left out.

Where the slice gradient rests during the readout, one number per layer is left of all sub-slices, so that a walk
keeps little of what it passes through. Pools that exchange are seen as the modes in which they precess and decay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..sequence.timeline import Timeline
from .pathways_space import box
from .pathways_states import Complex, States, same_names, transverse
from .pathways_steps import UNITS, Glance
from .walker import Slab

PLACES = 0.1 * np.stack([np.arange(128) * 0.6180339887 % 1 - 0.5, np.arange(128) * 0.7548776662 % 1 - 0.5])
"""(2, place) m; evenly scattered points of the plane at which two walks are compared."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Sight:
    """The transverse states that matter at a readout's start."""

    names: NDArray[np.int64]
    """(state, 4) right after the pulse."""
    value: Complex
    """(state, layer, mode, sample or 1) at the window's start, over M0; along the slice dephased at every sample."""
    bound: float
    """Largest signal by states dropped on the way or left out here, over M0."""


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
        slab: Slab,
        z: NDArray[np.float64],
        diffusion: NDArray[np.float64] | None,
        allowed: float,
    ) -> None:
        self.slab, self.z, self.diffusion, self.allowed = slab, z, diffusion, allowed
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
        size = state.sizes()
        faint = least(size[row] * decay * slowest, self.allowed / 2)
        keep = faint.keep
        kz = names[keep, 2] * UNITS[2] + glance.path.moment[2]
        seen = self._through(state, row[keep], keep >= count, kz, glance)
        value = np.einsum("mp,nlps->nlms", inverse, seen) * (modes.sum(axis=0) * gone)[:, None]
        value *= decay[keep, None, None, None]
        weak = least(np.abs(value).sum(axis=2).max(axis=(1, 2)), self.allowed / 2)
        return Sight(
            names=names[keep][weak.keep],
            value=value[weak.keep],
            bound=state.bound * min(slowest, 1.0) + faint.left_out + weak.left_out,
        )

    def _through(
        self,
        state: States,
        row: NDArray[np.int64],
        opposite: NDArray[np.bool_],
        kz: NDArray[np.float64],
        glance: Glance,
    ) -> Complex:
        """Return the (state, layer, pool, sample or 1) mean over each layer's thickness."""
        from ._kernels import states as kernels

        moment = self.moment[glance.row]
        k = np.ascontiguousarray(kz[:, None] + (moment if np.any(moment) else np.zeros(1)))
        layers, thickness = self.slab.layers, self.slab.thickness / self.slab.layers
        if self.slab.ideal:
            both = np.where(opposite[:, None], state.part(1)[row, :, 0].conj(), state.part(0)[row, :, 0])
            phase = np.exp(-2j * np.pi * k[:, None, :] * self.slab.positions(1)[:, None])
            return np.asarray(both[:, None, :, None] * (phase * box(k, thickness)[:, None])[:, :, None])
        out = np.zeros((len(row), layers, state.pools.count, k.shape[1], 2))
        kernels.through(state.values, state.rows[row], opposite, k, self.z, layers, out)
        width = thickness * layers / len(self.z)
        return np.asarray((out[..., 0] + 1j * out[..., 1]) * box(k, width)[:, None, None, :])


def largest_change(a: Sight, b: Sight) -> float:
    """Return the largest difference between the signals of two sights of a readout at points in the plane, over M0."""
    slot = same_names(a.names, b.names)
    difference = np.zeros((slot.max(initial=-1) + 1, *a.value.shape[1:]), complex)
    difference[slot[: len(a.names)]] = a.value
    difference[slot[len(a.names) :]] -= b.value
    plane = np.zeros((len(difference), 2))
    plane[slot] = np.concatenate([a.names, b.names])[:, :2] * UNITS[:2]
    turning = np.exp(-2j * np.pi * plane @ PLACES)
    seen = np.tensordot(turning, difference.sum(axis=2), axes=(0, 0))
    return float(np.abs(seen).max(initial=0.0))
