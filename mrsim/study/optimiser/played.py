"""The sequence behind the settings: built at a few points, it tells contrast table, noise and scan time near them.

Echo times, flips, repetition times and b-values enter the header as they are set, so the header is linear in them and
one difference per setting suffices. Where it is not (a shortest echo time that grows with b), the optimiser comes
back and builds again at the point that it found.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InfeasibleError, InputError
from ...plan.limits import limits
from ...plan.optimise_search import Scan
from ...sequence.protocol import read_protocol_file
from ...sequence.scanner import Scanner
from ...sequence.sequence import Sequence as Played
from .free import Range

Array = NDArray[np.float64]
STEP = 0.04
"""Share of a range by which a setting is moved to see what follows it."""
HALVINGS = 9
"""Of the way to a setting that can be played."""
ANCHORS = (0.5, 0.3, 0.7, 0.15, 0.85, 0.05, 0.95, 0.0, 1.0)
"""Shares of the ranges at which a first protocol that can be played is looked for."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Settings:
    """A protocol with some settings free, in one combination of its choices."""

    path: Path
    scanner: Scanner
    ranges: tuple[Range, ...]
    held: Mapping[str, str]
    """Entries that are not free in this combination, as texts."""

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """The numbers of the settings that belong to each list."""
        ends = np.cumsum([0, *(entry.size for entry in self.ranges)])
        return tuple(
            tuple(range(a, a + e.size)) for a, e in zip(ends, self.ranges, strict=False) if e.count
        )  # fmt: skip

    def bounds(self) -> tuple[Array, Array]:
        """Return the (v,) lowest and highest values as the user gave them."""
        low = [entry.low for entry in self.ranges for _ in range(entry.size)]
        return np.array(low), np.array([entry.high for entry in self.ranges for _ in range(entry.size)])

    def texts(self, values: Array) -> dict[str, str]:
        """Return the protocol entries of (v,) SI values."""
        found, start = dict(self.held), 0
        for entry in self.ranges:
            found[entry.name] = entry.text(values[start : start + entry.size].tolist())
            start += entry.size
        return found

    def written(self, values: Array) -> Array:
        """Return the (v,) values as they are written: on their rasters, lists in ascending order."""
        found, start = np.array(values, np.float64), 0
        for entry in self.ranges:
            part = slice(start, start + entry.size)
            found[part] = sorted(entry.rounded(value) for value in values[part])
            start += entry.size
        return found

    def entry(self, k: int) -> Range:
        """Return the range that the k-th free number belongs to."""
        return [entry for entry in self.ranges for _ in range(entry.size)][k]

    def build(self, values: Array) -> Played:
        """Return the sequence; what cannot be played is an InfeasibleError or an InputError."""
        return read_protocol_file(self.path, self.texts(values))[1].build(self.scanner)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Look:
    """What an optimiser sees of a sequence."""

    columns: dict[str, Array]
    noise: Array
    """(n,) 1 / (voxel volume, mm^3, times root of the time, s, that an image's readouts sample)."""
    duration: float
    """s."""


def look(sequence: Played) -> Look:
    """Return contrast table, relative noise and scan time of a sequence."""
    encoding = sequence.encoding
    seconds = sampled(sequence)
    columns = {
        name: np.broadcast_to(np.asarray(values, np.float64), seconds.shape).copy()
        for name, values in encoding.contrast.items()
        if np.issubdtype(np.asarray(values).dtype, np.number)
    }
    volume = 1.0 if encoding.kind == "spectrum" else encoding.grid.voxel_volume * 1e9
    return Look(columns=columns, noise=1 / (volume * np.sqrt(seconds)), duration=sequence.duration)


def sampled(sequence: Played) -> Array:
    """Return the (n,) time that the imaging readouts of every image sample, s, in one slice and repetition."""
    count = max(len(np.atleast_1d(column)) for column in sequence.encoding.contrast.values())
    seconds = np.zeros(count)
    middle = sequence.encoding.grid.shape[0] // 2 if sequence.encoding.kind == "2d" else 0
    for block in sequence.blocks:
        labels = block.labels
        if block.adc is None or block.adc.purpose != "imaging" or labels.get("repetition", 0) != 0:
            continue
        if sequence.encoding.kind == "2d" and labels.get("slice", middle) != middle:
            continue
        seconds[labels.get("contrast", 0)] += block.adc.duration * 1e-9
    return np.where(seconds > 0, seconds, np.nan)


