"""Two groups of discs by diffusion tensor imaging: is a difference of FA or MD tissue, or noise?

A replicate is a cohort: discs of two groups, each with an MD and an FA of its own, a region of voxels measured in
random orientation with the group's signal-to-noise ratio, tensors fitted voxel by voxel and averaged over the region.
Within a group MD and FA follow the grade as far as the settings say. Every cohort is judged by
`evaluate.noise_difference` against groups of one truth, each with its own noise. That of FA is the value that, lifted
by noise, shows the mean of the group with more signal; each group keeps its own MD, on which the lift depends. That of
MD is the mean of the group with more signal in both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.grid import Grid
from ...core.images import Images
from ...core.tensors import prolate
from ...core.units import BValues, Fraction, Quantity
from ...evaluate.roc import areas
from ...fit.fit import fit
from ...sequence.directions import repelled, spiral
from ..experiment import Arrays, Experiment, Measure, Outcome, mean_over
from ..noise_verdicts import Compared, Judging, shares, verdicts

Array = NDArray[np.float64]
GRADES = ((1.0, 2.0), (3.0, 4.0, 5.0))
"""Pfirrmann grades of the two groups, equally often."""
SHOWN = (Compared(name="md", shown="MD", unit="um^2/ms", factor=1e-9), Compared(name="fa", shown="FA"))
"""What is compared between the groups."""
NAMES = tuple(one.name for one in SHOWN)
HALVINGS = 7
"""Of the range in which the FA below the noise is sought: to a hundredth of the FA that is shown."""
Diffusivities = Annotated[tuple[float, ...], Quantity("diffusivity")]
Fractions = Annotated[tuple[float, ...], Quantity("fraction")]


@dataclass(frozen=True, kw_only=True, slots=True)
class TensorGroups:
    """Two groups and how they are measured; pairs are of the first and the second group."""

    md: Diffusivities
    """Mean diffusivity, m^2/s."""
    md_spread: Diffusivities
    """Standard deviation between discs."""
    fa: Fractions
    fa_spread: Fractions = (0.0, 0.0)
    md_follows: Fraction = 0.0
    """Correlation of MD with the grade within a group."""
    fa_follows: Fraction = 0.0
    snr: Fractions = (50.0, 50.0)
    """Signal without weighting over the noise of one channel."""
    b: BValues = (0.0, 600e6)
    directions: int = 12
    arrangement: str = "repelled"
    """``"repelled"``, or ``"spiral"``: a golden spiral over half the sphere."""
    discs: int = 100
    """Of each group."""
    voxels: int = 8
    """Of each disc's region."""
    model: str = "dti-wls"

    def __post_init__(self) -> None:
        """Refuse what is not two groups."""
        for key in ("md", "md_spread", "fa", "fa_spread", "snr"):
            if len(getattr(self, key)) != 2:
                raise InputError(f"has {len(getattr(self, key))} values; give two, one for each group", key=key)


def replicate(settings: TensorGroups, streams: Sequence[np.random.Generator]) -> Arrays:
    """Return what every cohort finds, (replicate, ...) by name."""
    rows = [_cohort(settings, stream) for stream in streams]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _cohort(settings: TensorGroups, stream: np.random.Generator) -> dict[str, Array]:
    contrast = _table(settings)
    groups = [_drawn(settings, group, stream) for group in (0, 1)]
    measured = [_measured(settings, contrast, g, md, fa, stream) for g, (md, fa, _) in enumerate(groups)]
    best = int(np.argmax(settings.snr))
    md = [float(found["md"].mean()) for found in measured]
    fa = _below_noise(settings, contrast, best, md[best], float(measured[best]["fa"].mean()), stream)
    found: dict[str, Array] = {"grade": np.stack([grade for _, _, grade in groups])}
    for name, means in (("md", (md[best], md[best])), ("fa", md)):
        silent = [_alike(settings, contrast, g, mean, fa, stream)[name] for g, mean in enumerate(means)]
        found[name] = np.stack([measured[g][name] for g in (0, 1)])
        found[f"{name} null"] = np.stack(silent)
    return found


def _below_noise(
    settings: TensorGroups, contrast: dict[str, Array], group: int, md: float, shown: float, stream: np.random.Generator
) -> float:
    """Return the FA that a group's noise lifts to the one that is shown; 0 where noise alone shows more."""
    seed, low, high = int(stream.integers(2**32)), 0.0, shown
    for _ in range(HALVINGS):  # the same noise each time: what is lifted grows with the FA
        middle = (low + high) / 2
        lifted = _alike(settings, contrast, group, md, middle, np.random.default_rng(seed))["fa"].mean()
        low, high = (middle, high) if lifted < shown else (low, middle)
    return (low + high) / 2


def _alike(
    settings: TensorGroups, contrast: dict[str, Array], group: int, md: float, fa: float, stream: np.random.Generator
) -> dict[str, Array]:
    """Return what a scan shows of discs that are all alike."""
    return _measured(settings, contrast, group, np.full(settings.discs, md), np.full(settings.discs, fa), stream)


