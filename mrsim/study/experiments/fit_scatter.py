"""Monte Carlo of one voxel: how far a model's fits scatter, against the Cramér-Rao bound and the truth.

The signal is the model's own, so the study judges the fit and its error under noise and nothing else. The noise is
complex and Gaussian; a model of magnitudes sees its Rician consequence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.grid import Grid
from ...core.images import Images
from ...core.units import Fraction, dimension_of, parse_quantity
from ...fit.crlb import crlb
from ...fit.fit import fit
from ...fit.model import Column, Description, Parameter
from ...fit.models import find_model
from ...fit.signal import signal
from ..experiment import Arrays, Experiment, Measure, Outcome

MOST_SNR = 1e12
"""Noise below that of double precision is none."""
SPREAD_ERROR = 0.5
"""Variance of ln(SD) times (n - 1), for normal scatter."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FitScatter:
    """One tissue in one protocol."""

    model: str
    values: dict[str, str]
    """True value of every parameter, with its unit."""
    contrast: dict[str, str]
    """Every column of the contrast table, with its unit."""
    snr: Fraction = 100.0
    """Linear parameter over the noise of one channel."""
    options: dict[str, str] = field(default_factory=dict)
    """Of the model, with units."""


def replicate(settings: FitScatter, streams: Sequence[np.random.Generator]) -> Arrays:
    """Return what is fitted in one voxel per stream, (replicate,) by parameter."""
    if not 0 < settings.snr <= MOST_SNR:
        raise InputError(f"is {settings.snr:g}; it must be above 0, and at most {MOST_SNR:g}", key="settings.snr")
    model, values, contrast, options = _read(settings)
    clean = signal(model, values, contrast, **options)
    sigma = _linear(model, values) / settings.snr
    noise = [sigma * (s.standard_normal(len(clean)) + 1j * s.standard_normal(len(clean))) for s in streams]
    data = np.asarray((clean[None] + np.array(noise)).T[:, None, None, :], dtype=np.complex128)
    grid = Grid(shape=(1, 1, len(streams)), spacing=(1e-3, 1e-3, 1e-3))
    images = Images(data=data, grid=grid, contrast=contrast, sigma=np.full((len(clean), 1, 1, 1), sigma))
    maps = fit(images, model, mask=None, threads=1, sigma=None, select=None, **options)
    found: Arrays = {name: values[0, 0] for name, values in maps.values.items()}
    errors = {f"{name} error": values[0, 0] for name, values in maps.errors.items()}
    return found | errors | {"status": maps.status[0, 0]}


def measure(outcomes: Mapping[str, Outcome]) -> list[Measure]:
    """Return, per arm and parameter, SD over bound, bias over SD, claimed error over SD; per arm the share fitted."""
    found = []
    for arm, outcome in outcomes.items():
        model, values, contrast, options = _read(outcome.settings)
        bound = crlb(model, values, contrast, _linear(model, values) / outcome.settings.snr, **options)
        good = outcome.data["status"] == 0
        found.append(Measure(metric="share fitted", region=arm, value=float(good.mean()), replicates=good.size))
        for parameter in model.map_names:
            found += _scatter(f"{arm} {parameter}", values[parameter], bound[parameter], outcome.data, parameter, good)
    return found


def _scatter(
    region: str, truth: float, bound: float, data: Arrays, parameter: str, good: NDArray[np.bool_]
) -> list[Measure]:
    off = data[parameter][good] - truth
    n, sd = len(off), float(off.std(ddof=1))
    claimed = float(np.sqrt(np.mean(data[f"{parameter} error"][good] ** 2)))
    wide = float(np.sqrt(SPREAD_ERROR / (n - 1)))
    ratios = {
        "SD over bound": (sd / bound, sd / bound * wide),
        "bias over SD": (float(off.mean()) / sd, float(1 / np.sqrt(n))),
        "claimed error over SD": (claimed / sd, claimed / sd * wide),
    }
    return [
        Measure(metric=name, region=region, value=value, standard_error=error, replicates=n,
                low=value - 1.96 * error, high=value + 1.96 * error)
        for name, (value, error) in ratios.items()
    ]  # fmt: skip


def _read(settings: FitScatter) -> tuple[Description, dict[str, float], dict[str, NDArray[np.float64]], dict[str, Any]]:
    """Return the model and the settings' texts as SI numbers."""
    model = find_model(settings.model)
    values = {p.name: _quantity(settings.values, p)[0] for p in model.parameters}
    columns = {column.name: _quantity(settings.contrast, column) for column in model.contrast}
    images = max(len(column) for column in columns.values())
    contrast = {name: np.broadcast_to(np.array(column), (images,)).copy() for name, column in columns.items()}
    options: dict[str, Any] = {
        o.name: _quantity(settings.options, o)[0] for o in model.options if o.name in settings.options
    }
    return model, values, contrast, options


def _quantity(texts: Mapping[str, str], entry: Any) -> tuple[float, ...]:
    if entry.name not in texts:
        kind = "values" if isinstance(entry, Parameter) else "contrast" if isinstance(entry, Column) else "options"
        raise InputError(f"needs the {entry.description}", key=f"{kind}.{entry.name}")
    dimension = dimension_of(entry.unit)
    assert dimension is not None  # every model's units are known, tests/fit/test_models.py
    try:
        return parse_quantity(texts[entry.name], dimension)
    except ValueError as problem:
        raise InputError(str(problem), key=entry.name) from None


def _linear(model: Description, values: Mapping[str, float]) -> float:
    """Return the size of the signal: its first linear parameter."""
    return abs(values[model.linear[0]])


EXPERIMENT = Experiment(
    name="fit-scatter",
    title="Monte Carlo of one voxel: scatter of a fit against the Cramér-Rao bound",
    settings=FitScatter,
    replicate=replicate,
    measure=measure,
)
