"""The scan as a simulator needs it: a flat list of segments, each RF-on, RF-free or sampled.

`discretize` turns a `Sequence` into a `Timeline`. The waveforms are those that the scanner plays; the k
and t of `encoding` and `readouts` are nominal and are all that an `Acquisition` receives.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..core.acquisition import Encoding
from ..core.shown import Shown, counted

FREE, RF, READOUT = 0, 1, 2
"""Kinds of segment."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Pulse:
    """One distinct RF waveform with the gradients that play under it, in steps of constant field."""

    dt: NDArray[np.float64]
    """(step,) length of each step, s."""
    b1: NDArray[np.complex128]
    """(step,) T, frequency offset included, phase offset not: B1 = b1 * exp(-i phase)."""
    gradient: NDArray[np.float64]
    """(step, 3) mean gradient during each step, grid axes, T/m."""
    flip: float
    """Nominal flip angle, rad."""
    centre: float
    """Effective centre, s from the start of the pulse."""
    use: str
    change: NDArray[np.float64] | None = None
    """(step, 3) change of the gradient from the start to the end of each step, T/m; none: constant steps."""
    frequency: float = 0.0
    """Carrier offset, Hz, that `b1` includes: where in its line a semisolid pool is irradiated."""
    parts: int = 1
    """Equal parts that every step of the scanner is divided into: an engine that cuts steps cuts each part as it would
    cut the whole, so that twice as many halve every step."""

    def plane_moment(self, gamma_bar: float) -> NDArray[np.float64]:
        """Return the (2,) moment of the in-plane gradients under the pulse, 1/m."""
        return np.asarray(gamma_bar * (self.dt @ self.gradient[:, :2]))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ReadoutTable:
    """The ADC windows, one row each, padded to the longest: behind `samples` a row repeats its last value."""

    samples: NDArray[np.int64]
    """(readout,) valid samples of each window."""
    purpose: tuple[str, ...]
    """Per readout: imaging, navigator, calibration, noise, water_reference, ..."""
    dwell: NDArray[np.float64]
    """(readout,) s; windows may differ."""
    phase: NDArray[np.float64]
    """(readout,) receiver phase at the window's start, rad."""
    frequency: NDArray[np.float64]
    """(readout,) demodulation offset, Hz."""
    moment: NDArray[np.float64]
    """(readout, sample, 3) gamma_bar * integral of G from the window's start to the sample, 1/m, as played."""
    k: NDArray[np.float64]
    """(readout, sample, 3) nominal k, 1/m, grid axes."""
    t: NDArray[np.float64]
    """(readout, sample) nominal time since the effective centre of the last excitation, s."""
    labels: dict[str, NDArray[np.int64]]
    """Per readout (readout,)."""
    received: NDArray[np.complex128] | None = None
    """(readout, sample) what an imperfect scanner makes of each sample: the phase of a uniform field that drifts, zero
    while the receiver is deaf; None on a perfect one."""
    quadratic: NDArray[np.float64] | None = None
    """(readout, sample, 3, 3) Q of a concomitant field from the window's start to each sample, as in `Spatial`."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Spatial:
    """Fields that are not linear in position; only engines that carry every spin by itself can play them."""

    nonlinearity: tuple[float, ...] = (0.0, 0.0, 0.0)
    """Third-order coefficients of the gradient coils, 1/m^2; see `imperfect.nonlinearity`."""
    quadratic: NDArray[np.float64] | None = None
    """(segment, 3, 3) Q, 1/m^2, world axes: a spin at r from the isocentre turns by exp(-i 2 pi r . Q r)."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Timeline(Shown):
    """Segments in time order, without gaps, with what they play."""

    kind: NDArray[np.int8]
    """(segment,) FREE, RF or READOUT."""
    start: NDArray[np.int64]
    """(segment,) ns."""
    duration: NDArray[np.int64]
    """(segment,) ns; RF segments last exactly as long as their pulse's samples."""
    moment: NDArray[np.float64]
    """(segment, 3) gamma_bar * integral of G over the segment, grid axes, 1/m."""
    event: NDArray[np.int32]
    """(segment,) index into `pulses` (RF) or into `readouts` (READOUT); -1 for FREE."""
    phase: NDArray[np.float64]
    """(segment,) RF phase offset, rad; 0 otherwise."""
    pulses: tuple[Pulse, ...]
    """The distinct pulses; equal waveforms under equal gradients appear once."""
    readouts: ReadoutTable
    tr_start: NDArray[np.int64]
    """(repetition,) index of the first segment of each repetition."""
    encoding: Encoding
    noise_density: float
    """Of one channel: variance of one quadrature channel times dwell, m^6 s, from the scanner."""
    b0: float
    """T."""
    gamma_bar: float
    """Hz/T."""
    knots: tuple[tuple[NDArray[np.int64], NDArray[np.float64]], ...] = field(default=())
    """Per grid axis: (times ns, amplitudes T/m) of the played piecewise-linear gradient, the whole scan."""
    spatial: Spatial | None = None
    """What is not linear in position; None if everything is."""

    def _facts(self) -> dict[str, str]:
        held = {"pulses": f"{len(self.pulses)} distinct", "repetitions": f"{len(self.tr_start):,}"}
        return {"": counted(len(self.kind), "segment"), "field": f"{self.b0:g} T"} | held
