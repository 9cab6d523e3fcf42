"""The slab in sections, one to a slice and as many beside the stack as its pulses reach.

Each section is a small simulation of its own: its layers of the object, the pulses that act there, and the readouts
that hear it. A pulse of a far slice leaves the magnetisation of a section alone but for a turn of what has been
spoiled before; it becomes part of an interval, during which gradients wind up whatever is transverse so often that it
does not come back. A readout is deaf to a section if the excitation that it follows
left the section alone. What this neglects is measured by a walk that neglects nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..core.grid import Grid
from ..sequence.timeline import FREE, READOUT, RF, Timeline
from .options import Bloch
from .slab import excited, nominal_position, selected_thickness, slice_positions

NEAR = 10.0
"""Change of the magnetisation at rest, over the wanted accuracy, from which a pulse acts on a section."""
FAR = 0.1
"""Excited magnetisation below which a section is beside the slices, and is seen in fewer layers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A stretch of the slice direction, m from the grid's origin."""

    low: float
    high: float

    @property
    def middle(self) -> float:
        """Its middle, m."""
        return (self.low + self.high) / 2

    @property
    def thickness(self) -> float:
        """Its extent, m."""
        return self.high - self.low

    def cells(self, cells: Grid, layers: int) -> Grid:
        """Return the section of the slab `cells` in `layers` layers: a grid with an origin of its own."""
        step = self.thickness / layers
        origin = self.middle + (0 if layers % 2 else step / 2)  # layer n // 2 lies at a grid's origin
        x, y, z = cells.to_world(np.array([0.0, 0.0, origin]))
        return Grid(
            shape=(layers, *cells.shape[1:]),
            spacing=(*cells.spacing[:2], step),
            centre=(float(x), float(y), float(z)),
            axes=cells.axes,
        )


def sections_of(timeline: Timeline, cells: Grid, engine: Bloch, alike: bool) -> list[Section]:
    """Return the sections of a slab, the one of the middle slice first.

    alike : the object does not vary through the slab; then one slice needs no sections.
    """
    half = cells.spacing[2] * cells.shape[0] / 2
    if timeline.encoding.kind != "2d" or (len(slice_positions(timeline)) == 1 and (alike or engine.layers)):
        return [Section(low=-half, high=half)]
    places = slice_positions(timeline)
    if engine.ideal_slice:
        width = selected_thickness(timeline)
        found = [Section(low=float(z) - width / 2, high=float(z) + width / 2) for z in places]
    else:
        pitch = timeline.encoding.grid.spacing[2]
        beside = max(0, int(np.ceil((half - pitch / 2) / pitch - 1e-9)))
        middles = pitch * np.arange(-beside, beside + 1)
        ends = [(max(float(z) - pitch / 2, -half), min(float(z) + pitch / 2, half)) for z in middles]
        found = [Section(low=low, high=high) for low, high in ends]
    return sorted(found, key=lambda section: (round(abs(section.middle), 9), section.middle))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Local:
    """What plays in one section."""

    timeline: Timeline
    silent: NDArray[np.bool_]
    """(segment,) where pulses were left out."""
    beside: bool
    """True if hardly anything is excited there."""


def local_part(timeline: Timeline, section: Section, engine: Bloch, offsets: NDArray[np.float64]) -> Local:
    """Return the scan as a section sees it: pulses that leave it alone and readouts deaf to it become intervals."""
    if engine.ideal_slice:
        own = [_owns(section, nominal_position(pulse, timeline.gamma_bar)) for pulse in timeline.pulses]
        acts, beside = np.array(own, dtype=bool), False
    else:
        change = excited(timeline, section.low, section.high, offsets)
        acts = change > NEAR * engine.accuracy
        excites = [pulse.use == "excitation" for pulse in timeline.pulses]
        beside = float(change[excites].max(initial=0.0)) < FAR
    pulses = timeline.kind == RF
    silent = pulses & ~acts[np.where(pulses, timeline.event, 0)]
    return Local(timeline=_without(timeline, acts), silent=silent, beside=beside)


def _owns(section: Section, place: float | None) -> bool:
    return place is None or section.low < place < section.high


def _without(timeline: Timeline, acts: NDArray[np.bool_]) -> Timeline:
    """Return a timeline without the pulses that do not act and the windows behind excitations among them."""
    kind, event, phase = timeline.kind.copy(), timeline.event.copy(), timeline.phase.copy()
    hears = True
    for s in np.flatnonzero(kind != FREE):
        index = int(event[s])
        if kind[s] == RF and timeline.pulses[index].use == "excitation":
            hears = bool(acts[index])
        if (kind[s] == RF and not acts[index]) or (kind[s] == READOUT and not hears):
            kind[s], event[s], phase[s] = FREE, -1, 0.0
    return replace(timeline, kind=kind, event=event, phase=phase)
