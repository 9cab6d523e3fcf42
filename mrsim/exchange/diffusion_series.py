"""Series of diffusion-weighted volumes as other programs keep them: NIfTI with a gradient table beside it.

STEM.nii or STEM.nii.gz with STEM.bval and STEM.bvec (FSL, BIDS) or STEM.b (MRtrix); echo and repetition time from a
sidecar STEM.json where there is one. The noise is not known: it is stated to a fit (``sigma``), which otherwise takes
it from its residuals.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.bounded import check_file
from ..core.errors import InputError
from ..core.images import Images
from .gradient_tables import read_fsl, read_mrtrix
from .nifti import read_series

TIMES = {"te": "EchoTime", "tr": "RepetitionTime"}
"""Contrast column -> field of the sidecar, s."""


def stem_of(path: Path) -> Path:
    """Return the path of a NIfTI file without its suffixes."""
    name = path.name
    return path.with_name(name[: name.lower().rindex(".nii")])


def tables_of(path: Path) -> tuple[Path, ...]:
    """Return the gradient table beside a NIfTI file: bval and bvec, or MRtrix's; empty where there is none."""
    stem = stem_of(path)
    fsl = tuple(stem.with_name(f"{stem.name}.{kind}") for kind in ("bval", "bvec"))
    mrtrix = stem.with_name(f"{stem.name}.b")
    if any(table.exists() for table in fsl):
        return fsl
    return (mrtrix,) if mrtrix.exists() else ()


def read_diffusion(path: Path) -> Images:
    """Return a series of magnitudes with b and directions; raises an `InputError` where there is no table."""
    tables, (data, grid) = tables_of(path), read_series(path)
    if not tables:
        raise InputError("has no gradient table beside it: .bval and .bvec, or .b, of the same name", file=path)
    contrast = read_mrtrix(tables[0], grid) if len(tables) == 1 else read_fsl(*tables)
    if len(contrast["b"]) != len(data):
        raise InputError(f"has {len(contrast['b'])} b-values for the {len(data)} volumes of {path.name}",
                         file=tables[0])  # fmt: skip
    for column, value in _times(stem_of(path)).items():
        contrast[column] = np.full(len(data), value)
    unknown: NDArray[np.float64] = np.full((1, 1, 1, 1), np.nan)
    return Images(data=data.astype(np.complex128), grid=grid, contrast=contrast, sigma=unknown)


def _times(stem: Path) -> dict[str, float]:
    """Return echo and repetition time of the sidecar, s; BIDS allows a sidecar to lack either."""
    path = stem.with_name(f"{stem.name}.json")
    if not path.exists():
        return {}
    check_file(path, text=True)
    try:
        side = json.loads(path.read_text(encoding="utf-8"))
        known = {"tr": side.get("RepetitionTimeExcitation")}
        times = {
            column: float(value)
            for column, field in TIMES.items()
            if (value := side.get(field, known.get(column))) is not None
        }
        for column, value in times.items():
            if not 0 <= value < math.inf:
                raise ValueError(f"{TIMES[column]} is {value:g}; expected seconds, 0 or more")
        return times
    except (OSError, ValueError, TypeError, AttributeError) as problem:
        raise InputError(f"is no sidecar that can be read: {problem}", file=path) from None
