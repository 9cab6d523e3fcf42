"""Single-voxel spectroscopy: an acquisition's readouts become Spectra.

Coils are combined, the averages of each contrast aligned and averaged, the phase of eddy currents taken out with the
water reference, and what the settings ask for besides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.acquisition import Acquisition, Readouts
from ..core.errors import InputError
from ..core.residual_water import without_water
from ..core.spectra import Spectra
from .fids import Drift, coil_weights, kept, register, without_eddy_currents
from .time_signals import apodised, zero_filled

Complex = NDArray[np.complex128]
WATER_GROUP = "water_reference"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Spectroscopy:
    """How to process the signals of single-voxel spectroscopy."""

    align: bool = True
    """Register the averages in frequency and phase."""
    eddy_currents: bool = True
    """Subtract the phase of the water reference, where there is one."""
    reject: float = 5.0
    """Robust standard deviations beyond which an average is left out; 0 keeps all."""
    remove_water: bool = False
    """Subtract the residual water by HSVD."""
    lorentz: float = 0.0
    """Full width at half maximum of a Lorentzian that apodises the signal, Hz."""
    gauss: float = 0.0
    """The same of a Gaussian, Hz."""
    points: int | None = None
    """Length to which zeros fill the signal; None: as acquired."""


def reconstruct_spectra(raw: Acquisition, method: Spectroscopy | None = None) -> Spectra:
    """Return the spectra of an acquisition of single-voxel spectroscopy.

    Parameters
    ----------
    raw : Acquisition
        Readouts with the labels ``contrast`` and ``average``; a group ``water_reference`` where the scan has one.
    method : Spectroscopy, optional
        Default settings without.
    """
    settings = method or Spectroscopy()
    if int(np.prod(raw.encoding.grid.shape)) != 1:
        raise InputError(f"has {raw.encoding.grid.shape} voxels; only single-voxel spectroscopy is known", key="grid")
    count = len(next(iter(raw.encoding.contrast.values())))
    water = _group(raw, WATER_GROUP)
    strong = raw.imaging if water is None else water
    weights, variance = coil_weights(np.asarray(strong.data.mean(axis=0)), raw.noise_density)
    noise = float(np.sqrt(variance / raw.encoding.dwell)) if raw.noisy else 0.0
    data, shares, notes = _averaged(raw.imaging, weights, count, raw.encoding.dwell, settings, noise)
    reference = None
    if water is not None:
        reference = _averaged(water, weights, count, raw.encoding.dwell, settings, noise)[0]
        if settings.eddy_currents:
            turned = [without_eddy_currents(np.stack([d, w]), w) for d, w in zip(data, reference, strict=True)]
            data, reference = (np.stack([pair[k] for pair in turned]) for k in (0, 1))
    sigma = np.sqrt(variance / raw.encoding.dwell) / np.sqrt(np.maximum(shares, 1))
    spectra = Spectra(
        data=data[:, None],
        dwell=raw.encoding.dwell,
        frequency=raw.encoding.frequency,
        grid=raw.encoding.grid,
        contrast=raw.encoding.contrast,
        sigma=sigma[:, None, None],
        noisy=raw.noisy,
        water=None if reference is None else reference[:, None],
        encoding={**raw.encoding.sheet, **notes, "eddy_currents": settings.eddy_currents and water is not None},
        history=raw.history,
    )
    return _finished(spectra, settings)


def _finished(spectra: Spectra, settings: Spectroscopy) -> Spectra:
    """Take the water out, apodise and fill with zeros, as far as that is asked for."""
    if settings.remove_water:
        spectra = without_water(spectra)
    if settings.lorentz or settings.gauss:
        spectra = apodised(spectra, settings.lorentz, settings.gauss)
    return spectra if settings.points is None else zero_filled(spectra, settings.points)


def _group(raw: Acquisition, name: str) -> Readouts | None:
    """Return a group of readouts by its purpose, which may have been split by length, or None."""
    for key, group in raw.groups.items():
        if key == name or key.startswith(f"{name}-"):
            return group
    return None


def _averaged(
    group: Readouts, weights: Complex, count: int, dwell: float, settings: Spectroscopy, noise: float
) -> tuple[Complex, NDArray[np.float64], dict[str, Any]]:
    """Return the (contrast, point) mean signals, how many averages each holds, and what was found on the way."""
    signals = np.einsum("c,rcs->rs", weights, group.data)
    bad = ~np.isfinite(signals).all(axis=1)
    if bad.any():
        raise InputError(f"{np.count_nonzero(bad)} readouts hold values that are not finite; drop them")
    label = np.asarray(group.labels.get("contrast", np.zeros(len(signals), np.int64)))
    data, shares = np.zeros((count, signals.shape[1]), np.complex128), np.zeros(count)
    drifts: list[Drift] = []
    rejected = 0
    for contrast in range(count):
        own = signals[label == contrast]
        if not len(own):
            raise InputError(f"no readout belongs to spectrum {contrast} of {count}", key="contrast")
        if settings.align and len(own) > 1:
            own, drift = register(own, dwell, noise=noise)
            drifts.append(drift)
        good = kept(own, settings.reject)
        data[contrast], shares[contrast] = own[good].mean(axis=0), good.sum()
        rejected += int((~good).sum())
    notes: dict[str, Any] = {"averages": int(shares.min()), "rejected": rejected}
    if drifts:
        notes["frequency_drift"] = np.concatenate([drift.frequency for drift in drifts])
        notes["phase_drift"] = np.concatenate([drift.phase for drift in drifts])
    return data, shares, notes
