"""How far off-resonance displaces what is seen: 1 ppm of the main field moves it along each axis.

Along an encoded axis a sample's phase exp(-i 2 pi f tau) with tau = tau0 + s k displaces by f s: s is the slope of the
dephasing time over k. A line read at bandwidth b per pixel moves by f / b pixels; an echo train of N lines of echo
spacing e by f N e; lines that each have an excitation of their own, or a spin echo, do not move at all. Across a slice
f / (gamma_bar G) of the exciting gradient. Of spokes and spirals nothing moves: each point blurs, by the cycles that
its phase turns during the readout.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..sequence.timeline import Timeline
from .echo_times import along, crosses, sample_times

AXES = ("read", "phase", "partition")
PPM = 1e-6
FEWEST = 3
"""Points of a slope."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Distortion:
    """What 1 ppm does along one axis."""

    axis: str
    """read, phase, partition, slice, or readout where it blurs."""
    pixels: float
    """Displacement in voxels (of a slice in thicknesses) per ppm; of a blur the cycles of phase over a readout."""
    length: float
    """The same, m per ppm; 0 for a blur."""


def distortions(timeline: Timeline, image: int = 0) -> tuple[Distortion, ...]:
    """Return what 1 ppm of off-resonance does along every axis of an image."""
    times, encoding = sample_times(timeline, image), timeline.encoding
    shift = PPM * abs(timeline.gamma_bar) * timeline.b0
    found = []
    if not crosses(times):
        longest = float(np.ptp(times.dephasing, axis=1).max())
        found.append(Distortion(axis="readout", pixels=shift * longest, length=0.0))
    else:
        for axis in range(3 if encoding.kind == "3d" else 2):
            k, _, dephasing = along(times, axis)
            slope = abs(float(np.polyfit(k, dephasing, 1)[0])) if len(k) >= FEWEST else 0.0
            length = shift * slope
            found.append(Distortion(axis=AXES[axis], pixels=length / encoding.grid.spacing[axis], length=length))
    selecting = [
        float(np.abs(pulse.gradient[:, 2]).mean())
        for pulse in timeline.pulses
        if pulse.use == "excitation" and np.any(pulse.gradient[:, 2])
    ]
    if selecting:
        length = shift / (abs(timeline.gamma_bar) * min(selecting))
        depth = encoding.grid.thickness * (encoding.grid.shape[0] if encoding.kind == "3d" else 1)
        found.append(Distortion(axis="slice", pixels=length / depth, length=length))
    return tuple(found)
