"""Complex gradient echoes of one species: decay, phase and off-resonance together, and field maps from two echoes on.

The fit is least squares in both quadrature channels, so that each echo counts by its own signal: late, weak echoes do
not spoil the field. Offsets are known up to multiples of 1 / (echo spacing); over the image these jumps are taken out
by unwrapping, and of each connected part the median comes to lie within half a period of zero. Alternating readouts
(``bipolar`` in the protocol sheet) leave a phase of alternating sign, linear along the readout, which is estimated
from the residuals and removed.

`field-map` may smooth its result, by a Gaussian of standard deviation `smoothing` in which every voxel counts by the
inverse of its variance. Fat in the voxel biases both methods: see `dixon`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.maps import VALUED
from ..complex_echoes import (
    Complex,
    EchoSolution,
    alternation,
    equally_spaced,
    first_decay,
    first_offset,
    period,
    search,
    solve_echoes,
    unaliased,
)
from ..method import Method, Scan, Series, Solution, start
from ..model import INFINITE, M0, T2_STAR, TE, Option, Parameter
from .t2star_rates import R2_STAR, rate_of

Array = NDArray[np.float64]
STEADY = 1e-5
"""Alternating phase, rad, below which its estimate is no longer changed."""
MOST_ESTIMATES = 12
PHASE = Parameter(
    name="phase",
    unit="rad",
    symbol=r"\varphi",
    description="phase of the signal at an echo time of zero",
    lower=-INFINITE,
    upper=INFINITE,
    grid=(0.1, 1.0, 2),
)
OFFSET = Parameter(
    name="off_resonance",
    unit="Hz",
    symbol=r"\psi",
    description="frequency of water at this place less the Larmor frequency",
    lower=-INFINITE,
    upper=INFINITE,
    grid=(1.0, 100.0, 2),
)
SMOOTHING = Option(
    name="smoothing",
    default=0.0,
    unit="m",
    symbol="s",
    description="standard deviation of the Gaussian that smooths the field map; 0 for none",
    lower=0.0,
)


def ordered(scan: Scan, series: Series) -> tuple[Array, Complex, Array]:
    """Return ascending echo times, and the data and weights in their order."""
    order = np.argsort(scan.contrast["te"], kind="stable")
    te = np.ascontiguousarray(scan.contrast["te"][order], np.float64)
    if len(te) > 1 and np.diff(te).min() <= 0:
        raise InputError(f"are {', '.join(f'{1e3 * t:g}' for t in te)} ms; each echo must have its own", key="te")
    data = np.ascontiguousarray(series.data[order], np.complex128)
    return te, data, np.ascontiguousarray(series.weight[order])


def straightened(
    fit: Callable[[Complex], EchoSolution], scan: Scan, data: Complex, te: Array, basis: Complex
) -> tuple[EchoSolution, tuple[float, float]]:
    """Fit, and where readouts alternate take their alternating phase out of the data and fit again.

    The fit takes up a part of such a phase, so that its estimate from the residuals converges in steps.
    """
    found = fit(data)
    line = np.zeros(2)
    if scan.sheet.get("readout") != "bipolar" or scan.inside is None or len(te) < 3:
        return found, (0.0, 0.0)
    column = np.nonzero(scan.inside)[2] - scan.inside.shape[2] // 2
    signs = np.where(np.arange(len(te)) % 2, -1.0, 1.0)[:, None]
    turned = data
    good = found.status == 0
    for _ in range(MOST_ESTIMATES if good.any() else 0):
        used = np.where(good, turned, 0.0)
        step = np.array(alternation(used, found.signal(te, basis), scan.inside))
        line += step
        turned = data * np.exp(-1j * signs * (line[0] + line[1] * column))
        found = fit(turned)
        good = found.status == 0
        if np.abs(step @ [[1.0, 0.0], [0.0, 0.5 * scan.inside.shape[2]]]).max() < STEADY:
            break
    return found, (float(line[0]), float(line[1]))


def over_space(scan: Scan, values: Array, held: NDArray[np.bool_], span: float) -> Array:
    """Return (voxel,) offsets without jumps by `span`, where the voxels' places are known."""
    if scan.inside is None or not held.any():
        return values
    volume, mask = np.zeros(scan.inside.shape), np.zeros(scan.inside.shape, bool)
    volume[scan.inside], mask[scan.inside] = values, held
    free = unaliased(volume, mask, span)
    return np.where(held, free[scan.inside], values)


def bipolar_note(line: tuple[float, float]) -> tuple[str, ...]:
    """Return the warning that an alternating phase was found and removed."""
    if not any(line):
        return ()
    found = f"{line[0]:+.4f} rad in the middle and {line[1]:+.5f} rad per voxel along the readout"
    return (f"alternating readouts: a phase of {found}, of alternating sign, was estimated and removed",)


