"""The hardware check: every violation of the scanner's limits, and how close each limit is.

Amplitudes and slew rates are those of the physical axes, after the rotation of the grid: a gradient that is
allowed along one axis may not be on a diagonal, and the other way round.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .events import NS, Gradient
from .gradients import SLACK
from .played import on_common_knots, turned
from .scanner import Scanner, to_ns
from .sequence import Block, Sequence

AXES = ("gx", "gy", "gz")
PHYSICAL = ("physical x", "physical y", "physical z")


@dataclass(frozen=True, kw_only=True, slots=True)
class Violation:
    """One limit that one block breaks."""

    block: int
    """Index of the block."""
    name: str
    """What the block is for."""
    where: str
    """Axis or event: ``"gx"``, ``"physical z"``, ``"rf"``, ``"adc"``, ``"block"``."""
    what: str
    """The quantity: slew, amplitude, raster, dead time, overlap, continuity, ..."""
    value: float
    limit: float
    unit: str
    """Of value and limit."""
    remedy: str

    def __str__(self) -> str:
        """Return one line: block, axis, value, limit, remedy."""
        value, limit = f"{self.value:.5g} {self.unit}".strip(), f"{self.limit:.5g} {self.unit}".strip()
        place = f"block {self.block} ({self.name}) {self.where}" if self.name else f"block {self.block} {self.where}"
        return f"{place}: {self.what} {value} against {limit}; {self.remedy}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Margin:
    """The largest use of one limit in a sequence."""

    limit_name: str
    value: float
    limit: float
    unit: str
    block: int
    """Where it is tightest."""
    note: str = ""
    """What the value rests on, or what it means."""

    @property
    def use(self) -> float:
        """Value over limit; above 1 is a violation."""
        return self.value / self.limit

    def __str__(self) -> str:
        """Return one line: the limit, its use and where."""
        value, limit = f"{self.value:.5g} {self.unit}".strip(), f"{self.limit:.5g} {self.unit}".strip()
        return f"block {self.block}: {self.limit_name} {value} against {limit}" + f"; {self.note}" * bool(self.note)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Played:
    """What the gradients of one block demand of the physical axes."""

    amplitude: NDArray[np.float64]
    """(3,) largest, T/m."""
    slew: NDArray[np.float64]
    """(3,) largest, T/m/s."""
    change: NDArray[np.float64]
    """(3,) change of amplitude in the steepest piece, T/m."""


def check(sequence: Sequence) -> tuple[Violation, ...]:
    """Return every violation of the scanner's limits, in block order."""
    found: list[Violation] = []
    sound: set[tuple[object, ...]] = set()
    for index, (block, played) in enumerate(_gradient_demands(sequence)):
        events = (*block.gradients, block.rf, block.adc, block.trigger)
        key = (*(id(event) for event in events), block.duration, id(played))
        if key in sound:  # the same events once more
            continue
        broken = _alone(index, block, sequence.scanner, played)
        if not broken:
            sound.add(key)
        found += broken
    found += _continuity(sequence)
    return tuple(sorted(found, key=lambda violation: violation.block))


def _alone(index: int, block: Block, scanner: Scanner, played: _Played) -> list[Violation]:
    """Return the violations of one block that its neighbours have no part in."""
    return [
        *_rasters(index, block, scanner), *_gradient_limits(index, block, scanner, played),
        *_rf(index, block, scanner), *_adc(index, block, scanner), *_overlap(index, block, scanner),
    ]  # fmt: skip


def margins(sequence: Sequence) -> tuple[Margin, ...]:
    """Return per limit the largest use in the sequence and the block where it occurs."""
    scanner = sequence.scanner
    demands = list(_gradient_demands(sequence))
    rows: list[tuple[str, list[float], float, str]] = []
    for axis in range(3):
        amplitude = [float(played.amplitude[axis]) for _, played in demands]
        rows.append((f"amplitude {PHYSICAL[axis]}", amplitude, scanner.max_gradient, "T/m"))
    for axis in range(3):
        slew = [float(played.slew[axis]) for _, played in demands]
        rows.append((f"slew {PHYSICAL[axis]}", slew, scanner.max_slew, "T/m/s"))
    peaks = [float(np.max(np.abs(b.rf.signal))) if b.rf else 0.0 for b in sequence.blocks]
    rows.append(("RF amplitude", peaks, scanner.max_b1, "T"))
    worst = [int(np.argmax(values)) for _, values, _, _ in rows]
    return tuple(
        Margin(limit_name=name, value=values[at], limit=limit, unit=unit, block=at)
        for (name, values, limit, unit), at in zip(rows, worst, strict=True)
    )


