"""The error budget of a run: simulated again with its causes switched off, one at a time and all together.

Work is shared. Noise needs no new simulation. The tissues are simulated one by one once: their sum is the scan, each
alone is the scan without partial volume. The point spread of k-space goes when every pure voxel is given what a probe
of its tissue holds (`plan.probe`); that takes partial volume with it, so it counts by what it adds to that. With
everything off only probes are needed: nominal flips, no T2', the true fields, every species on resonance. What a fit
knows (the slice profiles of `t2-epg`) or measures (the T2' of T2*) is no error and has no row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.acquisition import Acquisition
from ..core.errors import InputError
from ..core.evaluation import Evaluation
from ..core.images import Images
from ..core.maps import Maps
from ..evaluate import evaluate
from ..evaluate.budget import error_budget
from ..fit.models import find_model
from ..phantom.phantom import PURE
from ..plan.probe import centre_signal, probe_of
from ..sequence.discretize import discretize
from ..sequence.imperfect import Imperfections
from ..simulate import simulate
from ..simulate.object_cells import IN_SHAPES
from .engines import engine_of
from .measured import measured
from .reconstruction import images_of
from .request import Progress, RunRequest, RunResult
from .run import Prepared, fitted, prepare, simulated

SWITCHES = ("slice-profile", "b1", "off-resonance", "t2-prime", "chemical-shift", "imperfections")
"""Causes that need a simulation of their own."""
MEASURED = {
    "t2-prime": {"t2_star", "r2_star"}, "b1": {"b1"}, "off-resonance": {"off_resonance"}, "chemical-shift": {"pdff"},
}  # fmt: skip
"""Causes -> the parameters of which they are a part, where they are what is measured and no error."""
FINER = 3.0
"""By what the accuracy is raised to see the error of the discretisation."""
MORE_CELLS = 2
"""By how many cells per voxel and axis as well."""
BESIDE = {"point-spread": "partial-volume"}
"""Causes that go only together with another one."""


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """What all runs of a budget share."""

    result: RunResult
    prepared: Prepared
    clean: Acquisition
    """The scan without noise."""
    alone: dict[str, Acquisition]
    """Each tissue by itself."""

    def scored(self, images: Images, request: RunRequest | None = None) -> Evaluation:
        """Return the evaluation of the maps that these images give."""
        maps = fitted(images, request or self.result.request, None)
        assert maps is not None
        thin = dict.fromkeys(getattr(self.result.rois, "not_eroded", ()), "not eroded: too thin")
        return evaluate(maps, self.result.truth, self.result.rois, thin)

    def noisy(self, raw: Acquisition) -> Images:
        """Return the images of a scan with the run's own noise."""
        return self.made(measured(raw, self.result.request))

    def made(self, raw: Acquisition) -> Images:
        """Return the images of a scan, reconstructed as the run's."""
        return images_of(raw, self.result.request.recon)

    def filled(self, images: Images, content: Callable[[str, NDArray[np.bool_]], NDArray[np.complex128]]) -> Images:
        """Return images whose pure voxels hold what `content` says of their tissue, with the noise of `images`."""
        noise = images.data - self.made(self.clean).data if self.result.raw.noisy else np.zeros_like(images.data)
        data = images.data.copy()
        for tissue, pure in _pure(self.result.truth).items():
            data[:, pure] = content(tissue, pure) + noise[:, pure]
        return replace(images, data=data)


def with_budget(result: RunResult, progress: Progress | None = None) -> RunResult:
    """Return a run with the budget of its error.

    Parameters
    ----------
    result : RunResult
        Of a protocol with a model to fit.
    progress : callable, optional
        Called with (step, done, in all).
    """
    if result.evaluation is None:
        raise InputError("a budget needs a map to compare with the truth; give --model", key="--budget")
    prepared = prepare(result.request)
    causes = _causes(prepared)
    tell = progress or (lambda step, done, total: None)
    tell("budget", 0, len(causes) + 2)
    alone = {
        tissue: simulated(prepared, engine_of(prepared.request, only=(tissue,)), None)
        for tissue in _held(prepared, result.truth)
    }
    job = _Job(result, prepared, _sum(alone), alone)
    tell("budget", 1, len(causes) + 2)
    without: dict[str, Evaluation] = {}
    notes = [f"{cause} is no error here: {why}" for cause, why in _excused(prepared.request).items()]
    for done, cause in enumerate(causes):
        try:
            without[cause] = _without(job, cause)
        except InputError as error:
            notes.append(f"{cause} cannot be switched off here: {error.problem}")
        tell("budget", done + 2, len(causes) + 2)
    nothing = _without_all(job)
    tell("budget", len(causes) + 2, len(causes) + 2)
    return replace(result, budget=error_budget(result.evaluation, without, nothing, BESIDE, tuple(notes)))


