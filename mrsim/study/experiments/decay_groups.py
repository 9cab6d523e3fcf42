"""Two groups of discs by kurtosis or by perfusion: bias, scatter, and differences where there are none.

A replicate is a cohort: discs of two groups, each with a D, a K and a perfusion fraction of its own and a region of
voxels measured over b with the group's signal-to-noise ratio. Kurtosis is that of the region, the mean of V over the
square of the mean of D; the perfusion fraction is the mean over the region, not clipped, and beside it clipped at zero.
The signal is the expansion or the two compartments that the fit assumes: the study judges noise and nothing else.
Every cohort is judged by `evaluate.noise_difference` against groups of one truth, the kurtosis or the perfusion that
the first group shows, each with its own diffusivity and signal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.grid import Grid
from ...core.images import Images
from ...core.units import BValues, Fraction, Quantity
from ...evaluate.roc import areas
from ...fit.fit import fit
from ..experiment import Arrays, Experiment, Measure, Outcome, mean_over
from ..noise_verdicts import Compared, Judging, shares, verdicts

Array = NDArray[np.float64]
Diffusivities = Annotated[tuple[float, ...], Quantity("diffusivity")]
Diffusivity = Annotated[float, Quantity("diffusivity")]
Fractions = Annotated[tuple[float, ...], Quantity("fraction")]
MODELS = {"kurtosis": "kurtosis-loglin", "perfusion": "ivim-segmented"}
JUDGED = {"kurtosis": ("k",), "perfusion": ("f", "f clipped")}
"""What is compared between the groups."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DecayGroups:
    """Two groups and how they are measured; pairs are of the first and the second group."""

    kind: Literal["kurtosis", "perfusion"]
    d: Diffusivities
    """Diffusivity, m^2/s."""
    d_spread: Diffusivities = (0.0, 0.0)
    """Standard deviation between discs."""
    k: Fractions = (0.0, 0.0)
    """Kurtosis."""
    k_spread: Fractions = (0.0, 0.0)
    f: Fractions = (0.0, 0.0)
    """Perfusion fraction."""
    d_star: Diffusivity = 15e-9
    """m^2/s."""
    b: BValues
    snr: Fraction = 50.0
    """Signal without weighting, 1, over the noise of one channel."""
    signal: Fractions = (1.0, 1.0)
    """Signal without weighting of each group; the noise is that of `snr` in both."""
    discs: int = 30
    """Of each group."""
    voxels: int = 16
    """Of each disc's region."""

    def __post_init__(self) -> None:
        """Refuse what is not two groups."""
        for key in ("d", "d_spread", "k", "k_spread", "f", "signal"):
            if len(getattr(self, key)) != 2:
                raise InputError(f"has {len(getattr(self, key))} values; give two, one for each group", key=key)


def replicate(settings: DecayGroups, streams: Sequence[np.random.Generator]) -> Arrays:
    """Return what every cohort finds, (replicate, group, disc) by name, and what noise makes of groups of one truth."""
    scans = [[_scan(settings, group, stream) for group in (0, 1)] for stream in streams]
    found = _found(settings, scans)
    name = JUDGED[settings.kind][0]
    d, shown = found["d"].mean(axis=2), np.maximum(found[name][:, 0].mean(axis=1), 0.0)
    alike = []
    for stream, own, one in zip(streams, d, shown, strict=True):
        common: dict[str, Any] = {"d": tuple(own), "d_spread": (0.0, 0.0), "k_spread": (0.0, 0.0), name: (one, one)}
        truth = replace(settings, **common)
        alike.append([_scan(truth, group, stream) for group in (0, 1)])
    null = _found(settings, alike)
    return found | {f"{name} null": null[name] for name in JUDGED[settings.kind]}


Scanned = tuple[NDArray[np.complex128], Array, Array]


