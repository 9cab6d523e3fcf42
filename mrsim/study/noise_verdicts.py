"""What a study says of the groups that it compares: could noise make their difference?

Every cohort is held by `evaluate.noise_difference` against simulated groups of one truth.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..evaluate.noise_difference import NoiseVerdict, noise_difference
from .experiment import Measure, mean_over

Array = NDArray[np.float64]


def verdicts(values: Array, null: Array) -> list[NoiseVerdict]:
    """Return the verdict on every cohort of (replicate, group, disc) values and those of simulated groups."""
    return [noise_difference(v[0], v[1], n[0], n[1]) for v, n in zip(values, null, strict=True)]


def shares(region: str, found: Sequence[NoiseVerdict]) -> list[Measure]:
    """Return in which share of the cohorts noise explains the difference, and how much of it noise makes."""
    return [
        mean_over("explained by noise", region, np.array([float(v.explained) for v in found])),
        mean_over("share of noise", region, np.array([v.share for v in found])),
    ]


def sentence(
    arm: str, what: str, found: Sequence[NoiseVerdict], unit: str = "", factor: float = 1.0
) -> tuple[str, bool]:
    """Return the verdict on the cohort whose difference is the median one, and whether noise explains most cohorts."""
    typical = sorted(found, key=lambda verdict: verdict.difference)[len(found) // 2]
    explained = float(np.mean([verdict.explained for verdict in found]))
    words = typical.words(what, unit, factor)
    return f"{arm}: {words}; explained by noise in {100 * explained:.0f} % of the cohorts", explained > 0.5
