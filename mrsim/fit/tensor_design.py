"""The design of tensor fits: what every image weighs of ln S0, of the tensor, and of the kurtosis tensor.

    ln S = ln S0 - sum_ij b_ij D_ij + 1/6 sum_ijkl b_ij b_kl V_ijkl,   V = MD^2 W

(Basser et al. 1994, doi:10.1006/jmrb.1994.1037; Jensen and Helpern 2010, doi:10.1002/nbm.1518). Where the images know
their whole b-matrix, imaging gradients and cross terms included, it is taken; otherwise b n n^T.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.tensors import FOURTH, SECOND, matrix_of
from .model import Column

Array = NDArray[np.float64]
UNIT = 1e9
"""s/m^2: b is counted in ms/um^2, so that all columns are of the order of one."""
NORMALISED = 1e-2
"""Deviation of a direction's length from 1 that rounding in a file may leave."""
RANK = 1e-6
"""Smallest singular value over the largest of columns of unit length that still determines a parameter."""
TOO_FAR = 3.0
"""Ratio of the b-matrix's trace to b that gradients of the images do not make."""
AXES = "xyz"
B = Column(
    name="b", unit="s/m^2", symbol="b", description="b-value", plausible=1e11, mistaken="another unit", zero=True,
    least=1e6, smaller="s/mm^2",
)  # fmt: skip
DIRECTIONS = tuple(
    Column(
        name=f"direction_{axis}", unit="", symbol=f"n_{axis}", description=f"{axis} of the direction of weighting",
        plausible=1 + NORMALISED, mistaken="a vector that is not normalised", zero=True, signed=True,
    )
    for axis in AXES
)  # fmt: skip


def weighting(contrast: Mapping[str, Array]) -> Array:
    """Return the (n, 3, 3) b-matrices of the images, s/m^2, after a look at what is given."""
    names = [f"b_{AXES[i]}{AXES[j]}" for i, j in SECOND]
    if all(name in contrast for name in names):
        whole = matrix_of(np.stack([np.asarray(contrast[name], np.float64) for name in names], axis=-1))
        _check_matrix(whole, np.asarray(contrast["b"], np.float64))
        return whole
    b = np.asarray(contrast["b"], np.float64)
    direction = np.stack([np.asarray(contrast[column.name], np.float64) for column in DIRECTIONS], axis=-1)
    length = np.linalg.norm(direction, axis=1)
    weighted = b > 0
    missing = np.flatnonzero(weighted & (length == 0))
    if len(missing):
        raise InputError(f"image {missing[0]} has b {b[missing[0]]:g} s/m^2 but no direction", key="direction_x")
    wrong = np.flatnonzero(weighted & (np.abs(length - 1) > NORMALISED))
    if len(wrong):
        raise InputError(
            f"the direction of image {wrong[0]} has length {length[wrong[0]]:.4g}; normalise it and scale b instead",
            key="direction_x",
        )
    unit = direction / np.where(length > 0, length, 1.0)[:, None]
    return np.asarray(b[:, None, None] * unit[:, :, None] * unit[:, None, :])


def _check_matrix(whole: Array, b: Array) -> None:
    """Refuse b-matrices that are no numbers or not in the unit of b; gradients of the images add some per cent."""
    trace = np.trace(whole, axis1=1, axis2=2)
    if not np.isfinite(whole).all():
        raise InputError("the b-matrix has elements that are not finite", key="b_xx")
    if not 1 / TOO_FAR < trace.max() / b.max() < TOO_FAR:
        raise InputError(
            f"the largest trace of the b-matrices is {trace.max():g} s/m^2, the largest b {b.max():g} s/m^2: one of "
            "them is in another unit",
            key="b_xx",
        )


def design(contrast: Mapping[str, Array], kurtosis: bool) -> Array:
    """Return the (n, parameter) design: ln S0, six elements of D in um^2/ms, fifteen of V in um^4/ms^2.

    Raises an `InputError` that says what is missing where the images do not determine all of them.
    """
    matrix = weighting(contrast) / UNIT
    columns = [np.ones(len(matrix))]
    columns += [-(1 if i == j else 2) * matrix[:, i, j] for i, j in SECOND]
    if kurtosis:
        for element in FOURTH:
            orders = set(itertools.permutations(element))
            columns.append(np.sum([matrix[:, i, j] * matrix[:, k, m] for i, j, k, m in orders], axis=0) / 6)
    found = np.stack(columns, axis=1)
    _check_rank(found, matrix)
    return found


def determined(columns: Array) -> bool:
    """Return whether images determine every parameter of a (n, parameter) design."""
    return bool(len(columns) >= columns.shape[1] and _rank(columns) == columns.shape[1])


def _rank(columns: Array) -> int:
    length = np.linalg.norm(columns, axis=0)
    singular = np.linalg.svd(columns / np.where(length > 0, length, 1.0), compute_uv=False)
    return int(np.sum(singular > RANK * singular[0]))


def _check_rank(columns: Array, matrix: Array) -> None:
    rank, wanted = _rank(columns), columns.shape[1]
    if rank == wanted:
        return
    trace = np.trace(matrix, axis1=1, axis2=2)
    shells = len(np.unique(np.round(trace, 2)))
    values, vectors = np.linalg.eigh(matrix[trace > 0.01])
    axes = vectors[np.arange(len(values)), :, -1]
    pairs = np.unique(np.round(np.abs(axes @ axes.T), 3), axis=0)
    needs = "7 images: one without weighting and 6 directions" if wanted == 7 else (
        "two b-values above 0, one without weighting, and 15 directions"
    )  # fmt: skip
    raise InputError(
        f"{len(columns)} images with {shells} b-values and {len(pairs)} distinct directions determine {rank} of "
        f"{wanted} parameters; it takes at least {needs}, not all on a cone or in a plane",
        key="b",
    )
