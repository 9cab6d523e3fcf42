"""The noise of a series as weights of its images and a level per voxel, and what it does to a fit where it is neither.

Averages and coil maps make the noise a factor per image times a factor per voxel. Unfolding with its own lines per
contrast, partial Fourier of some images or motion do not. A fit then still weighs its images alike in all voxels, with
the geometric mean of their noise, and stays unbiased; its errors follow from how the fitted parameters p answer the
noise of each image (J: derivatives of the signal, W: the weights used, S: the true variances),

    cov p = A^-1 B A^-1,  A = J^T W J,  B = J^T W S W J,

the heteroscedastic ("sandwich") covariance (White 1980, doi:10.2307/1912934). It multiplies the method's own errors by
sqrt(diag cov p / diag A^-1), which leaves priors and bounds as the method had them. Where a method's own arithmetic is
no weighted fit, or has no signal to differentiate, its answer is measured: image after image is changed by a small
part of its noise, and the fit repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.maps import VALUED
from .method import Method, Scan, Series, Solution
from .model import Description, Model
from .signal import jacobian, scan_jacobian

Array = NDArray[np.float64]
ALIKE = 1e-6
"""Largest departure from a factor per image times a factor per voxel that counts as none."""
PART = 8192
"""Voxels worked on at a time."""
SHARE = 0.02
"""Change of an image whose effect is measured, in standard deviations."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Noise:
    """What a fit is told of the noise."""

    weight: Array
    """(n,) 1 / variance of each image, relative; the least noise has 1."""
    level: Array
    """(voxel,) standard deviation of an image of weight 1, root mean square over the images; NaN where unknown."""
    each: Array | None = None
    """(n, voxel) standard deviations where they are not level / sqrt(weight); None where they are."""


def noise_of(sigma: Array | None, inside: NDArray[np.bool_], images: int) -> Noise:
    """Return the noise of the voxels inside a mask.

    sigma : (n, z, y, x), None where it is unknown; broadcast, where the voxels of an image have the same.
    """
    voxels = int(inside.sum())
    unknown = Noise(weight=np.ones(images), level=np.full(voxels, np.nan))
    if sigma is None or voxels == 0:
        return unknown
    alike = not any(sigma.strides[1:])
    each = sigma[:, 0, 0, :1] if alike else sigma[:, inside]
    known = np.isfinite(each).all(axis=0) & (each > 0).all(axis=0)
    if not known.any():
        return unknown
    logs = np.log(each[:, known])
    factor = np.exp((logs - logs.mean(axis=0)).mean(axis=1))
    factor /= factor.min()
    level = np.full(each.shape[1], np.nan)
    level[known] = np.sqrt(np.mean((each[:, known] / factor[:, None]) ** 2, axis=0))
    departure = np.abs(each[:, known] - np.outer(factor, level[known])).max()
    even = departure <= ALIKE * each[:, known].max()
    everywhere = np.repeat(level, voxels) if alike else level
    return Noise(weight=1.0 / factor**2, level=everywhere, each=None if even else each)


def uneven_errors(
    model: Description, scan: Scan, series: Series, solution: Solution, each: Array, again: Callable[[Any], Solution]
) -> Array:
    """Return the (parameter, voxel) standard errors of a fit whose noise is not level / sqrt(weight).

    Parameters
    ----------
    model : Model or Method
    scan : Scan
    series : Series
        The data as fitted.
    solution : Solution
    each : (n, voxel) array
        Standard deviations.
    again : callable
        Fits other (n, voxel) data in the same way.
    """
    if not np.isfinite(solution.unit_errors).any():
        return solution.unit_errors
    if isinstance(model, Method) and (model.signal is None or not model.squares):
        return _measured(series, solution, each, again)
    with np.errstate(divide="ignore", invalid="ignore"):
        return solution.unit_errors * _gain(model, scan, series, solution, each)


