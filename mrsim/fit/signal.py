"""The signal of a model or method and its derivatives: a model's exact ones through the compiled kernel that the fit
uses, a method's by differences of its own signal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import InputError, did_you_mean
from .compiled import kernels
from .method import Method, Scan
from .model import Description, Model

Array = NDArray[np.float64]
Contrast = Mapping[str, ArrayLike]
"""Column name -> (n,) values, SI."""
STEP = 1e-3
"""Relative step of differences; their error is of the sixth power of it."""


def signal(
    model: Description | str,
    parameters: Mapping[str, ArrayLike],
    contrast: Contrast,
    *,
    sheet: Mapping[str, Any] | None = None,
    **options: ArrayLike,
) -> NDArray[Any]:
    """Return the signal of a model or method.

    Parameters
    ----------
    model : Model, Method or str
    parameters : mapping of str to float or (voxel,) array
        SI units.
    contrast : mapping of str to (n,) array
        SI units; a scalar holds for all images.
    sheet : mapping, optional
        `Images.encoding`, for methods that read the protocol sheet.
    **options : float or (voxel,) array
        The model's options, SI units; arrays for those that vary.

    Returns
    -------
    (n, ...) array
        One value per image and voxel; (n,) if every parameter is a scalar. Complex for methods that fit complex data.
    """
    found = described(model)
    if isinstance(found, Model):
        return np.asarray(_evaluate(found, parameters, contrast, options)[0])
    points, shape = _points(found, parameters)
    value = _method_signal(found, _scan(found, contrast, sheet, options), points)
    return value.reshape(-1, *shape)


def jacobian(
    model: Description | str,
    parameters: Mapping[str, ArrayLike],
    contrast: Contrast,
    *,
    sheet: Mapping[str, Any] | None = None,
    **options: ArrayLike,
) -> NDArray[Any]:
    """Return the derivatives of the signal by each parameter, (parameter, n, ...); arguments as in `signal`.

    Exact for a model. For a method sixth-order central differences, whose error is about 1e-9 of the signal.
    """
    found = described(model)
    if isinstance(found, Model):
        return np.asarray(_evaluate(found, parameters, contrast, options)[1:])
    points, shape = _points(found, parameters)
    assert isinstance(found, Method)
    slopes = scan_jacobian(found, _scan(found, contrast, sheet, options), points)
    return slopes.reshape(*slopes.shape[:2], *shape)


def scan_jacobian(method: Method, scan: Scan, points: Array) -> NDArray[Any]:
    """Return the (parameter, n, voxel) derivatives of a method's signal at (parameter, voxel) points of one scan."""
    return differences(method, lambda at: _method_signal(method, scan, at), points)


def differences(model: Description, at: Callable[[Array], NDArray[Any]], points: Array) -> NDArray[Any]:
    """Return the derivatives (parameter, n, voxel) of a signal by central differences of the sixth order.

    Parameters
    ----------
    model : Model or Method
    at : callable
        Returns the (n, voxel) signal of (parameter, voxel) values.
    points : (parameter, voxel) array
    """
    rows = []
    for k, parameter in enumerate(model.parameters):
        width = STEP * np.maximum(np.abs(points[k]), _least(parameter.grid))
        total: Any = 0.0
        for shift, factor in ((1, 45.0), (2, -9.0), (3, 1.0)):
            up, down = points.copy(), points.copy()
            up[k] += shift * width
            down[k] -= shift * width
            total = total + factor * (at(up) - at(down))
        rows.append(total / (60.0 * width))
    return np.stack(rows)


def described(model: Description | str) -> Description:
    """Return a model or method, which may be given by its name."""
    if not isinstance(model, str):
        return model
    from .models import find_model  # methods in the registry use this file

    return find_model(model)


def _least(grid: tuple[float, float, int] | None) -> float:
    """Return the size below which a parameter's value is no measure of a step."""
    return 0.01 if grid is None else grid[0]


