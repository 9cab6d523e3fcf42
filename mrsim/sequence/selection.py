"""Slice selection: an RF pulse, its slice gradient, and what is joined to it.

`excite` ends with the rephaser (minus the area after the pulse's centre); `refocus` and `invert` carry equal
crushers on both sides, bridged to the slice gradient so that the current never returns to zero in between. RF
samples lie wholly in the plateau. A pulse without a bandwidth to select with (hard) plays no slice gradient.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..core.errors import InfeasibleError
from .events import NS, Gradient, RfPulse
from .gradients import SLACK, Limits, bridge, joined, shifted
from .scanner import Scanner, to_ns


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Selection:
    """One block with a pulse."""

    pulse: RfPulse
    """Its delay is set."""
    gradient: Gradient | None
    """Slice axis, the whole block."""
    before: int
    """From the start of the block to the pulse's centre, ns."""
    after: int
    """From the pulse's centre to the end of the block, ns."""
    side: int
    """Length of the part after the pulse (and before it, for `crushed`), ns."""
    per_metre: float
    """Frequency offset per distance from the grid's origin, Hz/m: gamma_bar times the slice gradient."""

    def at(self, position: float) -> RfPulse:
        """Return the pulse that selects the slice at `position` m along z: f = gamma_bar G z.

        Its phase is taken back by 2 pi f t at its effective centre, so that every slice leaves (or refocuses) its
        magnetisation along the same direction and the receiver needs no phase of its own.
        """
        frequency = self.per_metre * position
        if frequency == 0.0:
            return self.pulse
        turn = 2 * math.pi * frequency * self.pulse.centre / NS
        return replace(self.pulse, frequency=frequency, phase=math.fmod(self.pulse.phase - turn, 2 * math.pi))

    def sheet(self, gamma_bar: float) -> dict[str, Any]:
        """Return what a protocol sheet says of the pulse: samples in rad/s, times in s, gradient in Hz/m."""
        pulse = self.pulse
        return {
            "signal": 2 * math.pi * gamma_bar * pulse.signal * np.exp(-1j * pulse.phase),
            "dwell": pulse.dwell / NS,
            "centre": pulse.centre / NS,
            "gradient": self.per_metre,
        }

    @property
    def duration(self) -> int:
        """Length of the block, ns."""
        return self.before + self.after

    @property
    def free(self) -> int:
        """When the samples of the pulse end, ns from the start of the block."""
        return self.pulse.delay + self.pulse.duration


def slice_amplitude(scanner: Scanner, pulse: RfPulse, thickness: float, limits: Limits) -> float:
    """Return the slice gradient, T/m: bandwidth / (gamma_bar thickness)."""
    amplitude = pulse.bandwidth / (abs(scanner.gamma_bar) * thickness)
    if amplitude > limits.gradient * SLACK:
        least = pulse.bandwidth / (abs(scanner.gamma_bar) * limits.gradient)
        raise InfeasibleError(
            f"a {thickness * 1e3:g} mm slice with a pulse of {pulse.bandwidth:.4g} Hz needs {amplitude * 1e3:.4g} mT/m,"
            f" above the {limits.gradient * 1e3:.4g} mT/m of one axis in this orientation; make the slice at least "
            f"{least * 1e3:.3g} mm thick or the pulse longer"
        )
    return amplitude


def excite(scanner: Scanner, limits: Limits, pulse: RfPulse, amplitude: float, least_side: int = 0) -> Selection:
    """Return an excitation with its rephaser.

    Parameters
    ----------
    scanner : Scanner
    limits : Limits
    pulse : RfPulse
    amplitude : float
        Slice gradient, T/m; zero for a non-selective pulse.
    least_side : int
        Shortest time after the pulse, ns: what the other axes need there.
    """
    rise = limits.ramp(amplitude) if amplitude else 0
    delay = limits.up(max(rise, to_ns(scanner.rf_dead_time)))
    start = delay - rise
    side = max(least_side, limits.up(to_ns(scanner.rf_ringdown)), limits.raster)
    if not amplitude:
        return _selection(pulse, None, delay, side, 0.0)
    rephase = -amplitude * (pulse.duration - pulse.centre) / NS
    shortest = int(bridge(limits, amplitude, 0.0, rephase).times[-1])
    side = max(side, shortest)
    plateau = Gradient(
        times=np.array([start, delay, delay + pulse.duration], dtype=np.int64),
        amplitudes=np.array([0.0, amplitude, amplitude]),
    )
    tail = shifted(bridge(limits, amplitude, 0.0, rephase, side), delay + pulse.duration)
    return _selection(pulse, joined(plateau, tail), delay, side, scanner.gamma_bar * amplitude)


def crushed(
    scanner: Scanner, limits: Limits, pulse: RfPulse, amplitude: float, crusher: float, least_side: int = 0
) -> Selection:
    """Return a refocusing or inversion pulse between two equal crushers.

    Parameters
    ----------
    scanner : Scanner
    limits : Limits
    pulse : RfPulse
    amplitude : float
        Slice gradient, T/m; zero for a non-selective pulse.
    crusher : float
        Area of each crusher, T s/m, in addition to the slice gradient with its own shortest ramp.
    least_side : int
        Shortest time before and after the pulse, ns: what the other axes need there.
    """
    rise = limits.ramp(amplitude) if amplitude else 0
    least = limits.up(max(least_side, to_ns(scanner.rf_dead_time), to_ns(scanner.rf_ringdown), limits.raster))
    wanted = crusher + amplitude * rise / NS / 2
    if crusher == 0.0:
        side = max(least, rise)
        lead = Gradient(times=np.array([side - rise, side], dtype=np.int64), amplitudes=np.array([0.0, amplitude]))
        tail = Gradient(times=np.array([0, rise], dtype=np.int64), amplitudes=np.array([amplitude, 0.0]))
    else:
        side = max(least, int(bridge(limits, 0.0, amplitude, wanted).times[-1]))
        lead = bridge(limits, 0.0, amplitude, wanted, side)
        tail = Gradient(times=side - lead.times[::-1], amplitudes=lead.amplitudes[::-1])
    gradient = joined(lead, shifted(tail, side + pulse.duration))
    return _selection(pulse, gradient, side, side, scanner.gamma_bar * amplitude)


def _selection(pulse: RfPulse, gradient: Gradient | None, delay: int, side: int, per_metre: float) -> Selection:
    return Selection(
        pulse=replace(pulse, delay=delay),
        gradient=gradient,
        before=delay + pulse.centre,
        after=pulse.duration - pulse.centre + side,
        side=side,
        per_metre=per_metre,
    )
