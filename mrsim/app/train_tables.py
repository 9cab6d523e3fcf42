"""Echo trains on their way into the page: extended phase graphs with slice profiles, on a grid of what they depend on.

The echoes over M0 of `mrsim.core.selective_train`, whose repetition is in its steady state; cubic between the nodes.
The largest error of that is measured at random points and stated in the page, as a share of M0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.selective_train import SelectiveTrain
from .arrays import packed
from .pulse_tables import built, pulses_of
from .sequences import LabSequence

Array = NDArray[np.float64]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class TableAxis:
    """One axis of the table."""

    name: str
    low: float
    high: float
    count: int
    logarithmic: bool = True

    def nodes(self) -> Array:
        """Return the nodes, SI."""
        if self.logarithmic:
            return np.exp(np.linspace(math.log(self.low), math.log(self.high), self.count))
        return np.linspace(self.low, self.high, self.count)


MULTI = (
    TableAxis(name="t2", low=3e-3, high=2.5, count=18),
    TableAxis(name="t1", low=0.12, high=5.0, count=6),
    TableAxis(name="te", low=10e-3, high=30e-3, count=4),
    TableAxis(name="tr", low=0.5, high=6.0, count=6),
    TableAxis(name="flip", low=math.radians(100), high=math.radians(180), count=4, logarithmic=False),
)
"""Of trains of several echoes, whose slider turns the refocusing pulses; the page finds the axes by name."""
SINGLE = (
    TableAxis(name="t2", low=3e-3, high=2.5, count=9),
    TableAxis(name="t1", low=0.12, high=5.0, count=7),
    TableAxis(name="te", low=10e-3, high=0.25, count=5),
    TableAxis(name="tr", low=0.2, high=8.0, count=7),
    TableAxis(name="flip", low=math.radians(30), high=math.radians(90), count=4, logarithmic=False),
)
"""Of single spin echoes, whose slider turns the excitation; without exp(-TE/T2), which the page puts back."""
CHECKS = 60
"""Random points at which the interpolation is judged."""


class EvenTrain(SelectiveTrain):
    """A train of pulses that are even in time and place: one half of the slice is the conjugate of the other."""

    __slots__ = ()

    def places(self) -> tuple[Array, Array]:
        """Return the places on one side, m, with twice their weights; the real part of the sum is the echo."""
        z, weights = SelectiveTrain.places(self)
        return z[z > 0], 2 * weights[z > 0]


def train_of(found: LabSequence) -> SelectiveTrain:
    """Return the train of a protocol as it stands."""
    sequence = built(found)
    pulses = pulses_of(sequence)
    count = len(found.multiples.get("te", (1.0,))) if "flip" in found.entries else 1
    return EvenTrain(
        excitation=pulses["excitation"].pulse, refocusing=pulses["refocusing"].pulse, shares=np.ones(count),
        spacing=1e-3 * found.start["te"], tr=1e-3 * found.start["tr"], thickness=sequence.encoding.grid.thickness,
    )  # fmt: skip


def axes_of(found: LabSequence) -> tuple[TableAxis, ...]:
    """Return the axes of a sequence's table."""
    return MULTI if "flip" in found.entries else SINGLE


def at_point(found: LabSequence, base: SelectiveTrain, flip: float, tr: float, te: float) -> SelectiveTrain:
    """Return the train with the flip that the slider turns, rad, TR and echo spacing, s."""
    name, nominal = ("refocusing", math.pi) if "flip" in found.entries else ("excitation", math.pi / 2)
    own = getattr(base, name)
    pulse = replace(own, signal=own.signal * (flip / nominal))
    return replace(base, tr=tr, spacing=te, **{name: pulse})


def echoes(found: LabSequence, train: SelectiveTrain, t1: ArrayLike, t2: ArrayLike) -> Array:
    """Return the (atom, echo) entries of the table."""
    values = np.abs(train.echoes(t1, t2, 1.0).real)
    return values if "flip" in found.entries else values * np.exp(train.spacing / np.asarray(t2))[..., None]


def train_tables(found: LabSequence, progress: Progress | None = None) -> dict[str, Any]:
    """Return the table of a sequence's echoes, (flip, tr, te, t1, t2, echo), its axes and its error."""
    base, axes = train_of(found), axes_of(found)
    nodes = {axis.name: axis.nodes() for axis in axes}
    t1, t2 = (v.ravel() for v in np.meshgrid(nodes["t1"], nodes["t2"], indexing="ij"))
    outer = list(product(nodes["flip"], nodes["tr"], nodes["te"]))
    rows = []
    for done, (flip, tr, te) in enumerate(outer):
        rows.append(echoes(found, at_point(found, base, flip, max(tr, 1.1 * te * len(base.shares)), te), t1, t2))
        if progress:
            progress(done + 1, len(outer))
    shape = tuple(axis.count for axis in reversed(axes))
    values = np.array(rows).reshape(*shape, len(base.shares))
    return {
        "axes": [{"name": a.name, "log": a.logarithmic, "low": a.low, "high": a.high, "count": a.count} for a in axes],
        "decay": axes is SINGLE, "values": packed(values), "error": table_error(found, base, values),
    }  # fmt: skip


def table_error(found: LabSequence, base: SelectiveTrain, values: Array) -> float:
    """Return the largest error of cubic interpolation at random points that can be played, as a share of M0."""
    rng, axes = np.random.default_rng(7), axes_of(found)
    worst = 0.0
    for _ in range(CHECKS):
        at = {a.name: _drawn(a, rng) for a in axes}
        if at["tr"] < 1.3 * at["te"] * len(base.shares):
            continue
        train = at_point(found, base, at["flip"], at["tr"], at["te"])
        true = np.abs(train.echoes(at["t1"], at["t2"], 1.0).real)[0]
        scale = math.exp(-at["te"] / at["t2"]) if axes is SINGLE else 1.0
        worst = max(worst, float(np.abs(interpolated(axes, values, at) * scale - true).max()))
    return worst


def _drawn(axis: TableAxis, rng: np.random.Generator) -> float:
    if axis.logarithmic:
        return float(np.exp(rng.uniform(math.log(axis.low), math.log(axis.high))))
    return float(rng.uniform(axis.low, axis.high))


def interpolated(axes: tuple[TableAxis, ...], values: Array, at: dict[str, float]) -> Array:
    """Return the entries between the nodes, by a cubic through the four nearest on each axis, as the page does it."""
    for axis in reversed(axes):
        low, high, x = (math.log(v) if axis.logarithmic else v for v in (axis.low, axis.high, at[axis.name]))
        place = (x - low) / (high - low) * (axis.count - 1)
        first = min(max(math.floor(place) - 1, 0), axis.count - 4)
        values = np.tensordot(cubic_weights(place - first), values[first : first + 4], axes=1)
    return np.asarray(values)


def cubic_weights(u: float) -> Array:
    """Return the weights of nodes 0, 1, 2, 3 at `u` (Lagrange)."""
    return np.array(
        [
            -(u - 1) * (u - 2) * (u - 3) / 6, u * (u - 2) * (u - 3) / 2,
            -u * (u - 1) * (u - 3) / 2, u * (u - 1) * (u - 2) / 6,
        ]
    )  # fmt: skip
