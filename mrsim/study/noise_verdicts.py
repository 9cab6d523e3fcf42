"""What a study says of the groups that it compares: could noise make their difference?

Every cohort is held by `evaluate.noise_difference` against simulated groups of one truth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..evaluate.noise_difference import NoiseVerdict, noise_difference
from .experiment import Measure, Outcome, mean_over

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """A quantity that an experiment compares between its groups: `name` and `name null` of its data."""

    name: str
    shown: str
    unit: str = ""
    """That it is shown in."""
    factor: float = 1.0
    """What that unit is in SI."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """One quantity of the groups of one arm."""

    arm: str
    name: str
    verdicts: tuple[NoiseVerdict, ...]
    """One per cohort."""
    unit: str = ""
    """That it is shown in."""
    factor: float = 1.0
    """What that unit is in SI."""

    @property
    def explained(self) -> float:
        """Share of the cohorts whose difference noise explains."""
        return float(np.mean([verdict.explained for verdict in self.verdicts]))


def verdicts(values: Array, null: Array) -> tuple[NoiseVerdict, ...]:
    """Return the verdict on every cohort of (replicate, group, disc) values and those of simulated groups."""
    return tuple(noise_difference(v[0], v[1], n[0], n[1]) for v, n in zip(values, null, strict=True))


def shares(region: str, found: Sequence[NoiseVerdict]) -> list[Measure]:
    """Return in which share of the cohorts noise explains the difference, and how much of it noise makes."""
    return [
        mean_over("explained by noise", region, np.array([float(v.explained) for v in found])),
        mean_over("share of noise", region, np.array([v.share for v in found])),
    ]


@dataclass(frozen=True, slots=True)
class Judging:
    """What says of every arm whether noise explains its difference, and what draws it.

    Studies send their experiment to other processes, so it holds functions that have a name.
    """

    compared: Callable[[Any], Sequence[Compared]]
    """What an arm's settings compare."""

    def judged(self, outcomes: Mapping[str, Outcome]) -> list[Judged]:
        """Return the verdicts on every arm's quantities."""
        return [
            Judged(
                arm=arm, name=one.shown, unit=one.unit, factor=one.factor,
                verdicts=verdicts(outcome.data[one.name], outcome.data[f"{one.name} null"]),
            )
            for arm, outcome in outcomes.items()
            for one in self.compared(outcome.settings)
        ]  # fmt: skip

    def compare(self, outcomes: Mapping[str, Outcome]) -> list[tuple[str, bool]]:
        """Return a sentence on every arm's quantities, and whether noise explains them."""
        return [sentence(each) for each in self.judged(outcomes)]

    def draw(self, outcomes: Mapping[str, Outcome], _: Sequence[Measure]) -> dict[str, bytes]:
        """Return the figure of the verdicts."""
        return drawn(self.judged(outcomes))


def sentence(judged: Judged) -> tuple[str, bool]:
    """Return the verdict on the cohort whose difference is the median one, and whether noise explains most cohorts."""
    typical = sorted(judged.verdicts, key=lambda verdict: verdict.difference)[len(judged.verdicts) // 2]
    words = typical.words(judged.name, judged.unit, judged.factor)
    share = f"explained by noise in {100 * judged.explained:.0f} % of the cohorts"
    return f"{judged.arm}: {words}; {share}", judged.explained > 0.5


def drawn(found: Sequence[Judged]) -> dict[str, bytes]:
    """Return the figure of all differences beside those of noise, PNG by name."""
    from ..report.difference_figure import difference_figure
    from ..report.style import png

    panels: dict[tuple[str, str], list[Judged]] = {}
    for judged in found:
        panels.setdefault((judged.name, judged.unit), []).append(judged)
    rows = {key: [(j.arm, _pairs(j), j.explained) for j in some] for key, some in panels.items()}
    return {"differences": png(difference_figure(rows))}


def _pairs(judged: Judged) -> list[tuple[float, float]]:
    return [(v.difference / judged.factor, v.by_noise / judged.factor) for v in judged.verdicts]
