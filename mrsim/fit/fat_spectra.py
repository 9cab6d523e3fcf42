"""Spectra of fat that a water-fat fit may assume: shifts from water at 4.70 ppm, and shares of the protons.

The sources took water at 4.70 ppm, and fat does not follow its shift with temperature: at 37 degrees C water lies at
4.65 ppm, so that every peak is 0.05 ppm nearer to it. `phasor` takes that into account.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError, did_you_mean
from ..core.nuclei import WATER_PPM

SOURCE_WATER = 4.70
"""Where the sources put water, ppm."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FatSpectrum:
    """Lines of a triglyceride."""

    name: str
    reference: str
    shift: tuple[float, ...]
    """From water at 4.70 ppm, ppm; negative below water."""
    amplitude: tuple[float, ...]
    """Share of the protons; normalised when used."""

    def phasor(self, te: NDArray[np.float64], frequency: float) -> NDArray[np.complex128]:
        """Return the (echo,) signal of fat over that of its protons at te = 0.

        Parameters
        ----------
        te : (echo,) array
            s.
        frequency : float
            Larmor frequency, Hz.
        """
        offset = 1e-6 * frequency * (np.asarray(self.shift) + SOURCE_WATER - WATER_PPM)
        share = np.asarray(self.amplitude) / np.sum(self.amplitude)
        return np.asarray(np.exp(-2j * np.pi * np.outer(te, offset)) @ share)


FAT_SPECTRA = (
    FatSpectrum(
        name="marrow-9",
        reference="Ren 2008, J Lipid Res 49:2055, doi:10.1194/jlr.D800010-JLR200",
        shift=(-3.8, -3.4, -3.1, -2.68, -2.46, -1.95, -0.5, 0.49, 0.59),
        amplitude=(0.0899101, 0.583417, 0.0599401, 0.0849151, 0.0599401, 0.014985, 0.03996, 0.00999001, 0.0569431),
    ),
    FatSpectrum(
        name="liver-9",
        reference="Hamilton 2011, NMR Biomed 24:784, doi:10.1002/nbm.1622",
        shift=(-3.8, -3.4, -3.1, -2.68, -2.46, -1.95, -0.5, 0.49, 0.59),
        amplitude=(0.088, 0.642, 0.058, 0.062, 0.058, 0.006, 0.039, 0.01, 0.037),
    ),
    FatSpectrum(
        name="liver-6",
        reference="Hamilton 2011, NMR Biomed 24:784, doi:10.1002/nbm.1622",
        shift=(-3.8, -3.4, -2.6, -1.95, -0.5, 0.6),
        amplitude=(0.088, 0.7, 0.12, 0.006, 0.039, 0.047),
    ),
    FatSpectrum(name="single", reference="the methylene line alone", shift=(-3.4,), amplitude=(1.0,)),
)
"""Every spectrum that can be asked for by name; the first is the default."""


def find_spectrum(name: str) -> FatSpectrum:
    """Return the spectrum called `name`, e.g. ``"marrow-9"``."""
    for spectrum in FAT_SPECTRA:
        if spectrum.name == name:
            return spectrum
    raise InputError(
        f"unknown fat spectrum '{name}'{did_you_mean(name, [s.name for s in FAT_SPECTRA])}", key="spectrum"
    )
