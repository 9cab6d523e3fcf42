"""Spectroscopy and elastography: every candidate is built, held against the limits and forecast by itself.

A metabolite's bound follows from the basis at its own echo time, that of a stiffness from the wave, the echo time and
the encoding of its own gradients: neither follows the settings as a contrast table does. One setting after the other is
walked through its values, a range in `COARSE` values and then between the neighbours of the best one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from ...core.errors import InfeasibleError, InputError
from ...phantom.metabolite import load_metabolites
from ...phantom.stiffness import MODULI
from ...plan.question import Question
from ...sequence.protocol import load_protocol
from ..plan import regional
from ..remedies import pure_voxels
from ..request import Progress, RunRequest
from ..run import Prepared
from ..spectral_bounds import voxel_rows
from ..spectral_verdict import metabolite_named
from ..wave_verdict import seen_waves
from .free import Choices, Free, Range
from .played import broken_limits
from .searching import Asked, Point

SPECTRUM, WAVES = "linear-combination", "stiffness"
FORECAST = (SPECTRUM, WAVES)
"""What is wanted of protocols that are optimised here."""
COARSE, REFINED, ROUNDS = 6, 2, 3
"""Values of a range at first, halvings of their distance around the best, and walks through all settings at most."""
MOST = 48
"""Candidates that are forecast; a note says where that ended the search."""

Spread = dict[str, dict[str, float]]


def forecast_kind(ready: Prepared) -> str | None:
    """Return which of `FORECAST` a protocol measures; None where a signal model is fitted to images."""
    if ready.sequence.encoding.kind == "spectrum":
        return SPECTRUM
    return WAVES if "encoding" in ready.sequence.encoding.contrast else None


def wanted_of(ready: Prepared, kind: str, wanted: dict[str, float]) -> dict[str, float]:
    """Return name -> weight of what counts: metabolites by the names of the basis, or stiffness; all by default."""
    if kind == WAVES:
        stray = next((name for name in wanted if name != WAVES), None)
        if stray is not None:
            raise InputError(f"{ready.request.protocol} measures stiffness, not '{stray}'", key="--want")
        return wanted or {WAVES: 1.0}
    basis = ready.basis
    if basis is None:
        raise InputError(f"{ready.request.protocol} names no basis under [run]: no metabolite is known", key="protocol")
    if wanted:
        return {metabolite_named(basis, name): weight for name, weight in wanted.items()}
    return {each.name: 1.0 for each in load_metabolites(basis)}


def by_forecast(
    request: RunRequest, asked: Asked, progress: Progress, ready: Prepared
) -> tuple[Point, Point | None, tuple[Point, ...], tuple[str, ...]]:
    """Return the best protocol, the one as it stands, the front of what was tried, and notes."""
    for entry in asked.free:
        if isinstance(entry, Range) and entry.count:
            raise InputError(f"'{entry.name}[{entry.count}]' is a list; this protocol takes one value", key="--free")
    spread_of = _spectrum if asked.wanted.model == SPECTRUM else _waves
    search = _Search(request=request, asked=asked, ready=ready, spread_of=spread_of, progress=progress)
    best = search.best()
    progress("settings", MOST, MOST)
    tried = sorted((point for point in search.known.values() if point is not None), key=lambda point: point.time)
    reached = np.minimum.accumulate([math.inf, *(point.cost for point in tried)])
    front = tuple(point for point, before in zip(tried, reached, strict=False) if point.cost < before * (1 - 1e-6))
    own = search.as_it_stands()
    return best, own, front if asked.front else (), tuple(dict.fromkeys(search.notes))


@dataclass(slots=True, eq=False)
class _Search:
    request: RunRequest
    asked: Asked
    ready: Prepared
    spread_of: Callable[[Prepared, Asked], Spread]
    progress: Progress
    known: dict[tuple[str, ...], Point | None] = field(default_factory=dict)
    """By the texts of the free settings; None for what is not offered."""
    notes: list[str] = field(default_factory=list)

    def best(self) -> Point:
        """Walk through the settings one by one until none gets better, then more finely."""
        free = self.asked.free
        at = [_start(entry, self.request) for entry in free]
        reach = [(entry.high - entry.low) / (COARSE - 1) if isinstance(entry, Range) else 0.0 for entry in free]
        for _ in range(ROUNDS):
            before = list(at)
            for k, entry in enumerate(free):
                at[k] = self._least(at, k, _values(entry))
            if before == at or len(free) == 1:
                break
        for _ in range(REFINED):
            reach = [step / 2 for step in reach]
            for k, entry in enumerate(free):
                if isinstance(entry, Range):
                    at[k] = self._least(at, k, _around(entry, at[k], reach[k]))
        found = self.point(tuple(at))
        if found is None:
            why = "; ".join(dict.fromkeys(self.notes)) or "nothing can be played"
            raise InfeasibleError(f"no protocol of these free settings measures what is wanted: {why}")
        return found

    def _least(self, at: list[str], k: int, values: Iterator[str]) -> str:
        """Return the value of one setting that measures best while the others stay."""
        texts = list(dict.fromkeys([at[k], *values]))
        return min(texts, key=lambda text: self._value((*at[:k], text, *at[k + 1 :])))

    def _value(self, texts: tuple[str, ...]) -> float:
        point = self.point(texts)
        if point is None:
            return math.inf
        return point.cost * (point.time if self.asked.time is None else 1.0)

    def point(self, texts: tuple[str, ...]) -> Point | None:
        """Return a candidate; None where a limit, the scanner or the time forbids it, which is noted."""
        if texts not in self.known and len(self.known) >= MOST:
            self.notes.append(f"the search ended after {MOST} candidates: fewer free settings are searched more finely")
            return None
        if texts not in self.known:
            entries = {entry.name: text for entry, text in zip(self.asked.free, texts, strict=True)}
            self.known[texts] = self.measured({**self.request.overrides, **entries}, entries)
            self.progress("settings", len(self.known), MOST)
        return self.known[texts]

    def as_it_stands(self) -> Point | None:
        """Return the protocol's own settings with what they measure."""
        known = self.known.get(tuple(_start(entry, self.request) for entry in self.asked.free))
        stands = known is not None and all(_own(entry, self.request) is not None for entry in self.asked.free)
        return known if stands else self.measured(dict(self.request.overrides), {}, limited=False)

    def measured(self, overrides: dict[str, str], entries: dict[str, str], limited: bool = True) -> Point | None:
        """Return a protocol with what it measures; None where it is not offered."""
        said = ", ".join(f"{name} {text}" for name, text in entries.items()) or "as it stands"
        try:
            sequence = load_protocol(self.request.protocol, overrides).build(self.ready.sequence.scanner)
            broken = broken_limits(sequence) if limited else ()
            if broken:
                self.notes.append(f"{said} is not offered: {broken[0]}")
                return None
            longest = self.asked.time
            if limited and longest is not None and sequence.duration > longest * (1 + 1e-9):
                self.notes.append(f"{said} is not offered: takes {sequence.duration:.4g} s")
                return None
            request = replace(self.ready.request, overrides=overrides)
            spread = self.spread_of(replace(self.ready, request=request, sequence=sequence), self.asked)
        except (InfeasibleError, InputError) as problem:
            self.notes.append(f"{said} cannot be played: {problem}")
            return None
        weights = self.asked.wanted.weights
        sums = [sum(weights[name] * value**2 for name, value in row.items()) for row in spread.values()]
        return Point(entries=entries, contrast={}, time=sequence.duration, cost=float(np.mean(sums)), spread=spread)


