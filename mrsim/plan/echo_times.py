"""When each sample of k-space is read, as relaxation counts it and as off-resonance counts it.

A sample's transverse decay by T2 runs since the excitation; its dephasing by T2' and off-resonance runs since then too,
but every refocusing pulse turns its sign: it is zero at a spin echo. Of a stimulated echo (three excitations before the
readout) dephasing is counted from the middle of k-space.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..sequence.events import NS
from ..sequence.timeline import READOUT, RF, Timeline
from .probe import NEAR

Array = NDArray[np.float64]
STIMULATED = 3
"""Excitations without a readout between them, from which on a stimulated echo is read."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SampleTimes:
    """The samples of one image's middle slice."""

    k: Array
    """(readout, sample, 3) 1/m."""
    decay: Array
    """(readout, sample) since the excitation, s."""
    dephasing: Array
    """(readout, sample) signed: negative before an echo, s."""

    @property
    def centre(self) -> tuple[int, int]:
        """Readout and sample nearest to the middle of k-space."""
        away = np.linalg.norm(self.k, axis=2)
        readout, sample = np.unravel_index(int(np.argmin(away)), away.shape)
        return int(readout), int(sample)


def sample_times(timeline: Timeline, image: int) -> SampleTimes:
    """Return when the samples of an image are read: of its middle slice, first repetition and first average."""
    table = timeline.readouts
    rows = _rows(timeline, image)
    since, stimulated = _dephasing(timeline)
    count = int(table.samples[rows].min())
    k, t = table.k[rows, :count], table.t[rows, :count]
    dephasing = since[rows, None] + (t - t[:, :1])
    found = SampleTimes(k=k, decay=t, dephasing=dephasing)
    if stimulated[rows].any():
        readout, sample = found.centre
        return SampleTimes(k=k, decay=t, dephasing=t - t[readout, sample])
    return found


def _rows(timeline: Timeline, image: int) -> NDArray[np.int64]:
    table, encoding = timeline.readouts, timeline.encoding
    labels = table.labels
    mine = np.array([purpose == "imaging" for purpose in table.purpose])
    if "contrast" in labels:
        mine &= labels["contrast"] == image
    if "slice" in labels and encoding.kind == "2d":
        mine &= labels["slice"] == encoding.grid.shape[0] // 2
    for name in ("repetition", "average"):
        if name in labels and mine.any():
            mine &= labels[name] == labels[name][mine].min()
    return np.flatnonzero(mine)


def _dephasing(timeline: Timeline) -> tuple[Array, NDArray[np.bool_]]:
    """Return of each readout the dephasing time at its first sample, s, and whether it reads a stimulated echo."""
    table = timeline.readouts
    since, stimulated = np.zeros(len(table.samples)), np.zeros(len(table.samples), dtype=bool)
    turned = excited = last = 0.0
    excitations = 0
    for at in np.flatnonzero((timeline.kind == RF) | (timeline.kind == READOUT)):
        event, start = int(timeline.event[at]), timeline.start[at] / NS
        if timeline.kind[at] == READOUT:
            since[event] = turned + excited + table.t[event, 0] - last
            stimulated[event], excitations = excitations >= STIMULATED, 0
            continue
        pulse = timeline.pulses[event]
        middle = start + pulse.centre
        if pulse.use == "excitation":
            turned, excited, last, excitations = 0.0, middle, middle, excitations + 1
        elif pulse.use == "refocusing":
            turned, last = -(turned + middle - last), middle
    return since, stimulated


def along(times: SampleTimes, axis: int) -> tuple[Array, Array, Array]:
    """Return k, 1/m, and the times of decay and dephasing, s, along an axis through the middle of k-space, k ascending.

    axis : 0 along the readouts; 1 and 2 across them, where each readout is taken at its own middle.
    """
    readout, _ = times.centre
    if axis == 0:
        chosen = (np.full(times.k.shape[1], readout), np.arange(times.k.shape[1]))
    else:
        other = times.k[:, :, 3 - axis]
        away = np.abs(times.k[:, :, 0])
        sample = away.argmin(axis=1)
        every = np.arange(len(times.k))
        offset = np.abs(other[every, sample])
        keep = offset <= offset.min() + NEAR * max(float(offset.max()), 1.0)
        chosen = (every[keep], sample[keep])
    k = times.k[(*chosen, np.full(len(chosen[0]), axis))]
    order = np.argsort(k, kind="stable")
    k = k[order]
    new = np.concatenate([[True], np.diff(k) > NEAR * max(float(np.ptp(k)), 1e-12)])
    return k[new], times.decay[chosen][order][new], times.dephasing[chosen][order][new]


def crosses(times: SampleTimes) -> bool:
    """Return whether readouts run along grid x in parallel, as Cartesian ones do."""
    spread = np.ptp(times.k, axis=1)
    return bool(np.all(spread[:, 1:] <= 1e-3 * np.maximum(spread[:, :1], 1e-12)))
