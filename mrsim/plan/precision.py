"""What a protocol's fit makes of every tissue: bias, standard deviation, and the least one that any fit could reach.

The signal is the probe's, which the engine simulated with everything that happens inside a voxel (slice profile,
stimulated echoes, T2', chemical shift). Many voxels of it, each with complex noise of its own, go through the fit that
the protocol names: their mean less the truth is the bias that the maps will have, model error and noise together; their
spread is the standard deviation of one voxel. The Cramér-Rao bound stands beside it, for the model at the true values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.grid import Grid
from ..core.images import Images
from ..core.maps import VALUED, Maps
from ..fit.crlb import crlb
from ..fit.fit import fit
from ..fit.method import Method
from ..fit.model import Description
from ..fit.signal import signal
from ..phantom.phantom import Phantom, true_values
from .snr import SnrPrediction, SnrRow

Array = NDArray[np.float64]
NEUTRAL = {"m0": 1.0, "pd": 1.0, "b1": 1.0, "efficiency": 1.0, "offset": 0.0, "phase": 0.0, "off_resonance": 0.0}
"""Values of parameters that belong to no tissue."""
REPLICATES = 3000
"""Noisy voxels of each tissue: the standard deviation is known to 1.3 %."""
SLOW = 1000
"""Of methods with arithmetic of their own: 2.2 %."""
FEWEST = 0.5
"""Share of the fits that must give a value for a tissue to be called measurable."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Precision:
    """One fitted parameter of one tissue, in one voxel of one scan."""

    tissue: str
    grade: int | None
    parameter: str
    unit: str
    """SI."""
    truth: float
    """NaN where the phantom has no single true value."""
    mean: float
    """Expected value of the map."""
    sd: float
    """Expected standard deviation of the map, from noise alone."""
    bound: float
    """Least standard deviation of any unbiased fit; NaN where the method assumes no signal or no truth is known."""
    share: float
    """Of the voxels that get a value."""
    scan_time: float
    """s."""

    @property
    def bias(self) -> float:
        """Expected value less truth."""
        return self.mean - self.truth

    @property
    def per_root_minute(self) -> float:
        """Standard deviation in a scan of one minute, were it averaged or cut down to that."""
        return self.sd * math.sqrt(self.scan_time / 60)

    @property
    def measurable(self) -> bool:
        """Whether enough voxels get a value, and it is finite."""
        return self.share >= FEWEST and math.isfinite(self.sd)


def precision(
    model: Description, header: Any, phantom: Phantom, found: SnrPrediction, options: Mapping[str, Any], *,
    replicates: int | None = None, rng: int = 1, likelihood: str = "gaussian", noise_floor: str = "keep",
    threads: int | None = None,
) -> tuple[Precision, ...]:  # fmt: skip
    """Return what the fit makes of every tissue.

    Parameters
    ----------
    model : Model or Method
    header : Encoding
        Contrast table and protocol sheet.
    phantom : Phantom
        Whose tissues were probed.
    found : SnrPrediction
        Signals and noise.
    options : mapping
        The fit's, SI.
    replicates : int, optional
        Noisy voxels of each tissue.
    rng : int
        Seed of their noise.
    """
    replicates = replicates or (SLOW if isinstance(model, Method) else REPLICATES)
    names = list(dict.fromkeys(row.tissue for row in found.rows))
    by_tissue = [[row for row in found.rows if row.tissue == name] for name in names]
    maps = _noisy_maps(
        model, header, by_tissue, (replicates, rng), threads, likelihood=likelihood, noise_floor=noise_floor, **options
    )
    usable = np.isin(maps.status[0], VALUED)
    known = {tissue.name: tissue for tissue in phantom.tissues}
    rows: list[Precision] = []
    for place, (name, mine) in enumerate(zip(names, by_tissue, strict=True)):
        b1 = float(phantom.b1) if isinstance(phantom.b1, float | int) else 1.0
        truth = true_values(known[name], phantom.field) | {"b1": b1}
        limits = _bounds(model, header, NEUTRAL | truth, mine, options)
        for entry in (*model.parameters, *model.derived):
            if entry.name not in model.map_names:
                continue
            values = maps.values[entry.name][0, place][usable[place]]
            enough = len(values) > 1
            rows.append(
                Precision(
                    tissue=name, grade=known[name].grade, parameter=entry.name, unit=entry.unit,
                    truth=truth.get(entry.name, math.nan),
                    mean=float(values.mean()) if enough else math.nan,
                    sd=float(values.std(ddof=1)) if enough else math.nan,
                    bound=limits.get(entry.name, math.nan), share=float(usable[place].mean()),
                    scan_time=found.scan_time,
                )
            )  # fmt: skip
    return tuple(rows)


