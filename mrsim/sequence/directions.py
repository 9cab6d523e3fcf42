"""Directions of diffusion encoding: spread by electrostatic repulsion, or read from a bvec file.

Each direction stands for a pair of equal charges at +n and -n (Jones 1999,
doi:10.1002/(SICI)1522-2594(199909)42:3<515::AID-MRM14>3.0.CO;2-Q); the set is the arrangement of least energy,

    E = sum over pairs of 1 / |n_i - n_j| + 1 / |n_i + n_j|,

found by minimisation from several fixed starts, so that the same number of directions always gives the same set.
The first direction is turned to +x, the second into the x-y plane: rotations leave the energy as it is.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.bounded import check_file
from ..core.errors import InputError

STARTS = 4
"""Minimisations from random starts with fixed seeds; the best is kept."""
MOST = 256
"""Largest set that is worked out."""


def repelled(count: int) -> NDArray[np.float64]:
    """Return (count, 3) unit vectors of least electrostatic energy."""
    if not 1 <= count <= MOST:
        raise InputError(f"is {count}; it must lie between 1 and {MOST}, or name a bvec file", key="directions")
    return np.array(_repelled(count))


@lru_cache(maxsize=16)
def _repelled(count: int) -> tuple[tuple[float, ...], ...]:
    if count == 1:
        return ((1.0, 0.0, 0.0),)
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    best: tuple[float, NDArray[np.float64]] | None = None
    options = {"maxiter": 2000, "ftol": 1e-15, "gtol": 1e-9}
    with threadpool_limits(limits=1, user_api="blas"):  # whose threads would wait for each other 80 times as long
        for seed in range(STARTS):
            start = np.random.default_rng(seed).standard_normal((count, 3)).ravel()
            found = minimize(_energy_of, start, args=(count,), jac=True, method="L-BFGS-B", options=options)
            if best is None or found.fun < best[0] * (1 - 1e-12):
                best = (float(found.fun), _unit(found.x.reshape(count, 3)))
    assert best is not None
    return tuple(tuple(float(v) for v in row) for row in _turned(best[1]))


def spiral(count: int) -> NDArray[np.float64]:
    """Return (count, 3) unit vectors along a golden spiral over half the sphere: quick to make, and uneven when few."""
    i = np.arange(count) + 0.5
    z, turn = 1 - i / count, np.pi * (1 + np.sqrt(5)) * i
    return np.stack([np.sqrt(1 - z**2) * np.cos(turn), np.sqrt(1 - z**2) * np.sin(turn), z], axis=1)


def energy(directions: NDArray[np.float64]) -> float:
    """Return the electrostatic energy of (n, 3) antipodal pairs, each pair of directions counted once."""
    return _energy_of(np.asarray(directions, dtype=np.float64).ravel(), len(directions))[0]


def _energy_of(flat: NDArray[np.float64], count: int) -> tuple[float, NDArray[np.float64]]:
    """Return the energy of normalised vectors and its gradient with respect to the free ones."""
    free = flat.reshape(count, 3)
    length = np.linalg.norm(free, axis=1, keepdims=True)
    n = free / length
    # |n_i -+ n_j|^2 = 2 (1 -+ cosine), so the energy and its slope need the cosines alone
    cosine = n @ n.T
    np.fill_diagonal(cosine, 0.0)
    near, far = 1.0 / np.sqrt(2 - 2 * cosine), 1.0 / np.sqrt(2 + 2 * cosine)
    total = float(np.sum(np.triu(near + far, 1)))
    pull = near**3 - far**3
    np.fill_diagonal(pull, 0.0)
    slope = pull @ n
    tangent = slope - n * np.sum(slope * n, axis=1, keepdims=True)
    return total, (tangent / length).ravel()


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _turned(directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the set with the first vector along +x and the second in the x-y plane, all with x >= 0."""
    x = directions[0]
    y = _unit((directions[1] - (directions[1] @ x) * x)[None])[0]
    turned = directions @ np.stack([x, y, np.cross(x, y)], axis=1)
    # The first is +x and the second lies in the plane exactly, not to round-off.
    turned[0], turned[1, 2] = (1.0, 0.0, 0.0), 0.0
    return np.asarray(np.where(turned[:, :1] < 0, -turned, turned))


def read_bvecs(path: Path) -> NDArray[np.float64]:
    """Return the (n, 3) directions of a bvec file: three rows of n numbers, or n rows of three.

    Rows of zeros stand for images without weighting and are kept; others are normalised.
    """
    check_file(path, text=True)
    try:
        table = np.loadtxt(path, ndmin=2)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read as a table of numbers: {error}", key="directions", file=path) from None
    if 3 not in table.shape or not np.all(np.isfinite(table)):
        raise InputError(
            f"has {table.shape[0]} rows of {table.shape[1]}; a bvec file has three rows (x, y, z) of finite numbers",
            key="directions",
            file=path,
        )
    vectors = table.T if table.shape[0] == 3 else table
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(np.where(length > 0, vectors / np.where(length > 0, length, 1.0), 0.0))


def is_table(text: str | int) -> bool:
    """Return whether a protocol's `directions` name a file: neither a number nor a list of axes."""
    words = str(text).split()
    return not (str(text).strip().isdigit() or (words and all(word in ("x", "y", "z") for word in words)))


def directions_of(text: str | int) -> NDArray[np.float64]:
    """Return the (n, 3) directions a protocol names: a number of them, axes such as ``"x y z"``, or a bvec file."""
    if is_table(text):
        return read_bvecs(Path(str(text)))
    if str(text).strip().isdigit():
        return repelled(int(text))
    return np.eye(3)[["xyz".index(word) for word in str(text).split()]]
