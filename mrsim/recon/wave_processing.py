"""Processing of wave images after the displacement is known: smoothing, high-pass, curl, directional filters.

Each step says its kernel, which the waves' `encoding` keeps. Inversions smooth by themselves and know then what it does
to noise; after a step here the noise of neighbours is correlated, and `sigma` is that of a single voxel.
"""

from __future__ import annotations

import numpy as np

from ..core.errors import InputError
from ..core.wave import Waves
from ..core.wave_filters import butterworth, curl, directions, filtered, gaussian
from .wave_images import processed


def smoothed(waves: Waves, sd: float) -> Waves:
    """Return waves smoothed within their mask by a Gaussian of a standard deviation in voxels, cut at 4 of them."""
    u = gaussian(waves.displacement, waves.inside, sd)
    centre = np.zeros([33 if n > 1 else 1 for n in waves.grid.shape])
    centre[tuple(n // 2 for n in centre.shape)] = 1.0
    kernel = gaussian(centre, np.ones(centre.shape, bool), sd)
    return processed(waves, "gaussian", u, waves.sigma * np.sqrt(np.sum(kernel**2)), sd=sd)


def high_passed(waves: Waves, cutoff: float, order: int = 1) -> Waves:
    """Return waves without what varies slowly in the plane, such as the compressional wave: Butterworth, cutoff 1/m."""
    return _passed(waves, "high", cutoff, order)


def low_passed(waves: Waves, cutoff: float, order: int = 1) -> Waves:
    """Return waves without what varies fast in the plane: 1 / (1 + (f / cutoff)^(2 order)), cutoff 1/m."""
    return _passed(waves, "low", cutoff, order)


def _passed(waves: Waves, kind: str, cutoff: float, order: int) -> Waves:
    if not cutoff > 0 or order < 1:
        raise InputError(f"{cutoff:g} 1/m, order {order}: both must be above zero", key="cutoff")
    shape, spacing = waves.grid.shape, _spacing(waves)
    transfer = butterworth(shape, spacing, cutoff, order, kind)
    share = np.sqrt(np.mean(transfer**2))
    u = np.where(waves.inside, filtered(waves.displacement, transfer), 0)
    return processed(waves, f"{kind}-pass", u, waves.sigma * share, cutoff=cutoff, order=order)


def directed(waves: Waves, angle: float, count: int = 8) -> Waves:
    """Return the waves that travel towards an angle from the grid's x axis to its y axis, rad: max(0, cos)^2."""
    bank = directions(waves.grid.shape, _spacing(waves), count, first=angle)
    u = np.where(waves.inside, filtered(waves.displacement, bank[0]), 0)
    return processed(waves, "directional", u, waves.sigma * np.sqrt(np.mean(bank[0] ** 2)), angle=angle)


def curled(waves: Waves) -> Waves:
    """Return the curl of the displacement, a pure number, in the components' place: no compressional wave is left.

    Its voxels at the rim of the mask, whose differences are not whole, leave the mask.
    """
    if waves.components != ("x", "y", "z"):
        raise InputError(f"needs the components x, y and z; the waves have {', '.join(waves.components)}", key="curl")
    inside, spacing = waves.inside.copy(), _spacing(waves)
    for axis in range(3):
        if inside.shape[axis] > 1:
            padded = np.pad(waves.inside, [(1, 1) if a == axis else (0, 0) for a in range(3)])
            inside &= np.delete(padded, [-2, -1], axis) & np.delete(padded, [0, 1], axis)
    u = np.where(inside, curl(waves.displacement, spacing), 0)
    rows = [[1 / (2 * spacing[2 - a]) ** 2 if inside.shape[2 - a] > 1 else 0.0 for a in range(3)]]
    gain = np.array([sum(2 * rows[0][(c + i) % 3] for i in (1, 2)) for c in range(3)])
    sigma = np.sqrt(gain)[:, None, None, None] * np.mean(np.broadcast_to(waves.sigma, waves.displacement.shape), axis=1,
                                                         keepdims=True)  # fmt: skip
    done = processed(waves, "curl", u, sigma)
    return Waves(
        grid=done.grid, frequencies=done.frequencies, displacement=done.displacement, density=done.density, mask=inside,
        sigma=done.sigma, noisy=done.noisy, modulus=done.modulus, encoding=done.encoding, history=done.history,
    )  # fmt: skip


def _spacing(waves: Waves) -> tuple[float, float, float]:
    x, y, z = waves.grid.spacing
    return z, y, x