def _gradient_demands(sequence: Sequence) -> Iterator[tuple[Block, _Played]]:
    """Yield each block with the demands of its gradients; blocks that share gradients are worked out once."""
    known: dict[tuple[object, ...], _Played] = {}
    axes = sequence.encoding.grid.axes
    for block in sequence.blocks:
        turn = None if block.rotation is None else block.rotation.tobytes()
        key = (tuple(id(gradient) for gradient in block.gradients), turn)
        if key not in known:
            known[key] = _demand(block, axes)
        yield block, known[key]


def physical_knots(block: Block, axes: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the knots of a block's gradients, (n,) ns from its start, and (n, 3) amplitudes of the physical axes, T/m.

    `axes` are the grid's axes in the world, as columns.
    """
    if not any(gradient is not None for gradient in block.gradients):
        return np.zeros(0, dtype=np.int64), np.zeros((0, 3))
    times, logical = on_common_knots(block.gradients)
    return times, logical @ (axes if block.rotation is None else axes @ block.rotation).T


def _demand(block: Block, axes: NDArray[np.float64]) -> _Played:
    times, physical = physical_knots(block, axes)
    if len(times) == 0:
        return _Played(amplitude=np.zeros(3), slew=np.zeros(3), change=np.zeros(3))
    if len(times) == 1:
        return _Played(amplitude=np.abs(physical[0]), slew=np.zeros(3), change=np.zeros(3))
    change = np.abs(np.diff(physical, axis=0))
    slew = change / (np.diff(times)[:, None] / NS)
    steepest = np.argmax(slew, axis=0)
    return _Played(
        amplitude=np.max(np.abs(physical), axis=0), slew=np.max(slew, axis=0), change=change[steepest, np.arange(3)]
    )


def _gradient_limits(index: int, block: Block, scanner: Scanner, played: _Played) -> Iterator[Violation]:
    for axis in range(3):
        amplitude, slew = float(played.amplitude[axis]), float(played.slew[axis])
        if amplitude > scanner.max_gradient * SLACK:
            remedy = f"make the lobe {amplitude / scanner.max_gradient:.3g} times as long"
            yield _broken(index, block, PHYSICAL[axis], "amplitude", amplitude, scanner.max_gradient, "T/m", remedy)
        if slew > scanner.max_slew * SLACK:
            ramp = math.ceil(played.change[axis] / scanner.max_slew / scanner.gradient_raster / SLACK)
            remedy = f"the ramp needs at least {ramp * scanner.gradient_raster * 1e3:.4g} ms"
            yield _broken(index, block, PHYSICAL[axis], "slew", slew, scanner.max_slew, "T/m/s", remedy)


def _rasters(index: int, block: Block, scanner: Scanner) -> Iterator[Violation]:
    wanted: list[tuple[str, str, int, float]] = [("block", "duration", block.duration, scanner.block_raster)]
    for axis, gradient in zip(AXES, block.gradients, strict=True):
        if gradient is not None:
            wanted += [(axis, "knot", t, scanner.gradient_raster) for t in _on_raster(gradient, scanner)]
    if block.rf is not None:
        wanted += [("rf", "dwell", block.rf.dwell, scanner.rf_raster)]
        wanted += [("rf", "delay", block.rf.delay, scanner.rf_raster)]
    if block.adc is not None:
        wanted += [("adc", "dwell", block.adc.dwell, scanner.adc_raster)]
        wanted += [("adc", "delay", block.adc.delay, scanner.rf_raster)]
    for where, what, value, raster in wanted:
        step = to_ns(raster)
        if value % step:
            remedy = f"not on the {raster * 1e6:g} us raster; the nearest is {round(value / step) * step / 1e3:g} us"
            yield _broken(index, block, where, f"{what} raster", value / 1e3, step / 1e3, "us", remedy)
    if block.duration <= 0:
        yield _broken(index, block, "block", "duration", block.duration / 1e3, 0.0, "us", "it must be positive")


def _on_raster(gradient: Gradient, scanner: Scanner) -> list[int]:
    """Return the knots that must lie on the gradient raster: of a shape sampled at raster centres only the ends."""
    steps = np.diff(gradient.times)
    half = to_ns(scanner.gradient_raster) // 2
    sampled = len(steps) > 3 and bool(np.all(steps <= 2 * half)) and not np.any(gradient.times % half)
    knots: list[int] = (gradient.times[[0, -1]] if sampled else gradient.times).tolist()
    return knots


def _rf(index: int, block: Block, scanner: Scanner) -> Iterator[Violation]:
    pulse = block.rf
    if pulse is None:
        return
    peak = float(np.max(np.abs(pulse.signal)))
    if peak > scanner.max_b1 * SLACK:
        remedy = f"make the pulse {peak / scanner.max_b1:.3g} times as long"
        yield _broken(index, block, "rf", "amplitude", peak * 1e6, scanner.max_b1 * 1e6, "uT", remedy)
    if pulse.delay < to_ns(scanner.rf_dead_time):
        remedy = "start the pulse later"
        yield _broken(index, block, "rf", "dead time", pulse.delay / 1e3, scanner.rf_dead_time * 1e6, "us", remedy)
    rest = block.duration - pulse.delay - pulse.duration
    if rest < to_ns(scanner.rf_ringdown):
        remedy = "make the block longer"
        yield _broken(index, block, "rf", "ringdown", rest / 1e3, scanner.rf_ringdown * 1e6, "us", remedy)


def _adc(index: int, block: Block, scanner: Scanner) -> Iterator[Violation]:
    adc = block.adc
    if adc is None:
        return
    dead = to_ns(scanner.adc_dead_time)
    if adc.delay < dead:
        remedy = "start the window later"
        yield _broken(index, block, "adc", "dead time before", adc.delay / 1e3, dead / 1e3, "us", remedy)
    rest = block.duration - adc.delay - adc.duration
    if rest < dead:
        yield _broken(index, block, "adc", "dead time after", rest / 1e3, dead / 1e3, "us", "make the block longer")


def _overlap(index: int, block: Block, scanner: Scanner) -> Iterator[Violation]:
    ends = [(a, int(g.times[-1])) for a, g in zip(AXES, block.gradients, strict=True) if g is not None]
    ends += [("rf", block.rf.delay + block.rf.duration)] if block.rf else []
    ends += [("adc", block.adc.delay + block.adc.duration)] if block.adc else []
    ends += [("trigger", block.trigger.delay + block.trigger.duration)] if block.trigger else []
    for where, end in ends:
        if end > block.duration:
            remedy = "make the block longer"
            yield _broken(index, block, where, "overlap: end", end / 1e3, block.duration / 1e3, "us", remedy)
    for where, gradient in zip(AXES, block.gradients, strict=True):
        if gradient is not None and (gradient.times[0] < 0 or np.any(np.diff(gradient.times) <= 0)):
            first = float(gradient.times[0]) / 1e3
            yield _broken(index, block, where, "knot order: first", first, 0.0, "us", "knots must ascend from 0")
    if block.rf is not None and block.adc is not None:
        free = block.rf.delay + block.rf.duration + to_ns(scanner.rf_ringdown)
        if block.adc.delay < free and block.rf.delay < block.adc.delay + block.adc.duration:
            start, remedy = block.adc.delay / 1e3, "receive in a block of its own"
            yield _broken(index, block, "adc", "overlap with rf: start", start, free / 1e3, "us", remedy)


def _continuity(sequence: Sequence) -> Iterator[Violation]:
    """Yield jumps: a gradient that begins or ends away from zero without a neighbour that takes over."""
    before = (0.0, 0.0, 0.0)
    for index, block in enumerate((*sequence.blocks, Block(duration=1, name="the end"))):
        after: list[float] = []
        for axis, gradient in enumerate(turned(block)):
            first, last = 0.0, 0.0
            if gradient is not None:
                first = float(gradient.amplitudes[0]) if gradient.times[0] == 0 else 0.0
                last = float(gradient.amplitudes[-1]) if gradient.times[-1] == block.duration else 0.0
                yield from _inner_jumps(index, block, axis, gradient)
            if not math.isclose(first, before[axis], rel_tol=1e-9, abs_tol=1e-12):
                remedy = f"the gradient before ends at {before[axis] * 1e3:.4g} mT/m; ramp between them"
                yield _broken(index, block, AXES[axis], "continuity", first * 1e3, before[axis] * 1e3, "mT/m", remedy)
            after.append(last)
        before = (after[0], after[1], after[2])


def _inner_jumps(index: int, block: Block, axis: int, gradient: Gradient) -> Iterator[Violation]:
    starts_late, ends_early = gradient.times[0] > 0, gradient.times[-1] < block.duration
    for late, value in ((starts_late, gradient.amplitudes[0]), (ends_early, gradient.amplitudes[-1])):
        if late and value != 0.0:
            remedy = "a gradient that starts or ends inside a block must be zero there"
            yield _broken(index, block, AXES[axis], "continuity", float(value) * 1e3, 0.0, "mT/m", remedy)


def _broken(
    index: int, block: Block, where: str, what: str, value: float, limit: float, unit: str, remedy: str
) -> Violation:
    return Violation(
        block=index, name=block.name, where=where, what=what, value=value, limit=limit, unit=unit, remedy=remedy
    )
