"""T1 from trains of small flips after an inversion: Look-Locker, and MP2RAGE with its two trains.

Between pulses the longitudinal magnetisation recovers, every pulse takes its cosine, and what a repetition leaves is
what the next one inverts: a chain of straight lines in Mz, whose fixed point is the steady state. Transverse
magnetisation is spoiled ideally before every pulse. B1 scales the flips of the trains and not the adiabatic
inversion, whose efficiency is given. With two images of MP2RAGE the fit is the look-up of T1 from the combined image
Re(S1* S2) / (|S1|^2 + |S2|^2), which knows no more than their ratio, with the standard error that belongs to it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..method import Method, Scan
from ..model import B1, FLIP, M0, T1, TI, TR, Option
from ..tabulated import Axis, tabulated

Array = NDArray[np.float64]
EFFICIENCY = Option(
    name="efficiency", default=0.96, unit="", symbol=r"\eta", description="-Mz after over Mz before the inversion",
    lower=0.0, upper=1.0,
)  # fmt: skip
T1_FITTED = replace(T1, lower=0.05, upper=8.0)


def axes(scan: Scan) -> tuple[Axis, ...]:
    """Return the axes of the grid: T1 and, where it is a map, B1."""
    t1, b1 = Axis.of(T1_FITTED, 80), scan.options["b1"]
    if np.ndim(b1) == 0:
        return (t1,)
    low, high = float(np.min(b1, initial=1.0)) - 0.01, float(np.max(b1, initial=1.0)) + 0.01
    return t1, Axis(name="b1", lower=low, upper=high, count=24, logarithmic=False)


class Chain:
    """Mz as a function of Mz at the start of the repetition: gain Mz + rest."""

    def __init__(self, t1: Array) -> None:
        self.t1, self.gain, self.rest = t1, np.ones_like(t1), np.zeros_like(t1)

    def recover(self, time: float) -> None:
        """Let Mz recover for a time, s."""
        e = np.exp(-time / self.t1)
        self.gain, self.rest = self.gain * e, self.rest * e + 1 - e

    def scale(self, factor: Any) -> None:
        """Multiply Mz: a pulse."""
        self.gain, self.rest = self.gain * factor, self.rest * factor

    def train(self, pulses: int, cosine: Array, spacing: float) -> None:
        """Play pulses with the given cosine of the flip, each followed by recovery over the spacing."""
        e = np.exp(-spacing / self.t1)
        factor = cosine * e
        power = factor**pulses
        self.gain, self.rest = self.gain * power, self.rest * power + (1 - e) * (1 - power) / (1 - factor)

    def fixed(self) -> Array:
        """Return Mz at the start of the repetition in the steady state."""
        return np.asarray(self.rest / (1 - self.gain))


def mp2rage_atoms(scan: Scan, values: dict[str, Array]) -> Array:
    """Return the (n, atom) signals of the middle partitions."""
    spacing, length = (float(scan.fact(key, "mp2rage")) for key in ("echo_spacing", "train_length"))
    centre = int(scan.fact("train_centre", "mp2rage"))
    t1, b1 = values["t1"], values["b1"] if "b1" in values else scan.options["b1"]
    order = np.argsort(scan.contrast["ti"])
    chain, at, seen = Chain(t1), 0.0, {}
    chain.scale(-scan.options["efficiency"])
    for image in order:
        begin = float(scan.contrast["ti"][image]) - centre * spacing
        angle = b1 * scan.contrast["flip"][image] * np.ones_like(t1)
        chain.recover(begin - at)
        chain.train(centre, np.cos(angle), spacing)
        seen[int(image)] = (chain.gain, chain.rest, np.sin(angle))
        chain.train(int(length) - centre, np.cos(angle), spacing)
        at = begin + length * spacing
    chain.recover(scan.column("tr") - at)
    mz = chain.fixed()
    return np.stack([sine * (gain * mz + rest) for _, (gain, rest, sine) in sorted(seen.items())])


def look_locker_atoms(scan: Scan, values: dict[str, Array]) -> Array:
    """Return the (n, atom) signals of all pulses of the train that have an image."""
    spacing, length = (float(scan.fact(key, "look-locker")) for key in ("echo_spacing", "train_length"))
    t1, b1 = values["t1"], values["b1"] if "b1" in values else scan.options["b1"]
    angle = b1 * scan.column("flip") * np.ones_like(t1)
    first = float(scan.contrast["ti"].min())
    number = np.round((scan.contrast["ti"] - first) / spacing).astype(int)
    chain, seen = Chain(t1), {}
    chain.scale(-scan.options["efficiency"])
    chain.recover(first)
    for pulse in range(int(length)):
        seen[pulse] = (chain.gain, chain.rest)
        chain.train(1, np.cos(angle), spacing)
    chain.recover(scan.column("tr") - first - length * spacing)
    mz = chain.fixed()
    return np.stack([np.sin(angle) * (seen[n][0] * mz + seen[n][1]) for n in number])


FORMULA = (
    r"S_i = M_0 \sin(b_1 \alpha_i) M_z(T_{I,i}),\quad M_z \to 1 + (\cos(b_1 \alpha) M_z - 1) e^{-\tau / T_1}"
    r"\ \text{per pulse}"
)
COMMON: dict[str, Any] = {
    "parameters": (M0, T1_FITTED),
    "contrast": (TI, FLIP, TR),
    "options": (B1, EFFICIENCY),
    "constant": ("tr",),
    "data": "phase-corrected",
    "formula": FORMULA,
}
MP2RAGE = tabulated(
    mp2rage_atoms,
    axes,
    partial(
        Method,
        name="mp2rage",
        title="T1 from the two gradient-echo trains of MP2RAGE",
        reference="Marques et al. 2010, NeuroImage 49:1271; Marques and Gruetter 2013, PLoS One 8:e69294",
        **COMMON,
    ),
)
LOOK_LOCKER = tabulated(
    look_locker_atoms,
    axes,
    partial(
        Method,
        name="look-locker",
        title="T1 from a train of small flips after an inversion, exact for any flip and spacing",
        reference="Look and Locker 1970, Rev Sci Instrum 41:250; Deichmann and Haase 1992, J Magn Reson 96:608",
        **COMMON,
    ),
)
