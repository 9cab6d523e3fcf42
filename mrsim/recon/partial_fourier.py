"""Partial Fourier: the part of k-space that one end lacks, from the conjugate symmetry of a nearly real image.

A share f of the lines along one axis was acquired, the middle among them; phi is the phase of the image made of the
lines whose mirror image in k = 0 was acquired, too::

    zero-fill   nothing is added: the point spread widens, noise is sqrt(f) of that of all lines
    homodyne    lines whose mirror is missing count twice; the image is the real part after exp(-i phi) (Noll 1991,
                doi:10.1109/42.79473), put back under phi: exact for an image of no phase
    pocs        lines that are missing are taken from the image projected on phi, ten times (Haacke 1991,
                doi:10.1016/0022-2364(91)90253-P); what was acquired stays

Noise of what carries the signal, the part in phase, is sqrt(3 - 2 f) times that of all lines for homodyne and POCS: a
line without its partner bears its own noise and that of its partner's place. Out of phase POCS leaves the noise of the
lines with partners, sqrt(2 f - 1), and homodyne that of phi: magnitudes are less Rician than if both were alike. Where
the noise differs from voxel to voxel (arrays, unfolding) neighbours along the axis share theirs, see
`completed_noise`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError, did_you_mean
from .kspace import to_image, to_kspace

Array = NDArray[np.complex128]
KINDS = ("pocs", "homodyne", "zero-fill")
ITERATIONS = 10
"""Of POCS. By then its noise is that of the limit to 0.1 %; more of them fit the errors of phi at edges."""


def covered(mask: NDArray[np.bool_]) -> slice:
    """Return the stretch of an axis that was scanned, lattice or not; the whole axis unless one end is missing.

    An end is missing if more lines are left out there than between any two acquired ones.

    Parameters
    ----------
    mask : (n,) bool array
        Lines of which anything was acquired.
    """
    n, there = len(mask), np.flatnonzero(mask)
    if len(there) < 2:
        return slice(0, n)
    step = int(np.diff(there).max())
    low = int(there[0]) if there[0] >= step else 0
    high = int(there[-1]) + step if n - 1 - there[-1] >= step else n
    if (low, high) == (0, n) or (low > 0 and high < n):
        return slice(0, n)
    return slice(low, min(high, n))


def weights(n: int, stretch: slice) -> NDArray[np.float64]:
    """Return the (n,) factor of each line in homodyne: 0 missing, 2 where the mirror is missing, else 1."""
    there = np.zeros(n, dtype=bool)
    there[stretch] = True
    mirror = 2 * (n // 2) - np.arange(n)
    alone = (mirror >= 0) & (mirror < n) & ~there[np.clip(mirror, 0, n - 1)]
    return np.where(there, np.where(alone, 2.0, 1.0), 0.0)


def noise_share(n: int, stretch: slice, kind: str) -> float:
    """Return the noise of what carries the signal over that with all n lines."""
    weight = weights(n, stretch)
    return math.sqrt(float(np.mean(weight > 0 if kind == "zero-fill" else weight**2)))


def out_of_phase(n: int, stretch: slice, kind: str) -> float:
    """Return the noise of the part out of phase over that of what carries the signal: 1 where all lines are there."""
    if kind == "zero-fill":
        return 1.0
    weight = weights(n, stretch)
    left = _window(n, stretch) if kind == "homodyne" and np.any(weight == 0) else weight == 1
    return math.sqrt(float(np.mean(left**2) / np.mean(weight**2)))


def completed_noise(
    noise: NDArray[np.float64], axis: int, stretch: slice, kind: str, counts: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the noise of what carries the signal, which its neighbours along the axis share.

    Homodyne and POCS are a convolution of the image, so that the variance is convolved with the square of its kernel:
    what a coil hears badly spreads its noise. Zero filling comes before coils are combined and spreads none.

    Parameters
    ----------
    noise : (z, y, x) array
        With all lines; one voxel along the axis where it is the same in all.
    axis, stretch, kind
        As for `complete`.
    counts : (z, y, x) bool array
        Voxels whose image is not zero by decree; the others neither give nor take.
    """
    n = counts.shape[axis]
    share = noise * noise_share(n, stretch, kind)
    if kind == "zero-fill" or noise.shape[axis] == 1:
        return share
    kernel = np.abs(np.fft.ifft(np.fft.ifftshift(weights(n, stretch)))) ** 2
    mixing = kernel[np.arange(n)[:, None] - np.arange(n)]
    variance = np.where(counts, noise, 0) ** 2
    mixed = np.moveaxis(np.tensordot(mixing, variance, axes=(1, axis)), 0, axis)
    return np.where(counts, np.sqrt(mixed), share)


def complete(images: Array, axis: int, stretch: slice, kind: str = "pocs") -> Array:
    """Return images whose missing end of k-space along an axis has been filled.

    Parameters
    ----------
    images : (..., z, y, x) array
        Of k-space that is zero outside `stretch`.
    axis : int
        -3, -2 or -1.
    stretch : slice
        What was acquired of the axis; it must contain the middle.
    kind : str
        ``"pocs"``, ``"homodyne"`` or ``"zero-fill"``.
    """
    if kind not in KINDS:
        raise InputError(f"unknown kind '{kind}'{did_you_mean(kind, [*KINDS])}", key="partial_fourier")
    n = images.shape[axis]
    if not stretch.start < n // 2 < stretch.stop - 1:
        raise InputError(
            f"lines {stretch.start} to {stretch.stop - 1} of {n} do not reach past the middle of k-space, {n // 2}; "
            "acquire some lines beyond it",
            key="partial_fourier",
        )
    if kind == "zero-fill":
        return images
    moved = np.moveaxis(images, axis, -1)
    found = _homodyne(moved, stretch) if kind == "homodyne" else _pocs(moved, stretch)
    return np.asarray(np.moveaxis(found, -1, axis))


def _phase(kspace: Array, stretch: slice) -> Array:
    """Return exp(i phi) of the symmetric lines in a Hann window, which keeps the phase of a real image zero."""
    low = to_image(kspace * _window(kspace.shape[-1], stretch), (-1,))
    size = np.abs(low)
    return np.divide(low, size, out=np.ones_like(low), where=size > 0)


def _window(n: int, stretch: slice) -> NDArray[np.float64]:
    """Return the (n,) Hann window over the lines whose mirror was acquired, too."""
    away = np.abs(np.arange(n) - n // 2)
    reach = min(n // 2 - stretch.start, stretch.stop - 1 - n // 2)
    return np.where(away <= reach, np.cos(np.pi * away / (2 * (reach + 1))) ** 2, 0.0)


def _homodyne(images: Array, stretch: slice) -> Array:
    kspace = to_kspace(images, (-1,))
    turn = _phase(kspace, stretch)
    weighted = to_image(kspace * weights(images.shape[-1], stretch), (-1,))
    return np.asarray((weighted * turn.conj()).real * turn)


def _pocs(images: Array, stretch: slice) -> Array:
    acquired = to_kspace(images, (-1,))
    turn = _phase(acquired, stretch)
    found = images
    for _ in range(ITERATIONS):
        kspace = to_kspace((found * turn.conj()).real * turn, (-1,))
        kspace[..., stretch] = acquired[..., stretch]
        found = to_image(kspace, (-1,))
    return found
