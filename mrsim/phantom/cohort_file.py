"""The shape of a cohort file, and what is refused in it."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from ..core.errors import InputError, did_you_mean
from ..core.toml import line_of
from ..core.units import Fraction, Fractions, dimension_of, parse_quantity
from .field_laws import STRICT
from .tissue_facts import Text

PROPERTIES = ("t1", "t2", "pd")
"""What varies of a tissue; T2* follows T2."""
SHARES = 1e-2
"""By how much printed shares may miss 100 %: they are rounded to 0.1 % each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trait:
    """One number per subject."""

    __pydantic_config__ = STRICT
    mean: Text
    sd: Text
    unit: str = ""
    """Unit of all its numbers; ``"years"`` and pure numbers stand bare."""
    distribution: Literal["normal", "lognormal"] = "normal"
    low: Text = ""
    """Lower bound: a normal is cut there whose mean and spread, once it is cut, are the requested ones."""
    high: Text = ""
    source: str

    def si(self, name: str) -> float:
        """Return one of its numbers in SI; ages in years."""
        return _si(str(getattr(self, name)), self.unit)


@lru_cache(maxsize=1024)
def _si(text: str, unit: str) -> float:
    """Return a number in SI."""
    return parse_quantity(text, dimension_of(unit) or "fraction")[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexLevel:
    """The level for which a subject is in the cohort."""

    __pydantic_config__ = STRICT
    levels: Fractions
    """Share of each level."""
    grades: Fractions
    """Share of grades I to V at that level."""
    source: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Correlation:
    """Of two traits' normals; ``"grade"`` stands for the normal of the grade of any level."""

    __pydantic_config__ = STRICT
    traits: tuple[str, str]
    value: Fraction


@dataclass(frozen=True, kw_only=True, slots=True)
class TissueSpread:
    """How tissues differ between subjects, in units of their files' spreads."""

    __pydantic_config__ = STRICT
    names: tuple[str, ...]
    heterogeneity: Fraction = 1.0
    """Factor on every spread: 1 as in the tissue files, which is often that of one careful study."""
    shared: Fraction = 0.0
    """Share of the variance that all tissues of a subject have in common."""
    t1_t2: Fraction = 0.0
    """Correlation of T1 and T2."""
    t2_pd: Fraction = 0.0
    t1_pd: Fraction = 0.0
    source: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CohortFile:
    """A cohort file."""

    __pydantic_config__ = STRICT
    description: str
    levels: tuple[str, ...]
    grades: Fractions
    """Share of grades I to V."""
    grades_at: dict[str, Fractions] = dataclasses.field(default_factory=dict)
    """Share of the grades of single levels, where they differ."""
    grade_correlation: Fraction = 0.0
    """Of two levels' normals."""
    grade_source: str
    misread: Fraction = 0.0
    """Share of levels whose grade a reader draws from the cohort's shares instead of seeing it."""
    trait: dict[str, Trait] = dataclasses.field(default_factory=dict)
    correlation: tuple[Correlation, ...] = ()
    index: IndexLevel | None = None
    tissues: TissueSpread | None = None


def check_cohort(content: CohortFile, path: Path) -> None:
    """Raise an `InputError` for shares, spreads or correlations that cannot be."""
    _check_shares(content.grades, 5, ("grades",), path)
    for level, shares in content.grades_at.items():
        if level not in content.levels:
            raise _error(path, ("grades_at", level), f"unknown level{did_you_mean(level, list(content.levels))}")
        _check_shares(shares, 5, ("grades_at", level), path)
    if content.index is not None:
        _check_shares(content.index.levels, len(content.levels), ("index", "levels"), path)
        _check_shares(content.index.grades, 5, ("index", "grades"), path)
    _check_share(content.grade_correlation, ("grade_correlation",), path)
    _check_share(content.misread, ("misread",), path)
    for name, trait in content.trait.items():
        _check_trait(name, trait, path)
    for entry in content.correlation:
        for trait_name in entry.traits:
            if trait_name not in (*content.trait, "grade"):
                hint = did_you_mean(trait_name, [*content.trait, "grade"])
                raise _error(path, ("correlation",), f"unknown trait '{trait_name}'{hint}")
        if not -1 < entry.value < 1 or entry.traits[0] == entry.traits[1]:
            raise _error(path, ("correlation",), f"{entry.value:g} of {' and '.join(entry.traits)} is impossible")
        most = math.sqrt(content.grade_correlation)
        if "grade" in entry.traits and abs(entry.value) > most:
            words = f"{entry.value:g} of {' and '.join(entry.traits)} is more than {most:.2g}, the square root of"
            raise _error(path, ("correlation",), f"{words} grade_correlation; raise that, or lower this")
    if content.tissues is not None:
        _check_share(content.tissues.shared, ("tissues", "shared"), path)
        if content.tissues.heterogeneity < 0:
            raise _error(path, ("tissues", "heterogeneity"), f"{content.tissues.heterogeneity:g} is negative")


def _check_trait(name: str, trait: Trait, path: Path) -> None:
    numbers = {}
    for key in ("mean", "sd", "low", "high"):
        if getattr(trait, key):
            try:
                numbers[key] = trait.si(key)
            except ValueError as problem:
                raise _error(path, ("trait", name, key), str(problem)) from None
    if numbers["sd"] <= 0:
        raise _error(path, ("trait", name, "sd"), f"{numbers['sd']:g} is not positive")
    if trait.distribution == "lognormal" and (numbers["mean"] <= 0 or len(numbers) > 2):
        raise _error(path, ("trait", name, "mean"), "a lognormal trait needs a positive mean and no bounds")
    if numbers.get("low", -math.inf) >= numbers.get("high", math.inf):
        raise _error(path, ("trait", name, "low"), "is not below high")


def _check_shares(shares: tuple[float, ...], count: int, keys: tuple[str, ...], path: Path) -> None:
    if len(shares) != count:
        raise _error(path, keys, f"has {len(shares)} shares; give {count}")
    if min(shares) < 0 or abs(sum(shares) - 1) > SHARES:
        raise _error(path, keys, f"adds up to {100 * sum(shares):g} %; shares are not negative and add up to 100 %")


def _check_share(share: float, keys: tuple[str, ...], path: Path) -> None:
    if not 0 <= share <= 1:
        raise _error(path, keys, f"{share:g} is outside 0 to 1")


def _error(path: Path, keys: tuple[str, ...], problem: str) -> InputError:
    return InputError(problem, key=".".join(keys), file=path, line=line_of(path, keys))
