"""The test of an optimum: the whole road, again and again with other noise, against what was predicted.

The phantom is simulated once, without noise; noise, reconstruction and fit are repeated. What is compared is the
standard deviation of a voxel over the repetitions, root mean square over the voxels of one tissue alone, so ringing
and partial volume, which do not change, are not in it; they are in the bias.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ...core.errors import InputError
from ...core.maps import VALUED
from ...phantom.phantom import PURE
from ...simulate import add_noise
from ..engines import engine_of
from ..reconstruction import images_of, read_reconstruction
from ..request import Progress
from ..run import fitted, prepare, simulated
from ..waves import truth_of
from .optimise import Optimum

FEWEST = 3
"""Repetitions."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Confirmed:
    """One parameter of one tissue."""

    tissue: str
    parameter: str
    predicted: float
    """Relative standard deviation, of the optimiser."""
    sd: float
    """Of the full simulation, over the true value."""
    bias: float
    """Mean less truth, over the truth."""
    voxels: int
    replicates: int


def confirm(
    found: Optimum, replicates: int, seed: int = 1, progress: Progress | None = None
) -> tuple[Confirmed, ...]:  # fmt: skip
    """Return what full simulations of the best protocol measure.

    Parameters
    ----------
    found : Optimum
    replicates : int
        Repetitions of noise, reconstruction and fit.
    seed : int
        Of the noise.
    progress : callable, optional
        Called with (step, done, in all).
    """
    if replicates < FEWEST:
        raise InputError(f"is {replicates}; a standard deviation needs {FEWEST}", key="--confirm")
    by_grade: dict[int | None, list[str]] = {}
    for target in found.targets:
        name, _, number = target.name.partition(" of grade ")
        by_grade.setdefault(int(number) if number else None, []).append(name)
    rows: list[Confirmed] = []
    for done, (grade, tissues) in enumerate(by_grade.items()):
        if progress:
            progress("full simulation", done, len(by_grade))
        rows += _of_grade(found, grade, tissues, replicates, seed)
    if progress:
        progress("full simulation", len(by_grade), len(by_grade))
    return tuple(rows)


def _of_grade(
    found: Optimum, grade: int | None, tissues: list[str], replicates: int, seed: int
) -> Iterator[Confirmed]:  # fmt: skip
    request = replace(found.request, model=found.asked.wanted.model)
    request = request if grade is None else replace(request, grade=grade)
    prepared = prepare(request)
    raw = simulated(prepared, engine_of(prepared.request), None)
    truth = truth_of(prepared.phantom, prepared.sequence)
    recon = read_reconstruction(prepared.request.recon)
    streams = np.random.SeedSequence(seed).spawn(replicates)
    wanted = [name for name in found.asked.wanted.weights if name in truth.values]
    values: dict[str, list[object]] = {name: [] for name in wanted}
    usable = np.ones(truth.grid.shape, dtype=bool)
    for stream in streams:
        heard = add_noise(raw, rng=np.random.default_rng(stream), prescan=recon.noise_scan)
        images = images_of(heard, recon)
        maps = fitted(images, prepared.request, None)
        if maps is None:
            return
        usable &= np.isin(maps.status, VALUED)
        for name in wanted:
            values[name].append(maps.values[name])
    for tissue in tissues:
        label = tissue if grade is None else f"{tissue} of grade {grade}"
        inside = (truth.fractions[tissue] >= PURE) & usable
        for name in wanted if inside.any() else ():
            series = np.array(values[name])[:, inside]
            true = float(np.mean(truth.values[name][inside]))
            yield Confirmed(
                tissue=label, parameter=name, predicted=found.best.spread[label][name],
                sd=float(np.sqrt(series.var(axis=0, ddof=1).mean())) / abs(true),
                bias=float(series.mean() / true - 1), voxels=int(inside.sum()), replicates=replicates,
            )  # fmt: skip
