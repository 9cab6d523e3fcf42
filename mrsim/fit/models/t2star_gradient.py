"""T2* of magnitudes that a field gradient through the slice dephases as well.

A linear gradient of the off-resonance turns the mean over a rectangular slice into S = m0 e^(-TE/T2*) |sinc(g TE)|,
where g is the step of the off-resonance from one face of the slice to the other, Hz. It comes from the slope of a map
of the off-resonance over neighbouring slices, or is given as it is. Where the slice profile is not rectangular, or the
field is curved within the slice, the sinc is an approximation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ..method import Method, Scan, Series, Solution, local, start
from ..model import M0, T2_STAR, TE, Option
from ..solve import over_chunks
from .t2star_rates import FLOOR, R2_STAR, noise_floor, rate_of, with_times

LIMIT = 50
OFF_RESONANCE = Option(
    name="off_resonance",
    default=0.0,
    unit="Hz",
    symbol=r"\psi",
    description="off-resonance, whose slope over the slices dephases",
    varies=True,
)
THROUGH_SLICE = Option(
    name="through_slice",
    default=0.0,
    unit="Hz",
    symbol="g",
    description="step of the off-resonance from face to face of the slice, besides the map's",
    varies=True,
)


def step_through(scan: Scan) -> Any:
    """Return the step of the off-resonance from one face of the slice to the other, Hz: a number or (voxel,)."""
    given, field = scan.options["through_slice"], scan.options["off_resonance"]
    if np.ndim(field) == 0:
        return given
    if scan.grid is None or scan.inside is None or scan.grid.shape[0] < 2:
        raise InputError(
            "the slope through the slice needs a map over two slices or more; give through_slice, Hz, for one slice",
            key="off_resonance",
        )
    volume = np.full(scan.inside.shape, np.nan)
    volume[scan.inside] = field
    steps = np.diff(volume, axis=0)
    below, above = np.pad(steps, ((1, 0), (0, 0), (0, 0)), constant_values=np.nan), np.concatenate([steps, steps[:1]])
    above[-1] = np.nan
    both = np.stack([below, above])
    known = np.isfinite(both)
    mean = np.where(known, both, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return given + mean[scan.inside] * (scan.grid.thickness / scan.grid.spacing[2])


def solve(scan: Scan, series: Series) -> Solution:
    """Fit amplitude and rate by least squares, with the dephasing as a known factor."""
    from .._kernels.decay import with_factor

    solution = start(METHOD, series)
    order = np.argsort(scan.contrast["te"], kind="stable")
    te = np.ascontiguousarray(scan.contrast["te"][order], np.float64)
    data = np.ascontiguousarray(series.data[order], np.float64)
    step = np.broadcast_to(step_through(scan), data.shape[1:])
    factor = np.ascontiguousarray(np.abs(np.sinc(te[:, None] * step)))
    begun, floor = solution.status.copy(), noise_floor(scan, series)
    weight = np.ascontiguousarray(series.weight[order])
    out = (solution.values, solution.unit_errors, solution.status, solution.cost)

    def work(first: int, last: int) -> None:
        with_factor(data, first, last, te, weight, factor, floor, LIMIT, *out)

    over_chunks(work, 0, data.shape[1], series.threads)
    solution.status[:] = np.where(begun, begun, solution.status)
    return with_times(solution)


def signal(scan: Scan, parameters: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the decay times the dephasing."""
    te = scan.contrast["te"][:, None]
    factor = np.abs(np.sinc(te * local(step_through(scan), slice(None))))
    return np.asarray(parameters["m0"] * np.exp(-te / parameters["t2_star"]) * factor)


METHOD = Method(
    name="t2star-gradient",
    title="mono-exponential T2* decay under a known field gradient through the slice",
    reference="Fernández-Seara and Wehrli 2000, Magn Reson Med 44:358; Hernando et al. 2012, Magn Reson Med 68:830",
    parameters=(M0, T2_STAR),
    derived=(R2_STAR,),
    derive=rate_of,
    contrast=(TE,),
    options=(OFF_RESONANCE, THROUGH_SLICE, FLOOR),
    formula=r"S = M_0 e^{-T_E / T_2^*} \left|\operatorname{sinc}(g T_E)\right|",
    likelihoods=("gaussian", "rician"),
    solve=solve,
    signal=signal,
)
