"""Cells in blocks whose spins fit into memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .classes import TissueClass
from .job import Job
from .options import Progress

MOST = 2**21
"""Spins that are held at once, about: some 100 bytes each."""


def blocks(job: Job, per_layer: int) -> Iterator[tuple[slice, Progress | None]]:
    """Yield ranges of cells that together carry all spins, each with a progress that counts the spins of all.

    Parameters
    ----------
    job : Job
        What is simulated.
    per_layer : int
        Spins of every class in each of its cells.
    """
    carried = np.zeros(len(job.spins.volume), dtype=np.int64)
    for kind in job.classes:
        carried += per_layer * np.bincount(kind.members, minlength=len(carried))
    edges = np.concatenate([[0], np.cumsum(carried)])
    every, done = int(edges[-1]), 0
    while done < every:
        begin = int(np.searchsorted(edges, done, side="right")) - 1
        end = max(begin + 1, int(np.searchsorted(edges, done + MOST, side="right")) - 1)
        yield slice(begin, end), _continued(job.progress, done, int(edges[end]), every)
        done = int(edges[end])


def _continued(progress: Progress | None, before: int, after: int, every: int) -> Progress | None:
    """Return a progress for one block; classes that travel apart each count from the block's beginning."""
    if progress is None:
        return None
    told = progress
    return lambda done, _: told(min(before + done, after), every)


def within(classes: list[TissueClass], cells: slice) -> list[TissueClass]:
    """Return the classes that lie in a range of cells, their members counted from its first."""
    found = []
    for kind in classes:
        mine = np.flatnonzero((kind.members >= cells.start) & (kind.members < cells.stop))
        if len(mine):
            found.append(kind.moved(mine, kind.members[mine] - cells.start))
    return found