def _found(settings: DecayGroups, scans: Sequence[Sequence[Scanned]]) -> Arrays:
    """Return what fits of cohorts find; all are fitted at once."""
    data = np.stack([[data for data, *_ in row] for row in scans])  # (replicate, group, b, disc, voxel)
    b, shape = np.array(settings.b), (*data.shape[:2], *data.shape[3:])
    flat = np.moveaxis(data, 2, 0).reshape(len(b), 1, 1, -1)
    grid, sigma = Grid(shape=flat.shape[1:], spacing=(1e-3, 1e-3, 1e-3)), np.full((1, 1, 1, 1), 1 / settings.snr)
    maps = fit(Images(data=flat, grid=grid, contrast={"b": b}, sigma=sigma), MODELS[settings.kind], threads=1)
    values = {name: value.reshape(shape) for name, value in maps.values.items()}
    found = {"d": np.nanmean(values["d"], axis=-1), "true d": np.array([[d for _, d, _ in row] for row in scans])}
    if settings.kind == "kurtosis":
        mean = np.nanmean(values["v"], axis=-1)
        true = np.array([[k for *_, k in row] for row in scans])
        return found | {"k": mean / found["d"] ** 2, "v": mean, "true k": true}
    fraction = values["f"]
    return found | {
        "f": np.nanmean(fraction, axis=-1),
        "f clipped": np.nanmean(np.clip(fraction, 0.0, 1.0), axis=-1),
        "f scatter": np.nanstd(fraction, axis=-1, ddof=1),
    }


def _scan(settings: DecayGroups, group: int, stream: np.random.Generator) -> Scanned:
    """Return (b, disc, voxel) images of a group's regions, and D, m^2/s, and K of its discs."""
    draw = stream.standard_normal((2, settings.discs))
    d = np.maximum(settings.d[group] + settings.d_spread[group] * draw[0], 1e-11)
    k = np.maximum(settings.k[group] + settings.k_spread[group] * draw[1], 0.0)
    b, f = np.array(settings.b), settings.f[group]
    x = b[:, None] * d
    clean = f * np.exp(-b * settings.d_star)[:, None] + (1 - f) * np.exp(-x + x**2 * k / 6)
    clean = settings.signal[group] * clean
    shape = (*clean.shape, settings.voxels)
    noise = stream.standard_normal(shape) + 1j * stream.standard_normal(shape)
    return clean[:, :, None] + noise / settings.snr, d, k


def measure(outcomes: Mapping[str, Outcome]) -> list[Measure]:
    """Return per arm bias, scatter, areas and how often a difference is called significant."""
    found: list[Measure] = []
    for arm, outcome in outcomes.items():
        data = outcome.data
        if outcome.settings.kind == "kurtosis":
            first = {name: data[name][:, 0].mean(axis=1) for name in ("d", "v", "true d", "true k")}
            k = first["v"] / first["d"] ** 2
            found.append(mean_over("bias", f"{arm} d", first["d"] / first["true d"] - 1))
            if np.all(first["true k"] > 0):
                found.append(mean_over("bias", f"{arm} k", k / first["true k"] - 1))
        else:
            scatter = np.sqrt(np.mean(data["f scatter"] ** 2, axis=(1, 2)))
            found.append(mean_over("mean", f"{arm} f", data["f"].mean(axis=(1, 2))))
            found.append(mean_over("clipped mean", f"{arm} f", data["f clipped"].mean(axis=(1, 2))))
            found.append(mean_over("scatter of voxels", f"{arm} f", scatter))
        for name in JUDGED[outcome.settings.kind]:
            found += _compared(f"{arm} {name}", data[name])
            found += shares(f"{arm} {name}", verdicts(data[name], data[f"{name} null"]))
    return found


def _compared(region: str, values: Array) -> list[Measure]:
    """Return gap, area and share of significant differences of (replicate, group, disc) values."""
    from scipy.stats import ttest_ind

    first, second = values[:, 0], values[:, 1]
    area = np.array([areas(b, a).values[0] for a, b in zip(first, second, strict=True)])
    p = ttest_ind(first, second, axis=1).pvalue
    return [
        mean_over("gap", region, second.mean(axis=1) - first.mean(axis=1)),
        mean_over("AUC", region, np.maximum(area, 1 - area)),
        mean_over("significant", region, (p < 0.05).astype(float)),
    ]


def compared(settings: DecayGroups) -> list[Compared]:
    """Return what is held against noise."""
    return [Compared(name=name, shown=name) for name in JUDGED[settings.kind]]


EXPERIMENT = Experiment(
    name="decay-groups",
    title="two groups of discs by kurtosis or perfusion: bias, scatter, false differences",
    settings=DecayGroups,
    replicate=replicate,
    measure=measure,
    compare=Judging(compared).compare,
    draw=Judging(compared).draw,
)