def _measured(series: Series, solution: Solution, each: Array, again: Callable[[Any], Solution]) -> Array:
    """Return the errors from the fit's measured answer to every image; NaN where the fit itself has none."""
    parts: tuple[complex, ...] = (1.0, 1j) if np.iscomplexobj(series.data) else (1.0,)
    variance = np.zeros(solution.unit_errors.shape)
    for image in range(len(each)):
        for part in parts:
            step = np.zeros_like(series.data)
            step[image] = part * SHARE * np.nan_to_num(each[image])
            up, down = again(series.data + step), again(series.data - step)
            variance += ((up.values - down.values) / (2 * SHARE)) ** 2
    known = np.isfinite(solution.unit_errors) & np.isfinite(each).all(axis=0)
    return np.where(known, np.sqrt(variance), np.nan)


def _gain(model: Description, scan: Scan, series: Series, solution: Solution, each: Array) -> Array:
    """Return the (parameter, voxel) factor of the errors, parameters first, then what is derived."""
    result, count = np.full(solution.unit_errors.shape, np.nan), len(model.parameters)
    fitted = np.flatnonzero(np.isin(solution.status, VALUED) & np.isfinite(each).all(axis=0))
    # a method whose options are maps may look at neighbours: all voxels at once
    part = each.shape[1] if any(np.ndim(value) for value in scan.options.values()) else PART
    for v in (fitted[first : first + part] for first in range(0, len(fitted), part)):
        free = np.isfinite(solution.unit_errors[:count, v])
        values = np.nan_to_num(solution.values[:count, v])
        slope = _slopes(model, scan, values, v) * free[:, None]
        used = np.real(np.einsum("anv,bnv,n->vab", slope.conj(), slope, series.weight))
        weighted = slope * series.weight[:, None] * each[:, v]
        bread = _inverse(used, free.T)
        true = bread @ np.real(np.einsum("anv,bnv->vab", weighted.conj(), weighted)) @ bread
        rows = np.broadcast_to(np.eye(count), (len(v), count, count))
        if isinstance(model, Method) and model.derive is not None:
            rows = np.concatenate([rows, _derived_rows(model, values)], axis=1)
        ratio = np.einsum("vda,vab,vdb->dv", rows, true, rows) / np.einsum("vda,vab,vdb->dv", rows, bread, rows)
        result[: len(ratio), v] = np.sqrt(ratio)
    return result


def _slopes(model: Description, scan: Scan, values: Array, voxels: NDArray[np.int64]) -> NDArray[Any]:
    """Return the (parameter, n, voxel) derivatives of the signal."""
    maps = [value for value in scan.options.values() if np.ndim(value)]
    if isinstance(model, Model):
        point = dict(zip((p.name for p in model.parameters), values, strict=True))
        options = {name: value[voxels] if np.ndim(value) else value for name, value in scan.options.items()}
        return jacobian(model, point, scan.contrast, **options)
    assert isinstance(model, Method)
    if not maps:
        return scan_jacobian(model, scan, values)
    everywhere = np.repeat(values.mean(axis=1)[:, None], len(maps[0]), axis=1)
    everywhere[:, voxels] = values
    return scan_jacobian(model, scan, everywhere)[:, :, voxels]


def _inverse(matrix: Array, free: NDArray[np.bool_]) -> Array:
    """Return the inverses of (voxel, p, p) matrices over the free parameters, zero for the others."""
    size = np.sqrt(np.einsum("vaa->va", matrix))
    size = np.where(size > 0, size, 1.0)
    scaled = matrix / size[:, :, None] / size[:, None, :]
    inverse = np.linalg.pinv(scaled, hermitian=True) / size[:, :, None] / size[:, None, :]
    return np.asarray(inverse * free[:, :, None] * free[:, None, :])


def _derived_rows(model: Method, values: Array) -> Array:
    """Return the (voxel, derived, parameter) derivatives of what is derived from the parameters."""
    assert model.derive is not None
    names, rows = [p.name for p in model.parameters], []
    for k in range(len(values)):
        width = 1e-6 * np.maximum(np.abs(values[k]), 1e-6)
        ends = []
        for sign in (1, -1):
            point = values.copy()
            point[k] += sign * width
            ends.append(model.derive(dict(zip(names, point, strict=True))))
        rows.append((ends[0] - ends[1]) / (2 * width))
    return np.moveaxis(np.stack(rows), (0, 1, 2), (2, 1, 0))
