"""The verb `reconstruct`: which method makes images of an acquisition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..core.acquisition import Acquisition
from ..core.errors import InputError
from ..core.images import Images
from .cartesian import reconstruct_cartesian
from .kspace import check_finite
from .methods import Combine, CompressedSensing, Grappa, Method, Sense, SliceGrappa, Smash, Subspace
from .nonuniform import reconstruct_nonuniform
from .parallel import (
    default_method,
    reconstruct_combined,
    reconstruct_grappa,
    reconstruct_sense,
    reconstruct_smash,
)
from .series import reconstruct_bands, reconstruct_sparse, reconstruct_subspace


def reconstruct(
    raw: Acquisition, method: Method | None = None, progress: Callable[[int, int], None] | None = None
) -> Images:
    """Reconstruct an acquisition: Cartesian by its labels, any other from its nominal k.

    Parameters
    ----------
    raw : Acquisition
        Imaging readouts with the labels ``line``, ``contrast`` and, where there are several, ``slice`` or
        ``partition``, and ``average``; without ``line`` and ``partition`` where k comes from the trajectory.
    method : Method, optional
        What to do with many coils and missing lines. By default the Fourier transform of one coil; many coils are
        combined with maps from the middle of k-space, and unfolded by SENSE where lines are missing.
    progress : callable, optional
        Called with the parts done and all of them.

    Returns
    -------
    Images
        Complex images (contrast, z, y, x) with their noise, and the method's parameters in `encoding`.
    """
    check_finite(raw)
    raw = with_measured_noise(raw)
    coils = raw.imaging.data.shape[1]
    if raw.encoding.k_from == "trajectory":
        if coils != 1 or method is not None:
            raise InputError(
                f"{coils} coils off the Cartesian raster: only one coil by the adjoint can be reconstructed"
            )
        return reconstruct_nonuniform(raw)
    if method is None:
        if coils == 1:
            return reconstruct_cartesian(raw)
        method = default_method(raw)
    return _run(raw, method, progress)


def with_measured_noise(raw: Acquisition) -> Acquisition:
    """Return raw data whose noise covariance is what a prescan (group ``noise``) shows, if they hold one.

    A reconstruction knows the coils' noise from this measurement, as on a scanner; without it, from the calibration.
    """
    measured = raw.measured_noise() if raw.noisy else None
    if measured is None:
        return raw
    samples = raw.groups["noise"].data[:, 0].size
    return replace(raw, noise_density=measured, history=raw.history | {"noise_samples": samples})


def _run(raw: Acquisition, method: Method, progress: Callable[[int, int], None] | None) -> Images:
    match method:
        case Combine():
            return reconstruct_combined(raw, method, progress)
        case Sense():
            return reconstruct_sense(raw, method, progress)
        case Grappa():
            return reconstruct_grappa(raw, method, progress)
        case Smash():
            return reconstruct_smash(raw, method, progress)
        case SliceGrappa():
            return reconstruct_bands(raw, method, progress)
        case CompressedSensing():
            return reconstruct_sparse(raw, method, progress)
        case Subspace():
            return reconstruct_subspace(raw, method, progress)
