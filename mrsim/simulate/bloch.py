"""The Bloch engine: spins through a timeline.

Piecewise-constant RF steps are exact rotations with relaxation split symmetrically around them (error of
second order in the step); RF-free intervals are closed forms of the gradient moments. Where the sequence
allows it (`program`), what happens through the slice is computed once per tissue class and used at every
place in the plane; otherwise every spin is carried through by itself. Both give the same numbers.
"""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.acquisition import Acquisition, Readouts
from ..core.errors import InputError
from ..core.grid import Grid
from ..phantom.phantom import Phantom
from ..sequence.timeline import Timeline
from .by_class import by_class
from .classes import ClassOptions, TissueClass, tissue_classes
from .direct import by_spin
from .in_plane import in_plane_error
from .options import Bloch, Progress
from .program import Program, program
from .slab import slab_thickness


def sampling_grid(timeline: Timeline, phantom: Phantom, engine: Bloch) -> Grid:
    """Return the fine grid of cells on which the object becomes spins: all of the object, not only the FOV."""
    encoded = timeline.encoding.grid
    dx, dy, dz = encoded.spacing
    lower, upper = phantom.extent(encoded)
    fine = (dx / engine.subsamples, dy / engine.subsamples)
    reach = np.maximum(np.abs(lower), np.abs(upper))
    if not np.all(np.isfinite(reach[:2])):
        raise InputError(
            f"phantom '{phantom.name}' is endless in the image plane; give its file a length, e.g. length = \"50 mm\""
        )
    nx, ny = (2 * math.ceil(reach[a] / fine[a]) + 1 for a in range(2))
    thickness = dz if engine.ideal_slice else slab_thickness(timeline, (lower[2], upper[2]), engine)
    layers = engine.layers or (1 if phantom.uniform_through(encoded, thickness) else 9)
    return Grid(shape=(layers, ny, nx), spacing=(*fine, thickness / layers), centre=encoded.centre, axes=encoded.axes)


def outside_field_of_view(timeline: Timeline, phantom: Phantom) -> tuple[str, ...]:
    """Return one warning per in-plane direction in which the object is larger than the field of view."""
    grid = timeline.encoding.grid
    lower, upper = phantom.extent(grid)
    warnings = []
    for axis, name in enumerate(("readout", "phase-encoding")):
        n, d = grid.shape[2 - axis], grid.spacing[axis]
        low, high = (-(n // 2) - 0.5) * d, (n - n // 2 - 0.5) * d
        if lower[axis] < low - 1e-9 or upper[axis] > high + 1e-9:
            warnings.append(
                f"the object reaches from {1e3 * lower[axis]:.1f} to {1e3 * upper[axis]:.1f} mm along the {name} "
                f"direction, the field of view from {1e3 * low:.1f} to {1e3 * high:.1f} mm: it will alias; "
                "enlarge fov or matrix"
            )
    return tuple(warnings)


def run_bloch(
    timeline: Timeline, phantom: Phantom, engine: Bloch, threads: int | None = None, progress: Progress | None = None
) -> Acquisition:
    """Simulate a scan of a phantom; return noise-free raw data, in m^3 of proton density 1."""
    _check_readouts(timeline)
    workers = threads or os.cpu_count() or 1
    cells = sampling_grid(timeline, phantom, engine)
    spins = phantom.sample(cells)
    if len(spins.volume) == 0:
        raise InputError(f"phantom '{phantom.name}' has no spins in the slice; move the slice or the phantom")
    options = ClassOptions(
        t2_prime_accuracy=engine.t2_prime_accuracy if engine.t2_prime else math.inf,
        chemical_shift=engine.chemical_shift,
    )
    classes, dephasing_error = tissue_classes(spins, timeline, options)
    if engine.only:
        classes = [kind for kind in classes if kind.tissue in engine.only]
        if not classes:
            raise InputError(
                f"no spins of {', '.join(engine.only)} in the slice; tissues: {', '.join(spins.tissues)}", key="only"
            )
    reach = (2 * float(np.abs(spins.position[:, :2]).max()), cells.spacing[2] * cells.shape[0])
    plan = _plan(timeline, reach, classes, engine)
    facts: dict[str, Any] = {
        "engine": "bloch",
        "precision": engine.precision,
        "classes": len(classes),
        "t2_prime_error": dephasing_error,
        "in_plane_error": in_plane_error(phantom, timeline.encoding.grid, cells, spins),
        "warnings": outside_field_of_view(timeline, phantom),
    }
    if isinstance(plan, str):
        for key, asked in (("ideal_slice", engine.ideal_slice), ("start", engine.start == "steady")):
            if asked:
                raise InputError(f"needs reuse through the slice, but {plan}", key=key)
        signal, report = by_spin(timeline, classes, spins, cells, engine, workers, progress)
        unmeasured = (
            f"{plan}: every spin travels by itself, and the error of {report['sub_slices']} sub-slices is not measured"
        )
        facts |= {"reuse": plan, **report, "warnings": (*facts["warnings"], unmeasured)}
    else:
        signal, report = by_class(timeline, plan, classes, spins, cells, engine, workers, progress)
        facts |= {"reuse": "through the slice", **report}
    return _acquisition(timeline, signal, facts)


def _plan(timeline: Timeline, reach: tuple[float, float], classes: list[TissueClass], engine: Bloch) -> Program | str:
    """Return how the slice is reused, or why it is not."""
    if not engine.reuse:
        return "reuse is switched off"
    if any(kind.exchange for kind in classes):
        return "pools exchange magnetisation"
    return program(timeline, reach)


def _check_readouts(timeline: Timeline) -> None:
    dwell = timeline.readouts.dwell
    if len(dwell) == 0:
        raise InputError("the sequence has no readout: nothing to simulate")
    if np.ptp(dwell) > 0:
        raise InputError(f"readouts have dwell times from {dwell.min():.3g} to {dwell.max():.3g} s; all must be equal")


def _acquisition(timeline: Timeline, signal: NDArray[np.complex128], facts: dict[str, Any]) -> Acquisition:
    """Demodulate with each window's receiver phase and wrap the signal up."""
    table = timeline.readouts
    time = (np.arange(signal.shape[1]) + 0.5) * table.dwell[:, None]
    receiver = np.exp(1j * (table.phase[:, None] + 2 * np.pi * table.frequency[:, None] * time))
    readouts = Readouts(data=(signal * receiver)[:, None, :], k=table.k, t=table.t, labels=table.labels)
    return Acquisition(
        groups={"imaging": readouts},
        encoding=timeline.encoding,
        noise_density=np.array([[timeline.noise_density]], dtype=np.complex128),
        history=facts,
    )
