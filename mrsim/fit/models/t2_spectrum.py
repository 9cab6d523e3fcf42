"""The spectrum of T2 of a multi-echo spin echo by nonnegative least squares, and the fraction of its short part.

Every voxel is a sum of echo trains with T2 on a logarithmic grid and the voxel's own B1; amplitudes are not negative,
and a penalty on their squares keeps noise from splitting the spectrum into needles. How much penalty follows from the
data: `regularisation` 0 lets the misfit rise by 2 % over the least one, 1 takes generalised cross-validation, 2 the
corner of the L-curve, 3 none. The short part is water of T2 below `cutoff` (40 ms: myelin water). B1 is that of the
least misfit, or is given.

Standard errors are of first order, with the penalty, B1 and the nodes in use as they were found: amplitudes
x = (G + mu)^-1 A^T y answer noise linearly. They hold nothing of the penalty's bias, nor of B1's own scatter.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ..method import Method, Scan, Series, Solution, start
from ..model import M0, T2, TE, TR, Option, Parameter
from ..solve import over_chunks
from . import t2_epg

Array = NDArray[np.float64]
NODES, LOW, HIGH = 40, 8e-3, 2.0
"""Number and range, s, of the spectrum's T2."""
B1_LEVELS = 61
"""Values of B1 between the least and the largest that a voxel's may be rounded to."""
PLAYED = 31
"""Values of B1 for which trains are played; those in between are interpolated."""
TRIED = np.linspace(0.55, 1.05, 11)
"""B1 at which the misfit is looked at."""
RISE = 1.02
CHUNK = 1024
"""Voxels whose errors are worked out at a time."""
PENALTIES = np.geomspace(1e-6, 1e1, 24)
"""Over the mean square of the atoms."""
FRACTION = Parameter(
    name="mwf", unit="", symbol="f", description="share of the spectrum below the cut-off", lower=0.0, upper=1.0,
    grid=(0.01, 0.5, 6),
)  # fmt: skip
CUTOFF = Option(
    name="cutoff", default=0.04, unit="s", symbol="T_c", description="T2 below which water counts as short",
    lower=LOW, upper=HIGH,
)  # fmt: skip
REGULARISATION = Option(
    name="regularisation", default=0.0, unit="", symbol="k",
    description="penalty by 0 misfit, 1 cross-validation, 2 L-curve, 3 none",
    lower=0.0, upper=3.0,
)  # fmt: skip
GIVEN_B1 = Option(
    name="b1", default=0.0, unit="", symbol="b_1", description="true over nominal flip angle; 0: fitted", varies=True,
    lower=0.0, upper=1.5,
)  # fmt: skip


def trains(scan: Scan, levels: Array) -> Array:
    """Return the (level, n, node) echoes of every T2 node at B1 levels, which rise evenly.

    More than `PLAYED` levels are interpolated by splines of degree five.
    """
    from scipy.interpolate import make_interp_spline

    played = levels if len(levels) <= PLAYED else np.linspace(levels[0], levels[-1], PLAYED)
    mean = Scan(contrast=scan.contrast, options={"t1": float(np.mean(scan.options["t1"]))}, sheet=scan.sheet)
    grid = {"t2": np.tile(np.geomspace(LOW, HIGH, NODES), len(played)), "b1": np.repeat(played, NODES)}
    atoms = t2_epg.atoms(mean, grid).reshape(-1, len(played), NODES).swapaxes(0, 1)
    return atoms if played is levels else np.asarray(make_interp_spline(played, atoms, k=5)(levels))


def spectra(scan: Scan, series: Series, atoms: Array, which: NDArray[np.int64]) -> tuple[Array, Array, Array]:
    """Return amplitudes (voxel, node), penalties and misfits (voxel,) with the atoms of the voxels' B1 level."""
    from .._kernels.nonnegative import spectra as kernel

    root = np.sqrt(series.weight)
    atoms = np.ascontiguousarray(atoms * root[:, None])
    gram = atoms.swapaxes(1, 2) @ atoms
    data = np.ascontiguousarray(np.asarray(series.data).T * root)
    voxels = len(data)
    out, penalty, cost = np.empty((voxels, NODES)), np.empty(voxels), np.empty(voxels)
    ladder = PENALTIES * float(np.mean(np.einsum("bkk->bk", gram)))
    settings = (atoms, gram, int(scan.options["regularisation"]), which, RISE, ladder)
    over_chunks(
        lambda begin, end: kernel(data, begin, end, *settings, out, penalty, cost), 0, voxels, series.threads, chunk=128
    )
    return out, penalty, cost


