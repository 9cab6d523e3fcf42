"""What a user asks of the Bloch engine, and how it becomes a job for all of the slab or for a section of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ..core.coils import Coils
from ..core.grid import Grid
from ..phantom.motion import OnGrid
from ..phantom.phantom import Phantom
from ..phantom.spins import Spins
from ..sequence.timeline import Timeline
from .classes import ClassOptions, tissue_classes
from .diffusion import Diffusing
from .job import Job
from .options import Bloch, Progress


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Task:
    """A scan of an object."""

    timeline: Timeline
    phantom: Phantom
    engine: Bloch
    workers: int
    progress: Progress | None
    coils: Coils | None
    slab: Grid
    """The cells of the whole simulated slab."""
    diffusing: Diffusing
    """What diffusion leaves, which is the same in every section."""

    def sampled(self, cells: Grid) -> Spins:
        """Return the object on some cells, with places in the frame of the encoded grid."""
        spins, origin = self.phantom.sample(cells), self.timeline.encoding.grid
        away = (np.asarray(cells.centre) - np.asarray(origin.centre)) @ origin.axes
        if not np.any(away):
            return spins
        motion = tuple(replace(each, grid=origin) if isinstance(each, OnGrid) else each for each in spins.motion)
        fibres = None if spins.fibres is None else replace(spins.fibres, grid=origin)
        return replace(spins, position=spins.position + away, motion=motion, fibres=fibres)

    def job(self, cells: Grid, middle: float, spins: Spins | None = None) -> tuple[Job, float]:
        """Return the job for some cells around `middle`, m along z, and the error of its T2'; it may have no classes.

        spins : the object there, where it is known.
        """
        held = self.sampled(cells) if spins is None else spins
        engine = self.engine
        options = ClassOptions(
            t2_prime_accuracy=engine.t2_prime_accuracy if engine.t2_prime else math.inf,
            chemical_shift=engine.chemical_shift,
        )
        classes, dephasing_error = tissue_classes(held, self.timeline, options, self.diffusing)
        job = Job(
            timeline=self.timeline,
            classes=[kind for kind in classes if not engine.only or kind.tissue in engine.only],
            spins=held,
            cells=cells,
            engine=engine,
            workers=self.workers,
            progress=self.progress,
            sensitivity=(
                None
                if self.coils is None
                else self.coils.sensitivity(self.timeline.encoding.grid.to_world(held.position))
            ),
            middle=middle,
            share=cells.spacing[2] * cells.shape[0] / (self.slab.spacing[2] * self.slab.shape[0]),
        )
        return job, dephasing_error
