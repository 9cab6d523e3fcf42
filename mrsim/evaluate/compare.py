"""Bias and spread of fitted maps against the truth, region by region.

A voxel counts where the fit gave a value and the truth has one. `sd` is the spread of (fitted - true) over
the region's voxels; with noise switched off it is the spread of the systematic error.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError, check_kind
from ..core.evaluation import Evaluation, EvaluationRow
from ..core.maps import STATUS, Maps
from .noise_anisotropy import noise_flag

VALID = (0, 9)
"""Status codes whose value counts. A value at a bound is a limit and not a measurement: it is left out and flagged."""

EXCESS, CERTAIN = 0.1, 5.0
"""A region whose mean reduced chi-squared exceeds the expected one, 1 or without noise 0, by this share of the noise's
variance and by this many standard deviations of the mean holds signals that the model does not describe."""


def evaluate(
    maps: Maps,
    truth: Maps,
    rois: Mapping[str, NDArray[np.bool_]] | None = None,
    notes: Mapping[str, str] | None = None,
) -> Evaluation:
    """Compare fitted maps with the truth.

    Parameters
    ----------
    maps : Maps
        From a fit.
    truth : Maps
        On the same grid.
    rois : mapping of name to (z, y, x) bool array, optional
        Regions; one region per tissue with pure voxels by default.
    notes : mapping of name to text, optional
        What a reader must know of a region; becomes a flag of its rows.

    Returns
    -------
    Evaluation
        One row per region and parameter that both maps hold.
    """
    check_kind(maps, Maps, "maps", "mr.fit(images, model)")
    check_kind(truth, Maps, "truth", "phantom.truth(images.grid)")
    check_kind(rois, (Mapping, type(None)), "rois", "{'disc': mask}")
    check_kind(notes, (Mapping, type(None)), "notes")
    if maps.grid.shape != truth.grid.shape:
        raise InputError(f"maps have the shape {maps.grid.shape}, the truth {truth.grid.shape}: use one grid")
    if not maps.grid.same_as(truth.grid):
        raise InputError("the truth lies elsewhere than the maps: take it on their grid, phantom.truth(maps.grid)")
    for name, mask in (rois or {}).items():
        if np.shape(mask) != maps.grid.shape or np.asarray(mask).dtype != np.bool_:
            raise InputError(f"region '{name}' is no mask (bool) of the maps' shape {maps.grid.shape}", key="rois")
    if rois is None and not truth.fractions:
        held = f"maps hold {', '.join(maps.values)}; the truth holds {', '.join(truth.values)}"
        problem = f"has no fractions of tissues to make regions of ({held}): give rois, or phantom.truth(maps.grid)"
        raise InputError(f"{problem}; are maps and truth the wrong way round?", key="truth")
    regions = rois if rois is not None else {name: part >= 0.99 for name, part in truth.fractions.items()}
    shared = [name for name in maps.values if name in truth.values]
    rows = [
        _row(region, parameter, maps, truth, mask, (notes or {}).get(region))
        for region, mask in regions.items()
        for parameter in shared
        if np.any(mask & np.isfinite(truth.values[parameter]))
    ]
    return Evaluation(rows=tuple(rows), history={"model": maps.model})


def _row(
    region: str, parameter: str, maps: Maps, truth: Maps, mask: NDArray[np.bool_], note: str | None
) -> EvaluationRow:
    known = mask & np.isfinite(truth.values[parameter])
    fitted = known & np.isin(maps.status, VALID) & np.isfinite(maps.values[parameter])
    n, rejected = int(fitted.sum()), int(known.sum() - fitted.sum())
    true, value = truth.values[parameter][fitted], maps.values[parameter][fitted]
    claimed = maps.errors[parameter][fitted]
    told = (*_flags(maps.status[known], note), *_origin(truth, parameter, known))
    if n == 0:
        nothing = float("nan")
        return EvaluationRow(
            region=region,
            parameter=parameter,
            unit=maps.units[parameter],
            truth=float(truth.values[parameter][known].mean()),
            mean=nothing,
            bias=nothing,
            sd=nothing,
            se=nothing,
            fit_se=nothing,
            n=0,
            rejected=rejected,
            flags=("no valid fit in the region", *told),
        )
    difference = value - true
    sd = float(difference.std(ddof=1)) if n > 1 else float("nan")
    independent = n * float(maps.history.get("independent_voxels", 1.0))  # windows correlate neighbours
    return EvaluationRow(
        region=region,
        parameter=parameter,
        unit=maps.units[parameter],
        truth=float(true.mean()),
        mean=float(value.mean()),
        bias=float(difference.mean()),
        sd=sd,
        se=sd / np.sqrt(independent) if n > 1 else float("nan"),
        fit_se=float(np.sqrt(np.mean(claimed**2))),
        n=n,
        rejected=rejected,
        flags=(*_doubts(maps, parameter, fitted, independent), *told),
    )


def _origin(truth: Maps, parameter: str, known: NDArray[np.bool_]) -> tuple[str, ...]:
    """Return what speaks against the truth itself, in the tissues of a region: assumed or extrapolated values."""
    found = {
        doubts[parameter]: None
        for tissue, doubts in truth.history.get("doubts", {}).items()
        if parameter in doubts and tissue in truth.fractions and np.any(truth.fractions[tissue][known] >= 0.99)
    }
    return tuple(found)


def _flags(status: NDArray[np.int8], note: str | None) -> tuple[str, ...]:
    codes, counts = np.unique(status[status != 0], return_counts=True)
    found = tuple(
        f"{count} voxels{'' if code in VALID else ' left out'}: {STATUS[int(code)]}"
        for code, count in zip(codes, counts, strict=True)
    )
    return (*found, note) if note else found


def _doubts(maps: Maps, parameter: str, fitted: NDArray[np.bool_], independent: float) -> tuple[str, ...]:
    told = maps.history.get("flags", ())
    return (*told, *noise_flag(maps, parameter, fitted), *_misfit(maps, fitted, independent))


def _misfit(maps: Maps, fitted: NDArray[np.bool_], independent: float) -> tuple[str, ...]:
    """Return a flag where the residuals of a region are more than noise: its bias is then one of the model, too."""
    freedom, expected = maps.history.get("degrees_of_freedom", 0), float(maps.history.get("noisy", True))
    chi2 = maps.chi2[fitted] if maps.chi2 is not None else np.array([])
    chi2 = chi2[np.isfinite(chi2)]
    if freedom < 1 or not chi2.size:
        return ()
    mean = float(chi2.mean())
    if mean - expected <= max(EXCESS, CERTAIN * expected * np.sqrt(2 / (freedom * independent))):
        return ()
    return (f"misfit: residual variance {mean:.2g} of the noise's, {expected:g} expected",)
