"""Tissues of which diffusion leaves something else at every turn of their fibres: a few classes carry all turns.

What is left at the turns, (turn, readout), varies smoothly with the angle, so that a few columns of its singular value
decomposition hold it: left = sum_k share_k(turn) column_k(readout). Each column is a class of its own, of which every
spin carries the share of its turn, instead of one class for the spins of every turn.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .classes import TissueClass

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Column:
    """A part of what is left at all turns."""

    members: NDArray[np.int64]
    """Spins of all turns."""
    share: Array | None
    """(member,) None: all of each."""
    left: Array | None
    """(readout,) None: all."""


def with_few_lefts(classes: list[TissueClass], accuracy: float) -> list[TissueClass]:
    """Return the classes with those that differ in nothing but their spins and what is left of them joined to a few.

    accuracy : largest deviation of what is left.
    """
    alike: dict[tuple[object, ...], list[TissueClass]] = {}
    for kind in classes:
        b1 = kind.b1 if kind.local_b1 is None else None
        key = (kind.tissue, kind.name, kind.r1, kind.r2, kind.line, kind.exchange, kind.offset, b1)
        alike.setdefault(key, []).append(kind)
    known: dict[tuple[int, ...], list[_Column]] = {}
    found: list[TissueClass] = []
    for kinds in alike.values():
        where = tuple(part for kind in kinds for part in (id(kind.members), id(kind.left)))
        if len(kinds) > 1 and where not in known:
            known[where] = _columns(kinds, accuracy)
        columns = known.get(where, [])
        found += _carried(kinds, columns) if 0 < len(columns) < len(kinds) else kinds
    return found


def _columns(kinds: list[TissueClass], accuracy: float) -> list[_Column]:
    """Return as many columns as hold what is left of classes at different turns."""
    lefts = [kind.left for kind in kinds if kind.left is not None]
    members = np.concatenate([kind.members for kind in kinds])
    if not lefts:
        return [_Column(members=members, share=None, left=None)]
    table = np.stack([np.ones_like(lefts[0]) if kind.left is None else kind.left for kind in kinds])
    shares, sizes, rows = np.linalg.svd(table, full_matrices=False)
    count = 1
    while count < len(sizes) and np.abs((shares[:, :count] * sizes[:count]) @ rows[:count] - table).max() > accuracy:
        count += 1
    turn = np.repeat(np.arange(len(kinds)), [len(kind.members) for kind in kinds])
    largest = np.abs(shares[:, :count]).max(axis=0)
    return [
        _Column(members=members, share=(shares[:, k] / largest[k])[turn], left=largest[k] * sizes[k] * rows[k])
        for k in range(count)
    ]


def _carried(kinds: list[TissueClass], columns: list[_Column]) -> list[TissueClass]:
    """Return one class for each column."""
    first, places = kinds[0], [kind.place for kind in kinds]
    offset = None if first.local_offset is None else np.concatenate([kind.offsets() for kind in kinds]) - first.offset
    b1 = None if first.local_b1 is None else np.concatenate([kind.b1s() for kind in kinds])
    return [
        replace(
            first, members=column.members, share=column.share, left=column.left, place=place, local_offset=offset,
            local_b1=b1,
        )
        for column, place in zip(columns, places, strict=False)
    ]  # fmt: skip
