"""Receiver noise: complex, white in k-space, correlated between coils as the scanner's calibration says.

The calibration (`sequence.scanner`, `sequence.snr_law`) is the noise of one channel; averages, bandwidth, voxel
volume and the coils' covariance enter where they act: repeats are separate readouts with noise of their own, a
sample's variance is the density over its dwell time, and the transform divides by the voxel's volume. There is no
temperature: it is part of the calibration, as are the coil's and the preamplifier's shares.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..core.acquisition import Acquisition, Readouts
from ..core.errors import InputError, check_kind
from .physiology import Physiology, add_physiology

PRESCAN_WINDOW = 4096
"""Samples of one window of the noise-only prescan."""


def add_noise(
    raw: Acquisition,
    *,
    rng: int | np.random.Generator,
    physiology: Physiology | None = None,
    prescan: int = 0,
) -> Acquisition:
    """Return `raw` with calibrated noise added to every readout.

    Each sample's real and imaginary part get the variance noise_density / dwell, with the coils correlated.

    Parameters
    ----------
    raw : Acquisition
        Noise-free raw data.
    rng : int or numpy.random.Generator
        Seed or generator; the same seed gives the same noise.
    physiology : Physiology, optional
        What pulse and breathing do to the signal before the receiver adds its noise; nothing by default.
    prescan : int
        Samples per coil of noise alone, taken before the scan as the group ``noise``: the reconstruction then whitens
        with what these show and not with the calibration. 0: none.
    """
    check_kind(raw, Acquisition, "raw", "mr.simulate(timeline, phantom)")
    check_kind(rng, (int, np.integer, np.random.Generator), "rng", "a seed")
    check_kind(physiology, (Physiology, type(None)), "physiology")
    if isinstance(rng, int) and rng < 0:
        raise InputError(f"is {rng}; a seed is a whole number from 0", key="rng")
    if raw.noisy:
        raise InputError("the raw data already hold noise; add it once, to noise-free data")
    if prescan < 0 or ("noise" in raw.groups and prescan):
        raise InputError(f"is {prescan}; give 0 or more samples, 0 for a scan with a noise group", key="prescan")
    generator = np.random.default_rng(rng)
    if physiology is not None:
        raw = add_physiology(raw, physiology, generator)
    try:
        colour = np.linalg.cholesky(raw.noise_density)
    except np.linalg.LinAlgError:
        raise InputError("the coil noise covariance is not positive definite") from None
    groups = dict(raw.groups)
    if prescan:
        groups["noise"] = _silent(raw, prescan)
    for name, group in groups.items():
        dwell = raw.encoding.dwell if group.dwell is None else group.dwell
        groups[name] = replace(group, data=group.data + _drawn(generator, group.data.shape, colour / np.sqrt(dwell)))
    return replace(raw, groups=groups, noisy=True)


def _drawn(
    generator: np.random.Generator, shape: tuple[int, ...], colour: NDArray[np.complex128]
) -> NDArray[np.complex128]:
    """Return (readout, coil, sample) noise whose quadrature channels have the covariance colour colour^H."""
    white = generator.standard_normal((2, *shape))
    return np.asarray(np.einsum("cd,rds->rcs", colour, white[0] + 1j * white[1]))


def _silent(raw: Acquisition, samples: int) -> Readouts:
    """Return windows without signal, at least `samples` in all, before the scan begins."""
    length = min(samples, PRESCAN_WINDOW)
    count = -(-samples // length)
    dwell = raw.encoding.dwell
    return Readouts(
        data=np.zeros((count, raw.imaging.data.shape[1], length), dtype=np.complex128),
        k=np.zeros((count, length, 3)),
        t=np.broadcast_to((np.arange(length) + 0.5) * dwell, (count, length)).copy(),
        labels={name: np.zeros(count, dtype=np.int64) for name in raw.imaging.labels},
        dwell=dwell,
        start=np.arange(-count, 0, dtype=np.float64) * (length * dwell),
    )
