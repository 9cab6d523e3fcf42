"""How much of the slice direction a scan must be simulated over.

Selective pulses excite little outside the slice, but how little depends on the pulse: a short one of time-bandwidth
1 needs several slice thicknesses. Pulses that do not select need the whole object.
"""

from __future__ import annotations

import numpy as np

from ..core.errors import InputError
from ..sequence.timeline import Timeline
from .options import Bloch
from .pulse_response import pulse_response

WIDEST = 12.0
"""Slice thicknesses over which excitation is looked for, and the most that is simulated of a selective pulse."""
FLAT = 0.1
"""A pulse that still excites this share of its largest transverse magnetisation there selects no slice."""
FAINT = 3.0
"""Excited magnetisation that may stay outside, over the wanted accuracy; its phase winds, so it adds up to less."""


def slab_thickness(timeline: Timeline, object_ends: tuple[float, float], engine: Bloch) -> float:
    """Return the thickness of the simulated slab, m, centred on the slice.

    Parameters
    ----------
    timeline : Timeline
        The scan.
    object_ends : (float, float)
        Where the object starts and ends along the slice direction, m from the slice's centre; may be infinite.
    engine : Bloch
        `slab` fixes the thickness, in slice thicknesses; otherwise it follows from `accuracy`.
    """
    slice_thickness = timeline.encoding.grid.spacing[2]
    if engine.slab is not None:
        return engine.slab * slice_thickness
    needed = 2.0 * max(abs(object_ends[0]), abs(object_ends[1]))
    excited = _excited_thickness(timeline, slice_thickness, FAINT * engine.accuracy)
    if not np.isfinite(min(needed, excited)):
        raise InputError(
            "the pulses select no slice and the phantom is endless across it: give the phantom's file a length, "
            "or fix the simulated slab",
            key="slab",
        )
    return float(min(needed, excited))


def _excited_thickness(timeline: Timeline, slice_thickness: float, faint: float) -> float:
    """Return the thickness outside which no pulse but a refocusing one excites more than `faint` of M0."""
    z = slice_thickness * np.linspace(0, WIDEST / 2, 481)
    place = np.stack([0 * z, 0 * z, z], axis=-1)
    reach = slice_thickness
    for pulse in timeline.pulses:
        if pulse.use != "excitation":
            continue
        for side in (place, -place):
            m = pulse_response(pulse, timeline.gamma_bar, position=side)
            transverse = np.hypot(m[:, 0], m[:, 1])
            strong = np.flatnonzero(transverse > faint)
            if transverse[-1] > FLAT * transverse.max():
                return float("inf")
            if len(strong):
                reach = max(reach, 2 * float(z[min(strong[-1] + 1, len(z) - 1)]))
    return reach
