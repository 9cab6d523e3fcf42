"""The Bloch engine: spins through a timeline.

Piecewise-constant RF steps are exact rotations with relaxation split symmetrically around them (error of
second order in the step); RF-free intervals are closed forms of the gradient moments. Where the sequence
allows it (`program`), what happens through the slice is computed once per tissue class and used at every
place in the plane; otherwise every spin is carried through by itself. Both give the same numbers.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.acquisition import Acquisition, Readouts
from ..core.errors import InputError
from ..core.grid import Grid
from ..core.vectors import widen
from ..phantom.phantom import Phantom
from ..phantom.spins import Spins
from ..sequence.timeline import Timeline
from .classes import ClassOptions, TissueClass, tissue_classes
from .direct import direct_signal
from .plane import Pencils, column_signal, pencil_signal, pencils_of, pencils_suffice, plane_of
from .program import Program, program
from .slice_reuse import Relaxation, Resolution, Slab, refine, respond

Progress = Callable[[int, int], None]
"""Called with (spins done, spins in all)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bloch:
    """Options of the Bloch engine."""

    accuracy: float = 1e-3
    """Wanted discretisation error through the slice, over M0; the sub-slices are refined until it holds."""
    subsamples: int = 3
    """Spins per voxel along each in-plane axis."""
    sub_slices: int | None = None
    """Sub-slices over the slab; None refines them to `accuracy`."""
    slab: float = 2.0
    """Simulated stretch of the slice direction, in slice thicknesses."""
    layers: int | None = None
    """Layers of the object through the slab; None takes 1 for an object that does not vary along the slice
    direction and 9 otherwise."""
    precision: str = "double"
    """``"double"`` or ``"single"``."""
    reuse: bool = True
    """False carries every spin through the whole scan by itself."""
    ideal_slice: bool = False
    """True replaces pulses by their nominal flips, the same everywhere in the nominal slice."""
    t2_prime: bool = True
    """False switches reversible dephasing off."""
    chemical_shift: bool = True
    """False puts all species on the water frequency."""
    t2_prime_accuracy: float = 5e-3
    """Largest error of the sampled T2' decay, as a share of the tissue's signal."""
    only: tuple[str, ...] = ()
    """Names of the tissues to simulate; empty for all."""

    def __post_init__(self) -> None:
        if self.precision not in ("double", "single"):
            raise InputError(f"'{self.precision}' is neither 'double' nor 'single'", key="precision")
        for key in ("accuracy", "slab", "t2_prime_accuracy"):
            value = getattr(self, key)
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"{value} must be a positive number", key=key)
        for key in ("subsamples", "sub_slices", "layers"):
            value = getattr(self, key)
            if value is not None and value < 1:
                raise InputError(f"{value} must be at least 1", key=key)
        if self.layers is not None and self.layers % 2 == 0:
            raise InputError(f"{self.layers} must be odd, so that a layer lies at the slice's centre", key="layers")

    @property
    def dtype(self) -> type:
        """The floating-point type of the kernels."""
        return np.float64 if self.precision == "double" else np.float32


def sampling_grid(timeline: Timeline, phantom: Phantom, engine: Bloch) -> Grid:
    """Return the fine grid of cells on which the object becomes spins: all of the object, not only the FOV."""
    encoded = timeline.encoding.grid
    dx, dy, dz = encoded.spacing
    lower, upper = phantom.extent(encoded)
    fine = (dx / engine.subsamples, dy / engine.subsamples)
    reach = np.maximum(np.abs(lower), np.abs(upper))
    nx, ny = (2 * math.ceil(reach[a] / fine[a]) + 1 for a in range(2))
    thickness = dz * (1.0 if engine.ideal_slice else engine.slab)
    layers = engine.layers or (1 if _uniform_through_slice(phantom, encoded) else 9)
    return Grid(shape=(layers, ny, nx), spacing=(*fine, thickness / layers), centre=encoded.centre, axes=encoded.axes)


def _uniform_through_slice(phantom: Phantom, grid: Grid) -> bool:
    if phantom.extruded is None:
        return False
    return bool(abs(abs(np.asarray(phantom.extruded) @ grid.axes[:, 2]) - 1) < 1e-9)


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
                f"the object reaches from {1e3 * lower[axis]:.1f} to {1e3 * upper[axis]:.1f} mm along the {name} direction, "
                f"the field of view from {1e3 * low:.1f} to {1e3 * high:.1f} mm: it will alias; enlarge fov or matrix")
    return tuple(warnings)