def _spectrum(ready: Prepared, asked: Asked) -> Spread:
    """Return the bounds of the wanted metabolites over their amounts, of the whole scan."""
    rows = [row for row in voxel_rows(ready) if row.metabolite in asked.wanted.weights and row.value > 0]
    if not rows:
        raise InputError(f"the voxel holds nothing of {', '.join(asked.wanted.weights)}", key="--want")
    return {"voxel": {row.metabolite: row.bound / row.value for row in rows}}


def _waves(ready: Prepared, asked: Asked) -> Spread:
    """Return the noise of each tissue's stiffness over what is read of it, of the mean over its region."""
    tissues = [t for t in ready.phantom.tissues if any(name in t.facts for name in MODULI)]
    held = regional(ready.phantom)
    chosen = asked.wanted.tissues or tuple(t.name for t in tissues if t.name in held and t.grade is not None)
    known = {tissue.name: tissue for tissue in tissues}
    stray = next((name for name in chosen if name not in known), None)
    if stray is not None or not chosen:
        raise InputError(f"'{stray or ''}' has no stiffness; {', '.join(known)} have", key="--tissue")
    question = Question(text="", kind="change", parameter=WAVES)
    scans: dict[tuple[tuple[str, str], ...], object] = {}
    spread: Spread = {}
    voxels = pure_voxels(ready)
    for name in chosen:
        question = replace(question, voxels=voxels[name])
        seen = seen_waves(ready.request, question, known[name], {}, scans)  # type: ignore[arg-type]
        shown = seen.stiffness * seen.snr**2 / (1 + seen.snr**2)
        spread[name] = {WAVES: seen.noise_sd / shown}
    return spread


def _start(entry: Free, request: RunRequest) -> str:
    """Return the protocol's own value where it may be taken, else the first choice or the middle of the range."""
    own = _own(entry, request)
    if own is not None:
        return own
    return entry.values[0] if isinstance(entry, Choices) else entry.text([(entry.low + entry.high) / 2])


def _own(entry: Free, request: RunRequest) -> str | None:
    """Return the text of the protocol's own value; None where it may not be taken."""
    if isinstance(entry, Choices):
        return own_choice(entry, request)
    value = getattr(load_protocol(request.protocol, request.overrides), entry.name)
    inside = isinstance(value, int | float) and entry.low <= value <= entry.high
    return entry.text([value]) if inside else None


def own_choice(entry: Choices, request: RunRequest) -> str | None:
    """Return the choice that is the protocol's own value, however its unit is written; None for none."""

    def value(changed: dict[str, str]) -> object:
        return getattr(load_protocol(request.protocol, {**request.overrides, **changed}), entry.name)

    own = value({})
    return next((text for text in entry.values if value({entry.name: text}) == own), None)


def _values(entry: Free) -> Iterator[str]:
    if isinstance(entry, Choices):
        yield from entry.values
    else:
        yield from (entry.text([value]) for value in np.linspace(entry.low, entry.high, COARSE))


def _around(entry: Range, text: str, reach: float) -> Iterator[str]:
    """Yield the neighbours of a value that lie in the range."""
    here = float(text.split()[0]) * entry.factor
    for value in (here - reach, here + reach):
        if entry.low <= value <= entry.high:
            yield entry.text([value])
