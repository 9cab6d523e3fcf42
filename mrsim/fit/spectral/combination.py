"""Linear-combination fit of spectra: how much of each metabolite of a basis they hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from ...core.basis import Basis
from ...core.errors import InputError
from ...core.spectra import Spectra
from ..solve import over_chunks
from .job import Job, job_of
from .problem import Array, Complex
from .result import SpectralFit, result
from .settings import Combination, WaterScale
from .water import loss, volume_per_unit

CHUNK = 8
"""Spectra that are fitted at once: what a processor's cache holds."""

NOTHING = 1e-4
"""Noise over the largest sample that stands for none."""


def fit_spectra(
    spectra: Spectra,
    basis: Basis,
    settings: Combination | None = None,
    *,
    water: WaterScale | None = None,
    contrast: int = 0,
    threads: int | None = None,
) -> SpectralFit:
    """Return how much of each metabolite the spectra hold, with the Cramér-Rao bound of each.

    Amplitudes without a scale are in m^3 per mM, the units of the spectra. They may be negative: an estimate that is
    cut at zero is biased. `SpectralFit.detected` says which stand out.

    Parameters
    ----------
    spectra : Spectra
        Of any number of voxels, unfiltered and without zero filling; residual water outside the window may stay.
    basis : Basis
        Made for the field, the dwell and the echo time of the spectra.
    settings : Combination, optional
    water : WaterScale, optional
        Concentrations in mM by the water reference; amplitudes without a scale where left out.
    contrast : int
        Which spectrum of the series.
    threads : int, optional
        All available cores by default; the result does not depend on it.
    """
    settings = settings or Combination()
    points = spectra.data.shape[-1]
    basis.check_fits(frequency=spectra.frequency, dwell=spectra.dwell, points=points, nucleus=spectra.nucleus)
    if not 0 <= contrast < len(spectra.data):
        raise InputError(f"is {contrast}; there are {len(spectra.data)} spectra", key="contrast")
    noise = float(np.broadcast_to(spectra.sigma, (len(spectra.data), 1, 1))[contrast, 0, 0])
    if not noise >= 0:
        raise InputError(f"is {noise}; it must be the standard deviation of the noise, 0 for none", key="sigma")
    exact = noise == 0
    if exact:
        spectra, noise = replace(spectra, noisy=False), _stand_in(spectra.data[contrast])
    signals = spectra.data[contrast] / noise
    finite = np.isfinite(signals).all(axis=-1)
    one = 1.0 if water is None else volume_per_unit(spectra, contrast, water, basis)
    relaxed = {} if water is None else water.relaxation
    factors = np.array([
        loss(spectra, contrast, relaxed[name], basis, name) if name in relaxed else 1.0 for name in basis.names
    ])  # fmt: skip
    scale = np.broadcast_to(one, len(signals))[:, None] / noise * factors
    job = job_of(spectra, basis, settings)
    whole = _fitted(job, np.where(finite[:, None], signals, 0), scale, threads)
    if exact:
        for key in ("covariance", "theta_errors"):
            whole[key] = np.where(np.isfinite(whole[key]), 0.0, np.inf)
    return result(spectra, basis, settings, whole, job, finite, "mM" if water is not None else "m^3/mM")


def _fitted(job: Job, signals: Complex, scale: Array, threads: int | None) -> dict[str, Any]:
    """Return what is found in all voxels; the matrix library's own threads would wait in loops for the same cores."""
    found: dict[int, dict[str, Any]] = {}

    def work(begin: int, end: int) -> None:
        some = slice(begin, end)
        found[begin] = job.fitted(signals[some], scale[some], begins[some])

    with threadpool_limits(limits=1, user_api="blas"):
        begins = job.starts(signals)
        over_chunks(work, 0, len(signals), threads, CHUNK)
    return {key: np.concatenate([found[k][key] for k in sorted(found)]) for key in found[0]}


def _stand_in(signals: np.ndarray) -> float:
    """Return what stands for the noise where there is none: weights of the data against faint expectations."""
    size = np.abs(signals[np.isfinite(signals)]).max(initial=0.0)
    if size == 0:
        raise InputError("is 0 and so are the spectra: nothing to fit", key="sigma")
    return NOTHING * float(size)
