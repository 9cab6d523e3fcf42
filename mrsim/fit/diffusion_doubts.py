"""What speaks against fits of diffusion, and of magnitudes, in the data themselves."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..core.maps import VALUED
from .expansion import told_beyond
from .method import Series, Solution
from .model import Description
from .tensor_design import UNIT

Array = NDArray[np.float64]
COEFFICIENTS = ("md", "adc", "d", "ddc")
LEAST, LARGEST = 1e-12, 1e-8
"""m^2/s; water at 37 degrees has 3.0e-9, what hardly moves more than 1e-11."""
LINE = (np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0]))
"""D and V of the parameters of a parabola through ln S."""


def diffusion_doubts(
    model: Description, contrast: Mapping[str, Array], series: Series, solution: Solution
) -> tuple[str, ...]:
    """Return what a reader of maps of diffusion must know: coefficients of no tissue, b beyond the expansion."""
    said: tuple[str, ...] = ()
    if "expansion" in model.assumes:
        b = np.asarray(contrast["b"], np.float64) / UNIT
        columns = np.stack([np.ones(len(b)), -b, b**2 / 6], axis=1)
        said += told_beyond(columns, b, series, solution.status, LINE)
    names = [p.name for p in (*model.parameters, *model.derived)]
    name = next((n for n in COEFFICIENTS if n in names), None)
    if name is None or "b" not in {column.name for column in model.contrast}:
        return said
    found = solution.values[names.index(name), np.isin(solution.status, VALUED)]
    middle = float(np.median(np.abs(found[np.isfinite(found)]))) if np.isfinite(found).any() else 1 / UNIT
    if not LEAST <= middle <= LARGEST:
        text = (
            f"the median {name} of {middle:.3g} m^2/s is that of no tissue (water at 37 degC: 3e-9): is b in another "
            "unit? The contrast table counts in s/m^2, files of b-values in s/mm^2"
        )
        return (*said, text)
    return said


def folded(model: Description, data: NDArray[np.complex128]) -> tuple[str, ...]:
    """Return a warning where a fit of magnitudes is given real (n, voxel) data some of which are negative."""
    if model.data != "magnitude" or data.imag.any():
        return ()
    mixed = (data.real < 0).any(axis=0) & (data.real > 0).any(axis=0)
    if not mixed.any():
        return ()
    text = (
        f"{mixed.sum()} of {mixed.size} voxels have negative signals beside positive ones, which magnitudes cannot "
        "(subtraction and interpolation leave such): their absolute values are fitted; mask these voxels, or give "
        "the magnitudes as they were measured"
    )
    return (text,)
