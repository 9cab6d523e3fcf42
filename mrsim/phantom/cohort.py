"""Cohorts: subjects drawn one by one from a file's distributions.

Every number is drawn through a standard normal z: a trait has its mean and spread as a normal, a lognormal or a normal
cut at bounds; a grade is where Phi(z) falls among the cumulated shares of the grades. Correlations are those of
the normals (a Gaussian copula), so each trait and each level keeps its own distribution exactly. A subject depends on
the seed and on its own number alone: cohorts stream, and any subject can be drawn again by itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.toml import line_of, read_toml, resource, structure
from .cohort_file import PROPERTIES, CohortFile, Trait, check_cohort

Array = NDArray[np.float64]
FOLDER = "phantoms/cohorts"
"""Where shipped cohorts lie."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """One drawn person."""

    cohort: str
    seed: int
    number: int
    """From 0."""
    grades: dict[str, int]
    """Pfirrmann grade, 1 to 5, by level."""
    index_level: str | None
    """The level that brought a patient into the cohort."""
    traits: dict[str, float]
    """By name, SI."""
    tissue_scores: dict[str, dict[str, float]]
    """Tissue -> property -> standard normal of its place among subjects."""
    heterogeneity: float
    """Factor on the spread of every tissue."""
    read_grades: dict[str, int]
    """What a reader says of every level."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Cohort:
    """Distributions of subjects."""

    name: str
    file: Path
    content: CohortFile
    traits: tuple[str, ...]
    mixing: Array
    """(trait + 1, trait + 1) Cholesky factor of the correlation of the traits and, last, of the grades."""
    tissue_mixing: Array
    """(property, property) Cholesky factor of the correlation of a tissue's properties."""

    def subject(self, seed: int, number: int) -> Subject:
        """Return one subject; it depends on the seed and the number alone."""
        rng = np.random.default_rng([seed, number])
        z = self.mixing @ rng.standard_normal(len(self.traits) + 1)
        index = self._index(rng)
        drawn = {name: value(self.content.trait[name], float(s)) for name, s in zip(self.traits, z, strict=False)}
        grades = self._grades(rng, float(z[-1]), index)
        scores = self._scores(rng)
        tissues = self.content.tissues
        return Subject(
            cohort=self.name, seed=seed, number=number, grades=grades, index_level=index, traits=drawn,
            tissue_scores=scores, heterogeneity=tissues.heterogeneity if tissues else 1.0,
            read_grades=self._read(rng, grades, index),
        )  # fmt: skip

    def subjects(self, count: int, seed: int = 1, first: int = 0) -> Iterator[Subject]:
        """Draw subjects one after the other; none is kept."""
        for number in range(first, first + count):
            yield self.subject(seed, number)

    def _index(self, rng: np.random.Generator) -> str | None:
        if self.content.index is None:
            return None
        return self.content.levels[_place(np.asarray(self.content.index.levels), float(rng.random()))]

    def _grades(self, rng: np.random.Generator, shared: float, index: str | None) -> dict[str, int]:
        """Return the grades; each level's normal has the shared part and one of its own."""
        rho = self.content.grade_correlation
        own = rng.standard_normal(len(self.content.levels))
        found = {}
        for level, z in zip(self.content.levels, own, strict=True):
            share = _normal(math.sqrt(rho) * shared + math.sqrt(1 - rho) * float(z))
            found[level] = 1 + _place(np.asarray(self._shares(level, index)), share)
        return found

    def _read(self, rng: np.random.Generator, grades: dict[str, int], index: str | None) -> dict[str, int]:
        """Return the grades as a reader states them."""
        missed, drawn = rng.random((2, len(grades)))
        found = {}
        for (level, grade), miss, at in zip(grades.items(), missed, drawn, strict=True):
            new = 1 + _place(np.asarray(self._shares(level, index)), float(at))
            found[level] = new if miss < self.content.misread else grade
        return found

    def _shares(self, level: str, index: str | None) -> tuple[float, ...]:
        """Return the shares of the grades at a level of a subject who is in the cohort for level `index`."""
        if self.content.index is not None and level == index:
            return self.content.index.grades
        return self.content.grades_at.get(level, self.content.grades)

    def _scores(self, rng: np.random.Generator) -> dict[str, dict[str, float]]:
        table = self.content.tissues
        if table is None:
            return {}
        parts = rng.standard_normal((len(table.names) + 1, len(PROPERTIES)))
        mixed = math.sqrt(table.shared) * parts[0] + math.sqrt(1 - table.shared) * parts[1:]
        scores = mixed @ self.tissue_mixing.T
        return {
            name: dict(zip(PROPERTIES, map(float, row), strict=True))
            for name, row in zip(table.names, scores, strict=True)
        }


