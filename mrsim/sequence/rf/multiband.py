"""Multiband: several slices at once, each with its own phase.

The pulse is the single-band one times the sum of exp(-i (2 pi f t + phase)) over the bands, t from its centre. In
phase the bands add up to n times the peak; the schedules of Wong (ISMRM 2012, p. 2209, from sigpy) lower it towards
sqrt(n). The phases of controlled aliasing (phase tagging) come on top and do not alter the peak's order.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ..events import NS, RfPulse
from ..scanner import Scanner
from .samples import within_limit

MOST_BANDS = 16


def multiband(
    scanner: Scanner,
    pulse: RfPulse,
    offsets: NDArray[np.float64],
    *,
    tags: NDArray[np.float64] | None = None,
    scheduled: bool = True,
) -> RfPulse:
    """Return the pulse played in several bands at once.

    Parameters
    ----------
    scanner : Scanner
    pulse : RfPulse
        Of one band.
    offsets : (band,) array
        Centre of each band, Hz.
    tags : (band,) array, optional
        Phase of each band on top, rad: controlled aliasing.
    scheduled : bool
        Whether to add the phases that lower the peak; off for in-phase bands.
    """
    bands = len(offsets)
    if not 1 <= bands <= MOST_BANDS:
        raise InputError(f"has {bands} bands; use 1 to {MOST_BANDS}", key="offsets")
    if tags is not None and len(tags) != bands:
        raise InputError(f"has {len(tags)} phases for {bands} bands; use one per band", key="tags")
    phases = band_phases(bands) if scheduled else np.zeros(bands)
    total = phases + (0.0 if tags is None else np.asarray(tags))
    n, dwell = len(pulse.signal), pulse.dwell
    t = ((np.arange(n) + 0.5) * dwell - pulse.centre) / NS
    sum_of_bands = np.exp(-1j * (2 * np.pi * np.outer(t, offsets) + total)).sum(axis=1)
    return within_limit(scanner, replace(pulse, signal=pulse.signal * sum_of_bands))


def band_phases(bands: int) -> NDArray[np.float64]:
    """Return the (band,) phases, rad, that lower the peak of equally spaced bands; zero for one or two."""
    if bands < 3:
        return np.zeros(bands)
    from sigpy.mri.rf.multiband import mb_phs_tab

    return np.asarray(-mb_phs_tab(bands, "phs_mod"), dtype=np.float64)
