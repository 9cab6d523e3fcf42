"""What families share whose readouts are neither lines nor shifted copies of one: the header, with k from gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.acquisition import Encoding
from ...core.grid import Grid
from ..events import NS
from ..scanner import Scanner
from ..sequence import Block, Sequence
from .protocol import Placed


def finished_trajectory(
    protocol: Placed,
    scanner: Scanner,
    grid: Grid,
    blocks: list[Block],
    contrast: dict[str, Any],
    sheet: dict[str, Any],
    facts: dict[str, float | str],
) -> Sequence:
    """Return the sequence of the blocks with its nominal header.

    Parameters
    ----------
    protocol : Placed
    scanner : Scanner
    grid : Grid
        What the samples are to be gridded onto; more than one plane is a volume.
    blocks : list of Block
    contrast : dict
        Per image: te, tr (s), flip (rad); numbers are the same for all images.
    sheet : dict
        Nominal facts.
    facts : dict
        Timings worth showing, s.
    """
    images = max(np.size(value) for value in contrast.values())
    table = {key: np.broadcast_to(np.asarray(v, dtype=np.float64), (images,)).copy() for key, v in contrast.items()}
    dwell = next(block.adc.dwell for block in blocks if block.adc is not None) / NS
    shared: dict[str, Any] = {"family": protocol.name, "dummies": protocol.dummies, "averages": protocol.averages}
    if protocol.preparation:
        shared["preparation"] = ", ".join(module.name for module in protocol.preparation)
    header = Encoding(
        grid=grid,
        frequency=abs(scanner.gamma_bar) * scanner.b0,
        dwell=dwell,
        contrast=table,
        kind="3d" if grid.shape[0] > 1 else "2d",
        k_from="trajectory",
        sheet={**shared, **sheet},
    )
    total = sum(block.duration for block in blocks) / NS
    known = {**facts, "scan_time": total, "bandwidth": 1.0 / dwell}
    return Sequence(name=protocol.name, scanner=scanner, blocks=tuple(blocks), encoding=header, definitions=known)