def load_cohort(name: str) -> Cohort:
    """Return a cohort by its shipped name, e.g. ``"lumbar-surgical"``, or by the path of its file."""
    path = resource(name, FOLDER, "cohort")
    content = structure(read_toml(path), CohortFile, path)
    check_cohort(content, path)
    traits = tuple(content.trait)
    order = (*traits, "grade")
    correlation = np.eye(len(order))
    for entry in content.correlation:
        i, j = (order.index(trait) for trait in entry.traits)
        # a level's grade has the root of grade_correlation of what all levels share
        part = math.sqrt(content.grade_correlation) if "grade" in entry.traits else 1.0
        correlation[i, j] = correlation[j, i] = entry.value / part if part else 0.0
    for name, trait in content.trait.items():
        if trait.low or trait.high:
            _bounded(name, trait, path)
    table = content.tissues
    within = np.eye(len(PROPERTIES))
    if table is not None:
        within = np.array([[1, table.t1_t2, table.t1_pd], [table.t1_t2, 1, table.t2_pd], [table.t1_pd, table.t2_pd, 1]])
    return Cohort(
        name=path.stem,
        file=path,
        content=content,
        traits=traits,
        mixing=_factor(correlation, "correlation", path),
        tissue_mixing=_factor(within, "tissues", path),
    )


def value(trait: Trait, z: float) -> float:
    """Return a trait at z standard deviations of its normal, SI."""
    mean, sd = trait.si("mean"), trait.si("sd")
    if trait.distribution == "lognormal":
        spread = math.sqrt(math.log1p((sd / mean) ** 2))
        return mean * math.exp(spread * z - spread**2 / 2)
    if trait.low or trait.high:
        from scipy.special import ndtri

        mean, sd = before_the_cut(trait)
        low, high = (_normal((edge - mean) / sd) for edge in _bounds(trait))
        return mean + sd * float(ndtri(low + (high - low) * _normal(z)))
    return mean + sd * z


@lru_cache(maxsize=256)
def before_the_cut(trait: Trait) -> tuple[float, float]:
    """Return the mean and spread, SI, of the normal that has the trait's own once it is cut at the trait's bounds.

    With a and b the bounds in spreads from the mean, Z = Phi(b) - Phi(a) and d = (phi(a) - phi(b)) / Z, the cut
    normal has the mean m + s d and the variance s^2 [1 + (a phi(a) - b phi(b)) / Z - d^2] (Johnson, Kotz 1970). No
    number is returned (NaN) where none does.
    """
    from scipy.optimize import root

    mean, sd = trait.si("mean"), trait.si("sd")
    edges = [(edge - mean) / sd for edge in _bounds(trait)]

    def missing(at: Array) -> list[float]:
        spread = math.exp(min(float(at[1]), 50.0))
        middle, variance = _cut(float(at[0]), spread, edges)
        return [middle, variance - 1.0]

    for start in ([0.0, 0.0], [0.0, 0.7], [0.0, 1.5], [0.0, 3.0], [-1.0, 0.7], [1.0, 0.7]):
        with np.errstate(all="ignore"):
            found = root(missing, start, tol=1e-13).x
        if max(map(abs, missing(found))) < 1e-9:
            return mean + sd * float(found[0]), sd * math.exp(float(found[1]))
    return math.nan, math.nan


def _cut(mean: float, sd: float, edges: list[float]) -> tuple[float, float]:
    """Return the mean and the variance of a normal that is cut at two edges."""
    if not sd > 0:  # so narrow that it is none
        return math.inf, math.inf
    a, b = ((edge - mean) / sd for edge in edges)
    inside = _normal(b) - _normal(a)
    if inside < 1e-12:
        return math.inf, math.inf
    density = [math.exp(-t * t / 2) / math.sqrt(2 * math.pi) for t in (a, b)]
    moment = [t * p if math.isfinite(t) else 0.0 for t, p in zip((a, b), density, strict=True)]
    shift = (density[0] - density[1]) / inside
    return mean + sd * shift, sd**2 * (1 + (moment[0] - moment[1]) / inside - shift**2)


def _bounds(trait: Trait) -> tuple[float, float]:
    """Return the bounds, SI; infinite where there is none."""
    return trait.si("low") if trait.low else -math.inf, trait.si("high") if trait.high else math.inf


def _bounded(name: str, trait: Trait, path: Path) -> None:
    if math.isnan(before_the_cut(trait)[0]):
        keys = ("trait", name, "sd")
        words = f"no normal cut at its bounds has the mean {trait.mean} and the spread {trait.sd}; widen the bounds"
        raise InputError(words, key=".".join(keys), file=path, line=line_of(path, keys))


def plain_subject(subject: Subject) -> dict[str, Any]:
    """Return a subject as one flat row."""
    row: dict[str, Any] = {"subject": subject.number, "index_level": subject.index_level}
    row |= {f"grade {level}": grade for level, grade in subject.grades.items()}
    row |= {f"read {level}": grade for level, grade in subject.read_grades.items()} | subject.traits
    for tissue, scores in subject.tissue_scores.items():
        row |= {f"{tissue} {name} score": score for name, score in scores.items()}
    return row


def _normal(z: float) -> float:
    """Return Phi(z)."""
    return 0.5 * math.erfc(-z / math.sqrt(2))


def _place(shares: Array, at: float) -> int:
    """Return in which of the cumulated shares a number between 0 and 1 falls."""
    edges = np.cumsum(shares / shares.sum())
    return int(min(np.searchsorted(edges, at, side="right"), np.flatnonzero(shares)[-1]))


def _factor(correlation: Array, key: str, path: Path) -> Array:
    try:
        return np.asarray(np.linalg.cholesky(correlation))
    except np.linalg.LinAlgError:
        raise InputError(
            "these correlations contradict each other: no numbers can have all of them", key=key, file=path,
            line=line_of(path, (key,)),
        ) from None  # fmt: skip