def anchor(settings: Settings, own: Array | None) -> Array:
    """Return values that can be played: the protocol's own where they lie in the ranges, else some in between."""
    low, high = settings.bounds()
    starts = [] if own is None or np.any((own < low) | (own > high)) else [own]
    starts += [low + part * (high - low) for part in ANCHORS]
    problem: Exception | None = None
    for start in starts:
        try:
            settings.build(start)
        except (InfeasibleError, InputError) as found:
            problem = problem or found
        else:
            return start
    assert problem is not None
    raise InfeasibleError(f"nothing between the bounds of the free settings can be played: {problem}") from None


def playable(settings: Settings, start: Array) -> tuple[Array, Array]:
    """Return the bounds within which every setting can be played while the others stay at `start`."""
    low, high = settings.bounds()
    done = 0
    for entry in settings.ranges:
        part = slice(done, done + entry.size)
        first, last = (done, done + entry.size - 1)
        for bound, k in ((low, first), (high, last)):
            bound[part] = _reached(settings, start, k, float(bound[k]))
        done += entry.size
    return low, high


def _reached(settings: Settings, start: Array, k: int, wanted: float) -> float:
    """Return how far a setting can go towards `wanted`."""

    def plays(value: float) -> bool:
        values = start.copy()
        values[k] = value
        return _can_build(settings, values)

    if plays(wanted):
        return wanted
    good, bad = float(start[k]), wanted
    for _ in range(HALVINGS):
        middle = (good + bad) / 2
        good, bad = (middle, bad) if plays(middle) else (good, middle)
    return good


def _can_build(settings: Settings, values: Array) -> bool:
    try:
        settings.build(values)
    except (InfeasibleError, InputError):
        return False
    return True


def nearest(settings: Settings, good: Array, wanted: Array) -> Array:
    """Return the values nearest to `wanted`, on the way from ones that can be played, that can be played as well."""
    if _can_build(settings, wanted):
        return wanted
    reached, beyond = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (reached + beyond) / 2
        if _can_build(settings, good + middle * (wanted - good)):
            reached = middle
        else:
            beyond = middle
    return np.asarray(good + reached * (wanted - good))


def linearised(settings: Settings, at: Array, low: Array, high: Array) -> Scan:
    """Return how contrast table, noise and scan time follow the settings around a point that can be played."""
    at = settings.written(at)
    here = look(settings.build(at))
    v, n = len(at), len(here.noise)
    slopes = {name: np.zeros((v, n)) for name in here.columns}
    noise, seconds = np.zeros((v, n)), np.zeros(v)
    for k in range(v):
        moved = _moved(settings, at, k, low, high)
        if moved is None:
            continue
        step, there = moved
        if len(there.noise) != n:
            raise InputError("changes the number of images; give choices instead of a range", key="--free")
        for name, column in here.columns.items():
            slopes[name][k] = (there.columns[name] - column) / step
        noise[k] = np.log(there.noise / here.noise) / step
        seconds[k] = (there.duration - here.duration) / step
    return Scan(
        at=at, columns=here.columns, slopes=slopes, log_noise=np.log(here.noise), noise_slopes=noise,
        duration=here.duration, duration_slopes=seconds,
    )  # fmt: skip


def _moved(settings: Settings, at: Array, k: int, low: Array, high: Array) -> tuple[float, Look] | None:
    """Return a step of one setting, SI, and the sequence there; None where it cannot move."""
    for part in (1.0, 0.25):
        for room in (high[k] - at[k], low[k] - at[k]):
            values = at.copy()
            values[k] += math.copysign(min(part * STEP * (high[k] - low[k]), abs(room)), room)
            step = settings.entry(k).rounded(values[k]) - at[k]
            if abs(step) < 1e-3 * part * STEP * (high[k] - low[k]):
                continue
            try:
                return step, look(settings.build(values))
            except (InfeasibleError, InputError):
                continue
    return None


def broken_limits(sequence: Played) -> tuple[str, ...]:
    """Return what a scanner or a standard forbids of a sequence, one sentence each."""
    return (*(str(violation) for violation in sequence.check()), *(str(row) for row in limits(sequence).broken))


def own_values(settings: Settings, entries: Mapping[str, object]) -> Array | None:
    """Return the values that the protocol has now; None where a list has another length or a value is a word."""
    found: list[float] = []
    for entry in settings.ranges:
        value = entries.get(entry.name)
        numbers: Sequence[float]
        if isinstance(value, int | float):
            numbers = [float(value)]
        elif isinstance(value, tuple) and all(isinstance(number, int | float) for number in value):
            numbers = sorted(float(number) for number in value)
        else:
            return None
        if len(numbers) != entry.size:
            return None
        found += numbers
    return np.array(found)
