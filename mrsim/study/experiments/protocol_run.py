"""Any protocol on any phantom, again and again with other noise: bias and scatter of every map in every region.

The phantom is simulated once per process; noise, reconstruction and fit are repeated. With a grid or a sweep of the
settings this is how a protocol is mapped: over echo times, fields, grades, off-resonance.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

import numpy as np

from ...core.acquisition import Acquisition
from ...core.errors import InputError
from ...core.units import Fraction, Frequency, Quantity
from ...evaluate import evaluate
from ...simulate import add_noise
from ..engines import engine_of
from ..experiment import Arrays, Experiment, Measure, Outcome, mean_over
from ..held import Held, held
from ..reconstruction import images_of, read_reconstruction
from ..request import RunRequest
from ..run import Prepared, fitted, prepare, simulated
from ..waves import truth_of


@dataclass(frozen=True, kw_only=True, slots=True)
class ProtocolRun:
    """What `mrsim run` is asked."""

    protocol: str
    field: Annotated[float, Quantity("magnetic field")] | None = None
    """T."""
    scanner: str | None = None
    phantom: str | None = None
    grade: int | None = None
    model: str | None = None
    set: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Protocol entries, as text with units."""
    without: tuple[str, ...] = ()
    b1: Fraction | None = None
    offset: Frequency | None = None
    receive: str | None = None
    recon: dict[str, str] = dataclasses.field(default_factory=dict)
    """How images are reconstructed, as text: ``{"method": "grappa"}``."""
    engine: str = "bloch"


def replicate(settings: ProtocolRun, streams: Sequence[np.random.Generator]) -> Arrays:
    """Return mean, scatter and truth of every map in every region, (replicate,) each."""
    prepared, raw, truth, rois = _scanned(held(settings))
    noise = "noise" not in settings.without
    recon = read_reconstruction(prepared.request.recon)
    rows: dict[str, list[float]] = {}
    for rng in streams:
        images = images_of(add_noise(raw, rng=rng, prescan=recon.noise_scan) if noise else raw, recon)
        maps = fitted(images, prepared.request, None)
        if maps is None:
            raise InputError(f"{settings.protocol} names no model to fit", key="settings.model")
        for row in evaluate(maps, truth, rois).rows:
            for name in ("mean", "sd", "truth"):
                rows.setdefault(f"{row.region} {row.parameter} {name}", []).append(getattr(row, name))
    whole = {name: values for name, values in rows.items() if len(values) == len(streams)}
    return {name: np.array(values) for name, values in whole.items()}


def measure(outcomes: Mapping[str, Outcome]) -> list[Measure]:
    """Return, per arm, region and map, over the truth: bias, scatter of the region's mean, scatter of its voxels."""
    found = []
    for arm, outcome in outcomes.items():
        for name in [key.removesuffix(" mean") for key in outcome.data if key.endswith(" mean")]:
            mean, sd, truth = (outcome.data[f"{name} {kind}"] for kind in ("mean", "sd", "truth"))
            if not np.all(truth):
                continue  # relative to what?
            region = f"{arm} {name}"
            found.append(mean_over("bias", region, mean / truth - 1))
            found.append(mean_over("voxel SD", region, sd / truth))
            if len(mean) > 1:
                spread = float(np.std(mean / truth, ddof=1))
                found.append(Measure(metric="SD of the mean", region=region, value=spread, replicates=len(mean)))
    return found


@lru_cache(maxsize=1)
def _scanned(asked_for: Held[ProtocolRun]) -> tuple[Prepared, Acquisition, Any, Any]:
    """Return the scan without noise, the truth and the regions, once per process."""
    asked = asked_for.value
    request = RunRequest(
        protocol=asked.protocol, field=asked.field, scanner=asked.scanner, phantom=asked.phantom, grade=asked.grade,
        model=asked.model, overrides={key: str(value) for key, value in asked.set.items()}, without=asked.without,
        b1=asked.b1, offset=asked.offset, receive=asked.receive, recon=asked.recon,
        engine={"name": asked.engine}, threads=1,
    )  # fmt: skip
    prepared = prepare(request)
    raw = simulated(prepared, engine_of(prepared.request), None)
    rois = prepared.phantom.rois(prepared.sequence.encoding.grid)
    return prepared, raw, truth_of(prepared.phantom, prepared.sequence), rois


EXPERIMENT = Experiment(
    name="protocol-run",
    title="any protocol repeated with other noise: bias and scatter of every map in every region",
    settings=ProtocolRun,
    replicate=replicate,
    measure=measure,
)
