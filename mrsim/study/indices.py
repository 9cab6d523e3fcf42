"""Which inputs a result depends on: Sobol's indices of its variance, Morris's elementary effects.

With independent inputs x_i, uniform between bounds, the variance of y = f(x) divides into parts of single inputs, of
pairs, and so on. The first-order index S_i is the share of x_i alone, the total index T_i that of everything in which
x_i takes part (Sobol 2001, doi:10.1016/S0378-4754(00)00270-6). Two roads lead there. The direct one samples two
matrices and crosses their columns (Saltelli et al. 2010, doi:10.1016/j.cpc.2009.09.018): n (v + 2) runs, for cheap
functions. The other fits a polynomial in products of Legendre polynomials, whose squared coefficients are the shares
(Sudret 2008, doi:10.1016/j.ress.2007.04.002): tens of runs, and the error of leaving one out says whether it is good
enough. Morris (1991, doi:10.1080/00401706.1991.10484804) walks through a grid, one input at a time: the mean size of
the effects, mu*, ranks inputs; their spread, sigma, tells curvature and interaction.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError

Array = NDArray[np.float64]
Function = Callable[[Array], Array]
"""(n, v) inputs -> (n,) results."""
HIGHEST = 12
"""Degree of polynomials that are tried."""
PER_TERM = 1.5
"""Runs per coefficient of a polynomial, at least."""
LEVELS = 4
"""Of Morris's grid."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Indices:
    """How much each of v inputs matters."""

    names: tuple[str, ...]
    first: Array
    """(v,) share of the variance by the input alone."""
    total: Array
    """(v,) share by everything that the input takes part in."""
    first_error: Array
    """(v,) half the width of the 95 % interval; NaN where none is known."""
    total_error: Array
    mean: float
    sd: float
    """Of the result over the inputs."""
    runs: int
    unexplained: float = 0.0
    """Share of the variance that a polynomial misses, by leaving one run out; 0 where none was fitted."""
    inputs: Array | None = None
    """(n, v) of the runs."""
    results: Array | None = None
    """(n,)."""

    @property
    def ranking(self) -> tuple[int, ...]:
        """Numbers of the inputs, the one to control first in front."""
        return tuple(np.argsort(-self.total, kind="stable").tolist())


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Effects:
    """Morris's elementary effects, per whole range of an input."""

    names: tuple[str, ...]
    mean: Array
    """(v,) mu: signed mean."""
    size: Array
    """(v,) mu*: mean of the absolute values."""
    spread: Array
    """(v,) sigma."""
    runs: int

    @property
    def ranking(self) -> tuple[int, ...]:
        """Numbers of the inputs, the one to control first in front."""
        return tuple(np.argsort(-self.size, kind="stable").tolist())


def sobol_direct(function: Function, names: Sequence[str], low: Array, high: Array, n: int, seed: int = 1) -> Indices:
    """Return Sobol's indices by crossed samples.

    Parameters
    ----------
    function : callable
        (m, v) inputs -> (m,) results.
    names : sequence of str
        Of the v inputs.
    low, high : (v,) array
        Bounds.
    n : int
        A power of two; n (v + 2) runs are made.
    seed : int
        Of the scrambling and of the bootstrap.
    """
    from scipy.stats import qmc, sobol_indices

    _check(names, low, high)
    if n < 2 or n & (n - 1):
        raise InputError(f"is {n}; it must be a power of two", key="runs")
    v, streams = len(names), np.random.SeedSequence(seed).spawn(2)
    unit = qmc.Sobol(2 * v, rng=np.random.default_rng(streams[0])).random(n)
    a, b = unit[:, :v], unit[:, v:]
    crossed = np.stack([np.where(np.arange(v) == k, b, a) for k in range(v)])
    inputs = low + (high - low) * np.concatenate([a, b, crossed.reshape(-1, v)])
    results = _finite(function(inputs), inputs, names)
    parts = {"f_A": results[None, :n], "f_B": results[None, n : 2 * n], "f_AB": results[2 * n :].reshape(v, 1, n)}
    found = sobol_indices(func=parts, n=n)
    bounds = found.bootstrap(n_resamples=999) if np.ptp(results) > 0 else None

    def half(which: str) -> Array:
        if bounds is None:
            return np.full(v, np.nan)
        interval = getattr(bounds, which).confidence_interval
        return np.asarray((interval.high - interval.low) / 2).reshape(v)

    return Indices(
        names=tuple(names), first=np.asarray(found.first_order).reshape(v),
        total=np.asarray(found.total_order).reshape(v),
        first_error=half("first_order"), total_error=half("total_order"), mean=float(results[: 2 * n].mean()),
        sd=float(results[: 2 * n].std(ddof=1)), runs=len(inputs), inputs=inputs[: 2 * n], results=results[: 2 * n],
    )  # fmt: skip