def _solver(name: str) -> Callable[[Scan, Series], Solution]:
    def solve(scan: Scan, series: Series) -> Solution:
        solution, (te, data, weight) = start(METHODS[name], series), ordered(scan, series)
        data = np.where(solution.status == 0, data, 0.0)
        basis = np.ones((1, len(te)), np.complex128)

        def fit(turned: Complex) -> EchoSolution:
            if equally_spaced(te):
                offset = first_offset(turned, te)
            else:
                offset = search(turned, te, basis, weight, (0.0,), series.threads)[1][0]
            return solve_echoes(
                turned, te, basis, offset, first_decay(turned, te), free=1, weight=weight, threads=series.threads
            )

        found, line = straightened(fit, scan, data, te, basis)
        _written(solution, found)
        held = np.isin(solution.status, VALUED)
        solution.values[2] = over_space(scan, solution.values[2], held, period(te))
        if name == "field-map":  # a decay held at zero does not make the offset a limit
            solution.status[held] = 0
        if scan.options.get("smoothing", 0.0) > 0:
            _smoothed(scan, solution, held)
        return _noted(solution, bipolar_note(line))

    return solve


def _written(solution: Solution, found: EchoSolution) -> None:
    """Write amplitude, phase, offset, T2* and R2* of the voxels that had a signal."""
    begun = solution.status.copy()
    solution.values[:3], solution.values[4] = found.values[:3], found.decay
    solution.unit_errors[:3], solution.unit_errors[4] = found.unit_errors[:3], found.unit_errors[3]
    with np.errstate(divide="ignore", invalid="ignore"):
        solution.values[3] = np.minimum(1 / found.decay, T2_STAR.upper)
        solution.unit_errors[3] = found.unit_errors[3] / found.decay**2
    solution.status[:] = np.where(begun, begun, found.status)
    solution.cost[:] = found.cost


def _noted(solution: Solution, warnings: tuple[str, ...]) -> Solution:
    from dataclasses import replace

    return replace(solution, warnings=warnings) if warnings else solution


def _smoothed(scan: Scan, solution: Solution, held: NDArray[np.bool_]) -> None:
    """Replace the offsets of the voxels held by their Gaussian mean, weighted with the inverse variance."""
    from scipy.ndimage import gaussian_filter

    if scan.inside is None or scan.grid is None:
        raise InputError("needs images on a grid", key="smoothing")
    spacing = zip(scan.grid.spacing[::-1], scan.inside.shape, strict=True)
    width = [scan.options["smoothing"] / step if n > 1 else 0.0 for step, n in spacing]
    weight, value = np.zeros(scan.inside.shape), np.zeros(scan.inside.shape)
    weight[scan.inside] = np.where(held, 1 / np.maximum(solution.unit_errors[2], 1e-300) ** 2, 0.0)
    value[scan.inside] = np.where(held, solution.values[2], 0.0)
    scale = weight.max() or 1.0
    total = gaussian_filter(weight / scale, width, mode="constant")
    mean = gaussian_filter(weight / scale * value, width, mode="constant") / np.maximum(total, 1e-300)
    # of the squared kernel: a Gaussian narrower by sqrt 2, whose sum is the product of 1 / (2 sqrt(pi) width)
    narrow = [w / np.sqrt(2) for w in width]
    gain = np.prod([1 / (2 * np.sqrt(np.pi) * w) for w in width if w > 0])
    spread = np.sqrt(gain * gaussian_filter(weight / scale, narrow, mode="constant") / scale) / np.maximum(
        total, 1e-300
    )
    solution.values[2] = np.where(held, mean[scan.inside], solution.values[2])
    solution.unit_errors[2] = np.where(held, spread[scan.inside], solution.unit_errors[2])


def signal(scan: Scan, parameters: Mapping[str, Array]) -> Complex:
    """Return M0 e^(i phase - TE/T2* - 2 pi i offset TE)."""
    te = scan.contrast["te"][:, None]
    turn = 1j * (parameters["phase"] - 2 * np.pi * parameters["off_resonance"] * te)
    return np.asarray(parameters["m0"] * np.exp(turn - te / parameters["t2_star"]))


FORMULA = r"S = M_0 e^{i \varphi - T_E / T_2^* - 2 \pi i \psi T_E}"
METHODS = {
    "t2star-complex": Method(
        name="t2star-complex",
        title="complex T2* decay together with the field map",
        reference="Hernando et al. 2012, Magn Reson Med 68:830",
        parameters=(M0, PHASE, OFFSET, T2_STAR),
        derived=(R2_STAR,),
        derive=rate_of,
        contrast=(TE,),
        data="complex",
        formula=FORMULA,
        solve=_solver("t2star-complex"),
        signal=signal,
        images=2,
    ),
    "field-map": Method(
        name="field-map",
        title="field map from the phases of two echoes or more",
        reference="Funai et al. 2008, IEEE Trans Med Imaging 27:1484",
        parameters=(M0, PHASE, OFFSET, T2_STAR),
        derived=(R2_STAR,),
        derive=rate_of,
        contrast=(TE,),
        options=(SMOOTHING,),
        data="complex",
        maps=("off_resonance", "m0"),
        formula=FORMULA,
        solve=_solver("field-map"),
        signal=signal,
        images=2,
    ),
}
T2STAR_COMPLEX, FIELD_MAP = METHODS["t2star-complex"], METHODS["field-map"]
