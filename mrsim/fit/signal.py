"""A model's signal and its exact derivatives, through the compiled kernel that the fit uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import InputError, did_you_mean
from .compiled import kernels
from .model import Model
from .models import find_model

Array = NDArray[np.float64]
Contrast = Mapping[str, ArrayLike]
"""Column name -> (n,) values, SI."""


def signal(model: Model | str, parameters: Mapping[str, ArrayLike], contrast: Contrast, **options: float) -> Array:
    """Return the signal of a model.

    Parameters
    ----------
    model : Model or str
    parameters : mapping of str to float or (voxel,) array
        SI units.
    contrast : mapping of str to (n,) array
        SI units; a scalar holds for all images.
    **options : float
        The model's options, SI units.

    Returns
    -------
    (n, ...) array
        One value per image and voxel; (n,) if every parameter is a scalar.
    """
    return np.asarray(_evaluate(model, parameters, contrast, options)[0])


def jacobian(model: Model | str, parameters: Mapping[str, ArrayLike], contrast: Contrast, **options: float) -> Array:
    """Return the derivatives of the signal by each parameter, (parameter, n, ...); arguments as in `signal`."""
    return np.asarray(_evaluate(model, parameters, contrast, options)[1:])


def resolve_options(model: Model, options: Mapping[str, float]) -> dict[str, float]:
    """Return the model's options with their defaults filled in; an unknown name is an error."""
    known = {option.name: option.default for option in model.options}
    for name, value in options.items():
        if name not in known:
            hint = did_you_mean(name, list(known)) if known else "; it has none"
            raise InputError(f"is no option of model '{model.name}'{hint}", key=name)
        if not np.isfinite(value):
            raise InputError(f"option of model '{model.name}' is {value}; it must be finite", key=name)
    return {**known, **options}


def tabulate(model: Model, contrast: Contrast, options: Mapping[str, float]) -> Array:
    """Return the kernel's (row, n) table of what the images alone decide."""
    names = [column.name for column in model.contrast]
    for name in names:
        if name not in contrast:
            raise InputError(f"model '{model.name}' needs the contrast column '{name}'", key=name)
    columns = np.broadcast_arrays(*(np.atleast_1d(np.asarray(contrast[name], np.float64)) for name in names))
    table = kernels(model).tabulate(dict(zip(names, columns, strict=True)), options)
    return np.ascontiguousarray(table)


def _evaluate(
    model: Model | str, parameters: Mapping[str, ArrayLike], contrast: Contrast, options: Mapping[str, float]
) -> Any:
    """Return (1 + parameter, n, ...): signal and derivatives, a few lanes of voxels at a time."""
    model = find_model(model) if isinstance(model, str) else model
    kernel = kernels(model)
    table = tabulate(model, contrast, resolve_options(model, options))
    names = [p.name for p in model.parameters]
    missing = [name for name in names if name not in parameters]
    if missing or len(parameters) > len(names):
        raise InputError(f"model '{model.name}' takes the parameters {', '.join(names)}; got {', '.join(parameters)}")
    points = np.stack(np.broadcast_arrays(*(np.asarray(parameters[name], np.float64) for name in names)))
    flat = points.reshape(len(names), -1)
    result = np.empty((1 + len(names), table.shape[1], flat.shape[1]))
    out = np.empty((1 + len(names), table.shape[1], kernel.LANES))
    for start in range(0, flat.shape[1], kernel.LANES):
        part = flat[:, start : start + kernel.LANES]
        work = np.ones((kernel.ROWS, kernel.LANES))
        work[: len(names), : part.shape[1]] = part
        kernel.evaluate(table, work.ravel(), out)
        result[:, :, start : start + part.shape[1]] = out[:, :, : part.shape[1]]
    return result.reshape(1 + len(names), table.shape[1], *points.shape[1:])
