"""T2* from magnitudes by methods without a search: the straight line through ln S, and ARLO.

Both read each voxel's echoes up to the first that lies below `floor` standard deviations of the noise: below three,
the noise lifts magnitudes, and a logarithm makes it worse. What is left out costs precision in voxels that decay fast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ..method import Method, Scan, Series, Solution, start
from ..model import M0, T2_STAR, TE, Option, Parameter
from ..signal import signal as model_signal
from ..solve import over_chunks
from . import t2star_mono

R2_STAR = Parameter(
    name="r2_star",
    unit="1/s",
    symbol="R_2^*",
    description="apparent transverse relaxation rate of the free decay",
    lower=0.0,
    upper=5e3,
)
FLOOR = Option(
    name="floor",
    default=3.0,
    unit="",
    symbol="q",
    description="an echo below this many standard deviations of the noise ends a voxel's series; 0 takes all",
    lower=0.0,
    upper=100.0,
)


def noise_floor(scan: Scan, series: Series) -> NDArray[np.float64]:
    """Return the (voxel,) magnitude below which a voxel's series ends; zero for images without noise, and where the
    likelihood knows the floor.
    """
    noisy = np.any(series.floor > 0) and series.likelihood == "gaussian"
    return scan.options["floor"] * np.nan_to_num(series.spread) if noisy else np.zeros(series.data.shape[1])


def with_times(solution: Solution) -> Solution:
    """Turn the rates, written for T2*, into times, and keep the rates as what is derived."""
    rate, error = solution.values[1].copy(), solution.unit_errors[1].copy()
    solution.values[2], solution.unit_errors[2] = rate, error
    with np.errstate(divide="ignore", invalid="ignore"):
        solution.values[1] = np.minimum(1 / rate, T2_STAR.upper)
        solution.unit_errors[1] = error / rate**2
    return solution


def rate_of(parameters: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the (1, voxel) rate of a decay."""
    return 1 / parameters["t2_star"][None]


def _solver(name: str) -> Callable[[Scan, Series], Solution]:
    def solve(scan: Scan, series: Series) -> Solution:
        from .._kernels import decay

        te = np.ascontiguousarray(scan.contrast["te"], np.float64)
        order = np.argsort(te, kind="stable")
        if name == "arlo" and np.ptp(np.diff(te[order])) > 1e-6 * np.diff(te).max():
            raise InputError(
                f"are {', '.join(f'{1e3 * t:g}' for t in te)} ms; ARLO needs equal spacing: use t2star-loglin", key="te"
            )
        solution, work = start(METHODS[name], series), getattr(decay, name)
        data = np.ascontiguousarray(series.data[order], np.float64)
        weight, floor = np.ascontiguousarray(series.weight[order]), noise_floor(scan, series)
        begun = solution.status.copy()
        out = (solution.values, solution.unit_errors, solution.status, solution.cost)
        over_chunks(lambda a, b: work(data, a, b, te[order], weight, floor, *out), 0, data.shape[1], series.threads)
        solution.status[:] = np.where(begun, begun, solution.status)
        solution.rounds[:] = 1
        return with_times(solution)

    return solve


def signal(scan: Scan, parameters: Any) -> NDArray[np.float64]:
    """Return the signal of `t2star-mono`."""
    return np.asarray(model_signal(t2star_mono.MODEL, parameters, scan.contrast))


METHODS = {
    "log_linear": Method(
        name="t2star-loglin",
        title="mono-exponential T2* decay by a weighted straight line through the logarithm",
        reference="Salmenperä et al. 2003, IEEE Trans Instrum Meas 52:1757; weights S^2: Bonny et al. 1996, "
        "Magn Reson Med 36:287",
        parameters=(M0, T2_STAR),
        derived=(R2_STAR,),
        derive=rate_of,
        contrast=(TE,),
        options=(FLOOR,),
        formula=r"\ln S = \ln M_0 - T_E R_2^*, \quad w = S^2",
        solve=_solver("log_linear"),
        signal=signal,
        instead="a straight line makes no likelihood largest; take 't2star-mono', the same signal, or "
        "noise_floor 'subtract'",
    ),
    "arlo": Method(
        name="t2star-arlo",
        title="mono-exponential T2* decay by auto-regression on linear operations (ARLO)",
        reference="Pei et al. 2015, Magn Reson Med 73:843",
        parameters=(M0, T2_STAR),
        derived=(R2_STAR,),
        derive=rate_of,
        contrast=(TE,),
        options=(FLOOR,),
        formula=r"T_2^* = \frac{\sum I_i^2 + \frac{\Delta T_E}{3} \sum I_i d_i}"
        r"{\frac{\Delta T_E}{3} \sum d_i^2 + \sum I_i d_i}",
        solve=_solver("arlo"),
        signal=None,
        images=3,
        instead="a regression of integrals makes no likelihood largest; take 't2star-mono', the same signal, or "
        "noise_floor 'subtract'",
    ),
}
LOG_LINEAR, ARLO = METHODS["log_linear"], METHODS["arlo"]
