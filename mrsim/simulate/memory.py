"""What memory a scan and the images and maps made of it will take, told before it starts.

The numbers per sample and per cell are measured on whole runs from protocol to maps (`bench_run_memory.py` prints
prediction and peak); what a run takes is 0.65 to 0.9 of the prediction.
"""

from __future__ import annotations

import math

from ..core.errors import InfeasibleError
from ..core.machine_memory import GIB, free_bytes, held_bytes, share_bytes
from ..sequence.timeline import Timeline
from .blocks import MOST

LIBRARIES = 60e6
"""Compiled kernels and what else is loaded on the way, bytes."""
PER_SAMPLE, PER_SAMPLE_AND_COIL = 350.0, 100.0
"""Trajectory, times and sums, images and maps of about as many voxels; raw data and coil images; bytes."""
PER_CELL, PER_CELL_AND_COIL = 80.0, 32.0
"""The object where it is simulated, and what the coils hear of it, bytes."""
PER_SPIN = 100.0
"""Of the spins that are held at once, bytes."""


def predicted_bytes(timeline: Timeline, cells: int, coils: int) -> float:
    """Return what a run will hold at most, about, bytes.

    Parameters
    ----------
    timeline : Timeline
        The scan.
    cells : int
        In which the object is held at once.
    coils : int
        Receive coils.
    """
    samples = timeline.readouts.t.size
    scan = samples * (PER_SAMPLE + PER_SAMPLE_AND_COIL * coils)
    spins = min(cells, MOST) * PER_SPIN
    return held_bytes() + LIBRARIES + scan + cells * (PER_CELL + PER_CELL_AND_COIL * coils) + spins


def check_memory(most: float | None, timeline: Timeline, cells: int, coils: int) -> None:
    """Raise an `InfeasibleError` where a run would hold more than it may, alone or as one of several workers.

    most : bytes; None: what the machine can still give.
    """
    wanted = predicted_bytes(timeline, cells, coils)
    need = math.ceil(10 * wanted / GIB) / 10
    if most is not None:
        bounds = [(most, "--max-memory (the engine's `memory`) allows", f"allow it: --max-memory '{need} GiB'")]
    else:
        free = free_bytes()
        machine = math.inf if free is None else held_bytes() + free
        bounds = [(machine, "this machine can give now", f"allow it: --max-memory '{need} GiB'")]
    if (share := share_bytes()) is not None:
        bounds.append((share, "is the share of one worker", "give fewer --workers, or all of them more --max-memory"))
    allowed, bound, remedy = min(bounds)
    if wanted <= allowed:
        return
    readouts, samples = timeline.readouts.t.shape
    raise InfeasibleError(
        f"the run would need about {_spoken(wanted)} of memory, more than the {_spoken(allowed)} that {bound}: "
        f"{readouts:,} readouts of {samples:,} samples, {coils} receive channel{'s' * (coils > 1)}, {cells:,} cells of "
        "the object. Smaller: a smaller matrix, fewer images, slices or coils (--set, --receive), fewer subsamples or "
        f"layers of the engine; or {remedy}"
    )


def _spoken(size: float) -> str:
    return f"{size / GIB:.2g} GiB" if size >= 0.095 * GIB else f"{size / 2**20:.2g} MiB"
