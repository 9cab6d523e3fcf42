"""Physiological noise: the signal itself fluctuates with pulse, breathing and spontaneous changes.

Every excitation's signal is multiplied by 1 + lambda e(t), where e has mean zero and variance one, so that the noise
of a series grows with the signal: tSNR = SNR0 / sqrt(1 + lambda^2 SNR0^2), at most 1 / lambda (Krüger and Glover
2001, doi:10.1002/mrm.1240). e is made of a pulse and a breathing oscillation, whose rates wander as those of a body
do, and of white changes from one excitation to the next; a linear drift, which series are corrected for before tSNR
is stated, comes on top. Breathing may also shift the field: a phase of -2 pi df t at the time t since the excitation.
Fluctuations are the same in the whole object and constant during a readout. In scans of many excitations they make
ghosts along the phase encoding, as they do in bodies.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..core.acquisition import Acquisition, Readouts
from ..core.errors import InputError
from ..core.units import Fraction, Frequency

WANDER = 0.003
"""How far pulse and breathing wander: variance of the phase, cycles^2, per cycle. Lines are 2 pi WANDER rate wide."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Physiology:
    """Fluctuations of the signal, as standard deviations over the mean."""

    fraction: Fraction = 0.01
    """lambda: standard deviation of the fluctuation over the signal, without the drift."""
    cardiac: Fraction = 0.3
    """Share of the variance that beats with the pulse."""
    respiratory: Fraction = 0.3
    """Share of the variance that breathes; the rest is white from one excitation to the next."""
    pulse: Frequency = 1.1
    """Rate of the pulse, Hz."""
    breathing: Frequency = 0.25
    """Rate of breathing, Hz."""
    drift: Fraction = 0.0
    """Linear change of the signal in a minute, over the signal."""
    field: Frequency = 0.0
    """Amplitude of the off-resonance that breathing causes, Hz."""

    def __post_init__(self) -> None:
        """Refuse shares that do not add up."""
        if not 0 <= self.fraction < 1:
            raise InputError(f"is {self.fraction:g}; give the fluctuation over the signal, 0 to 1", key="fraction")
        if min(self.cardiac, self.respiratory) < 0 or self.cardiac + self.respiratory > 1:
            problem = f"shares of the variance are {self.cardiac:g} and {self.respiratory:g}; their sum is at most 1"
            raise InputError(problem, key="cardiac, respiratory")
        if not (self.pulse > 0 and self.breathing > 0 and np.isfinite([self.drift, self.field]).all()):
            raise InputError("rates must be positive, drift and field finite", key="pulse, breathing")


def add_physiology(raw: Acquisition, physiology: Physiology, rng: int | np.random.Generator) -> Acquisition:
    """Return noise-free raw data whose excitations fluctuate.

    Parameters
    ----------
    raw : Acquisition
        Its readouts say when they were taken (`Readouts.start`).
    physiology : Physiology
    rng : int or numpy.random.Generator
        Seed or generator.
    """
    generator = np.random.default_rng(rng)
    known = {name: group for name, group in raw.groups.items() if name != "noise"}
    if any(group.start is None for group in known.values()):
        raise InputError("the readouts do not say when they were taken; physiology needs their start")
    ticks = {name: _excitations(group) for name, group in known.items()}
    times = np.unique(np.concatenate(list(ticks.values())))
    factor, offset = fluctuation(times * 1e-6, physiology, generator)
    groups = dict(raw.groups)
    for name, group in known.items():
        index = np.searchsorted(times, ticks[name])
        turn = np.exp(-2j * np.pi * offset[index][:, None] * group.t)
        groups[name] = replace(group, data=group.data * (factor[index][:, None] * turn)[:, None, :])
    return replace(raw, groups=groups)


def _excitations(group: Readouts) -> NDArray[np.int64]:
    """Return when the excitation of each readout was, in whole microseconds."""
    assert group.start is not None
    return np.rint((group.start - group.t[:, 0]) * 1e6).astype(np.int64)


def fluctuation(
    times: NDArray[np.float64], physiology: Physiology, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the factor on the signal and the off-resonance, Hz, of excitations at rising `times`, s."""
    beat, breath = (_wandering(times, rate, rng) for rate in (physiology.pulse, physiology.breathing))
    white = 1.0 - physiology.cardiac - physiology.respiratory
    e = np.sqrt(2 * physiology.cardiac) * np.sin(beat) + np.sqrt(2 * physiology.respiratory) * np.sin(breath)
    e = e + np.sqrt(white) * rng.standard_normal(len(times))
    factor = 1.0 + physiology.fraction * e + physiology.drift * times / 60.0
    return factor, physiology.field * np.sin(breath)


def _wandering(times: NDArray[np.float64], rate: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the phase, rad, of an oscillation that starts anywhere and wanders."""
    steps = np.sqrt(WANDER * rate * np.diff(times, prepend=times[:1])) * rng.standard_normal(len(times))
    return 2 * np.pi * (rng.random() + rate * times + np.cumsum(steps))


def measured_again(raw: Acquisition, repetitions: int, interval: float) -> Acquisition:
    """Return noise-free raw data of a steady state measured again and again, under the label ``repetition``.

    Parameters
    ----------
    raw : Acquisition
        One measurement of a scan that has reached its steady state.
    repetitions : int
        How often.
    interval : float
        From the start of one to the start of the next, s.
    """
    if repetitions < 1 or not interval > 0:
        raise InputError(f"{repetitions} repetitions every {interval:g} s", key="repetitions")
    groups = {}
    for name, group in raw.groups.items():
        count = len(group.data)
        turn = np.repeat(np.arange(repetitions), count)
        labels = {label: np.tile(values, repetitions) for label, values in group.labels.items()}
        groups[name] = replace(
            group,
            data=np.tile(group.data, (repetitions, 1, 1)),
            k=np.tile(group.k, (repetitions, 1, 1)),
            t=np.tile(group.t, (repetitions, 1)),
            labels=labels | {"repetition": turn},
            start=None if group.start is None else np.tile(group.start, repetitions) + turn * interval,
        )
    return replace(raw, groups=groups)
