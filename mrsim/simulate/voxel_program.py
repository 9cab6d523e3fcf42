"""A scan of one voxel as stretches that start from longitudinal magnetisation alone.

Every pulse of such a scan selects along one axis of the grid, or none, and no gradient plays while a window is open. A
pulse that saturates or excites starts a stretch: what is transverse before it has been wound up by a spoiler and is
taken to be gone, as diffusion sees to. Within a stretch all pathways count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..sequence.timeline import READOUT, RF, Pulse, Timeline

PULSE, FREE, SAMPLE = 0, 1, 2
"""Kinds of operation."""
RESTARTS = ("saturation", "excitation")
"""Uses of pulses that start a stretch."""
SPOILED = 4.0
"""Turns over the voxel, on one axis, from which what is transverse before a stretch counts as spoiled."""
SAME = 1e-9
"""Moments, 1/m, and phases, rad, closer than this are the same."""

Operation = tuple[int | float, ...]
"""(PULSE, event, phase rad), (FREE, duration s, three moments 1/m) or (SAMPLE,)."""
Stretch = tuple[Operation, ...]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class VoxelProgram:
    """The scan in repetitions of stretches."""

    axes: tuple[int | None, ...]
    """Per pulse: the axis along which it selects, 0 = x; None: everywhere alike."""
    stretches: tuple[Stretch, ...]
    """The distinct ones."""
    repetitions: tuple[tuple[int, ...], ...]
    """Stretches of each repetition, in order."""
    readouts: tuple[NDArray[np.int64], ...]
    """Rows of the timeline's readout table of each repetition, in order."""


def axis_of(pulse: Pulse) -> int | str | None:
    """Return the axis along which a pulse's gradient plays, None for no gradient, or why there are several."""
    played = np.any(pulse.gradient != 0, axis=0)
    if pulse.change is not None:
        played |= np.any(pulse.change != 0, axis=0)
    found = np.flatnonzero(played)
    if len(found) > 1:
        return "gradients on several axes play during an RF pulse"
    return int(found[0]) if len(found) else None


def voxel_program(timeline: Timeline) -> VoxelProgram | str:
    """Break the scan of a voxel into stretches, or say why it is none."""
    if np.any(timeline.readouts.moment):
        return "a gradient plays during a readout"
    axes: list[int | None] = []
    for pulse in timeline.pulses:
        axis = axis_of(pulse)
        if isinstance(axis, str):
            return axis
        axes.append(axis)
    reader = _Reader(timeline)
    for segment in range(len(timeline.kind)):
        if not reader.read(segment):
            return "what is transverse is not spoiled before a pulse that saturates or excites"
    reader.close()
    return VoxelProgram(
        axes=tuple(axes),
        stretches=tuple(reader.known),
        repetitions=tuple(tuple(found) for found in reader.repetitions),
        readouts=tuple(np.array(rows, dtype=np.int64) for rows in reader.readouts),
    )


class _Reader:
    """Reads one segment after another."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.starts = set(timeline.tr_start.tolist())
        self.known: dict[Stretch, int] = {}
        self.repetitions: list[list[int]] = []
        self.readouts: list[list[int]] = []
        self.current: list[Operation] = []
        self.fresh = True
        self.elapsed, self.moment = 0, np.zeros(3)

    def read(self, segment: int) -> bool:
        """Read a segment; return False where magnetisation that is not spoiled meets the start of a stretch."""
        timeline = self.timeline
        self.fresh |= segment in self.starts
        if timeline.kind[segment] == RF:
            pulse = timeline.pulses[int(timeline.event[segment])]
            if pulse.use in RESTARTS or not self.current:
                turns = np.abs(self.moment) * np.asarray(timeline.encoding.grid.spacing)
                if self.current and turns.max() < SPOILED:
                    return False
                self.close()
                if self.fresh:
                    self.repetitions.append([])
                    self.readouts.append([])
                    self.fresh = False
            self._interval()
            phase = round(float(timeline.phase[segment]) / SAME) * SAME
            self.current.append((PULSE, int(timeline.event[segment]), phase))
            return True
        if timeline.kind[segment] == READOUT and self.current:
            self._interval()
            self.current.append((SAMPLE,))
            self.readouts[-1].append(int(timeline.event[segment]))
        self.elapsed += int(timeline.duration[segment])
        self.moment = self.moment + timeline.moment[segment]
        return True

    def _interval(self) -> None:
        if self.current and self.elapsed:
            moments = [round(float(m) / SAME) * SAME for m in self.moment]
            self.current.append((FREE, self.elapsed * 1e-9, *moments))
        self.elapsed, self.moment = 0, np.zeros(3)

    def close(self) -> None:
        """End the stretch."""
        if self.current:
            self._interval()
            self.repetitions[-1].append(self.known.setdefault(tuple(self.current), len(self.known)))
            self.current = []
