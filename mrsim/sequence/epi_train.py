"""The echo-planar train: lobes of alternating sign, blips between them, samples on the ramps if asked for.

One block is one line. Its read lobe starts and ends at zero; the blips stand across the block borders, half in
the line before and half in the line after, so that phase encoding never plays while samples are taken. The window
is symmetric about the middle of the lobe, where k_x = 0: odd and even lines see the same points, and the echo lies
between the two middle samples.

The echo spacing is the shortest in which the sampled part of the lobe covers the encoded width of k-space,

    area of the lobe between the blips >= n / (gamma_bar fov),

under the limits of amplitude, slew and raster and the receiver's fastest rate. It is a multiple of twice the raster,
so that echoes lie on the raster. All times are integer nanoseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InfeasibleError
from .events import NS, Adc, Gradient
from .gradients import SLACK, Limits, moments, scaled, trapezoid
from .scanner import Scanner, to_ns

FASTEST = 10
"""Shortest dwell in steps of the ADC raster: 1 us on the usual raster, the receiver's fastest rate."""
LONGEST_SPACING = 20_000_000
"""No echo spacing is longer than this, ns."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EpiLine:
    """One line: a lobe and its window."""

    gradient: Gradient
    """Read axis, positive, the whole block."""
    adc: Adc
    spacing: int
    """Echo spacing: the length of the block, ns."""
    blip: Gradient
    """One phase-encoding step between two lines, T s/m of positive sign; its middle is the block border."""
    area: float
    """Area of the lobe, T s/m."""

    @property
    def half_blip(self) -> int:
        """Half the length of a blip, ns."""
        return int(self.blip.times[-1]) // 2

    def read(self, reverse: bool) -> Gradient:
        """Return the read lobe of a forward or backward line."""
        return scaled(self.gradient, -1.0) if reverse else self.gradient

    def between(self, before: float, after: float) -> Gradient | None:
        """Return the phase axis of a line: the second half of the blip before it and the first of the one after.

        Parameters
        ----------
        before, after : float
            Blips as multiples of `blip`; zero at the two ends of a train.
        """
        times, height = self.blip.times, self.blip.amplitudes
        half = self.half_blip
        peak = float(np.interp(half, times, height))
        parts: list[tuple[NDArray[np.int64], NDArray[np.float64]]] = []
        if before:
            late = times > half
            parts.append((np.concatenate([[0], times[late] - half]), before * np.concatenate([[peak], height[late]])))
        if after:
            early = times < half
            shape = after * np.concatenate([height[early], [peak]])
            parts.append((self.spacing - half + np.concatenate([times[early], [half]]), shape))
        if not parts:
            return None
        return Gradient(
            times=np.concatenate([t for t, _ in parts]).astype(np.int64),
            amplitudes=np.concatenate([a for _, a in parts]),
        )


def epi_line(
    scanner: Scanner,
    limits: Limits,
    samples: int,
    fov: float,
    step: float,
    *,
    ramp_sampling: bool = True,
    spacing: float | None = None,
    oversampling: float = 1.0,
) -> EpiLine:
    """Return the line of a train.

    Parameters
    ----------
    scanner : Scanner
    limits : Limits
    samples : int
        Encoded points along the read axis.
    fov : float
        Along the read axis, m.
    step : float
        Largest phase-encoding area between two lines, T s/m.
    ramp_sampling : bool
        Take samples on the ramps too; otherwise on the plateau alone.
    spacing : float, optional
        Echo spacing, s; the shortest possible if not given.
    oversampling : float
        Samples taken over samples encoded, at least.
    """
    blip = _even(trapezoid(limits, step), limits, step)
    wanted = samples / (scanner.gamma_bar * fov)
    taken = round(samples * oversampling)
    edge = max(int(blip.times[-1]) // 2, limits.up(to_ns(scanner.adc_dead_time)))
    wish = _Wish(scanner=scanner, limits=limits, area=wanted, samples=taken, edge=edge, on_ramps=ramp_sampling)
    shortest, (gradient, adc) = _shortest(wish)
    length = shortest if spacing is None else to_ns(spacing)
    if length < shortest or length % (2 * limits.raster) or length > LONGEST_SPACING:
        raise InfeasibleError(
            f"an echo spacing of {length / 1e6:.6g} ms is not possible: {samples} points over {fov * 1e3:g} mm need at "
            f"least {shortest / 1e6:.6g} ms, in steps of {limits.raster / 5e5:g} ms; raise the echo spacing, widen the "
            "field of view or lower the matrix"
        )
    if length > shortest:
        gradient, adc = wish.lobe(length) or (gradient, adc)
        length = int(gradient.times[-1])
    area = float(moments(gradient, gradient.times[-1:])[0])
    return EpiLine(gradient=gradient, adc=adc, spacing=length, blip=blip, area=area)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Wish:
    """What a lobe must do."""

    scanner: Scanner
    limits: Limits
    area: float
    """Of the part under the window, T s/m."""
    samples: int
    edge: int
    """At each end of the lobe without samples at least, ns."""
    on_ramps: bool

    def lobe(self, length: int) -> tuple[Gradient, Adc] | None:
        """Return the lobe of `length` ns with the lowest amplitude, and its window; None if there is none."""
        best: tuple[float, int, int, int] | None = None
        for ramp in range(self.limits.raster, length // 2 + 1, self.limits.raster):
            taken, dwell = self._on_ramps(length, ramp) if self.on_ramps else self._on_plateau(length, ramp)
            if dwell < FASTEST * to_ns(self.scanner.adc_raster):
                continue
            amplitude = self.area / _weight(length, ramp, taken * dwell)
            fits = amplitude <= self.limits.gradient * SLACK and amplitude <= self.limits.slew * ramp / NS * SLACK
            if fits and (best is None or amplitude < best[0]):
                best = (amplitude, ramp, taken, dwell)
        return None if best is None else self._played(length, *best)

    def _played(self, length: int, amplitude: float, ramp: int, taken: int, dwell: int) -> tuple[Gradient, Adc]:
        times, height = [0, ramp, length - ramp, length], [0.0, amplitude, amplitude, 0.0]
        if length == 2 * ramp:
            del times[2], height[2]
        start = to_ns(self.scanner.rf_raster)
        adc = Adc(samples=taken, dwell=dwell, delay=(length - taken * dwell) // 2 // start * start)
        return Gradient(times=np.array(times, dtype=np.int64), amplitudes=np.array(height)), adc

    def _on_plateau(self, length: int, ramp: int) -> tuple[int, int]:
        """Return count and dwell, ns, of a window in the middle of the plateau: one sample per encoded point."""
        step, start = to_ns(self.scanner.adc_raster), 2 * to_ns(self.scanner.rf_raster)
        dwell = (length - 2 * max(self.edge, ramp)) // self.samples // step * step
        while dwell > 0 and (length - self.samples * dwell) % start:
            dwell -= step
        return self.samples, dwell

    def _on_ramps(self, length: int, ramp: int) -> tuple[int, int]:
        """Return count and dwell, ns, of a window between the blips.

        The plateau runs faster through k-space than the ramps: the dwell is short enough that even there no step
        exceeds one encoded point, so that the field of view does not fold. Half a step of the RF raster, on which
        windows start, is told to the reconstruction by the trajectory.
        """
        step, window = to_ns(self.scanner.adc_raster), length - 2 * self.edge
        if window <= 0:
            return self.samples, 0
        point = _weight(length, ramp, window) / self.samples * NS
        # The window that remains after rounding is shorter, which raises the amplitude by a sample's share or two.
        dwell = int(point * (1 - 3 / self.samples) // step) * step
        return (window // dwell // 2 * 2, dwell) if dwell else (self.samples, 0)


def _weight(length: int, ramp: int, window: int) -> float:
    """Return the area under a centred window for a lobe of unit amplitude, s."""
    corner = (length - window) / 2
    return (window if corner >= ramp else length - ramp - corner * corner / ramp) / NS


def _even(blip: Gradient, limits: Limits, step: float) -> Gradient:
    """Return the blip with its middle on the raster."""
    length = int(blip.times[-1])
    return blip if length % (2 * limits.raster) == 0 else trapezoid(limits, step, length + limits.raster)


def _shortest(wish: _Wish) -> tuple[int, tuple[Gradient, Adc]]:
    """Return the shortest echo spacing, ns, with its lobe and window."""
    step = 2 * wish.limits.raster
    length = -(-2 * wish.edge // step) * step
    while length <= LONGEST_SPACING:
        found = wish.lobe(length)
        if found is not None:
            return length, found
        length += step
    raise InfeasibleError(
        f"an echo-planar lobe of {wish.area * 1e6:.4g} mT/m ms needs more than {LONGEST_SPACING / 1e6:g} ms; lower the "
        "matrix or widen the field of view"
    )
