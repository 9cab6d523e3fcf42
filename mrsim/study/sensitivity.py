"""What a wrong nuisance does to a map: the scan is altered in one thing, and fitted as if nothing had happened.

The altered scan comes from the engine and not from the model. Two numbers answer: what a new fit of it gives, and
what the first order predicts. With J the derivatives of the model's signal by its parameters where the unaltered scan
is fitted, weighted like the images, a small change ds of the signal moves the parameters by (J^T J)^-1 J^T ds. Where
both differ, the nuisance is large, or the model misses the scan by so much that it is not linear there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.grid import Grid
from ..core.images import Images
from ..fit.fit import fit
from ..fit.model import Description
from ..phantom.phantom import Phantom
from .request import RunRequest
from .run import prepare

Array = NDArray[np.float64]
Altered = Callable[[Phantom], Phantom]
WRONG_B1, WRONG_T1, WRONG_OFFSET = 0.1, 0.1, 20.0
"""Changes of the nuisances: relative, relative, Hz."""


def nuisances(request: RunRequest) -> dict[str, tuple[RunRequest, Altered | None]]:
    """Return what is altered in each scan: another request, or the phantom before it is scanned."""
    ready = prepare(request).request
    b1, offset = request.b1 or 1.0, request.offset or 0.0
    cases: dict[str, tuple[RunRequest, Altered | None]] = {
        f"B1 +{100 * WRONG_B1:g} %": (replace(request, b1=b1 * (1 + WRONG_B1)), None),
        f"B1 -{100 * WRONG_B1:g} %": (replace(request, b1=b1 * (1 - WRONG_B1)), None),
        f"offset +{WRONG_OFFSET:g} Hz": (replace(request, offset=offset + WRONG_OFFSET), None),
        "no slice profile": (replace(request, without=(*request.without, "slice-profile")), None),
        "no T2'": (replace(request, without=(*request.without, "t2-prime")), None),
        f"T1 +{100 * WRONG_T1:g} %": (request, longer),
    }
    if "mt" not in ready.including:
        cases["MT"] = (replace(request, including=(*request.including, "mt")), None)
    return cases


def longer(phantom: Phantom) -> Phantom:
    """Return a phantom whose tissues have a longer T1."""
    tissues = tuple(tissue.with_t1(1 + WRONG_T1, phantom.field) for tissue in phantom.tissues)
    return replace(phantom, tissues=tissues)


def first_order(slope: Array, change: Array, sigma: Array) -> Array:
    """Return how a change of the signal moves the parameters of a weighted least-squares fit.

    Parameters
    ----------
    slope : (parameter, n) array
        Derivatives of the model's signal.
    change : (n,) array
    sigma : (n,) array
        Standard deviation of the noise, which weighs the images.
    """
    return np.asarray(np.linalg.lstsq((slope / sigma).T, change / sigma, rcond=None)[0])


def refitted(
    model: Description, header: Any, signal: Array, sigma: Array, options: Mapping[str, Any]
) -> dict[str, float]:
    """Return what the model makes of a noise-free signal; NaN throughout where the fit fails.

    Parameters
    ----------
    model : Model or Method
    header : Encoding
        Contrast table and protocol sheet.
    signal : (n,) array
        Signed like the model's.
    sigma : (n,) array
        Noise that weighs the images.
    options : mapping
        The model's.
    """
    n = len(signal)
    images = Images(
        data=signal.astype(np.complex128).reshape(n, 1, 1, 1), grid=Grid(shape=(1, 1, 1), spacing=(1e-3, 1e-3, 1e-3)),
        contrast=header.contrast, sigma=sigma.reshape(n, 1, 1, 1), noisy=False, encoding=dict(header.sheet),
    )  # fmt: skip
    try:
        maps = fit(images, model, **options)
    except InputError:
        return {p.name: float("nan") for p in model.parameters}
    return {name: float(values[0, 0, 0]) for name, values in maps.values.items()}
