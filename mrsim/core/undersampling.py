"""Which lines of k-space a scan reads: a lattice, or at random and denser towards the middle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .errors import InputError


def lattice(shape: tuple[int, int], steps: tuple[int, int], shift: int = 0) -> NDArray[np.bool_]:
    """Return the (z, y) mask of every steps-th line, through the middle.

    Parameters
    ----------
    shape : (int, int)
        Encoded (z, y).
    steps : (int, int)
        Along z and y; 1 reads all.
    shift : int
        By how many lines y moves from one partition that is read to the next (CAIPIRINHA).
    """
    z, y = np.indices(shape)
    step, rest = np.divmod(z - shape[0] // 2, steps[0])
    return np.asarray((rest == 0) & ((y - shape[1] // 2 - shift * step) % steps[1] == 0))


def middle(shape: tuple[int, int], lines: int) -> NDArray[np.bool_]:
    """Return the (z, y) mask of so many lines around the middle, along every axis with more than one."""
    away = [i - n // 2 for i, n in zip(np.indices(shape), shape, strict=True)]
    inside = [((-(lines // 2) <= a) & (a < lines - lines // 2)) | (n == 1) for a, n in zip(away, shape, strict=True)]
    return np.asarray(inside[0] & inside[1])


def variable_density(
    shape: tuple[int, int], acceleration: float, middle: int, rng: int, power: float = 3.0
) -> NDArray[np.bool_]:
    """Return a random (z, y) mask with a fully sampled middle and a density that falls towards the edge.

    Parameters
    ----------
    shape : (int, int)
        Encoded (z, y).
    acceleration : float
        Encoded lines over acquired ones.
    middle : int
        Lines acquired around the middle, along every axis with more than one.
    rng : int
        Seed.
    power : float
        The density falls as (1 - r)^power with the distance r from the middle.
    """
    generator = np.random.default_rng(rng)
    z, y = np.indices(shape)
    away = [np.abs(i - n // 2) for i, n in ((z, shape[0]), (y, shape[1]))]
    radius = np.sqrt(sum((a / max(n / 2, 1)) ** 2 for a, n in zip(away, shape, strict=True) if n > 1))
    kept = np.all([(a <= (middle - 1) / 2) | (n == 1) for a, n in zip(away, shape, strict=True)], axis=0)
    wanted = round(z.size / acceleration) - int(np.count_nonzero(kept))
    if wanted < 0:
        raise InputError(
            f"{middle} lines in the middle are already more than 1/{acceleration:g} of {z.size}; lower one of them"
        )
    density = np.where(kept, 0.0, np.maximum(1 - radius, 0) ** power + 1e-3)
    chosen = generator.choice(z.size, wanted, replace=False, p=(density / density.sum()).ravel())
    mask = kept.copy()
    mask.ravel()[chosen] = True
    return np.asarray(mask)
