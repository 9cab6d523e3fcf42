"""Spectra along the ppm axis, which runs leftwards: real part, phased by the first point, and water reference."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..core.spectra import Spectra, to_spectrum
from .quantities import quantity
from .style import HAIR, QUIET, SERIES, Drawn, styled

SHOWN = (5.5, 0.0)
"""Left and right end of the axis, ppm."""
METABOLITES = (4.2, 0.4)
"""Where the vertical scale is taken from, ppm: water would hide everything else."""
MOST = 6
FILL = 2
"""Points of the drawn spectrum over those of the signal."""


def spectra_figure(spectra: Spectra) -> Drawn:
    """Return the figure of up to six spectra of the first voxel, and the water reference beside them.

    Parameters
    ----------
    spectra : Spectra
    """
    points = FILL * spectra.data.shape[-1]
    ppm = spectra.ppm(points)
    seen = (ppm <= SHOWN[0]) & (ppm >= SHOWN[1])
    signals = _signals(spectra)
    drawn = [np.real(to_spectrum(signal, spectra.dwell, points)) for signal in signals.values()]
    panels = 1 if spectra.water is None else 2
    with styled(9.6, 4.2) as figure:
        axes = figure.subplots(1, panels, squeeze=False, width_ratios=(2.4, 1)[:panels])[0]
        for words, values, colour in zip(signals, drawn, SERIES, strict=False):
            axes[0].plot(ppm[seen], values[seen], color=colour, lw=0.9, label=words)
        inner = (ppm <= METABOLITES[0]) & (ppm >= METABOLITES[1])
        low, high = (float(f([f(v[inner]) for v in drawn])) for f in (np.min, np.max))
        margin = 0.15 * (high - low) or 1.0
        axes[0].set_ylim(low - margin, high + margin)
        axes[0].set_title("spectrum, real part; the scale is that of the metabolites")
        axes[0].set_ylabel("spectral density / m³ s")
        axes[0].legend(loc="upper right")
        if spectra.water is not None:
            water = np.real(to_spectrum(_upright(spectra.water[0, 0]), spectra.dwell, points))
            axes[1].plot(ppm[seen], water[seen], color=QUIET, lw=0.9)
            axes[1].set_title("water reference")
        for panel in axes:
            panel.set_xlim(*SHOWN)
            panel.set_xlabel("chemical shift / ppm")
            panel.grid(color=HAIR, linewidth=0.5)
            panel.axhline(0, color=QUIET, linewidth=0.6)
    return Drawn(figure)


def _signals(spectra: Spectra) -> dict[str, NDArray[np.complex128]]:
    """Return what is drawn, by its words: of an edited pair both, turned alike, and their difference."""
    first = [signal[0] for signal in spectra.data[:MOST]]
    if len(first) == 2 and "editing" in spectra.contrast:
        shifts = spectra.reference_ppm + 1e6 * np.asarray(spectra.contrast["editing"])
        # behind the correction of eddy currents phases are counted from the water's
        turn = 1.0 if spectra.encoding.get("eddy_currents") else np.exp(-1j * np.angle(first[1][0]))
        words = [f"editing pulses at {shift:.2f} ppm" for shift in shifts]
        return {words[0]: first[0] * turn, words[1]: first[1] * turn, "difference": (first[0] - first[1]) * turn}
    te = spectra.contrast.get("te")
    return {
        f"spectrum {number}" if te is None else f"TE {quantity(float(te[number]), 's')}": _upright(signal)
        for number, signal in enumerate(first)
    }


def _upright(signal: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return a signal with the phase of its first point taken out."""
    return np.asarray(signal * np.exp(-1j * np.angle(signal[0])))
