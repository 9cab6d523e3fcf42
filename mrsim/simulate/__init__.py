"""Engines that turn a timeline and a phantom into raw data, and the noise of the receiver."""

from __future__ import annotations

from ..core.acquisition import Acquisition
from ..core.coils import Coils
from ..core.cores import check_threads
from ..core.errors import InputError, check_kind
from ..phantom.phantom import Phantom
from ..sequence.timeline import Timeline
from .bloch import run_bloch
from .noise import add_noise
from .options import Bloch, Progress
from .partial import simulate_part
from .pathways import run_pathways
from .pathways_options import Pathways
from .physiology import Physiology, add_physiology, measured_again
from .z_spectrum import SaturationTrain, z_spectrum

ENGINES = (Bloch, Pathways)
"""All engines."""


def simulate(
    timeline: Timeline,
    phantom: Phantom,
    engine: Bloch | Pathways | None = None,
    *,
    coils: Coils | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Acquisition:
    """Simulate a scan of a phantom.

    Parameters
    ----------
    timeline : Timeline
        From `discretize`.
    phantom : Phantom
        The object; its field must be the timeline's.
    engine : Bloch, optional
        The engine with its options.
    coils : Coils, optional
        The receive coils; one that hears every place alike by default.
    threads : int, optional
        Worker threads; all cores by default. The result does not depend on it.
    progress : callable, optional
        Called with (spins done, spins in all).

    Returns
    -------
    Acquisition
        Noise-free raw data; `history` states the engine, the spins and the discretisation error.
    """
    from threadpoolctl import threadpool_limits

    check_kind(timeline, Timeline, "timeline", "mr.discretize(sequence)")
    if not hasattr(phantom, "sample"):  # whatever gives spins can be scanned
        check_kind(phantom, Phantom, "phantom", "mr.load_phantom('lumbar-disc')")
    check_kind(engine, (Bloch, Pathways, type(None)), "engine", "mr.Bloch()")
    check_kind(coils, (Coils, type(None)), "coils")
    check_threads(threads)
    if isinstance(engine, Pathways):
        _refuse_nonlinear(timeline)
        if coils is not None:
            raise InputError("Pathways receives with one coil; use the Bloch engine", key="coils")
    # the engines bring their own threads; those of the matrix library would wait in loops for the same cores
    with threadpool_limits(limits=1, user_api="blas"):
        if isinstance(engine, Pathways):
            return run_pathways(timeline, phantom, engine, threads, progress)
        return run_bloch(timeline, phantom, engine or Bloch(), threads, progress, coils)


def _refuse_nonlinear(timeline: Timeline) -> None:
    """Refuse what only spins that travel by themselves can play."""
    if timeline.spatial is not None:
        problem = "Pathways plays no concomitant field and no gradients that are not linear; use the Bloch engine"
        raise InputError(problem, key="imperfections")


__all__ = [
    "ENGINES",
    "Bloch",
    "Pathways",
    "Physiology",
    "Progress",
    "SaturationTrain",
    "add_noise",
    "add_physiology",
    "measured_again",
    "simulate",
    "simulate_part",
    "z_spectrum",
]