def _noisy_maps(
    model: Description, header: Any, by_tissue: Sequence[Sequence[SnrRow]], draw: tuple[int, int],
    threads: int | None, **options: Any,
) -> Maps:  # fmt: skip
    """Return the maps of a plane with a row of noisy voxels for each tissue."""
    replicates, seed = draw
    clean = np.array([[row.phasor for row in rows] for rows in by_tissue]).T[:, None, :, None]
    sigma = np.array([[row.sigma for row in rows] for rows in by_tissue]).T[:, None, :, None]
    sigma = np.where(np.isfinite(sigma), sigma, np.nanmax(sigma, axis=2, keepdims=True))
    common = np.median(sigma, axis=2, keepdims=True)
    even = np.allclose(sigma, common, rtol=1e-3)
    across = np.array([[row.out_of_phase for row in rows] for rows in by_tissue]).T[:, None, :, None]
    turn = np.where(clean == 0, 1.0, np.exp(1j * np.angle(clean)))
    normal = np.random.default_rng(seed).standard_normal((2, *clean.shape[:3], replicates))
    images = Images(
        data=clean + sigma * turn * (normal[0] + 1j * across * normal[1]),
        grid=Grid(shape=(1, len(by_tissue), replicates), spacing=(1e-3, 1e-3, 1e-3)),
        contrast=header.contrast, sigma=common if even else sigma,
        encoding={**header.sheet, "frequency": header.frequency, "kind": header.kind},
    )  # fmt: skip
    return fit(images, model, threads=threads, **options)


def _bounds(
    model: Description, header: Any, truth: Mapping[str, float], rows: Sequence[SnrRow], options: Mapping[str, Any]
) -> dict[str, float]:
    """Return the least standard deviations; empty where truth or signal are not known."""
    if isinstance(model, Method) and model.signal is None:
        return {}
    if not all(math.isfinite(truth.get(p.name, math.nan)) for p in model.parameters):
        return {}
    seen, sigma = np.array([row.signal for row in rows]), np.array([row.sigma for row in rows])
    try:
        point = scaled_point(model, header, truth, seen, options)
        columns = {column.name: header.contrast[column.name] for column in model.contrast}
        return crlb(model, point, columns, sigma, sheet=header.sheet, **options)
    except InputError:
        return {}


def scaled_point(
    model: Description, header: Any, truth: Mapping[str, float], seen: Array, options: Mapping[str, Any]
) -> dict[str, float]:
    """Return the model's parameters at a tissue's true values, its first one scaled to the signal that is seen.

    Parameters
    ----------
    model : Model or Method
        With a signal.
    header : Encoding
    truth : mapping
        Of every parameter.
    seen : (n,) array
        Magnitudes of the images; they get the signs of the model's signal.
    options : mapping
    """
    point = {p.name: float(truth[p.name]) for p in model.parameters}
    columns = {column.name: header.contrast[column.name] for column in model.contrast}
    clean = np.real(signal(model, point, columns, sheet=header.sheet, **options))
    point[model.parameters[0].name] *= float(np.abs(clean) @ seen / (clean @ clean))
    return point
