"""What speaks against a fit: residuals far above the noise, and a sheet that breaks the model's assumptions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .model import Description

MISFIT = 2.0
"""Median reduced chi-squared above which a model does not describe the images."""
NEARLY = np.radians(1.0)
"""Difference of a flip from 180 degrees that does not matter."""
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
