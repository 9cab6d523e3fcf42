"""What a block can play: a gradient per axis, one RF pulse, one ADC window, a trigger, a delay set at the console.

Times are integer nanoseconds, so that no sum of thousands of blocks drifts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NS = 1_000_000_000
"""Nanoseconds in a second."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Gradient:
    """A piecewise-linear gradient on one axis: trapezoids, bridges, crushers, arbitrary shapes."""

    times: NDArray[np.int64]
    """(n,) knots, ns from the start of the block, ascending, on the gradient raster."""
    amplitudes: NDArray[np.float64]
    """(n,) value at each knot, T/m; linear in between, zero before the first knot if it starts at zero."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RfPulse:
    """A pulse of piecewise-constant complex samples: B1 = signal * exp(-i (2 pi f t + phase))."""

    signal: NDArray[np.complex128]
    """(n,) samples, T; each is held for `dwell`."""
    dwell: int
    """Length of a sample, ns; a multiple of the RF raster."""
    delay: int
    """Start of the first sample, ns from the start of the block."""
    frequency: float = 0.0
    """Offset from the Larmor frequency, Hz; its phase counts from the first sample."""
    phase: float = 0.0
    """Phase offset, rad."""
    centre: int = 0
    """Effective centre (the excitation's phase origin, the echo's mirror), ns from the first sample."""
    flip: float = 0.0
    """Nominal flip angle, rad."""
    use: str = "excitation"
    """excitation, refocusing, inversion, saturation or preparation; storage and recall in stimulated echoes."""
    bandwidth: float = 0.0
    """Nominal width of the profile, Hz: sets the slice gradient; 0 if unknown."""

    @property
    def duration(self) -> int:
        """Length of the pulse, ns."""
        return len(self.signal) * self.dwell

    @property
    def peak(self) -> float:
        """Largest |B1|, T."""
        return float(np.max(np.abs(self.signal)))

    @property
    def energy(self) -> float:
        """Integral of |B1|^2 dt, T^2 s: what the pulse adds to SAR."""
        return float(np.sum(np.abs(self.signal) ** 2)) * self.dwell / NS


@dataclass(frozen=True, kw_only=True, slots=True)
class Adc:
    """A window of samples; sample i is taken at delay + (i + 1/2) dwell."""

    samples: int
    dwell: int
    """Time between samples, ns; a multiple of the ADC raster."""
    delay: int
    """Start of the window, ns from the start of the block."""
    frequency: float = 0.0
    """Demodulation offset, Hz; its phase counts from the window's start."""
    phase: float = 0.0
    """Receiver phase, rad: the signal is multiplied by exp(+i (2 pi f t + phase))."""
    purpose: str = "imaging"
    """Which group of raw data the window belongs to: imaging, navigator, calibration, noise, water_reference, ..."""

    @property
    def duration(self) -> int:
        """Length of the window, ns."""
        return self.samples * self.dwell


@dataclass(frozen=True, kw_only=True, slots=True)
class Trigger:
    """A signal that the scanner sends, or waits for (Pulseq's TRIGGERS extension)."""

    kind: str
    """``"output"`` (the scanner sends a pulse) or ``"input"`` (the block waits for one)."""
    channel: int
    """Pulseq's number of the channel: 1 to 3 for osc0, osc1 and ext1 (output), 1 for physio1, 2 for physio2 (input)."""
    delay: int = 0
    """Start, ns from the start of the block."""
    duration: int = 0
    """Length, ns."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SoftDelay:
    """A duration that may be set at the console: block duration = input / factor + offset (Pulseq's DELAYS)."""

    number: int
    """Blocks with the same number share the input."""
    hint: str
    """What the input is called, e.g. ``"TE"``."""
    offset: int = 0
    """ns."""
    factor: float = 1.0
