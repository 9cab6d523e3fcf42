"""The verb `reconstruct`: which method makes images of an acquisition, and what comes before and after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import get_args, overload

import numpy as np
from numpy.typing import NDArray

from ..core.acquisition import Acquisition
from ..core.errors import InputError, check_kind
from ..core.images import Images
from ..core.spectra import Spectra
from .cartesian import reconstruct_cartesian
from .combine import mix
from .ghost import straightened
from .kspace import check_finite
from .many_coils import Ready, make_ready
from .methods import Combine, CompressedSensing, Grappa, Method, NonUniform, Sense, SliceGrappa, Smash, Steps, Subspace
from .off_raster import reconstruct_off_raster, sensitivities
from .parallel import (
    default_method,
    reconstruct_combined,
    reconstruct_grappa,
    reconstruct_sense,
    reconstruct_smash,
)
from .repetitions import separated
from .series import reconstruct_bands, reconstruct_sparse, reconstruct_subspace
from .spectroscopy import Spectroscopy, reconstruct_spectra
from .windows import cropped, filtered, interpolated

Progress = Callable[[int, int], None]


@overload
def reconstruct(
    raw: Acquisition, method: Spectroscopy, progress: Progress | None = None, *, steps: Steps | None = None
) -> Spectra: ...
@overload
def reconstruct(
    raw: Acquisition, method: Method | None = None, progress: Progress | None = None, *, steps: Steps | None = None
) -> Images: ...
def reconstruct(
    raw: Acquisition,
    method: Method | Spectroscopy | None = None,
    progress: Progress | None = None,
    *,
    steps: Steps | None = None,
) -> Images | Spectra:
    """Reconstruct an acquisition: Cartesian by its labels, any other from its nominal k, spectroscopy to spectra.

    Parameters
    ----------
    raw : Acquisition
        Imaging readouts with the labels ``line``, ``contrast`` and, where there are several, ``slice`` or
        ``partition``, and ``average``; without ``line`` and ``partition`` where k comes from the trajectory. Every
        repetition, phase and set is an image of its own.
    method : Method, optional
        What to do with many coils and missing lines. By default the Fourier transform of one coil; many coils are
        combined with maps from the middle of k-space, and unfolded by SENSE where lines are missing.
    progress : callable, optional
        Called with the parts done and all of them.
    steps : Steps, optional
        What comes before and after the method: ghosts of echo-planar lines, partial Fourier, window, zero filling.

    Returns
    -------
    Images
        Complex images (contrast, z, y, x) with their noise, and the method's parameters in `encoding`; of spectroscopy
        (``encoding.kind`` is ``"spectrum"``) `Spectra`, with the settings of `Spectroscopy`.
    """
    check_kind(raw, Acquisition, "raw", "mr.add_noise(mr.simulate(timeline, phantom), rng=1)")
    check_kind(method, (*get_args(Method), Spectroscopy, type(None)), "method", "e.g. mrsim.recon.Sense()")
    check_kind(steps, (Steps, type(None)), "steps")
    check_finite(raw)
    if raw.encoding.kind == "spectrum" or isinstance(method, Spectroscopy):
        if raw.encoding.kind != "spectrum" or not isinstance(method, Spectroscopy | None):
            raise InputError(f"{type(method).__name__} does not fit data of kind '{raw.encoding.kind}'", key="method")
        if steps not in (None, Steps()):
            raise InputError("are for images; spectra have lorentz, gauss and points of Spectroscopy", key="steps")
        return reconstruct_spectra(with_measured_noise(raw), method)
    asked = steps or Steps()
    lines = straightened(separated(with_measured_noise(raw)), asked.ghost)
    if lines.encoding.k_from == "trajectory":
        images = _off_raster(lines, method, progress)
    else:
        ready = make_ready(lines, asked.partial)
        images = _run(ready, method, raw.encoding.k_from == "trajectory", progress)
    if "recon_fov" in images.encoding:
        images = cropped(images, images.encoding["recon_fov"])
    images = images if asked.window is None else filtered(images, asked.window)
    return images if asked.size is None else interpolated(images, asked.size)


def coil_maps(raw: Acquisition, estimate: str = "espirit") -> NDArray[np.complex128]:
    """Return the (coil, z, y, x) sensitivities that the raw data hold, not whitened.

    Parameters
    ----------
    raw : Acquisition
        With calibration lines, or the middle of k-space without gaps.
    estimate : str
        ``"espirit"`` or ``"lowres"``.
    """
    check_finite(raw)
    known = with_measured_noise(raw)
    lines = straightened(separated(known), "auto")
    if lines.encoding.k_from == "trajectory":
        return sensitivities(lines, estimate)
    ready = make_ready(lines)
    white = np.concatenate(list(ready.maps(None, estimate)), axis=1)
    return mix(np.asarray(np.linalg.inv(ready.whitener)), white)


def with_measured_noise(raw: Acquisition) -> Acquisition:
    """Return raw data whose noise covariance is what a prescan (group ``noise``) shows, if they hold one.

    A reconstruction knows the coils' noise from this measurement, as on a scanner; without it, from the calibration.
    """
    measured = raw.measured_noise() if raw.noisy else None
    if measured is None:
        return raw
    samples = raw.groups["noise"].data[:, 0].size
    return replace(raw, noise_density=measured, history=raw.history | {"noise_samples": samples})


def _off_raster(raw: Acquisition, method: Method | None, progress: Progress | None) -> Images:
    """Return images from k: by default one coil by the adjoint, several iteratively."""
    if method is None:
        method = NonUniform(kind="adjoint" if raw.imaging.data.shape[1] == 1 else "iterative")
    if not isinstance(method, NonUniform):
        name = type(method).__name__
        raise InputError(f"{name} needs samples on the Cartesian raster; use NonUniform", key="method")
    return reconstruct_off_raster(raw, method, progress)


def _run(ready: Ready, method: Method | None, may_fold: bool, progress: Progress | None) -> Images:
    if method is None and ready.raw.encoding.sheet.get("bands", 1) > 1:
        method = SliceGrappa()
    if not isinstance(method, SliceGrappa):  # whose groups of slices carry several
        ready.check_slices()
    if method is None:
        if ready.raster.data.shape[1] == 1:
            return reconstruct_cartesian(ready, folded=may_fold)
        method = default_method(ready)
    match method:
        case Combine():
            return reconstruct_combined(ready, method, progress)
        case Sense():
            return reconstruct_sense(ready, method, progress)
        case Grappa():
            return reconstruct_grappa(ready, method, progress)
        case Smash():
            return reconstruct_smash(ready, method, progress)
        case SliceGrappa():
            return reconstruct_bands(ready, method, progress)
        case CompressedSensing():
            return reconstruct_sparse(ready, method, progress)
        case Subspace():
            return reconstruct_subspace(ready, method, progress)
        case NonUniform():
            raise InputError("is for samples off the raster; these lie on it", key="method")
