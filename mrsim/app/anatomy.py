"""The disc on its way into the page: which tissue fills most of each half millimetre, for every grade."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.grid import Grid
from ..study.import_phantom import open_phantom
from .arrays import counted_runs
from .pulse_tables import built
from .sequences import FOV, find_sequence
from .tissue_tables import PHANTOM, tissue_key

CELL = 0.5
"""Edge of a cell, mm."""


def plane() -> Grid:
    """Return the grid of the cells."""
    nx, ny = (round(length / CELL) for length in FOV)
    return built(find_sequence("mese"), matrix=f"{nx} {ny}").encoding.grid


def anatomy() -> dict[str, Any]:
    """Return the cells, and for each grade the tissues' keys and counted runs of their numbers; 0 stands for air."""
    grid = plane()
    grades = {}
    for grade in range(1, 6):
        phantom = open_phantom(PHANTOM, 3.0, grade, (), False)
        shares = phantom.fractions(grid)
        stack = np.stack([share[0] for share in shares.values()])
        filled = np.where(stack.sum(axis=0) > 0.5, stack.argmax(axis=0) + 1, 0)
        keys = {tissue.name: tissue_key(tissue) for tissue in phantom.tissues}
        grades[str(grade)] = {"tissues": [keys[name] for name in shares], "runs": counted_runs(filled)}
    return {"cell": CELL, "shape": list(grid.shape[1:]), "grades": grades}
