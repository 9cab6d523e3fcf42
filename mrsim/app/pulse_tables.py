"""Slice profiles on their way into the page: what each pulse does at every place, for amplitudes up to its own.

At a place the excitation makes unit longitudinal magnetisation into `cos` along z and a transverse phasor behind its
rephaser; a refocusing pulse between crushers passes a phasor on the conjugate of what comes in, and keeps `cos` along
z. Places are even over 1.6 thicknesses on each side; in amplitude and place the page interpolates linearly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.selective_train import SelectivePulse
from ..core.toml import resource
from ..plan.safety import load_safety
from ..sequence.events import NS
from ..sequence.protocol import read_protocol_file
from ..sequence.scanner import load_scanner
from ..sequence.sequence import Block, Sequence
from .arrays import packed
from .sequences import SLIDERS, LabSequence

PLACES, REACH = 129, 1.6
"""Places across the slice, and the outermost one in thicknesses."""
AMPLITUDES = 33
USES = ("excitation", "refocusing", "inversion")
SCANNER = "3T"
"""The scanner whose limits bound the pulses and shortest times that the page shows."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Played:
    """One pulse of a sequence."""

    pulse: SelectivePulse
    flip: float
    """Nominal, rad."""
    energy: float
    """Integral of B1 squared, T^2 s."""

    def bandwidth(self, thickness: float) -> float:
        """Return the frequencies across the nominal slice, Hz."""
        return abs(self.pulse.gradient) * thickness


def built(found: LabSequence, **entries: str) -> Sequence:
    """Return a sequence of the page built on the 3 T scanner, with the protocol's own values but for `entries`."""
    _, family, _ = read_protocol_file(resource(found.path, "protocols", "protocol"), entries)
    return family.build(load_scanner(SCANNER))


def pulses_of(sequence: Sequence) -> dict[str, Played]:
    """Return the pulses with the largest flip of each use."""
    found: dict[str, Played] = {}
    for block in sequence.blocks:
        if block.rf is None or block.rf.use not in USES:
            continue
        if block.rf.use not in found or block.rf.flip > found[block.rf.use].flip:
            found[block.rf.use] = _played(block, sequence.scanner.gamma_bar)
    return found


def _played(block: Block, gamma_bar: float) -> Played:
    pulse = block.rf
    assert pulse is not None
    gradient = 0.0
    if block.gz is not None:
        gradient = float(np.interp(pulse.delay + pulse.centre, block.gz.times, block.gz.amplitudes))
    selective = SelectivePulse(
        signal=2 * math.pi * gamma_bar * pulse.signal * np.exp(-1j * pulse.phase), dwell=pulse.dwell / NS,
        centre=pulse.centre / NS, gradient=gamma_bar * gradient,
    )  # fmt: skip
    return Played(pulse=selective, flip=pulse.flip, energy=float(np.sum(np.abs(pulse.signal) ** 2)) * pulse.dwell / NS)


def scaled(played: Played, flip: float) -> Played:
    """Return the pulse with another flip, rad."""
    share = flip / played.flip
    pulse = replace(played.pulse, signal=played.pulse.signal * share)
    return Played(pulse=pulse, flip=flip, energy=played.energy * share**2)


def largest_flip(found: LabSequence, own: float) -> float:
    """Return the largest excitation that the page plays, rad: `own` where its slider sets another pulse."""
    if "flip" in found.entries:
        return own
    high = next(s.high for s in SLIDERS if s.name == "flip")
    return math.radians(found.limits.get("flip", (0.0, high, 1.0))[1] * max(found.multiples.get("flip", (1.0,))))


def places() -> NDArray[np.float64]:
    """Return the places, thicknesses."""
    return np.linspace(-REACH, REACH, PLACES)


def pulse_tables(found: LabSequence) -> dict[str, Any]:
    """Return the pulses of a sequence: profiles, flips, energies, bandwidths, lengths."""
    sequence = built(found)
    thickness = sequence.encoding.grid.thickness
    tables: dict[str, Any] = {}
    for use, own in pulses_of(sequence).items():
        played = own if use != "excitation" else scaled(own, largest_flip(found, own.flip))
        tables[use] = {
            "flip": played.flip, "energy": played.energy, "bandwidth": played.bandwidth(thickness),
            "duration": played.pulse.duration, "profile": packed(profile(played.pulse, thickness, use)),
            "shape": packed(np.abs(_thinned(played.pulse.signal)) / np.abs(played.pulse.signal).max()),
        }  # fmt: skip
    return tables


def absorption() -> float:
    """Return the SAR of the whole body at 3 T per squared rms B1+, W/kg/T^2."""
    return load_safety(load_scanner(SCANNER).safety).absorption.whole_body


def profile(pulse: SelectivePulse, thickness: float, use: str) -> NDArray[np.float64]:
    """Return the (3, amplitude, place) cosine along z and phasor of a pulse, real and imaginary part."""
    amplitude, z = np.linspace(0.0, 1.0, AMPLITUDES), places() * thickness
    if pulse.gradient == 0.0:
        z = np.zeros_like(z)
    rotation = pulse.matrices(z, amplitude)[0]
    cosine = rotation[..., 2, 2]
    if use == "excitation":
        after = 2 * math.pi * pulse.gradient * (pulse.duration - pulse.centre) * z
        axis = np.exp(-1j * np.angle(np.sum(pulse.signal))) * -1j
        phasor = (rotation[..., 0, 2] + 1j * rotation[..., 1, 2]) * np.exp(1j * after) * np.conj(axis)
        phasor *= _sign(phasor)
    else:
        phasor = 0.5 * (rotation[..., 0, 0] - rotation[..., 1, 1] + 1j * (rotation[..., 1, 0] + rotation[..., 0, 1]))
        middle = phasor[-1, len(z) // 2]
        phasor = phasor * np.conj(middle) / max(abs(middle), 1e-300)
    return np.stack([cosine, phasor.real, phasor.imag])


def _sign(phasor: NDArray[np.complex128]) -> float:
    """Return 1 or -1: the middle of a small flip is positive."""
    return float(np.sign(phasor[1, phasor.shape[1] // 2].real))


def _thinned(signal: NDArray[np.complex128]) -> NDArray[np.complex128]:
    return signal[:: max(1, len(signal) // 60)]
