"""Streamlines of a run's fit against the fibres of the phantom that it measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.maps import Maps
from ..core.streamlines import Streamlines
from ..evaluate.tractometry import streamline_angles
from ..phantom.fibres import Fibres, fibre_rotations, fibres_of
from .reproduce import as_stored
from .run import prepare

HALF = 0.5
"""Share of a voxel from which on a tissue's fibres count as the voxel's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TissueAngles:
    """How streamlines run through one tissue."""

    tissue: str
    steps: int
    to_fibres: float
    """Mean angle of the steps to the nearest of the tissue's fibres, rad."""
    to_mean: float
    """Mean angle to what a voxel of all of its fibres shows, rad."""


def fibre_angles(file: Path, contents: Mapping[str, Any], found: Streamlines) -> tuple[TissueAngles, ...]:
    """Return the angle errors by tissue; empty where a file has no truth, or was not made by a run.

    Parameters
    ----------
    file : path
        The result.h5 of a run.
    contents : mapping
        What it holds.
    found : Streamlines
        Through its maps.
    """
    truth = contents.get("truth")
    if not isinstance(truth, Maps) or not dict(contents.get("provenance") or {}).get("request"):
        return ()
    with as_stored(file) as request:
        phantom = prepare(request).phantom
    fibres, turned = fibres_of(phantom), fibre_rotations(phantom, truth.grid)
    rows = (
        _angles(name, fibres[name], turned.get(name, np.eye(3)), part, found)
        for name, part in truth.fractions.items()
        if name in fibres
    )
    return tuple(row for row in rows if row.steps)


def _angles(name: str, fibres: Fibres, turned: Any, part: Any, found: Streamlines) -> TissueAngles:
    inside = (np.asarray(part) >= HALF)[..., None, None]
    each, mean = (
        streamline_angles(found, inside * np.einsum("...ij,kj->...ki", turned, axes))
        for axes in (fibres.each, fibres.mean[None])
    )
    steps = int(np.isfinite(each.each).sum())
    return TissueAngles(tissue=name, steps=steps, to_fibres=each.mean, to_mean=mean.mean)
