"""What a study repeats: an experiment as data, the arms it is carried out in, and what comes out.

An experiment is a function from settings and random streams to arrays, and a function from all arrays to measures. It
knows nothing of chunks, workers, files or claims. Adding one is a file in `experiments/` and a line in their registry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]
"""By name, each with the replicates along its first axis."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """One number that a study finds."""

    metric: str
    region: str
    value: float
    """SI."""
    unit: str = ""
    """SI unit."""
    low: float = np.nan
    """95 % interval, where one is known."""
    high: float = np.nan
    standard_error: float = np.nan
    """Of the mean over replicates, where the value is one."""
    replicates: int = 1
    """How many went into the value."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Outcome:
    """All replicates of one arm."""

    settings: Any
    """An instance of the experiment's settings class."""
    data: Arrays


@dataclass(frozen=True, kw_only=True, slots=True)
class Experiment:
    """A kind of study."""

    name: str
    title: str
    """One line for lists."""
    settings: type[Any]
    """Frozen dataclass of what a study file may set; quantities carry units."""
    replicate: Callable[[Any, Sequence[np.random.Generator]], Arrays]
    """Carries out one replicate per random stream. A replicate's numbers depend on the settings and its own stream."""
    measure: Callable[[Mapping[str, Outcome]], Sequence[Measure]]
    """Turns the outcomes, by arm, into numbers."""
    compare: Callable[[Mapping[str, Outcome]], Sequence[tuple[str, bool]]] | None = None
    """Says of groups that are compared whether noise could make their difference: a sentence, and True where it can."""
    draw: Callable[[Mapping[str, Outcome], Sequence[Measure]], dict[str, bytes]] | None = None
    """Turns them into figures: PNG by name, the one that tells the story first."""


def mean_over(metric: str, region: str, values: NDArray[np.float64], unit: str = "") -> Measure:
    """Return the mean over replicates with its standard error and 95 % interval."""
    values = np.asarray(values, dtype=np.float64)
    mean = float(values.mean())
    error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else np.nan
    return Measure(
        metric=metric, region=region, value=mean, unit=unit, standard_error=error, replicates=len(values),
        low=mean - 1.96 * error, high=mean + 1.96 * error,
    )  # fmt: skip
