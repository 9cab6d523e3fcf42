"""Signed images of a recovery from complex ones: each voxel's own phase is taken out.

The signals of one echo time are A_k exp(i phi), with real A_k of either sign and one phase, whatever coils, their
combination and the pulses made of it. Half the phase of the sum of squares A_k^2 exp(2 i phi) is the likeliest phi, up
to half a turn; that the image of the longest delay is positive settles which half.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InputError


def phase_sensitive(
    series: NDArray[np.complex128], delay: ArrayLike, group: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Return the signed real images.

    Parameters
    ----------
    series : (n, ...) array
        Complex images, by one coil or many combined with their phases.
    delay : (n,) array
        Recovery time of each image, s; the image of the longest is positive.
    group : (n,) array, optional
        Images of equal value share their phase, e.g. those of one echo time; all by default.
    """
    delays = np.asarray(delay, dtype=np.float64)
    groups = np.zeros(len(delays)) if group is None else np.asarray(group)
    if delays.shape != groups.shape or len(delays) != len(series):
        raise InputError(f"{len(series)} images, {delays.size} delays and {groups.size} groups do not belong together")
    out = np.empty(series.shape)
    with np.errstate(invalid="ignore"):
        for value in np.unique(groups):
            member = np.flatnonzero(groups == value)
            part = series[member]
            signed = np.real(part * np.exp(-0.5j * np.angle(np.sum(part**2, axis=0))))
            reference = signed[int(np.argmax(delays[member]))]
            out[member] = signed * np.where(reference < 0, -1.0, 1.0)
    return out


def is_magnitude(series: NDArray[np.complex128]) -> bool:
    """Return True if no image has a phase or a sign: magnitudes, from which both are lost."""
    finite = series[np.isfinite(series)]
    return bool(finite.size and not np.any(finite.imag) and np.all(finite.real >= 0) and np.any(finite.real > 0))
