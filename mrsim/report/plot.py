"""The figure of a noun: one function for all of them, which returns the axes to go on with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.basis import Basis
from ..core.errors import InputError, check_kind, did_you_mean
from ..core.evaluation import Budget
from ..core.images import Images
from ..core.maps import Maps
from ..core.spectra import Spectra
from ..core.wave import Waves
from ..phantom.phantom import Phantom
from ..plan.forecast import Forecast
from ..sequence.sequence import Sequence
from .basis import basis_figure
from .budget import budget_figure
from .diagram import sequence_diagram
from .fitted import fitted_maps
from .images import image_series
from .maps import map_comparison
from .phantom import phantom_figure
from .plan import plan_figure
from .spectra import spectra_figure
from .style import Drawn
from .waves import wave_figure

DRAWN: dict[type, Callable[[Any], Drawn]] = {
    Sequence: sequence_diagram,
    Images: image_series,
    Spectra: spectra_figure,
    Waves: wave_figure,
    Basis: basis_figure,
    Forecast: plan_figure,
    Phantom: lambda phantom: phantom_figure(phantom, ("sagittal",), "t2"),
    Maps: lambda maps: fitted_maps(maps, maps, [*maps.values]),
    Budget: lambda budget: budget_figure(budget, budget.rows[0].parameter),
}
"""What draws each noun."""


def plot(
    noun: Any,
    truth: Maps | None = None,
    parameter: str | None = None,
    rois: Mapping[str, NDArray[np.bool_]] | None = None,
) -> Drawn:
    """Return the axes of a noun's figure; a notebook shows the figure, ``.figure.savefig(...)`` writes it.

    Parameters
    ----------
    noun : Sequence, Images, Spectra, Maps, Waves, Basis, Phantom, Forecast or Budget
        What to draw. `mrsim.report` has more figures, and more say about each.
    truth : Maps, optional
        For maps: draws one of them beside its truth, with the error.
    parameter : str, optional
        Which map [default: the first that has a truth].
    rois : mapping of str to (z, y, x) array of bool, optional
        Regions to outline beside a truth.
    """
    check_kind(truth, (Maps, type(None)), "truth", "phantom.truth(images.grid)")
    check_kind(rois, (Mapping, type(None)), "rois", "{'disc': mask}")
    if (parameter is not None or rois is not None) and (truth is None or not isinstance(noun, Maps)):
        raise InputError("are for maps beside their truth; leave them out, or give truth", key="parameter, rois")
    if isinstance(noun, Maps) and truth is not None:
        shared = [name for name in noun.values if name in truth.values]
        chosen = parameter or next(iter(shared), "")
        if chosen not in shared:
            raise InputError(f"'{chosen}' is not in both{did_you_mean(chosen, shared)}", key="parameter")
        return map_comparison(noun, truth, chosen, rois or {})
    for kind, draw in DRAWN.items():
        if isinstance(noun, kind):
            return draw(noun)
    known = ", ".join(kind.__name__ for kind in DRAWN)
    raise InputError(f"no figure of a {type(noun).__name__}; there is one of {known}", key="plot")