def _drawn(settings: TensorGroups, group: int, stream: np.random.Generator) -> tuple[Array, Array, Array]:
    """Return MD, m^2/s, FA and grade of every disc of a group."""
    grade = stream.choice(np.array(GRADES[group]), settings.discs)
    away = (grade - np.mean(GRADES[group])) / np.std(GRADES[group])
    values = []
    for mean, sd, follows, way in (
        (settings.md[group], settings.md_spread[group], settings.md_follows, -1.0),
        (settings.fa[group], settings.fa_spread[group], settings.fa_follows, 1.0),
    ):
        own = stream.standard_normal(settings.discs)
        values.append(mean + sd * (way * follows * away + np.sqrt(1 - follows**2) * own))
    return np.maximum(values[0], 1e-11), np.clip(values[1], 0.0, 0.95), grade


def _table(settings: TensorGroups) -> dict[str, Array]:
    if settings.arrangement == "repelled":
        directions = repelled(settings.directions)
    elif settings.arrangement == "spiral":
        directions = spiral(settings.directions)
    else:
        raise InputError(f"'{settings.arrangement}' is neither 'repelled' nor 'spiral'", key="arrangement")
    rows = [(b, n) for b in settings.b for n in (directions if b else np.zeros((1, 3)))]
    vectors = np.array([n for _, n in rows])
    return {"b": np.array([b for b, _ in rows])} | {f"direction_{a}": vectors[:, i] for i, a in enumerate("xyz")}


def _measured(
    settings: TensorGroups, contrast: dict[str, Array], group: int, md: Array, fa: Array, stream: np.random.Generator
) -> dict[str, Array]:
    """Return the mean MD and FA of every disc's region as a scan of it shows them."""
    axes = stream.standard_normal((len(md), 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    tensors = np.stack([prolate(float(m), float(f), n) for m, f, n in zip(md, fa, axes, strict=True)])
    n = np.stack([contrast[f"direction_{a}"] for a in "xyz"], axis=1)
    clean = np.exp(-contrast["b"][:, None] * np.einsum("ki,dij,kj->kd", n, tensors, n))
    shape, sigma = (*clean.shape, settings.voxels), 1 / settings.snr[group]
    noise = sigma * (stream.standard_normal(shape) + 1j * stream.standard_normal(shape))
    data = (clean[:, :, None] + noise).reshape(len(clean), 1, 1, -1)
    grid = Grid(shape=data.shape[1:], spacing=(1e-3, 1e-3, 1e-3))
    images = Images(data=data, grid=grid, contrast=contrast, sigma=np.full((1, 1, 1, 1), sigma))
    maps = fit(images, settings.model, threads=1)
    return {name: np.nanmean(maps.values[name].reshape(len(md), settings.voxels), axis=1) for name in NAMES}


def measure(outcomes: Mapping[str, Outcome]) -> list[Measure]:
    """Return per arm means, effects, areas, correlations with the grade, gaps, and how often noise explains them."""
    found: list[Measure] = []
    for arm, outcome in outcomes.items():
        for name in NAMES:
            found += _of(f"{arm} {name}", outcome.data[name], outcome.data[f"{name} null"], outcome.data["grade"])
    return found


def _of(region: str, values: Array, null: Array, grade: Array) -> list[Measure]:
    """Return the measures of one quantity: values, null, grade are (replicate, group, disc)."""
    unit = "m^2/s" if region.endswith("md") else ""
    first, second = values[:, 0], values[:, 1]
    spread = np.sqrt((first.var(axis=1, ddof=1) + second.var(axis=1, ddof=1)) / 2)
    gap = second.mean(axis=1) - first.mean(axis=1)
    area = [areas(b, a).values[0] for a, b in zip(first, second, strict=True)]
    flat = values.reshape(len(values), -1)
    follows = [np.corrcoef(v, g)[0, 1] for v, g in zip(flat, grade.reshape(len(grade), -1), strict=True)]
    judged = verdicts(values, null)
    return [
        mean_over("mean of the first group", region, first.mean(axis=1), unit),
        mean_over("mean of the second group", region, second.mean(axis=1), unit),
        mean_over("gap", region, gap, unit),
        mean_over("Cohen d", region, np.abs(gap) / spread),
        mean_over("AUC", region, np.maximum(area, 1 - np.array(area))),
        mean_over("correlation with grade", region, np.array(follows)),
        mean_over("significant", region, np.array([float(v.p < 0.05) for v in judged])),
        *shares(region, judged),
    ]


def compared(_: TensorGroups) -> Sequence[Compared]:
    """Return what is held against noise."""
    return SHOWN


EXPERIMENT = Experiment(
    name="tensor-groups",
    title="two groups of discs by tensor imaging: tissue, or noise?",
    settings=TensorGroups,
    replicate=replicate,
    measure=measure,
    compare=Judging(compared).compare,
    draw=Judging(compared).draw,
)
