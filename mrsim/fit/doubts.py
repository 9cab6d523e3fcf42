"""What speaks against a fit: residuals far above the noise, and a sheet that breaks the model's assumptions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.maps import VALUED
from .method import Solution
from .model import Description

Array = NDArray[np.float64]
MISFIT = 2.0
"""Median reduced chi-squared above which a model does not describe the images."""
NEARLY = np.radians(1.0)
"""Difference of a flip from 180 degrees that does not matter."""
DISTINCT = 3.0
"""A fit with other signs counts as no worse while its residuals add less than this many standard deviations."""
AMBIGUOUS = 9
"""Status code of voxels that another solution fits as well."""
BETTER = {"refocusing": "t2-epg", "spoiling": "spgr-epg"}
"""Assumption -> the model that does without it."""


def doubts(model: Description, sheet: Mapping[str, Any], chi2: float | None) -> tuple[str, ...]:
    """Return what a reader of the maps must know of the model.

    Parameters
    ----------
    model : Model or Method
    sheet : mapping
        `Images.encoding`.
    chi2 : float, optional
        Median of the reduced chi-squared over the fitted voxels; None where the noise is unknown.
    """
    broken = tuple(text for kind in model.assumes if (text := _broken(kind, model.name, sheet)))
    if chi2 is None or chi2 <= MISFIT:
        return broken
    said = f"'{model.name}' does not fit the images: median reduced chi-squared {chi2:.3g}, 1 if only noise were left"
    hint = [f"'{BETTER[kind]}' does not assume ideal {kind}" for kind in model.assumes if kind in BETTER]
    return (*broken, "; ".join([said, *hint]))


def flagged(model: Description, solution: Solution, margin: Array, noise: Array) -> tuple[Solution, dict[str, Any]]:
    """Return the solution with the status of ambiguous voxels, and for the history their number and a warning.

    Parameters
    ----------
    model : Model or Method
    solution : Solution
    margin : (voxel,) array
        What the second best choice of signs costs more.
    noise : (voxel,) array
        Standard deviation of one quadrature channel, NaN where unknown.
    """
    unclear = solution.ambiguous
    if model.data == "polarity-restored":
        unclear = margin <= (DISTINCT * np.nan_to_num(noise)) ** 2
    if unclear is None:
        return solution, {}
    fitted = np.isin(solution.status, VALUED)
    torn = fitted & unclear
    status = np.where(torn & (solution.status == 0), AMBIGUOUS, solution.status).astype(np.int8)
    if not torn.any():
        return solution, {"ambiguous": 0}
    what, more = "solution", ": the one of lower b1 is given, b1 from another scan decides"
    if model.data == "polarity-restored":
        what, more = "choice of signs", ": their values may be far off"
    said = f"{torn.sum()} of {fitted.sum()} voxels fit another {what} as well{more}"
    return replace(solution, status=status), {"ambiguous": int(torn.sum()), "warnings": (said,)}


def _broken(kind: str, name: str, sheet: Mapping[str, Any]) -> str | None:
    if kind == "refocusing":
        flips = np.atleast_1d(np.asarray(sheet.get("refocusing_flips", ()), dtype=np.float64))
        if flips.size < 2 or np.abs(flips - np.pi).max() <= NEARLY:
            return None
        low, high = np.degrees([flips.min(), flips.max()])
        played = f"{low:.4g}" if high - low < 0.05 else f"{low:.4g} to {high:.4g}"
        return (
            f"'{name}' takes all refocusing flips to be 180 deg, the protocol plays {played} deg: stimulated echoes "
            "make its T2 too long; use 't2-epg'"
        )
    if kind == "spoiling" and sheet.get("phase_increment") is not None:
        degrees = np.degrees(float(sheet["phase_increment"]))
        return (
            f"'{name}' takes the spoiling to be ideal, the protocol's RF phase increment of {degrees:.4g} deg is not: "
            "T1 is off by some per cent; use 'spgr-epg'"
        )
    profile = str(sheet.get("excitation_profile", "hard"))
    if kind == "profile" and sheet.get("kind") == "2d" and not profile.startswith("hard"):
        return (
            f"'{name}' takes the flips to be the same through the slice, which a slice by {profile} is not: its "
            "times are off by some ten per cent; encode three dimensions, or see what '--without slice-profile' changes"
        )
    return None