def run_bloch(
    timeline: Timeline, phantom: Phantom, engine: Bloch, threads: int | None = None, progress: Progress | None = None
) -> Acquisition:
    """Simulate a scan of a phantom; return noise-free raw data, in m^3 of proton density 1."""
    widen()
    dwell = timeline.readouts.dwell
    if len(dwell) == 0:
        raise InputError("the sequence has no readout: nothing to simulate")
    if np.ptp(dwell) > 0:
        raise InputError(f"readouts have dwell times from {dwell.min():.3g} to {dwell.max():.3g} s; all must be equal")
    workers = threads or os.cpu_count() or 1
    cells = sampling_grid(timeline, phantom, engine)
    spins = phantom.sample(cells)
    if len(spins.volume) == 0:
        raise InputError(f"phantom '{phantom.name}' has no spins in the slice; move the slice or the phantom")
    options = ClassOptions(t2_prime_accuracy=engine.t2_prime_accuracy if engine.t2_prime else math.inf,
                           chemical_shift=engine.chemical_shift)
    classes, dephasing_error = tissue_classes(spins, timeline, options)
    if engine.only:
        classes = [kind for kind in classes if kind.tissue in engine.only]
        if not classes:
            raise InputError(f"no spins of {', '.join(engine.only)} in the slice; tissues: {', '.join(spins.tissues)}", key="only")
    reach = (2 * float(np.abs(spins.position[:, :2]).max()), cells.spacing[2] * cells.shape[0])
    plan = program(timeline, reach) if engine.reuse else "reuse is switched off"
    facts: dict[str, Any] = {"engine": "bloch", "precision": engine.precision, "classes": len(classes),
                             "t2_prime_error": dephasing_error, "warnings": outside_field_of_view(timeline, phantom)}
    if isinstance(plan, str):
        if engine.ideal_slice:
            raise InputError(f"an ideal slice needs reuse through the slice, but {plan}", key="ideal_slice")
        signal, report = _by_spin(timeline, classes, spins, cells, engine, workers, progress)
        facts |= {"reuse": plan, **report}
    else:
        signal, report = _by_class(timeline, plan, classes, spins, cells, engine, workers, progress)
        facts |= {"reuse": "through the slice", **report}
    return _acquisition(timeline, signal, facts)


def _by_class(
    timeline: Timeline, plan: Program, classes: list[TissueClass], spins: Spins, cells: Grid, engine: Bloch,
    workers: int, progress: Progress | None,
) -> tuple[NDArray[np.complex128], dict[str, Any]]:
    slab = Slab(thickness=cells.spacing[2] * cells.shape[0], layers=cells.shape[0], ideal=engine.ideal_slice)
    pencils: dict[int, Pencils] = {}
    if pencils_suffice(timeline, plan):
        for kind in classes:
            if id(kind.members) not in pencils:
                pencils[id(kind.members)] = pencils_of(plan, plane_of(spins, kind.members, cells.shape))
    per_layer = None if engine.sub_slices is None else max(1, engine.sub_slices // slab.layers)

    spins_of = [Relaxation(r1=kind.r1, r2=kind.r2, offset=kind.offset, b1=kind.b1) for kind in classes]
    groups = [(kind.r1, kind.r2, kind.b1) for kind in classes]
    leaders = {group: max((i for i, g in enumerate(groups) if g == group), key=lambda i: classes[i].pd) for group in set(groups)}
    keys = sorted(leaders)

    def resolve(group: tuple[float, float, float]) -> Resolution:
        return refine(timeline, plan, slab, spins_of[leaders[group]], engine.accuracy, per_layer, engine.dtype)

    def work(index: int) -> NDArray[np.complex128]:
        kind = classes[index]
        response = respond(timeline, plan, slab, spins_of[index], resolutions[groups[index]], engine.dtype)
        if pencils:
            return pencil_signal(timeline, plan, pencils[id(kind.members)], response, kind, engine.dtype)
        return column_signal(timeline, plan, spins, response, kind, cells.shape, engine.dtype)

    total = np.zeros(timeline.readouts.k.shape[:2], dtype=np.complex128)
    with ThreadPoolExecutor(workers) as pool:
        resolutions = dict(zip(keys, pool.map(resolve, keys), strict=True))
        counts = np.cumsum([len(kind.members) * resolutions[g].per_layer for kind, g in zip(classes, groups, strict=True)])
        for done, signal in enumerate(pool.map(work, range(len(classes)))):
            total += signal
            if progress:
                progress(int(counts[done]), int(counts[-1]))
    return total, {"discretisation_error": max(r.error for r in resolutions.values()), "spins": int(counts[-1]),
                   "sub_slices": max(r.per_layer for r in resolutions.values()) * slab.layers}


def _by_spin(
    timeline: Timeline, classes: list[TissueClass], spins: Spins, cells: Grid, engine: Bloch, workers: int,
    progress: Progress | None,
) -> tuple[NDArray[np.complex128], dict[str, Any]]:
    layers, height = cells.shape[0], cells.spacing[2]
    per_layer = max(1, math.ceil((engine.sub_slices or 160) / layers))
    shift = ((np.arange(per_layer) + 0.5) / per_layer - 0.5) * height
    position = np.repeat(spins.position, per_layer, axis=0)
    position[:, 2] += np.tile(shift, len(spins.position))
    volume = np.repeat(spins.volume / per_layer, per_layer)
    spread = [_spread(kind, per_layer) for kind in classes]
    signal = direct_signal(timeline, spread, position, volume, dtype=engine.dtype, threads=workers, progress=progress)
    return signal, {"sub_slices": per_layer * layers, "spins": sum(len(k.members) for k in spread)}


def _spread(kind: TissueClass, per_layer: int) -> TissueClass:
    members = (kind.members[:, None] * per_layer + np.arange(per_layer)).ravel()
    return replace(kind, members=members)


def _acquisition(timeline: Timeline, signal: NDArray[np.complex128], facts: dict[str, Any]) -> Acquisition:
    """Demodulate with each window's receiver phase and wrap the signal up."""
    table = timeline.readouts
    time = (np.arange(signal.shape[1]) + 0.5) * table.dwell[:, None]
    receiver = np.exp(1j * (table.phase[:, None] + 2 * np.pi * table.frequency[:, None] * time))
    readouts = Readouts(data=(signal * receiver)[:, None, :], k=table.k, t=table.t, labels=table.labels)
    return Acquisition(groups={"imaging": readouts}, encoding=timeline.encoding,
                       noise_density=np.array([[timeline.noise_density]], dtype=np.complex128), history=facts)
