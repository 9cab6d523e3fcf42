"""SMASH: coils combined into spatial harmonics stand in for phase-encoding steps.

With weights n_m of sum_l n_ml s_l(y) = s_0(y) exp(-i 2 pi m y / FOV), the combination sum_l n_ml K_l(k) is the line
m steps higher of the object seen by s_0 (Sodickson and Manning 1997, doi:10.1002/mrm.1910380414). Exact where the
coils hold these harmonics; what they miss is `Harmonics.residual`. Only for lattices along y.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from .kspace import to_image
from .lattice import Lattice

Array = NDArray[np.complex128]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Harmonics:
    """Weights that make harmonics 0 to R - 1 from the coils."""

    weights: Array
    """(harmonic, coil)."""
    residual: NDArray[np.float64]
    """(harmonic,) root-mean-square misfit over the root mean square of the composite sensitivity."""


def harmonics(maps: Array, acceleration: int, composite: Array | None = None) -> Harmonics:
    """Return the weights of one slice.

    Parameters
    ----------
    maps : (coil, y, x) array
        Sensitivities, zero outside the object.
    acceleration : int
        How many harmonics are wanted.
    composite : (y, x) array, optional
        The sensitivity s_0 that the image is to have; by default that of `composite_sensitivity`.
    """
    coils, ny, _ = maps.shape
    alive = np.any(maps != 0, axis=0)
    if not alive.any():
        raise InputError("all coil maps are zero: there is nothing to combine", key="maps")
    values = maps[:, alive].T
    first = (composite_sensitivity(maps) if composite is None else composite)[alive]
    y = np.broadcast_to(((np.arange(ny) - ny // 2) / ny)[:, None], alive.shape)[alive]
    targets = first[:, None] * np.exp(-2j * np.pi * np.outer(y, np.arange(acceleration)))
    solved = np.asarray(np.linalg.lstsq(values, targets, rcond=1e-10)[0], dtype=np.complex128)
    miss = np.sqrt(np.mean(np.abs(values @ solved - targets) ** 2, axis=0) / np.mean(np.abs(first) ** 2))
    return Harmonics(weights=solved.T.reshape(acceleration, coils), residual=miss)


def composite_sensitivity(maps: Array) -> Array:
    """Return the (y, x) root sum of squares of (coil, y, x) maps with the phase of their strongest combination."""
    strongest = np.linalg.svd(maps.reshape(len(maps), -1), full_matrices=False)[0][:, 0]
    virtual = np.tensordot(strongest.conj(), maps, axes=1)
    size = np.abs(virtual)
    turn = np.divide(virtual, size, out=np.ones_like(virtual), where=size > 0)
    return np.asarray(np.linalg.norm(maps, axis=0) * turn)


def smash(kspace: Array, lattice: Lattice, found: Harmonics) -> Array:
    """Return the (y, x) composite image of (coil, y, x) k-space on a lattice along y.

    Parameters
    ----------
    kspace : (coil, y, x) array
        Lines that were not acquired do not count.
    lattice : Lattice
        With rz = 1.
    found : Harmonics
        As many as the acceleration.
    """
    if lattice.rz != 1:
        raise InputError(f"SMASH makes lines along y; the lattice skips {lattice.rz} partitions along z")
    acquired = kspace[:, lattice.y0 :: lattice.ry]
    filled = np.zeros(kspace.shape[1:], dtype=np.complex128)
    for m in range(lattice.ry):
        line = np.tensordot(found.weights[m], acquired, axes=1)
        rows = (np.arange(lattice.y0, kspace.shape[1], lattice.ry) + m) % kspace.shape[1]
        filled[rows] = line
    return to_image(filled, (-2, -1))
