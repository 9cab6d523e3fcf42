"""The search over the settings of one protocol: combinations of choices, and downhill in what is left.

For every combination of choices the sequence is built at a few points, which makes contrast table, noise and scan time
linear in the remaining settings; downhill along exact derivatives of the Cramér-Rao bound; built anew where that ends,
until prediction and sequence agree. What the scanner, the absorbed power or the nerves forbid shortens the step.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InfeasibleError, InputError
from ...core.toml import resource
from ...fit.model import Model
from ...fit.models import find_model
from ...plan.optimise_cost import Target, cost
from ...plan.optimise_search import Found, Scan, search, total
from ...sequence.protocol import FOLDER, read_protocol_file
from ...sequence.scanner import Scanner
from ..request import RunRequest
from .free import Choices, Free, Range
from .played import Settings, anchor, broken_limits, linearised, look, nearest, own_values, playable
from .targets import Wanted

Array = NDArray[np.float64]
AGREED = 1e-3
"""By which part prediction and sequence may differ in the cost."""
ROUNDS = 5
MOST = 48
"""Combinations of choices that are all tried; of more, one choice is changed at a time."""
SLACK = 2e-5
"""Of a scan time that may not be exceeded: what rounding the settings to their rasters may add."""
HALVINGS = 6
"""Of the way back to what the limits allow."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What an optimisation is asked."""

    free: tuple[Free, ...]
    wanted: Wanted
    time: float | None = None
    """Scan time that may not be exceeded, s; None: the best precision per root of the scan time."""
    front: int = 0
    """Scan times of the front of time against precision; 0: none."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Point:
    """A protocol and what it measures."""

    entries: dict[str, str]
    """Protocol entries, as texts."""
    contrast: dict[str, tuple[float, ...]]
    """Contrast column -> value of every image."""
    time: float
    """s."""
    cost: float
    """Mean over tissues of the weighted sum of squared relative standard deviations."""
    spread: dict[str, dict[str, float]]
    """Tissue -> parameter -> least standard deviation over the true value, of one voxel."""

    @property
    def precision(self) -> float:
        """Root of the cost: the relative standard deviation of one parameter in one tissue."""
        return math.sqrt(self.cost)


@dataclass(slots=True, eq=False)
class Searching:
    """One optimisation under way."""

    request: RunRequest
    scanner: Scanner
    asked: Asked
    targets: tuple[Target, ...]
    sigma: float
    gap: tuple[float, float]
    """Values that a list of b-values may not have."""
    known: dict[tuple[str, ...], tuple[Settings, Scan, Array, Array] | None]
    """What is known of a combination of choices."""
    notes: list[str]

    @property
    def choices(self) -> tuple[Choices, ...]:
        """The free settings that take one of several values."""
        return tuple(entry for entry in self.asked.free if isinstance(entry, Choices))

    def combination(self, chosen: tuple[str, ...]) -> tuple[Settings, Scan, Array, Array] | None:
        """Return settings, scan and bounds of a combination; None where nothing can be played."""
        if chosen not in self.known:
            try:
                self.known[chosen] = self._looked(chosen)
            except (InfeasibleError, InputError) as problem:
                self.notes.append(f"{_said(self.choices, chosen)}: {problem}")
                self.known[chosen] = None
        return self.known[chosen]

    def _looked(self, chosen: tuple[str, ...]) -> tuple[Settings, Scan, Array, Array]:
        path = resource(self.request.protocol, FOLDER, "protocol")
        held = dict(self.request.overrides) | {c.name: v for c, v in zip(self.choices, chosen, strict=True)}
        ranges = tuple(entry for entry in self.asked.free if isinstance(entry, Range))
        settings = Settings(path=path, scanner=self.scanner, ranges=ranges, held=held)
        family = read_protocol_file(path, held)[1]
        own = {entry.name: getattr(family, entry.name, None) for entry in ranges}
        at = anchor(settings, own_values(settings, own))
        low, high = playable(settings, at)
        return settings, self.noisy(linearised(settings, at, low, high)), low, high

    def noisy(self, scan: Scan) -> Scan:
        """Return the scan with its noise in units of the signals."""
        return replace(scan, log_noise=scan.log_noise + math.log(self.sigma))

    def best(self, chosen: tuple[str, ...], longest: float, per_time: bool) -> tuple[Found, Settings] | None:
        """Return the best settings of a combination; None where there are none."""
        known = self.combination(chosen)
        if known is None:
            return None
        settings, scan, low, high = known
        shortest = min(scan.seconds(low), scan.seconds(high), scan.duration)
        if shortest > longest * (1 + AGREED):
            self.notes.append(f"{_said(self.choices, chosen)}: takes {shortest:.3g} s at least")
            return None
        good, best, limit = scan.at, None, longest * (1 - SLACK)
        for _ in range(ROUNDS):
            try:
                found = search(self.sheeted(settings, scan.at), scan, low, high, groups=settings.groups, longest=limit,
                               per_time=per_time, gap=self.gap)  # fmt: skip
            except InputError as problem:
                if best is None and scan is known[1]:
                    self.notes.append(f"{_said(self.choices, chosen)}: {problem.problem}")
                break
            at = settings.written(nearest(settings, good, found.settings))
            there = self.here(settings, at)
            value, _ = total(self.sheeted(settings, at), there, at, per_time)
            fits = there.duration <= longest * (1 + 1e-9)
            if fits and (best is None or value < best.value):
                best = Found(settings=at, value=value)
            if fits and abs(value / found.value - 1) < AGREED:
                break
            limit = limit if fits else limit * longest / there.duration
            good, scan = at, self.noisy(linearised(settings, at, low, high))
        return None if best is None else (best, settings)

    def here(self, settings: Settings, at: Array) -> Scan:
        """Return the scan at a point, without what follows the settings."""
        seen, v = look(settings.build(at)), len(at)
        nothing = np.zeros((v, len(seen.noise)))
        return Scan(
            at=at, columns=seen.columns, slopes=dict.fromkeys(seen.columns, nothing),
            log_noise=np.log(seen.noise * self.sigma), noise_slopes=nothing, duration=seen.duration,
            duration_slopes=np.zeros(v),
        )  # fmt: skip

    def over_choices(self, longest: float, per_time: bool) -> tuple[Found, Settings] | None:
        """Return the best over the combinations of choices."""
        lists = [c.values for c in self.choices]
        best: tuple[Found, Settings] | None = None
        if math.prod(map(len, lists)) <= MOST:
            for each in itertools.product(*lists):
                found = self.within_limits(self.best(each, longest, per_time), best, per_time)
                best = best if found is None else found
            return best
        chosen = [values[0] for values in lists]
        while True:
            before = best
            for k, values in enumerate(lists):
                for value in values:
                    trial = [*chosen[:k], value, *chosen[k + 1 :]]
                    found = self.within_limits(self.best(tuple(trial), longest, per_time), best, per_time)
                    if found is not None:
                        best, chosen = found, trial
            if best is before:
                return best

    def within_limits(
        self, found: tuple[Found, Settings] | None, best: tuple[Found, Settings] | None, per_time: bool
    ) -> tuple[Found, Settings] | None:
        """Return what is better than the best so far and breaks no limit, held back where it must be; else None."""

        def better(value: float) -> bool:
            return best is None or value < best[0].value * (1 - 1e-9)

        if found is None or not better(found[0].value):
            return None
        settings = found[1]
        try:
            at = self._allowed(*found)
        except InfeasibleError as problem:
            self.notes.append(f"{_said(self.choices, tuple(settings.held[c.name] for c in self.choices))}: {problem}")
            return None
        if at is found[0].settings:
            return found
        value, _ = total(self.sheeted(settings, at), self.here(settings, at), at, per_time)
        return (Found(settings=at, value=value), settings) if better(value) else None

    def _allowed(self, found: Found, settings: Settings) -> Array:
        """Return settings that scanner and standards allow: the best ones, or ones on the way back from them."""
        broken = broken_limits(settings.build(found.settings))
        if not broken:
            return found.settings
        start = self._unbroken(found, settings)
        if start is None:
            listed = "\n".join(f"  {line}" for line in broken[:8])
            raise InfeasibleError(f"limits are broken throughout the ranges of the free settings:\n{listed}")
        self.notes.append(f"held back by a limit: {broken[0]}")
        reached, beyond = 0.0, 1.0
        for _ in range(HALVINGS):
            middle = (reached + beyond) / 2
            trial = settings.written(start + middle * (found.settings - start))
            reached, beyond = (reached, middle) if broken_limits(settings.build(trial)) else (middle, beyond)
        return settings.written(start + reached * (found.settings - start))

    def _unbroken(self, found: Found, settings: Settings) -> Array | None:
        """Return settings of the same choices that break no limit; None where none of some tried does."""
        known = self.combination(tuple(settings.held[c.name] for c in self.choices))
        assert known is not None
        _, scan, low, high = known
        for trial in (scan.at, low, high, (low + found.settings) / 2, (high + found.settings) / 2):
            try:
                if not broken_limits(settings.build(settings.written(trial))):
                    return settings.written(trial)
            except (InfeasibleError, InputError):
                continue
        return None

    def point(self, settings: Settings, at: Array) -> Point:
        """Return a protocol with everything that is said of it."""
        return self._said(self.sheeted(settings, at), self.here(settings, at), settings.texts(at))

    def sheeted(self, settings: Settings, at: Array) -> tuple[Target, ...]:
        """Return the targets with the protocol sheet of these settings, where their model reads one."""
        if all(isinstance(find_model(target.model), Model) for target in self.targets):
            return self.targets
        sheet = settings.build(at).encoding.sheet
        return tuple(replace(target, sheet=sheet) for target in self.targets)

    def _said(self, targets: tuple[Target, ...], scan: Scan, entries: dict[str, str]) -> Point:
        sigma = np.exp(scan.log_noise)
        read = {name for target in targets for name in cost(target, scan.columns, sigma).by_column}
        return Point(
            entries=entries, contrast={n: tuple(c.tolist()) for n, c in scan.columns.items() if n in read},
            time=scan.duration, cost=total(targets, scan, scan.at, False)[0],
            spread={t.name: cost(t, scan.columns, sigma).spread for t in targets},
        )  # fmt: skip

    def own(self) -> Point | None:
        """Return the protocol as it stands; None where it cannot tell the parameters."""
        path = resource(self.request.protocol, FOLDER, "protocol")
        settings = Settings(path=path, scanner=self.scanner, ranges=(),
                            held=self.request.overrides)  # fmt: skip
        point = self._said(self.targets, self.here(settings, np.empty(0)), {})
        return point if math.isfinite(point.cost) else None


def _said(choices: tuple[Choices, ...], chosen: tuple[str, ...]) -> str:
    return ", ".join(f"{c.name} {v}" for c, v in zip(choices, chosen, strict=True)) or "the free settings"
