"""An open score of how acid a disc is against how much structure it has, with its uncertainty.

    A = sum of acids, each times its weight;  S = sum of structural molecules, likewise;
    score = log10(A / S), and the structural index SI = log10(S / water).

The weights are the user's, 1 by default; cut-offs are whatever a reader fits to own data. Acids and structure follow
what is published of ratios between lactate, alanine and propionate on one side and proteoglycan and collagen or
carbohydrate on the other; no commercial score is reproduced here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError, did_you_mean
from ...core.spectra import Spectra
from .problem import Array
from .result import SpectralFit

FEWEST = 3.0
"""Standard errors by which acids and structure each have to stand above zero for a logarithm to mean anything."""
CONTAMINATED = 0.5
"""Lipid signal over the acids' from which the score counts as contaminated."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoreWeights:
    """Which amounts count as acids and which as structure; names of metabolites, or of regions."""

    acids: Mapping[str, float] = field(default_factory=lambda: {"Lac": 1.0, "Ala": 1.0, "Prop": 1.0})
    structure: Mapping[str, float] = field(default_factory=lambda: {"PG": 1.0, "Col": 1.0})
    lipids: tuple[str, ...] = ()
    """Members whose signal contaminates the acids."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Score:
    """The score of every voxel."""

    value: Array
    """(voxel,) log10(A / S); NaN where acids or structure do not stand out of the noise."""
    error: Array
    """(voxel,) standard error, from the covariance of the amounts."""
    acids: Array
    """(voxel,) A."""
    structure: Array
    """(voxel,) S."""
    defined: NDArray[np.bool_]
    """(voxel,) whether A and S each stand three standard errors above zero."""
    contaminated: NDArray[np.bool_]
    """(voxel,) whether the lipids' signal exceeds half of the acids'."""


def score(found: SpectralFit, weights: ScoreWeights | None = None) -> Score:
    """Return the score of fitted amounts; its error knows how the amounts correlate.

    Parameters
    ----------
    found : SpectralFit
    weights : ScoreWeights, optional
    """
    weights = weights or ScoreWeights()
    acids, structure = (_weights(part, found.names) for part in (weights.acids, weights.structure))
    lipids = _weights(dict.fromkeys(weights.lipids, 1.0), found.names)
    a, s = found.amplitudes @ acids, found.amplitudes @ structure
    var_a, var_s, both = (
        np.einsum("m,vmn,n->v", left, found.covariance, right)
        for left, right in ((acids, acids), (structure, structure), (acids, structure))
    )
    defined = (a > FEWEST * np.sqrt(var_a)) & (s > FEWEST * np.sqrt(var_s))
    value, error = np.full(len(a), np.nan), np.full(len(a), np.nan)
    i = defined
    value[i] = np.log10(a[i] / s[i])
    error[i] = np.sqrt(var_a[i] / a[i] ** 2 + var_s[i] / s[i] ** 2 - 2 * both[i] / (a[i] * s[i])) / np.log(10)
    fat = np.abs(found.amplitudes @ lipids)
    return Score(
        value=value,
        error=error,
        acids=a,
        structure=s,
        defined=defined,
        contaminated=np.asarray(fat > CONTAMINATED * np.abs(a)),
    )


def region_integrals(
    spectra: Spectra, regions: Mapping[str, tuple[float, float]], contrast: int = 0
) -> dict[str, tuple[Array, float]]:
    """Return the (voxel,) signal within regions of chemical shift, and its standard error.

    Twice the integral of the real spectrum, which is the first point of a line that lies well inside. The spectra must
    be phased (`mrsim.recon.time_signals.phased`); nothing is taken off as a baseline.

    Parameters
    ----------
    spectra : Spectra
    regions : mapping
        Name -> (low, high), ppm.
    contrast : int
        Which spectrum of the series.
    """
    points = spectra.data.shape[-1]
    ppm = spectra.ppm()
    values = spectra.spectrum()[contrast].real
    step = 1 / (points * spectra.dwell)
    noise = float(np.broadcast_to(spectra.sigma, (len(spectra.data), 1, 1))[contrast, 0, 0])
    first = noise * np.sqrt(points - 0.75) * spectra.dwell  # the first point counts half
    sums: dict[str, tuple[Array, float]] = {}
    for name, (low, high) in regions.items():
        inside = (ppm >= low) & (ppm <= high)
        if not inside.any():
            raise InputError(f"'{name}', {low:g} to {high:g} ppm, holds no point of the spectrum", key="regions")
        sums[name] = (
            np.asarray(2 * values[:, inside].sum(axis=1) * step),
            float(2 * first * np.sqrt(inside.sum()) * step),
        )
    return sums


def _weights(chosen: Mapping[str, float], names: tuple[str, ...]) -> Array:
    """Return the (metabolite,) weights of some metabolites."""
    row = np.zeros(len(names))
    for name, weight in chosen.items():
        if name not in names:
            raise InputError(f"the fit holds no '{name}'{did_you_mean(name, list(names))}", key="score")
        row[names.index(name)] = weight
    return row
