"""Gradient moments over one repetition, and the spectrum of the gradients over the scan.

The n-th moment is M_n(t) = gamma_bar * integral of s(t') G(t') (t' - t0)^n dt' from the excitation at t0; s is -1 as
often as a refocusing pulse lies between t' and t. M0 is k; a static spin is in phase where M0 = 0, one that moves
uniformly where M1 = 0, one that accelerates where M2 = 0.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ..plan.gradient_load import amplitude_spectrum
from ..plan.safety import load_safety
from ..plan.waveforms import waveform
from ..sequence.events import NS
from ..sequence.sequence import Sequence
from .repetition import Repetition, first_slice, representative_image, take
from .style import HAIR, INK, QUIET, RED, SERIES, Drawn, styled

Array = NDArray[np.float64]
POINTS = 3000
"""Times at which the curves are drawn."""
UNITS = (("M0", "m⁻¹", 1.0), ("M1", "s/m", 1.0), ("M2", "s²/m", 1.0))
AXES = ("x read", "y phase", "z slice")


def moments(part: Repetition, times: NDArray[np.int64], orders: int = 3) -> Array:
    """Return the (order, n, 3) gradient moments of a stretch at `times`, ns, since its first excitation.

    Parameters
    ----------
    part : Repetition
    times : (n,) array
        ns from the start of the stretch.
    orders : int
        How many: 3 for M0, M1 and M2, in 1/m, s/m and s^2/m.
    """
    centres = part.centres("excitation")
    origin = centres[0] if centres else 0
    turns = [centre for centre in part.centres("refocusing") if centre > origin]
    result = np.zeros((orders, len(times), 3))
    for axis in range(3):
        knots, amplitude = part.gradient(axis)
        for order in range(orders):
            result[order, :, axis] = part.gamma_bar * _turned(knots, amplitude, order, origin, turns, times)
    return result


def _turned(
    knots: NDArray[np.int64], amplitude: Array, order: int, origin: int, turns: list[int], times: NDArray[np.int64]
) -> Array:
    """Return the integral of G (t - t0)^n from the origin, its sign turned by every refocusing pulse."""
    plain = _integral(knots, amplitude, order, origin, times)
    at_turns = _integral(knots, amplitude, order, origin, np.array(turns, dtype=np.int64))
    value, shift = plain.copy(), 0.0
    for turn, there in zip(turns, at_turns, strict=True):
        shift = -(there + shift) - there  # after the pulse the opposite of what was there before it
        later = times >= turn
        value[later] = plain[later] + shift
    value[times < origin] = np.nan
    return value


def _integral(knots: NDArray[np.int64], amplitude: Array, order: int, origin: int, times: NDArray[np.int64]) -> Array:
    """Return the integral of the piecewise-linear G times (t - origin)^order from the origin to `times`, exact."""
    cuts = np.unique(np.concatenate([knots, times, [origin]]))
    g = np.interp(cuts, knots, amplitude)
    t = (cuts - origin) / NS
    middle, half = (t[1:] + t[:-1]) / 2, (t[1:] - t[:-1]) / 2
    nodes, weights = np.polynomial.legendre.leggauss(3)  # exact for polynomials to the fifth degree
    at = middle[:, None] + half[:, None] * nodes
    between = (g[1:, None] + g[:-1, None]) / 2 + (g[1:, None] - g[:-1, None]) / 2 * nodes
    pieces = half * ((between * at**order) @ weights)
    summed = np.concatenate([[0.0], np.cumsum(pieces)])
    return np.asarray(np.interp(times, cuts, summed) - np.interp(origin, cuts, summed))


def moments_figure(sequence: Sequence, repetition: int | None = None) -> Drawn:
    """Return M0, M1 and M2 of the three grid axes over one repetition, with its readouts shaded.

    Parameters
    ----------
    sequence : Sequence
    repetition : int, optional
        From 0; by default the first that reads the most active image.
    """
    part = first_slice(take(sequence, repetition if repetition is not None else representative_image(sequence)[0]))
    windows = part.windows()
    centres = part.centres("excitation")
    begin, end = (centres[0] if centres else 0), (windows[-1][1] if windows else part.duration)
    times = np.unique(np.concatenate([np.linspace(begin, end, POINTS).astype(np.int64), part.gradient(0)[0]]))
    times = times[(times >= begin) & (times <= end)]
    values = moments(part, times)
    with styled(9.6, 6.2) as figure:
        rows = figure.subplots(3, 1, sharex=True)
        for axes, curve, (name, unit, factor) in zip(rows, values, UNITS, strict=True):
            _draw_moment(axes, (times - begin) / 1e6, curve * factor, f"{name}\n{unit}")
            for low, high, _ in windows:
                axes.axvspan((low - begin) / 1e6, (high - begin) / 1e6, color=HAIR, alpha=0.5, linewidth=0)
            for centre in part.centres("refocusing"):
                axes.axvline((centre - begin) / 1e6, color=RED, linewidth=0.6, linestyle=(0, (2, 2)))
        rows[0].legend(loc="upper right", ncols=3)
        rows[0].set_title(
            f"{sequence.name}: gradient moments since the excitation; shaded: readouts, dashed: refocusing"
        )
        rows[-1].set_xlabel("time since the excitation / ms")
    return Drawn(figure)


def _draw_moment(axes: Axes, time: Array, curve: Array, words: str) -> None:
    for axis, name in enumerate(AXES):
        axes.plot(time, curve[:, axis], color=SERIES[(0, 2, 3)[axis]], linewidth=1.2, label=name)
    axes.axhline(0, color=QUIET, linewidth=0.5, zorder=0)
    axes.set_ylabel(words, rotation=0, ha="right", va="center")


def spectrum_figure(sequence: Sequence) -> Drawn:
    """Return the largest short-time amplitude spectrum of each physical axis, with the scanner's forbidden bands."""
    wave, safety = waveform(sequence), load_safety(sequence.scanner.safety)
    frequency, lines = amplitude_spectrum(wave)
    shown = frequency <= 2500.0
    with styled(9.6, 3.6) as figure:
        axes = figure.subplots()
        for axis, name in enumerate(("physical x", "physical y", "physical z")):
            axes.plot(
                frequency[shown], lines[shown, axis] * 1e3, color=SERIES[(0, 2, 3)[axis]], linewidth=1.0, label=name
            )
        for band in safety.acoustics.bands:
            low, high = band.centre - band.width / 2, band.centre + band.width / 2
            axes.axvspan(low, high, color=RED, alpha=0.12, linewidth=0)
            axes.plot([low, high], [safety.acoustics.amplitude * 1e3] * 2, color=RED, linewidth=1.2)
        axes.set_xlabel("frequency / Hz")
        axes.set_ylabel("amplitude / mT/m")
        axes.set_xlim(0, 2500)
        axes.set_ylim(0, None)
        axes.legend(loc="upper right", ncols=3)
        axes.set_title(f"{sequence.name}: spectrum of the gradients; red: forbidden bands and their limit", color=INK)
    return Drawn(figure)
