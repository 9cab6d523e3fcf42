"""A folded ellipsoid: the surface of a brain, with sulci drawn from a seed and a fissure between the hemispheres.

Sulci run where a sum of plane waves of one wavelength and random directions vanishes; there, and at the plane x = 0,
the surface is pushed inwards:

    level = |p|_ellipsoid + max(depth exp(-(g/w)^2), fissure exp(-(x/w)^2))
    g = sum cos(q_i p + phi_i) / (q sqrt(n/2))

g is a length: its gradient is 1 in the mean of squares. The fissure fades away below the centre. A second folded
ellipsoid of the same seed, smaller and with wider folds, lies within the first: what is left between is cortex.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .solids import Solid

Array = NDArray[np.float64]
WAVES = 9
STEEPEST = 2.5
"""Bound of the gradient of g; the waves' sum hardly ever has more."""

RISE = 8e-3
"""Over which the fissure deepens from below to above the centre, m."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Folded(Solid):
    """An ellipsoid with sulci."""

    centre: tuple[float, float, float]
    """m."""
    semi_axes: tuple[float, float, float]
    """m."""
    depth: float
    """Of the sulci, m."""
    width: float
    """Half width of a sulcus, m."""
    spacing: float
    """From sulcus to sulcus, about, m."""
    fissure: float
    """Depth of the fissure at x = 0, m."""
    seed: int = 1

    def level(self, point: Array) -> Array:
        """Return the ellipsoid's level and the push inwards, over a bound of its slope."""
        place = point - np.asarray(self.centre)
        scaled = place / np.asarray(self.semi_axes)
        outside = min(self.semi_axes) * (np.sqrt(np.einsum("...i,...i->...", scaled, scaled)) - 1.0)
        waves, phases = self._waves()
        total = np.zeros(place.shape[:-1])
        for wave, phase in zip(waves, phases, strict=True):  # one by one: a table of all waves leaves the cache
            turn = place @ wave
            turn += phase
            total += np.cos(turn, out=turn)
        g = total / (np.pi / self.spacing * np.sqrt(WAVES / 2))
        fold = self.depth * np.exp(-((g / self.width) ** 2))
        upper = 1.0 / (1.0 + np.exp(-place[..., 2] / RISE))
        between = self.fissure * upper * np.exp(-((place[..., 0] / self.width) ** 2))
        return np.asarray((outside + np.maximum(fold, between)) / self._slope())

    def bounds(self) -> Array:
        """Return the ellipsoid's box."""
        return np.asarray(np.asarray(self.centre) + np.outer([-1.0, 1.0], self.semi_axes))

    def _waves(self) -> tuple[Array, Array]:
        """Return the (wave, 3) wave vectors, rad/m, half a wavelength from sulcus to sulcus, and the phases, rad."""
        rng = np.random.default_rng(self.seed)
        direction = rng.normal(size=(WAVES, 3))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        return np.asarray(direction * np.pi / self.spacing), rng.uniform(0.0, 2 * np.pi, WAVES)

    def _slope(self) -> float:
        """Return 1 plus the steepest rise of the folds: that of a Gaussian is sqrt(2/e) over its width."""
        return float(1.0 + np.sqrt(2 / np.e) / self.width * max(STEEPEST * self.depth, self.fissure))
