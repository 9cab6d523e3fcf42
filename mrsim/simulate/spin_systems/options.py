"""Options of the engine of coupled spins."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ...core.errors import InputError

PULSES = ("ideal", "shaped")
CRUSHERS = ("filter", "average")
Progress = Callable[[int, int], None]
"""Called with (systems done, systems in all)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SpinSystem:
    """Density matrices of coupled spins."""

    pulses: str = "ideal"
    """``"ideal"``: rotations in no time of all spins alike, and exact coherence filters. ``"shaped"``: the played
    waveforms under their gradients, averaged over the positions in and around the voxel."""
    crushers: str = "filter"
    """Of shaped pulses: ``"filter"`` lets through the coherence orders that the gradients refocus, as crushers without
    limit and phase cycling do; ``"average"`` plays the gradients over the positions and keeps what they leave."""
    points: int = 0
    """Positions along each axis of shaped pulses; 0: as many as the gradients ask for."""
    extent: float = 2.0
    """Length of the simulated line along each axis over the voxel's, without displacements; shaped pulses."""
    project: bool = True
    """Average over an axis as soon as nothing depends on it any more; False keeps the full grid (for checks)."""
    temperature: float = 310.15
    """Of water, K: shifts the water line."""

    def __post_init__(self) -> None:
        """Refuse values that mean nothing."""
        if self.pulses not in PULSES:
            raise InputError(f"is '{self.pulses}'; known: {', '.join(PULSES)}", key="pulses")
        if self.crushers not in CRUSHERS:
            raise InputError(f"is '{self.crushers}'; known: {', '.join(CRUSHERS)}", key="crushers")
        if self.points < 0:
            raise InputError(f"is {self.points}; it must be at least 0", key="points")
        if not (math.isfinite(self.extent) and self.extent >= 1):
            raise InputError(f"is {self.extent:g}; it must be at least 1", key="extent")
        if not 273.15 <= self.temperature <= 373.15:
            raise InputError(f"is {self.temperature:g} K; liquid water has 273.15 to 373.15 K", key="temperature")
