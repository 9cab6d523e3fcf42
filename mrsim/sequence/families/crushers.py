"""Crushers of refocusing pulses: along the axis that a pulse selects, and of the same size beside them along x.

The soft edges of a slab beyond the voxel are thin: its own crusher turns them by few cycles, and a body holds many
voxels of them. Along x its signal is dephased through all of the body.
"""

from __future__ import annotations

from ..events import Gradient, RfPulse
from ..gradients import joined, shifted, trapezoid
from ..selection import Selection
from .localised import VoxelParts


def across(parts: VoxelParts, pulse: RfPulse, axis: int, share: float) -> tuple[Selection, Gradient | None]:
    """Return a crushed pulse along one axis, and what is played beside it along x."""
    part = parts.crushed(pulse, axis, share, size(parts, axis, share)[1])
    return part, beside(parts, part, axis, share)


def beside(parts: VoxelParts, part: Selection, axis: int, share: float) -> Gradient | None:
    """Return crushers along x at both ends of a part that selects along another axis, of the size of its own."""
    area, least = size(parts, axis, share)
    if not area:
        return None
    lobe = trapezoid(parts.limits, area)
    return joined(lobe, shifted(lobe, part.duration - least))


def size(parts: VoxelParts, axis: int, share: float) -> tuple[float, int]:
    """Return the area of a crusher for a pulse along one axis, as `trapezoid` takes it, and its shortest time, ns."""
    area = share * parts.protocol.crusher_cycles * parts.crossings[axis]
    return area, int(trapezoid(parts.limits, area).times[-1]) if area else 0