def _causes(prepared: Prepared) -> list[str]:
    """Return the causes that can act in this run, in the order of the budget."""
    phantom, request = prepared.phantom, prepared.request
    pools = [pool for tissue in phantom.tissues for pool in tissue.pools(phantom.field)]
    acts = {
        "noise": True,
        "slice-profile": prepared.sequence.encoding.kind == "2d",
        "b1": not (isinstance(phantom.b1, float | int) and phantom.b1 == 1.0),
        "off-resonance": not (isinstance(phantom.offset, float | int) and phantom.offset == 0.0),
        "t2-prime": any(np.isfinite(pool.t2_prime) for pool in pools),
        "chemical-shift": any(pool.shift for pool in pools),
        "imperfections": prepared.sequence.scanner.imperfections != Imperfections(),
        "partial-volume": True,
        "point-spread": True,
        "discretisation": True,
    }
    excused = _excused(request)
    return [cause for cause, act in acts.items() if act and cause not in (*request.without, *excused)]


def _excused(request: RunRequest) -> dict[str, str]:
    """Return the causes that are no errors for this fit, each with why."""
    model = find_model(str(request.model))
    known = f"'{model.name}' knows it; what that leaves stands under model"
    said: dict[str, str] = dict.fromkeys(map(str, model.knows), known)
    for cause, parts in MEASURED.items():
        if own := parts & set(model.map_names):
            said[cause] = f"it is part of {sorted(own)[0]}, which '{model.name}' measures"
    return said


def _without(job: _Job, cause: str) -> Evaluation:
    """Return the evaluation of the run with one cause switched off."""
    request = job.prepared.request
    if cause == "noise":
        return job.scored(job.made(job.clean))
    if cause == "partial-volume":
        images = {tissue: job.made(raw).data for tissue, raw in job.alone.items()}
        return job.scored(job.filled(job.result.images, lambda tissue, pure: images[tissue][:, pure]))
    if cause == "point-spread":
        return job.scored(job.filled(job.result.images, _probed(job.prepared)))
    if cause == "discretisation":
        engine = engine_of(request)
        cells = (engine.subsamples or IN_SHAPES) + MORE_CELLS
        finer: dict[str, Any] = {"accuracy": engine.accuracy / FINER, "subsamples": cells}
        return job.scored(job.noisy(simulated(job.prepared, replace(engine, **finer), None)))
    other = replace(request, without=(*request.without, cause))
    prepared = prepare(other)
    return job.scored(job.noisy(simulated(prepared, engine_of(other), None)), other)


def _without_all(job: _Job) -> Evaluation:
    """Return the evaluation with every cause switched off: the model's own error."""
    request = job.prepared.request
    off = (cause for cause in SWITCHES if cause not in _excused(request))
    other = replace(request, without=tuple(dict.fromkeys((*request.without, "noise", *off))))
    images = replace(job.made(job.clean), noisy=False)
    bare = replace(job, result=replace(job.result, raw=job.clean))
    return job.scored(bare.filled(images, _probed(prepare(other))), other)


def _probed(prepared: Prepared) -> Callable[[str, NDArray[np.bool_]], NDArray[np.complex128]]:
    """Return what a voxel of each tissue holds by itself, the same everywhere, as (contrast, 1) signals."""
    phantom, timeline = prepared.phantom, discretize(prepared.sequence)
    for name in ("b1", "offset"):
        if not isinstance(getattr(phantom, name), float | int):
            raise InputError(f"a voxel of a tissue has no one signal where {name} varies", key=name)
    known = {tissue.name: tissue for tissue in phantom.tissues}

    def content(tissue: str, pure: NDArray[np.bool_]) -> NDArray[np.complex128]:
        deep = timeline.encoding.kind == "2d"
        probe = probe_of(phantom, known[tissue], timeline.encoding.grid, deep)
        raw = simulate(timeline, probe, engine_of(prepared.request), threads=prepared.request.threads)
        return centre_signal(raw, deep)[:, None]

    return content


def _held(prepared: Prepared, truth: Maps) -> list[str]:
    """Return the tissues that fill any part of the image."""
    return [name for name, part in truth.fractions.items() if part.any()]


def _pure(truth: Maps) -> dict[str, NDArray[np.bool_]]:
    masks = {name: part >= PURE for name, part in truth.fractions.items()}
    return {name: mask for name, mask in masks.items() if mask.any()}


def _sum(parts: dict[str, Acquisition]) -> Acquisition:
    """Return the scan of all tissues together."""
    first, *others = parts.values()
    groups = {
        name: replace(group, data=group.data + sum(raw.groups[name].data for raw in others))
        for name, group in first.groups.items()
    }
    return replace(first, groups=groups)
