"""Spectra whose contents are known: resonances written down one by one, without the project's spin engine."""

from __future__ import annotations

import numpy as np

from mrsim.core.basis import Basis
from mrsim.core.grid import Grid
from mrsim.core.spectra import Spectra

FREQUENCY, DWELL, POINTS = 127.7e6, 1 / 2500, 2048
TIME = np.arange(POINTS) * DWELL
LINES = {
    "Lac": [(1.314, 3, 6.93), (4.097, 1, 6.93)],
    "Ala": [(1.467, 3, 7.23), (3.775, 1, 7.23)],
    "Prop": [(1.043, 3, 7.64), (2.168, 2, 7.64)],
    "Cho": [(3.185, 9, 0.0)],
    "Gly": [(3.548, 2, 0.0)],
    "Cr": [(3.027, 3, 0.0), (3.913, 2, 0.0)],
    "Tau": [(3.246, 2, 6.7), (3.420, 2, 6.7)],
    "Ace": [(1.904, 3, 0.0)],
    "Glc": [(3.23, 1, 8.0), (3.40, 1, 9.0), (3.46, 1, 9.0), (3.72, 2, 6.0), (3.85, 1, 9.0)],
    "Thr": [(1.316, 3, 6.4), (3.58, 1, 5.0), (4.24, 1, 6.0)],
    "BHB": [(1.186, 3, 6.3), (2.35, 2, 7.0)],
    "Hyp": [(2.15, 1, 10.0), (2.43, 1, 9.0), (3.37, 1, 12.0), (4.12, 1, 8.0)],
    "Pro": [(2.00, 3, 7.0), (2.34, 1, 7.0), (3.37, 2, 7.0), (4.10, 1, 8.0)],
    "PG": [(2.04, 3, 0.0)],
    "Col": [(1.39, 3, 0.0), (2.25, 4, 0.0), (3.0, 2, 0.0)],
}
"""Per member: chemical shift, ppm, protons, and splitting into a doublet, Hz; simplified."""
OWN_WIDTH = ("PG", "Col")


def line(ppm: float, protons: float, split: float) -> np.ndarray:
    """Return the signal of a singlet or doublet."""
    turn = np.exp(-2j * np.pi * (ppm - 4.65) * 1e-6 * FREQUENCY * TIME)
    return protons * turn * np.cos(np.pi * split * TIME)


def basis(names=tuple(LINES), broad: float = 0.0) -> Basis:
    """Return the basis; members with their own width have `broad` Hz of it."""
    fids = np.array([sum(line(*entry) for entry in LINES[name]) for name in names])
    own = np.array([name in OWN_WIDTH for name in names])
    fids = fids * np.exp(-np.pi * broad * TIME * own[:, None])
    return Basis(
        names=tuple(names),
        fids=fids,
        dwell=DWELL,
        frequency=FREQUENCY,
        kinds=tuple("macromolecule" if flag else "metabolite" for flag in own),
        protons=np.array([sum(entry[1] for entry in LINES[name]) for name in names], dtype=float),
        widths=np.zeros((len(names), 2)),
    )


def spectra(amounts, *, noise=1.0, voxels=1, seed=0, noisy=True, widths=(4.0, 14.0), **changes) -> Spectra:
    """Return spectra of the given amounts: metabolites `widths[0]` Hz wide, members with their own width `widths[1]`.

    `changes`: phase (rad), delay (s), shift (Hz), gauss (1/s^2), smooth (amplitude of a broad hump), water (amplitude).
    """
    f = np.fft.fftfreq(POINTS, DWELL)
    made = np.zeros(POINTS, dtype=complex)
    for name, amount in amounts.items():
        wide = widths[1] if name in OWN_WIDTH else widths[0]
        made += amount * sum(line(*entry) for entry in LINES[name]) * np.exp(-np.pi * wide * TIME)
    made *= np.exp(-2j * np.pi * changes.get("shift", 0.0) * TIME - changes.get("gauss", 0.0) * TIME**2)
    made += changes.get("smooth", 0.0) * line(2.6, 1, 0) * np.exp(-np.pi * 150 * TIME)
    turn = np.exp(1j * (changes.get("phase", 0.0) - 2 * np.pi * f * changes.get("delay", 0.0)))
    made = np.fft.fft(np.fft.ifft(made) * turn)
    rng = np.random.default_rng(seed)
    data = np.repeat(made[None, None], voxels, axis=1)
    if noisy:
        data = data + noise * (rng.standard_normal(data.shape) + 1j * rng.standard_normal(data.shape))
    water = changes.get("water")
    return Spectra(
        data=data,
        dwell=DWELL,
        frequency=FREQUENCY,
        grid=Grid(shape=(1, 1, voxels), spacing=(1e-2, 1e-2, 1e-2)),
        contrast={"te": np.array([0.03]), "tr": np.array([2.0])},
        sigma=np.full((1, 1, 1), noise),
        noisy=noisy,
        water=None
        if water is None
        else water * np.exp(-np.pi * 6 * TIME)[None, None].repeat(voxels, 1).astype(complex),
    )