def sobol_by_polynomials(
    function: Function, names: Sequence[str], low: Array, high: Array, n: int, seed: int = 1
) -> Indices:  # fmt: skip
    """Return Sobol's indices by a polynomial through n runs, of the degree that predicts left-out runs best.

    Arguments as in `sobol_direct`; n is any number.
    """
    from scipy.stats import qmc

    _check(names, low, high)
    v = len(names)
    least = int(np.ceil(PER_TERM * (1 + v)))
    if n < least:
        raise InputError(f"is {n}; {v} inputs need at least {least}", key="runs")
    bits = int(np.ceil(np.log2(n)))
    unit = qmc.Sobol(v, rng=np.random.default_rng(seed)).random_base2(bits)[:n]
    inputs = low + (high - low) * unit
    results = _finite(function(inputs), inputs, names)
    sd = float(results.std(ddof=1))
    if sd == 0:
        nothing = np.zeros(v)
        return Indices(names=tuple(names), first=nothing, total=nothing, first_error=nothing, total_error=nothing,
                       mean=float(results.mean()), sd=0.0, runs=n, inputs=inputs, results=results)  # fmt: skip
    degrees, coefficients, missed = _best_polynomial(2 * unit - 1, results)
    squares = coefficients**2
    whole = squares[1:].sum()
    alone = np.array([squares[(degrees[:, k] > 0) & (np.count_nonzero(degrees, axis=1) == 1)].sum() for k in range(v)])
    taking_part = np.array([squares[degrees[:, k] > 0].sum() for k in range(v)])
    return Indices(
        names=tuple(names), first=alone / whole, total=taking_part / whole, first_error=np.full(v, missed),
        total_error=np.full(v, missed), mean=float(coefficients[0]), sd=float(np.sqrt(whole)), runs=n,
        unexplained=missed, inputs=inputs, results=results,
    )  # fmt: skip


def elementary_effects(
    function: Function, names: Sequence[str], low: Array, high: Array, walks: int, seed: int = 1
) -> Effects:  # fmt: skip
    """Return Morris's effects from `walks` walks of v + 1 runs each; arguments as in `sobol_direct`."""
    _check(names, low, high)
    if walks < 2:
        raise InputError(f"is {walks}; a spread needs two walks", key="runs")
    v, rng, step = len(names), np.random.default_rng(seed), LEVELS / (2 * (LEVELS - 1))
    points, turned, signs = [], [], []
    for _ in range(walks):
        at = rng.integers(0, LEVELS // 2, v) / (LEVELS - 1)
        up = rng.integers(0, 2, v) * 2 - 1
        at = np.where(up > 0, at, at + step)
        order = rng.permutation(v)
        points.append(at.copy())
        for k in order:
            at[k] += up[k] * step
            points.append(at.copy())
        turned.append(order)
        signs.append(up[order])
    inputs = low + (high - low) * np.array(points)
    results = _finite(function(inputs), inputs, names).reshape(walks, v + 1)
    change = np.diff(results, axis=1) / (np.array(signs) * step)
    effects = np.empty((walks, v))
    np.put_along_axis(effects, np.array(turned), change, axis=1)
    return Effects(
        names=tuple(names), mean=effects.mean(axis=0), size=np.abs(effects).mean(axis=0),
        spread=effects.std(axis=0, ddof=1), runs=len(inputs),
    )  # fmt: skip


def _best_polynomial(unit: Array, results: Array) -> tuple[NDArray[np.int64], Array, float]:
    """Return degrees (term, v), orthonormal coefficients, and the share of the variance missed when one is left out."""
    best: tuple[NDArray[np.int64], Array, float] | None = None
    for degree in range(1, HIGHEST + 1):
        degrees = _degrees(unit.shape[1], degree)
        if PER_TERM * len(degrees) > len(results):
            break
        table = np.prod([_legendre(unit[:, k], degrees[:, k]) for k in range(unit.shape[1])], axis=0)
        q, r = np.linalg.qr(table)
        coefficients = np.linalg.solve(r, q.T @ results)
        leverage = np.clip(np.sum(q**2, axis=1), 0, 1 - 1e-9)
        left_out = (results - table @ coefficients) / (1 - leverage)
        missed = float(np.mean(left_out**2) / results.var())
        if best is None or missed < best[2]:
            best = degrees, coefficients, missed
    assert best is not None
    return best


def _degrees(inputs: int, highest: int) -> NDArray[np.int64]:
    """Return the (term, input) degrees of all products up to a total degree, the constant first."""
    found = [d for d in itertools.product(range(highest + 1), repeat=inputs) if sum(d) <= highest]
    return np.array(sorted(found, key=lambda d: (sum(d), d)), dtype=np.int64)


def _legendre(x: Array, degrees: NDArray[np.int64]) -> Array:
    """Return the (n, term) Legendre polynomials of unit mean square over the range."""
    table = np.polynomial.legendre.legvander(x, int(degrees.max()))
    return np.asarray(table[:, degrees] * np.sqrt(2 * degrees + 1))


def _finite(results: Array, inputs: Array, names: Sequence[str]) -> Array:
    results = np.asarray(results, np.float64)
    bad = np.flatnonzero(~np.isfinite(results))
    if len(bad):
        where = ", ".join(f"{n} = {x:.4g}" for n, x in zip(names, inputs[bad[0]], strict=True))
        raise InputError(f"{len(bad)} of {len(results)} runs gave no number, the first at {where}: narrow the ranges",
                         key="vary")  # fmt: skip
    return results


def _check(names: Sequence[str], low: Array, high: Array) -> None:
    if not names or not len(names) == len(low) == len(high) or not np.all(np.asarray(low) < np.asarray(high)):
        raise InputError("needs one lowest and one higher highest value per input, and an input", key="vary")