def solve(scan: Scan, series: Series) -> Solution:
    """Return M0, the geometric mean of T2, and the share of the short part."""
    if scan.options["regularisation"] not in (0, 1, 2, 3):
        raise InputError(f"is {scan.options['regularisation']:g}; it must be 0, 1, 2 or 3", key="regularisation")
    solution = start(METHOD, series)
    voxels = np.flatnonzero(solution.status == 0)
    part = Series(
        data=series.data[:, voxels], weight=series.weight, floor=series.floor[voxels], spread=series.spread[voxels],
        threads=series.threads,
    )  # fmt: skip
    own = {name: value if np.ndim(value) == 0 else value[voxels] for name, value in scan.options.items()}
    inner = Scan(contrast=scan.contrast, options=own, sheet=scan.sheet)
    atoms, which = _levels(inner, part)
    amplitude, penalty, cost = spectra(inner, part, atoms, which)
    nodes = np.geomspace(LOW, HIGH, NODES)
    short, total = nodes < scan.options["cutoff"], amplitude.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        t2, share = np.exp(amplitude @ np.log(nodes) / total), amplitude[:, short].sum(axis=1) / total
        solution.values[:, voxels] = total, t2, share
        slopes = np.stack([
            np.ones_like(amplitude), t2[:, None] * (np.log(nodes) - np.log(t2)[:, None]) / total[:, None],
            (short - share[:, None]) / total[:, None],
        ], axis=1)  # fmt: skip
    atoms = atoms * np.sqrt(series.weight)[:, None]
    solution.unit_errors[:, voxels] = _errors(atoms, which, amplitude, penalty, slopes)
    solution.cost[voxels], solution.rounds[voxels] = cost, 1
    return solution


def _errors(
    atoms: Array, which: NDArray[np.int64], amplitude: Array, penalty: Array, slopes: Array
) -> Array:  # fmt: skip
    """Return the (parameter, voxel) errors for unit noise of what has `slopes` (voxel, parameter, node)."""
    found = np.full((slopes.shape[1], len(which)), np.nan)
    for first in range(0, len(which), CHUNK):
        v = slice(first, first + CHUNK)
        used = (amplitude[v] > 0).astype(np.float64)
        a = atoms[which[v]] * used[:, None, :]
        matrix = a.swapaxes(1, 2) @ a
        place = np.arange(NODES)
        matrix[:, place, place] += penalty[v, None] * used + (1.0 - used)
        slope = np.where(used[:, None, :] > 0, slopes[v], 0.0)
        answer = a @ np.linalg.solve(matrix, slope.swapaxes(1, 2))
        found[:, v] = np.sqrt(np.sum(answer**2, axis=1)).T
    found[:, ~np.isfinite(slopes).all(axis=(1, 2))] = np.nan
    return found


def _levels(scan: Scan, series: Series) -> tuple[Array, NDArray[np.int64]]:
    """Return the trains (level, n, node) of rising B1 and which of them (voxel,) is nearest to each voxel's B1.

    B1 is given, or lies where the misfit of the spectrum without penalty is least: a parabola through the least of a
    few values and its neighbours. Above the best flip it is not looked for, since it fits as well as one below.
    """
    given = np.broadcast_to(np.asarray(scan.options["b1"], dtype=np.float64), series.data.shape[1])
    if np.all(given > 0):
        levels = np.linspace(given.min(), given.max(), B1_LEVELS) if np.ptp(given) > 0 else given[:1]
        return trains(scan, levels), _nearest(levels, given)
    levels = np.linspace(TRIED[0], TRIED[-1], B1_LEVELS)
    atoms = trains(scan, levels)
    return atoms, _nearest(levels, _least_misfit(scan, series, atoms[:: (B1_LEVELS - 1) // (len(TRIED) - 1)]))


def _least_misfit(scan: Scan, series: Series, atoms: Array) -> Array:
    """Return the (voxel,) B1 at which the misfit with the trains of `TRIED` would be least."""
    plain = Scan(contrast=scan.contrast, options={**scan.options, "regularisation": 3.0}, sheet=scan.sheet)
    everyone = np.zeros(series.data.shape[1], dtype=np.int64)
    rest = np.stack([spectra(plain, series, atoms[k : k + 1], everyone)[2] for k in range(len(TRIED))])
    at = np.clip(np.argmin(rest, axis=0), 1, len(TRIED) - 2)
    below, middle, above = (np.take_along_axis(rest, at[None] + k, axis=0)[0] for k in (-1, 0, 1))
    bend = below - 2 * middle + above
    shift = np.where(bend > 0, 0.5 * (below - above) / np.where(bend > 0, bend, 1.0), 0.0)
    return np.asarray(TRIED[at] + np.clip(shift, -1, 1) * (TRIED[1] - TRIED[0]))


def _nearest(levels: Array, b1: Array) -> NDArray[np.int64]:
    """Return the number of the level nearest to each B1."""
    step = levels[1] - levels[0] if len(levels) > 1 else 1.0
    return np.asarray(np.round((b1 - levels[0]) / step), dtype=np.int64)


METHOD = Method(
    name="t2-spectrum",
    title="spectrum of T2 by nonnegative least squares: geometric mean, short fraction (MWF)",
    reference="Whittall and MacKay 1989, J Magn Reson 84:134; Prasloski et al. 2012, Magn Reson Med 67:1803",
    parameters=(M0, replace(T2, lower=LOW, upper=HIGH), FRACTION),
    contrast=(TE, TR),
    options=(GIVEN_B1, t2_epg.T1_GIVEN, CUTOFF, REGULARISATION),
    constant=("tr",),
    instead="its penalty decides as much as the data, so that no likelihood is made largest; take 't2-epg' for one T2, "
    "or noise_floor 'subtract'",
    knows=("slice-profile",),
    formula=r"\min_{x \ge 0} \left| \sum_j x_j \mathrm{EPG}(T_{2,j}, b_1) - S \right|^2 + \mu |x|^2,"
    r"\quad f = \sum_{T_{2,j} < T_c} x_j / \sum_j x_j",
    solve=solve,
    images=8,
)
