"""The turning of off-resonant magnetisation during a window, interpolated between few times of it.

What lies at the nodes of a map turns at as many offsets. Sums over the nodes at few stages of a window, and Lagrange
polynomials of its time between them, take as many Fourier transforms as there are stages, not as there are nodes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Stage:
    """A time within a window: where fields vary over the plane, the turning between few of them is interpolated."""

    turn: NDArray[np.complex128]
    """(part,) what has turned until then."""
    course: NDArray[np.float64]
    """(sample,) its Lagrange polynomial."""


def stages_of(hertz: NDArray[np.float64], time: NDArray[np.float64], wanted: float) -> list[Stage]:
    """Return the stages of parts that turn at some offsets, Hz, at the (sample,) times, s, and err by `wanted` at most.

    With Chebyshev points of the window as its stages, more are taken until the fastest part is met at all samples.
    """
    from numpy.polynomial.chebyshev import chebpts1

    if not hertz.any():
        return [Stage(turn=np.ones(len(hertz), dtype=np.complex128), course=np.ones(len(time)))]
    middle, half, fastest = time.mean(), np.ptp(time) / 2 or 1.0, float(np.abs(hertz).max())
    count = 2
    while True:
        place = middle + half * chebpts1(count)
        course = np.array([
            np.prod([(time - b) / (a - b) for b in place if b != a], axis=0) for a in place
        ])  # fmt: skip
        guess = np.exp(-2j * np.pi * fastest * (place - middle)) @ course
        if np.abs(guess - np.exp(-2j * np.pi * fastest * (time - middle))).max() <= wanted:
            turns = np.exp(-2j * np.pi * np.outer(place, hertz))
            return [Stage(turn=turn, course=part) for turn, part in zip(turns, course, strict=True)]
        count += 1
