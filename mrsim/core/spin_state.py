"""The magnetisation of every spin of a simulation at one moment, to go on from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SpinState:
    """Where a simulation stopped."""

    magnetisation: NDArray[np.float64]
    """(3, spin) over M0, in the engine's order of spins."""
    segment: int
    """The segment of the timeline that is to be played next."""
    fingerprint: str
    """Of the scan, the spins and the engine's numerics: a state goes on in the same simulation only."""