def resolve_options(model: Description, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options with their defaults filled in; an unknown name, or a map where none may be, is an error."""
    known = {option.name: option for option in model.options}
    for name, value in options.items():
        if name not in known:
            hint = did_you_mean(name, list(known)) if known else "; it has none"
            raise InputError(f"is no option of model '{model.name}'{hint}", key=name)
        _check_option(model, known[name], value)
    return {name: option.default for name, option in known.items()} | dict(options)


def _check_option(model: Description, option: Any, value: Any) -> None:
    if np.ndim(value) > 0:
        if not option.varies:
            raise InputError(f"option of model '{model.name}' is one number for all voxels, no map", key=option.name)
        return
    if not np.isfinite(value):
        raise InputError(f"option of model '{model.name}' is {value}; it must be finite", key=option.name)
    if not option.lower <= value <= option.upper:
        raise InputError(
            f"option of model '{model.name}' is {value:g} {option.unit}; "
            f"it must be from {option.lower:g} to {option.upper:g}",
            key=option.name,
        )


def held_options(model: Description, options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the options whose values differ between voxels."""
    return tuple(o.name for o in model.options if o.varies and np.ndim(options[o.name]) > 0)


def tabulate(model: Model, contrast: Contrast, options: Mapping[str, Any]) -> Array:
    """Return the kernel's (row, n) table of what the images alone decide."""
    columns = _columns(model, contrast)
    constants = {name: value for name, value in options.items() if np.ndim(value) == 0}
    table = kernels(model, held_options(model, options)).tabulate(columns, constants)
    return np.ascontiguousarray(table)


def _columns(model: Description, contrast: Contrast) -> dict[str, Array]:
    names = [column.name for column in model.contrast]
    for name in names:
        if name not in contrast:
            raise InputError(f"model '{model.name}' needs the contrast column '{name}'", key=name)
    columns = np.broadcast_arrays(*(np.atleast_1d(np.asarray(contrast[name], np.float64)) for name in names))
    return dict(zip(names, columns, strict=True))


def _scan(method: Description, contrast: Contrast, sheet: Mapping[str, Any] | None, options: Mapping[str, Any]) -> Scan:
    return Scan(contrast=_columns(method, contrast), options=resolve_options(method, options), sheet=sheet or {})


def _points(model: Description, parameters: Mapping[str, ArrayLike]) -> tuple[Array, tuple[int, ...]]:
    """Return the (parameter, voxel) values and the shape of the voxels."""
    names = [p.name for p in model.parameters]
    missing = [name for name in names if name not in parameters]
    if missing or len(parameters) > len(names):
        raise InputError(f"model '{model.name}' takes the parameters {', '.join(names)}; got {', '.join(parameters)}")
    points = np.stack(np.broadcast_arrays(*(np.asarray(parameters[name], np.float64) for name in names)))
    return points.reshape(len(names), -1), points.shape[1:]


def _method_signal(method: Description, scan: Scan, points: Array) -> NDArray[Any]:
    assert isinstance(method, Method)
    if method.signal is None:
        raise InputError(f"method '{method.name}' assumes no signal: it has neither a curve nor a Cramér-Rao bound")
    names = [p.name for p in method.parameters]
    return np.asarray(method.signal(scan, dict(zip(names, points, strict=True))))


def _evaluate(
    model: Model, parameters: Mapping[str, ArrayLike], contrast: Contrast, options: Mapping[str, ArrayLike]
) -> Any:
    """Return (1 + parameter, n, ...): signal and derivatives, a few lanes of voxels at a time."""
    constants = resolve_options(model, options)
    held = held_options(model, constants)
    kernel = kernels(model, held)
    table = tabulate(model, contrast, constants)
    flat, shape = _points(model, parameters)
    count = len(flat)
    if held:
        local = [np.broadcast_to(np.ravel(np.asarray(constants[name], np.float64)), flat.shape[1:]) for name in held]
        flat = np.concatenate([flat, np.stack(local)])
    result = np.empty((1 + count, table.shape[1], flat.shape[1]))
    out = np.empty((1 + count, table.shape[1], kernel.LANES))
    for start in range(0, flat.shape[1], kernel.LANES):
        part = flat[:, start : start + kernel.LANES]
        work = np.ones((kernel.ROWS, kernel.LANES))
        work[: len(flat), : part.shape[1]] = part
        kernel.evaluate(table, work.ravel(), out)
        result[:, :, start : start + part.shape[1]] = out[:, :, : part.shape[1]]
    return result.reshape(1 + count, table.shape[1], *shape)
