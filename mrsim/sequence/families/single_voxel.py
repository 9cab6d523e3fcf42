"""Single-voxel protocols: a box is selected by slices along three axes, and decays or echoes are read without gradient.

The grid has one voxel, the box; its data are a spectrum's time signal.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...core.errors import InputError
from ...core.grid import Grid
from ...core.units import Frequency, Lengths
from .protocol import Placed, at_least, positive, positive_lengths


@dataclass(frozen=True, kw_only=True, slots=True)
class SingleVoxel(Placed):
    """Fields that all families of this kind have."""

    voxel: Lengths = (0.015, 0.015, 0.015)
    """Size of the box along grid x, y and z, m."""
    samples: int = 2048
    """Points of each readout."""
    spectral_width: Frequency = 2000.0
    """Receiver bandwidth, Hz: the inverse of the dwell time."""

    def __post_init__(self) -> None:
        """Refuse what no scanner could play."""
        Placed.__post_init__(self)
        positive_lengths("voxel", self.voxel, 3)
        positive("spectral_width", self.spectral_width)
        at_least("samples", self.samples, 2)
        if self.samples > 1 << 20:
            raise InputError(f"is {self.samples}; it must be at most {1 << 20}", key="samples")

    def grid(self) -> Grid:
        """Return the grid of one voxel."""
        x, y, z = self.voxel
        return Grid(shape=(1, 1, 1), spacing=(x, y, z), centre=self.origin(), axes=self.axes())
