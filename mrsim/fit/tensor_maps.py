"""What follows from fitted tensors, with standard errors by propagation, and the maps' description."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.maps import VALUED
from ..core.tensors import CIRCLE, FOURTH, POLAR, SECOND, mean_of_tensor, monomials, sphere
from .log_linear import Found
from .method import CONVERGED, SINGULAR, Method, Series, Solution, start
from .model import INFINITE, Parameter
from .tensor_design import UNIT

Array = NDArray[np.float64]
AXES = "xyz"


def _element(name: str, unit: str, symbol: str, meaning: str, size: float) -> Parameter:
    grid = (size, 10 * size, 2)
    return Parameter(
        name=name, unit=unit, symbol=symbol, description=meaning, lower=-INFINITE, upper=INFINITE, grid=grid
    )


def _derived(name: str, unit: str, symbol: str, meaning: str) -> Parameter:
    return Parameter(name=name, unit=unit, symbol=symbol, description=meaning, lower=-INFINITE, upper=INFINITE)


TENSOR = tuple(
    _element(f"d_{AXES[i]}{AXES[j]}", "m^2/s", f"D_{{{AXES[i]}{AXES[j]}}}", "element of the diffusion tensor", 1e-10)
    for i, j in SECOND
)
FOURTH_NAMES = tuple("".join(AXES[i] for i in element) for element in FOURTH)
KURTOSIS = tuple(
    _element(f"v_{name}", "m^4/s^2", f"V_{{{name}}}", "element of the kurtosis tensor times MD squared", 1e-19)
    for name in FOURTH_NAMES
)
MD = _derived("md", "m^2/s", r"\bar D", "mean diffusivity")
FA = _derived("fa", "", r"\mathrm{FA}", "fractional anisotropy")
AD = _derived("ad", "m^2/s", r"D_\parallel", "axial diffusivity: the largest eigenvalue")
RD = _derived("rd", "m^2/s", r"D_\perp", "radial diffusivity: the mean of the other two")
V1 = tuple(_derived(f"v1_{a}", "", rf"v_{{1,{a}}}", f"{a} of the first eigenvector, grid axes") for a in AXES)
COLOUR = tuple(
    _derived(f"colour_{a}", "", rf"c_{a}", f"fractional anisotropy times |{a}| of the first eigenvector") for a in AXES
)
SCALARS = (MD, FA, AD, RD, *V1, *COLOUR)
OUTLIERS = _derived("outliers", "", "n", "images that the robust fit rejected")
MK = _derived("mk", "", r"\bar K", "mean kurtosis")
AK = _derived("ak", "", r"K_\parallel", "axial kurtosis")
RK = _derived("rk", "", r"K_\perp", "radial kurtosis")
MKT = _derived("mkt", "", r"\bar W", "mean of the kurtosis tensor")
KURTOSES = (MK, AK, RK, MKT)
COARSE = (5, 12)
"""Nodes from pole to equator and around for the errors of kurtosis: good to a thousandth of them."""
OFTEN = 0.05
"""Share of the fitted voxels from which tensors that are not positive are told."""
SPOILT = 0.25
"""Share of the fitted voxels from which an image that they reject is told."""
SIZE = {"m^2/s": 1 / UNIT, "m^4/s^2": 1 / UNIT**2, "": 1.0}


def begun(method: Method, series: Series) -> Solution:
    """Return a solution of a tensor fit to be filled in, which knows what images count where."""
    return replace(start(method, series), unused=np.zeros(series.data.shape, np.bool_))


def write(method: Method, solution: Solution, found: Found, part: slice) -> None:
    """Write one chunk of a tensor fit into a solution: parameters, scalars and their errors for unit noise."""
    held = solution.status[part] == CONVERGED
    solution.status[part] = np.where(held, found.status, solution.status[part])
    good = held & (found.status != SINGULAR)
    voxels: Any = part
    if not good.all():
        found, voxels = found.of(good), np.flatnonzero(good) + part.start
    beta, packed = found.beta, found.covariance
    p = len(beta)
    at = np.arange(p)
    size = np.array([SIZE[parameter.unit] for parameter in method.parameters])[:, None]
    values, errors = beta * size, np.sqrt(packed[at * (at + 3) // 2]) * size
    values[0] = np.exp(beta[0])
    errors[0] *= values[0]
    scalars, spread, vectors = _scalars(beta[1:7], packed)
    last = p + len(scalars)
    solution.values[:p, voxels], solution.unit_errors[:p, voxels] = values, errors
    solution.values[p:last, voxels], solution.unit_errors[p : p + len(spread), voxels] = scalars, spread
    if p > 7:
        rows = slice(last, last + len(KURTOSES))
        solution.values[rows, voxels], solution.unit_errors[rows, voxels] = _kurtoses(
            beta[1:7], beta[7:], vectors, packed
        )
    if OUTLIERS in method.derived:
        solution.values[-1, voxels] = found.unused.sum(axis=0)
    if solution.unused is not None:
        solution.unused[:, voxels] = found.unused
    solution.cost[voxels], solution.rounds[voxels] = found.cost, found.rounds


def _scalars(tensor: Array, packed: Array) -> tuple[Array, Array, Array]:
    """Return (10, voxel) scalars of (6, voxel) tensors, SI, the (4, voxel) errors of the first, and the eigenvectors.

    Colours and directions have no errors.
    """
    from ._kernels.tensor import tensor_scalars

    voxels = tensor.shape[1]
    scalars, error, vectors = np.empty((len(SCALARS), voxels)), np.empty((4, voxels)), np.empty((3, 3, voxels))
    tensor_scalars(tensor, packed, scalars, error, vectors)
    for rows in (scalars[:4], error):
        rows *= [[1 / UNIT], [1.0], [1 / UNIT], [1 / UNIT]]
    return scalars, error, vectors


def _kurtoses(tensor: Array, fourth: Array, vectors: Array, packed: Array) -> tuple[Array, Array]:
    """Return (4, voxel) mean, axial and radial kurtosis and the mean of the tensor, and their errors.

    See `core.tensors.kurtosis`.
    """
    from ._kernels import normal

    kernels: Any = normal
    found, error = np.empty((4, tensor.shape[1])), np.empty((4, tensor.shape[1]))
    rows = np.ascontiguousarray(tensor.T), np.ascontiguousarray(fourth.T)
    second, quartic, weights, turns = _table(POLAR, CIRCLE)
    kernels.kurtosis_scalars(*rows, vectors, second, quartic, weights, turns, found)
    found[3] = mean_of_tensor(rows[0], rows[1])
    second, quartic, weights, turns = _table(*COARSE)
    spread = np.ascontiguousarray(packed.T)
    kernels.kurtosis_errors(*rows, vectors, second, quartic, weights, turns, spread, error)
    return found, np.where(np.isfinite(found), error, np.nan)


@lru_cache(maxsize=2)
def _table(polar: int, circle: int) -> tuple[Array, Array, Array, Array]:
    """Return (6, direction) and (15, direction) monomials over the sphere, weights, and (2, k) turns of the circle."""
    directions, weights = sphere(polar, circle)
    second, quartic = (np.ascontiguousarray(monomials(directions, elements).T) for elements in (SECOND, FOURTH))
    angle = np.pi * np.arange(circle // 2) / (circle // 2)
    return second, quartic, np.ascontiguousarray(weights), np.stack([np.cos(angle), np.sin(angle)])


def told(solution: Solution) -> Solution:
    """Return the solution with a warning where many tensors have a negative eigenvalue: their anisotropy is noise."""
    xx, yy, zz, xy, xz, yz = solution.values[1:7] * UNIT
    fitted = np.isin(solution.status, VALUED)
    with np.errstate(invalid="ignore"):
        minor = xx * yy - xy**2
        whole = zz * minor - xx * yz**2 - yy * xz**2 + 2 * xy * xz * yz
        bad = fitted & ~((xx > 0) & (minor > 0) & (whole > 0))  # Sylvester's criterion
    if not bad.any() or bad.sum() <= OFTEN * fitted.sum():
        return solution
    md = np.median((xx + yy + zz)[bad]) / 3
    said = (
        f"{bad.sum()} of {fitted.sum()} tensors have a negative eigenvalue (their median MD is {md:.3g} um^2/ms): "
        "where signal hardly falls, as that of fat, or falls into the noise, fractional anisotropy, up to 1 and more, "
        "and directions are noise; saturate the fat, or take 'dti-positive' and images of higher SNR"
    )
    return replace(solution, warnings=(*solution.warnings, said))


def spoilt(solution: Solution, b: Array) -> Solution:
    """Return the solution of a robust fit with a warning on images that many voxels reject; b in s/m^2, (n,)."""
    fitted = np.isin(solution.status, VALUED)
    if solution.unused is None or not fitted.any():
        return solution
    share = solution.unused[:, fitted].mean(axis=1)
    bad = np.flatnonzero(share > SPOILT)
    if not len(bad):
        return solution
    listed = ", ".join(f"{k} (b {1e-6 * b[k]:.4g} s/mm^2, {100 * share[k]:.0f} %)" for k in bad)
    said = (
        f"images rejected in many voxels: {listed}; they move, lose signal or are artefacts: look at them, and leave "
        "them out with 'select'"
    )
    return replace(solution, warnings=(*solution.warnings, said))
