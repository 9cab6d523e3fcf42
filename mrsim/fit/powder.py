"""Means over directions: what images of one b-value show when every orientation counts alike.

The mean over the sphere forgets how fibres lie and keeps how they diffuse (Jespersen et al. 2013,
doi:10.1109/TMI.2013.2255138); of a prolate tensor it is

    S/S0 = exp(-b D_perp) sqrt(pi) erf(x) / (2 x),   x^2 = b (D_par - D_perp)

The directions of a shell count alike, which is the mean over the sphere as far as they are spread evenly. Magnitudes
are averaged, so that where their noise has a floor its mean has it too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.images import Images
from .tensor_design import weighting

Array = NDArray[np.float64]
WEIGHTED = 1e6
"""s/m^2: b below counts as none."""
SHELL = 0.05
"""Relative distance of b-values that belong to one shell."""
WEIGHTING = ("b", "direction_")
"""Beginnings of the names of columns that say how an image is weighted."""
UNEVEN = 0.1
"""Departure of the mean of n n^T from a third of the identity that evenly spread directions do not have."""


def powder_average(images: Images) -> Images:
    """Return one magnitude image for every b-value: the mean over its directions.

    Parameters
    ----------
    images : Images
        With ``b`` and ``direction_x``, ``_y``, ``_z``, or the elements of b-matrices, in their contrast table; columns
        that vary within a shell are left out of the result.
    """
    if "b" not in images.contrast:
        raise InputError("have no b-values to average over", key="images")
    matrices = weighting(images.contrast)
    b = np.trace(matrices, axis1=1, axis2=2)
    shells = _shells(b)
    sigma = np.broadcast_to(images.sigma, (len(b), *images.sigma.shape[1:]))
    data = np.stack([np.abs(images.data[shell]).mean(axis=0) for shell in shells]).astype(images.data.dtype)
    noise = np.stack([np.sqrt(np.sum(sigma[shell] ** 2, axis=0)) / len(shell) for shell in shells])
    table = {"b": np.array([b[shell].mean() for shell in shells])} | _alike(images.contrast, shells)
    said = tuple(text for shell in shells if (text := _uneven(b, matrices, shell)))
    history = dict(images.history)
    if said:
        history["warnings"] = (*history.get("warnings", ()), *said)
    return replace(images, data=data, sigma=noise, contrast=table, history=history)


def _alike(contrast: Mapping[str, Array], shells: Sequence[NDArray[np.int64]]) -> dict[str, Array]:
    """Return the columns that do not vary within any shell, one value for each; those of the weighting are left out."""
    columns = {name: np.asarray(column) for name, column in contrast.items() if not name.startswith(WEIGHTING)}
    return {
        name: values[[shell[0] for shell in shells]]
        for name, values in columns.items()
        if all((values[shell] == values[shell[0]]).all() for shell in shells)
    }


def _shells(b: Array) -> list[NDArray[np.int64]]:
    """Return the images of every b-value, ascending."""
    order = np.argsort(b, kind="stable")
    edges = np.flatnonzero(np.diff(b[order]) > np.maximum(SHELL * b[order][1:], WEIGHTED)) + 1
    return [np.sort(part) for part in np.split(order, edges)]


def _uneven(b: Array, matrices: Array, shell: NDArray[np.int64]) -> str | None:
    """Return what speaks against the mean of a shell."""
    if b[shell].max() < WEIGHTED:
        return None
    mean = (matrices[shell] / b[shell, None, None]).mean(axis=0)
    away = float(np.abs(mean - np.eye(3) / 3).max())
    if away <= UNEVEN:
        return None
    return (
        f"the {len(shell)} directions at b {1e-6 * b[shell].mean():.4g} s/mm^2 are not spread evenly (off by {away:.2g}"
        " of a third): their mean is not that over the sphere"
    )
