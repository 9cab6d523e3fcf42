"""How a signal and its derivatives change with the settings of the scan: what an optimiser of protocols walks down.

From a model's one symbolic equation S(theta; c) come dS/dc and d2S/dtheta dc by the contrast columns c, exactly. A
method without an equation is differenced.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from .model import Description, Model
from .signal import Contrast, described, jacobian, resolve_options, signal

Array = NDArray[np.float64]
STEP = 1e-4
"""Relative step of differences by a column of a method."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SignalDesign:
    """A signal of n images, with its derivatives by parameters and by contrast columns."""

    value: Array
    """(n,)."""
    slope: Array
    """(parameter, n)."""
    by_column: Array
    """(column, n): of the value."""
    slope_by_column: Array
    """(column, parameter, n): of the slope."""


def signal_design(
    model: Description | str,
    parameters: Mapping[str, float],
    contrast: Contrast,
    *,
    sheet: Mapping[str, Any] | None = None,
    **options: float,
) -> SignalDesign:
    """Return a real signal and its derivatives.

    Parameters
    ----------
    model : Model, Method or str
    parameters : mapping of str to float
        SI units.
    contrast : mapping of str to (n,) array
        The model's columns, SI units; derivatives are by these, in the model's order.
    sheet : mapping, optional
        `Images.encoding`, for methods that read the protocol sheet.
    **options : float
        The model's options.
    """
    found = described(model)
    if isinstance(found, Model):
        return _exact(found, parameters, contrast, options)
    return _differenced(found, parameters, contrast, {"sheet": sheet, **options})


def _exact(
    model: Model, parameters: Mapping[str, float], contrast: Contrast, options: Mapping[str, float]
) -> SignalDesign:
    known = resolve_options(model, options)
    columns = np.broadcast_arrays(*(np.atleast_1d(np.asarray(contrast[c.name], np.float64)) for c in model.contrast))
    arguments = [*(parameters[p.name] for p in model.parameters), *columns, *(known[o.name] for o in model.options)]
    images, p, c = len(columns[0]), len(model.parameters), len(model.contrast)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        rows = [np.broadcast_to(np.asarray(row, np.float64), (images,)) for row in _compiled(model)(*arguments)]
    table = np.stack(rows)
    return SignalDesign(
        value=table[0], slope=table[1 : 1 + p], by_column=table[1 + p : 1 + p + c],
        slope_by_column=table[1 + p + c :].reshape(c, p, images),
    )  # fmt: skip


@cache
def _compiled(model: Model) -> Callable[..., Any]:
    """Return the function of value, slopes, and both by every column, one after the other."""
    from sympy import DiracDelta, diff, lambdify

    symbols = model.symbols()
    theta = [symbols[p.name] for p in model.parameters]
    columns = [symbols[c.name] for c in model.contrast]
    value = model.expression()
    slopes = [diff(value, t) for t in theta]
    every = [value, *slopes, *(diff(value, c) for c in columns)]
    every += [diff(slope, c) for c in columns for slope in slopes]
    # a magnitude's kink is a point of no width
    every = [entry.replace(DiracDelta, lambda *_: 0) for entry in every]
    arguments = [*theta, *columns, *(symbols[o.name] for o in model.options)]
    compiled: Callable[..., Any] = lambdify(arguments, every, modules="numpy", cse=True)
    return compiled


def _differenced(
    model: Description, parameters: Mapping[str, float], contrast: Contrast, options: Mapping[str, Any]
) -> SignalDesign:
    columns = {c.name: np.atleast_1d(np.asarray(contrast[c.name], np.float64)) for c in model.contrast}

    def at(changed: Mapping[str, Array]) -> tuple[Array, Array]:
        value = signal(model, parameters, changed, **options)
        slope = jacobian(model, parameters, changed, **options)
        if np.iscomplexobj(value) or np.iscomplexobj(slope):
            raise InputError(f"'{model.name}' fits complex images, whose settings cannot be optimised", key="model")
        return np.asarray(value), np.asarray(slope)

    value, slope = at(columns)
    by_column, slope_by_column = [], []
    for name, column in columns.items():
        step = STEP * np.maximum(np.abs(column), max(float(np.abs(column).max()), 1e-9) * 1e-2)
        (v1, s1), (v0, s0) = at(columns | {name: column + step}), at(columns | {name: np.abs(column - step)})
        width = column + step - np.abs(column - step)
        by_column.append((v1 - v0) / width)
        slope_by_column.append((s1 - s0) / width)
    return SignalDesign(
        value=value, slope=slope, by_column=np.stack(by_column), slope_by_column=np.stack(slope_by_column)
    )


def columns_of(model: Description | str) -> Sequence[str]:
    """Return the names of a model's contrast columns, in the order of its derivatives."""
    return [column.name for column in described(model).contrast]
