"""The scale in mM that a water reference gives."""

from __future__ import annotations

import numpy as np

from ...core.basis import Basis
from ...core.errors import InputError
from ...core.metabolites import Relaxation
from ...core.nuclei import WATER_MOLECULES
from ...core.spectra import Spectra
from .problem import Array
from .settings import WaterScale

BEGIN = 8e-3
"""Time over which the water's decay is followed back to the first point, s."""


def water_amplitude(spectra: Spectra, contrast: int) -> Array:
    """Return the (voxel,) amplitude of the water reference at the first point.

    A straight line through the logarithm of the magnitudes would take the curvature of a field distribution for
    amplitude; a parabola follows it.
    """
    if spectra.water is None:
        raise InputError("has no water reference; acquire one (`water_averages`), or ask for amounts without a scale")
    count = max(8, min(int(BEGIN / spectra.dwell), spectra.water.shape[-1]))
    size = np.abs(spectra.water[contrast, :, :count])
    if not np.all(size[:, 0] > 0):
        raise InputError("the water reference of a voxel is zero")
    time = np.arange(count) * spectra.dwell
    weight = size  # equal noise in the magnitudes is noise / size in their logarithms
    design = np.stack([np.ones(count), time / time[-1], (time / time[-1]) ** 2], axis=-1)
    found = [
        np.linalg.lstsq(design * w[:, None], np.log(s) * w, rcond=None)[0] for s, w in zip(size, weight, strict=True)
    ]
    return np.asarray(np.exp(np.array(found)[:, 0]))


def volume_per_unit(spectra: Spectra, contrast: int, scale: WaterScale, basis: Basis) -> Array:
    """Return the (voxel,) signal of one proton of 1 mM, unrelaxed, in the units of the spectra.

    Parameters
    ----------
    spectra : Spectra
    contrast : int
    scale : WaterScale
    basis : Basis
        Which may know the share of the voxel's water that the pulses leave, as they leave metabolites.
    """
    relaxed = loss(spectra, contrast, (scale.t1, scale.t2), basis, None)
    selected = float(basis.conditions.get("water", 1.0))
    protons = 2 * WATER_MOLECULES * scale.content
    return np.asarray(water_amplitude(spectra, contrast) * (1 - scale.foreign) / (protons * relaxed * selected))


def loss(spectra: Spectra, contrast: int, times: tuple[float, float], basis: Basis, name: str | None) -> float:
    """Return the share of a member's signal, or of water's, with these T1 and T2, s, that relaxation leaves."""
    sheet = {key: _column(spectra, key, contrast) for key in ("te", "tr")}
    sheet |= {key: _column(spectra, key, contrast) for key in ("tm", "unrecovered") if key in spectra.contrast}
    return basis.left(name, Relaxation(t1=times[0], t2=times[1]), sheet)


def _column(spectra: Spectra, name: str, contrast: int) -> float:
    """Return a value of the contrast table."""
    if name not in spectra.contrast:
        raise InputError(f"knows no {name}, which a scale in mM needs", key=name)
    return float(np.asarray(spectra.contrast[name])[contrast])
