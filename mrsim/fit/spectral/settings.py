"""What a user may choose about a linear-combination fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ...core.basis import Basis
from ...core.errors import InputError, did_you_mean


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """What is known of a concentration beforehand, as a Gaussian."""

    mean: float
    """Expected value: mM with a water reference, else in the amplitudes' unit; a ratio where `ratio_to` is set."""
    sd: float
    """Its standard deviation; of a ratio, times the other's amount as a first fit finds it in which all ratios are as
    expected, or that amount's standard error added in squares: a ratio to nothing is known no better."""
    ratio_to: str | None = None
    """The metabolite to which the ratio is taken."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Combination:
    """Settings of a linear-combination fit."""

    window: tuple[float, float] = (0.4, 4.2)
    """Chemical shifts that are compared, ppm."""
    baseline: float = 2.0
    """Effective degrees of freedom of the baseline per ppm; 0 for none."""
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Name of a group -> its metabolites, which share a line width and an extra shift; one group per kind without."""
    shift: float = 0.1
    """Largest common shift, ppm."""
    extra_shift: float = 0.02
    """Standard deviation of a group's extra shift, ppm; ten of them are the most."""
    delay: float = 1e-4
    """Standard deviation of the time by which the first point misses the basis's, s; without effect on noise-free
    spectra. A free first-order phase lets a baseline take the place of lines where there is little signal."""
    extra_width: tuple[float, float] = (5.0, 20.0)
    """Expected broadening of lines and its standard deviation, Hz; without effect on noise-free spectra."""
    widths: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Group -> the same for its lines, where they are known to relax otherwise."""
    gauss: tuple[float, float] = (0.0, np.inf)
    """Expected Gaussian rate of all lines, 1/s^2, and its standard deviation: what the water's shape tells of the field
    within the voxel. Unknown by default; without effect on noise-free spectra."""
    expected: Mapping[str, Expected] = field(default_factory=dict)
    """Metabolite -> what is known of its concentration beforehand."""
    detection: float = 2.0
    """Standard errors above zero from which a metabolite counts as detected."""

    def group_numbers(self, basis: Basis) -> tuple[np.ndarray, tuple[str, ...]]:
        """Return the (member,) group of every metabolite of a basis, and the groups' names."""
        where: dict[str, str] = dict(zip(basis.names, basis.kinds, strict=True))
        seen: set[str] = set()
        for group, members in self.groups.items():
            for name in members:
                if name not in where:
                    raise InputError(
                        f"the basis holds no '{name}'{did_you_mean(name, list(basis.names))}", key="groups"
                    )
                if name in seen:
                    raise InputError(f"'{name}' stands in two groups", key="groups")
                seen.add(name)
                where[name] = group
        names = tuple(dict.fromkeys(where[name] for name in basis.names))
        for group in self.widths:
            if group not in names:
                raise InputError(f"no group '{group}'{did_you_mean(group, list(names))}", key="widths")
        return np.array([names.index(where[name]) for name in basis.names], dtype=np.intp), names


@dataclass(frozen=True, kw_only=True, slots=True)
class WaterScale:
    """How the water reference becomes a scale in mM."""

    content: float = 0.8
    """Share of the voxel's tissue that is water, by volume."""
    t1: float = 1.3
    """Of the tissue's water, s."""
    t2: float = 0.1
    """Of the tissue's water, s."""
    foreign: float = 0.0
    """Share of the water reference's signal that comes from parts without metabolites, such as cerebrospinal fluid."""
    relaxation: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Metabolite -> (T1, T2), s, for which its amplitude is corrected; leave out what the basis already relaxes."""

    def __post_init__(self) -> None:
        """Refuse shares and times that cannot be."""
        if not 0 < self.content <= 1:
            raise InputError(f"is {self.content}; a share of water lies above 0 and not above 1", key="content")
        if not 0 <= self.foreign < 1:
            raise InputError(f"is {self.foreign}; the foreign share of water lies from 0 to below 1", key="foreign")
        if not (self.t1 > 0 and self.t2 > 0):
            raise InputError(f"is {self.t1}, {self.t2} s; relaxation times are positive", key="t1, t2")
