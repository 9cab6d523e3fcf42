"""Flips of a selective pulse from place to place in the slice, for trains in which its amplitude varies.

At every place the pulse turns by the angle whose cosine it leaves of longitudinal magnetisation, and what it excites
points, after the rephaser, a little off the axis of the middle. Both change smoothly with the amplitude and are made
on a few amplitudes, with splines in between. A gradient echo train then is a sum of trains with hard pulses, one per
place; that holds where the spoiler winds the magnetisation over a distance in which the profile hardly changes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .selective_train import REACH, SelectivePulse

Array = NDArray[np.float64]
PLACES = 32
"""Places across the slice; a profile that is even needs half of them."""
AMPLITUDES = 24
"""Amplitudes for which the pulse is played."""
EVEN = 1e-9
"""Largest difference of an even profile's matrix elements on both sides of the middle."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SelectiveFlips:
    """What a pulse does at the places of a slice."""

    weight: Array
    """(place,) share in the slice's signal, over the nominal thickness."""
    _splines: Any
    """Of the amplitude: (2, place) signed flip, rad, and cosine of the phase of what is excited."""

    @classmethod
    def of(cls, pulse: SelectivePulse, thickness: float, largest: float) -> SelectiveFlips:
        """Return the flips of a pulse for amplitudes up to `largest` times its own; thickness : nominal, m."""
        from scipy.interpolate import make_interp_spline

        nodes, weight = np.polynomial.legendre.leggauss(PLACES)
        places, weight = REACH * thickness * nodes, REACH * weight
        if pulse.gradient == 0.0:
            places, weight = np.zeros(1), np.ones(1)
        amplitude = np.linspace(0.0, largest, AMPLITUDES)
        rotation = pulse.matrices(places, amplitude)[0]
        if len(places) > 1 and np.abs(rotation - rotation[:, ::-1])[..., 2, 2].max() < EVEN:
            half = len(places) // 2
            rotation, places, weight = rotation[:, half:], places[half:], 2 * weight[half:]
        after = 2 * math.pi * pulse.gradient * (pulse.duration - pulse.centre) * places
        excited = (rotation[..., 0, 2] + 1j * rotation[..., 1, 2]) * np.exp(1j * after)
        axis = np.exp(-1j * np.angle(np.sum(pulse.signal))) * 1j  # of a small flip in the middle
        along = np.real(excited * np.conj(axis * _sense(excited, axis, weight)))
        size = np.hypot(rotation[..., 0, 2], rotation[..., 1, 2])
        flip = np.sign(along) * np.arctan2(size, rotation[..., 2, 2])
        cosine = np.abs(np.divide(along, size, out=np.ones_like(size), where=size > 0))
        cosine[0] = cosine[1]  # of no amplitude there is no phase
        return cls(weight=weight, _splines=make_interp_spline(amplitude, np.stack([flip, cosine], axis=1), k=3))

    def __call__(self, amplitude: ArrayLike) -> tuple[Array, Array]:
        """Return flip, rad, and cosine of the phase, (n, place), of (n,) amplitudes over the pulse's own."""
        both = self._splines(np.asarray(amplitude, dtype=np.float64))
        return both[:, 0], both[:, 1]


def _sense(excited: NDArray[np.complex128], axis: complex, weight: Array) -> float:
    """Return 1 or -1: how what the slice excites points along the axis."""
    return float(np.sign(np.sum(np.real(excited[1] * np.conj(axis)) * weight)))
