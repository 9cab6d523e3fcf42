"""What speaks against a fit: residuals far above the noise, and a sheet that breaks the model's assumptions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.maps import VALUED
from .expansion import BEYOND
from .method import Series, Solution
from .model import Description

Array = NDArray[np.float64]
VISIBLE = 2.0
"""A voxel whose root mean square over the images is below this many standard deviations of the noise holds
no signal: the magnitude of pure noise has 1.41."""
MISFIT = 2.0
"""Median reduced chi-squared above which a model does not describe the images."""
NEARLY = np.radians(1.0)
"""Difference of a flip from 180 degrees that does not matter."""
DISTINCT = 3.0
"""A fit with other signs counts as no worse while its residuals add less than this many standard deviations."""
AMBIGUOUS = 9
"""Status code of voxels that another solution fits as well."""
OUTSIDE = "outside the model's range"
"""How a warning begins of a sheet that breaks what a model assumes."""
CURVED, OFTEN = 0.25, 0.25
"""Error over the value beyond which an error of first order is not to be trusted, and the share of voxels from which
that is said. Measured with ivim and kurtosis: the errors are right within 7 % below, and down to a half of the scatter
at 0.7 of the value."""
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


def range_flags(warnings: Iterable[str]) -> tuple[str, ...]:
    """Return what stands beside every number of maps that were made outside the range of their model."""
    return tuple(dict.fromkeys(head for text in warnings if (head := text.split(":")[0]) in (OUTSIDE, BEYOND)))


def flagged(model: Description, solution: Solution, margin: Array, series: Series) -> tuple[Solution, dict[str, Any]]:
    """Return the solution with the status of ambiguous voxels, and for the history their number and a warning.

    Background does not count: without noise all of it is fitted, what ringing left there too.

    Parameters
    ----------
    model : Model or Method
    solution : Solution
    margin : (voxel,) array
        What the second best choice of signs costs more.
    series : Series
        What was fitted.
    """
    unclear, noise = solution.ambiguous, np.nan_to_num(series.spread)
    if model.data == "polarity-restored":
        unclear = margin <= (DISTINCT * noise) ** 2
    if unclear is None:
        return solution, {}
    visible = np.sum(np.abs(series.data) ** 2, axis=0) >= len(series.data) * (VISIBLE * noise) ** 2
    fitted = np.isin(solution.status, VALUED) & visible
    torn = fitted & unclear
    status = np.where(torn & (solution.status == 0), AMBIGUOUS, solution.status).astype(np.int8)
    if not torn.any():
        return solution, {"ambiguous": 0}
    what, more = "solution", ": the one of lower b1 is given, b1 from another scan decides"
    if model.data == "polarity-restored":
        what, more = "choice of signs", ": their values may be far off"
    said = f"{torn.sum()} of {fitted.sum()} voxels with signal fit another {what} as well{more}"
    return replace(solution, status=status), {"ambiguous": int(torn.sum()), "warnings": (said,)}


def untrusted(model: Description, values: Array, errors: Array) -> tuple[str, ...]:
    """Return which errors are not to be trusted.

    Parameters
    ----------
    model : Model or Method
    values, errors : (parameter, voxel) arrays
        Of the parameters and what is derived from them.
    """
    names, said = [p.name for p in (*model.parameters, *model.derived)], []
    for name in model.curved:
        value, error = values[names.index(name)], errors[names.index(name)]
        known = np.isfinite(value) & np.isfinite(error)
        share = float(np.mean(error[known] > CURVED * np.abs(value[known]))) if known.any() else 0.0
        if share > OFTEN:
            said.append(
                f"the error of {name} exceeds a quarter of its value in {100 * share:.0f} % of the voxels: errors are "
                f"of first order, and there they can be half of the scatter (mr.scatter measures it) and {name} biased"
            )
    return tuple(said)


def _broken(kind: str, name: str, sheet: Mapping[str, Any]) -> str | None:
    if kind == "refocusing":
        flips = np.atleast_1d(np.asarray(sheet.get("refocusing_flips", ()), dtype=np.float64))
        if flips.size < 2 or np.abs(flips - np.pi).max() <= NEARLY:
            return None
        low, high = np.degrees([flips.min(), flips.max()])
        played = f"{low:.4g}" if high - low < 0.05 else f"{low:.4g} to {high:.4g}"
        return (
            f"{OUTSIDE}: "
            f"'{name}' takes all refocusing flips to be 180 deg, the protocol plays {played} deg: stimulated echoes "
            "make its T2 too long; use 't2-epg'"
        )
    if kind == "spoiling" and sheet.get("phase_increment") is not None:
        degrees = np.degrees(float(sheet["phase_increment"]))
        return (
            f"{OUTSIDE}: "
            f"'{name}' takes the spoiling to be ideal, the protocol's RF phase increment of {degrees:.4g} deg is not: "
            "T1 is off by some per cent; use 'spgr-epg'"
        )
    profile = str(sheet.get("excitation_profile", "hard"))
    if kind == "profile" and sheet.get("kind") == "2d" and not profile.startswith("hard"):
        return (
            f"{OUTSIDE}: "
            f"'{name}' takes the flips to be the same through the slice, which a slice by {profile} is not: its times "
            "are off by some ten per cent, T1 of several flip angles, which goes with their square, reads half; "
            "encode three dimensions, or see what '--without slice-profile' changes"
        )
    return None
