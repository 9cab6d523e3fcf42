"""A timeline as the CUDA kernels want it, and how it is cut into launches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..core.phasors import RealType
from ..sequence.timeline import READOUT, RF, Timeline
from .sampling import CONSTANT, SampleForms
from .steps import TimeTable, pulse_table

LAUNCH_SECONDS = 0.1
"""About how long a launch may last, so that progress shows and an interrupt is heard."""
STEP_SECONDS, SAMPLE_SECONDS, SEGMENT_SECONDS = 5e-12, 1e-12, 1e-11
"""What a spin's RF step, sample and segment take on a fast device; a slow one has longer launches."""
PARTIAL_BYTES = 1 << 28
"""Largest buffer for the blocks' partial signals, bytes."""
WARP = 32
"""Threads that run in step."""


class Threads(Protocol):
    """What the tables need to know of the kernels' layout."""

    @property
    def threads(self) -> int:
        """Threads of a block."""

    @property
    def per_constant(self) -> int:
        """Samples of a thread under a constant gradient."""

    @property
    def per_any(self) -> int:
        """Samples of a thread under any gradient."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Launch:
    """A stretch of the scan that one launch plays."""

    first: int
    """First segment."""
    last: int
    """One past the last segment."""
    first_readout: int
    """In order of time."""
    readouts: int


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CudaScan:
    """The tables of a scan, with readouts in order of time."""

    arguments: tuple[Any, ...]
    """From `kind` to `group`, as the kernel takes them."""
    order: NDArray[np.int64]
    """(readout,) row of the timeline's readout table for each readout in order of time."""
    seconds: NDArray[np.float64]
    """(segment,) time that one spin takes, s."""
    sampled: NDArray[np.bool_]
    """(segment,) True where a segment is a readout."""
    sample_bytes: int
    """Size of one coil's samples of one readout."""

    @classmethod
    def of(
        cls,
        timeline: Timeline,
        reach: NDArray[np.float64],
        max_offset: float,
        max_b1: float,
        layout: Threads,
        dtype: RealType,
    ) -> CudaScan:
        """Make the tables for spins within `reach` (3,), m, of at most these offsets, Hz, and relative B1."""
        times, table = TimeTable(), timeline.readouts
        pulses = pulse_table(timeline.pulses, timeline.gamma_bar, reach, max_offset, max_b1, times, dtype)
        is_rf, is_readout = timeline.kind == RF, timeline.kind == READOUT
        order = timeline.event[is_readout].astype(np.int64)
        event = timeline.event.astype(np.int32)
        event[is_readout] = np.arange(len(order))
        angle = np.where(is_rf, timeline.phase, 0.0)
        forms = SampleForms.of(table.moment[order], reach, dtype)
        span = np.ascontiguousarray(pulses.runs[:, [0, 1, 5]], dtype=np.int64)
        steps_of_run = np.concatenate([[0], np.cumsum(span[:, 1] - span[:, 0])])
        steps_of_pulse = np.diff(steps_of_run[pulses.pulse_run])
        work = np.full(len(event), SEGMENT_SECONDS)
        work[is_rf] += STEP_SECONDS * steps_of_pulse[event[is_rf]]
        work[is_readout] += SAMPLE_SECONDS * table.k.shape[1]
        return cls(
            arguments=(
                timeline.kind,
                event,
                np.ascontiguousarray(timeline.moment, dtype=dtype),
                (timeline.duration * 1e-9).astype(dtype),
                np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(dtype),
                pulses.pulse_run,
                np.stack([-pulses.runs[:, 4] / np.pi, pulses.runs[:, 4]], axis=1).astype(dtype),
                span,
                np.ascontiguousarray(np.concatenate([pulses.b1[:2], pulses.gradient]).T, dtype=dtype),
                forms.form,
                forms.moment,
                np.ascontiguousarray(forms.stride[:, 0]),
                dtype(table.dwell[0]),
                _groups(forms.form, table.k.shape[1], layout),
            ),
            order=order,
            seconds=work,
            sampled=is_readout,
            sample_bytes=2 * table.k.shape[1] * np.dtype(dtype).itemsize,
        )

    def launches(self, spins: int, blocks: int, coils: int) -> list[Launch]:
        """Cut the scan into launches of at most about LAUNCH_SECONDS and PARTIAL_BYTES, for so many spins at once."""
        most = max(1, PARTIAL_BYTES // (blocks * coils * self.sample_bytes))
        plan, first, readout, spent, count = [], 0, 0, 0.0, 0
        for s, cost in enumerate(self.seconds * spins):
            full = count + self.sampled[s] > most or spent + cost > LAUNCH_SECONDS
            if full and s > first:
                plan.append(Launch(first=first, last=s, first_readout=readout, readouts=count))
                first, readout, spent, count = s, readout + count, 0.0, 0
            spent += cost
            count += int(self.sampled[s])
        plan.append(Launch(first=first, last=len(self.seconds), first_readout=readout, readouts=count))
        return plan


def _groups(form: NDArray[np.int64], samples: int, layout: Threads) -> NDArray[np.int64]:
    """Return (readout,) threads among which a window's samples are dealt: a power of two, a warp at most."""
    found = []
    for kind in form:
        each = layout.per_constant if kind == CONSTANT else layout.per_any
        group = 1
        while group * each < samples and group < min(WARP, layout.threads):
            group *= 2
        found.append(group)
    return np.array(found, dtype=np.int64)
