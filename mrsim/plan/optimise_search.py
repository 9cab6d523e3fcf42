"""The search for the settings of least cost: from many starts downhill along exact derivatives.

Near a point the contrast table, the noise of the images and the scan time are linear in the settings; what the cost
makes of them is not. So a search needs the sequence at a few points only, and is repeated where the sequence turns out
not to be linear. Settings of a list (echo times, flip angles) are exchangeable: from an even start they would not
come together where one value deserves many images, so one start is the optimal design of shares
(`b_values.best_shares`), rounded to whole images.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import InputError
from .b_values import best_shares, rounded
from .optimise_cost import Cost, Target, cost, image_information

Array = NDArray[np.float64]
POINTS = 161
"""Values of a list's range between which the first design is looked for."""
HOPELESS = 200.0
"""ln V of settings that tell nothing."""
ROUNDS, SETTLED = 300, 1e-12


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Scan:
    """How the images follow v settings, linear around a point."""

    at: Array
    """(v,) settings, SI."""
    columns: Mapping[str, Array]
    """Contrast column -> (n,)."""
    slopes: Mapping[str, Array]
    """Contrast column -> (v, n)."""
    log_noise: Array
    """(n,) ln sigma."""
    noise_slopes: Array
    """(v, n)."""
    duration: float
    """s."""
    duration_slopes: Array
    """(v,)."""

    def contrast(self, settings: Array) -> dict[str, Array]:
        """Return the contrast table at other settings."""
        step = settings - self.at
        return {name: column + step @ self.slopes[name] for name, column in self.columns.items()}

    def sigma(self, settings: Array) -> Array:
        """Return the (n,) noise at other settings."""
        return np.asarray(np.exp(self.log_noise + (settings - self.at) @ self.noise_slopes))

    def seconds(self, settings: Array) -> float:
        """Return the scan time at other settings, s."""
        return float(self.duration + (settings - self.at) @ self.duration_slopes)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Found:
    """Settings and what they cost."""

    settings: Array
    value: float
    """Mean of the tissues' V, times the scan time, s, where precision per time was asked for."""


def search(
    targets: Sequence[Target], scan: Scan, low: Array, high: Array, *, groups: Sequence[tuple[int, ...]] = (),
    longest: float = math.inf, per_time: bool = False, gap: tuple[float, float] = (0.0, 0.0),
) -> Found:  # fmt: skip
    """Return the settings of least cost between bounds.

    Parameters
    ----------
    targets : sequence of Target
    scan : Scan
    low, high : (v,) array
    groups : sequence of tuple of int
        Settings that are the values of one list.
    longest : float
        Scan time that may not be exceeded, s.
    per_time : bool
        True weighs V with the scan time.
    gap : (low, high)
        Values between these no list has: below they are its lowest value.
    """
    best: Found | None = None
    for start in _starts(targets, scan, low, high, groups, gap):
        least, most = _around_gap(start, low, high, groups, gap)
        for candidate in (_downhill(targets, scan, start, least, most, longest, per_time), start):
            value, _ = total(targets, scan, candidate, per_time)
            fits = scan.seconds(candidate) <= longest * (1 + 1e-6)
            if fits and (best is None or value < best.value * (1 - 1e-9)):
                best = Found(settings=candidate, value=value)
    if best is None or not math.isfinite(best.value):
        raise InputError(
            "no settings in these ranges tell the wanted parameters apart in this time: free more settings, widen "
            "their ranges, allow more time, or say what is known beforehand", key="free",
        )  # fmt: skip
    return best


def _downhill(
    targets: Sequence[Target], scan: Scan, start: Array, low: Array, high: Array, longest: float, per_time: bool
) -> Array:
    """Return the settings in which the cost ends downhill of `start`."""
    from scipy.optimize import minimize

    free = high > low
    span = np.where(free, high - low, 1.0)

    def height(unit: Array) -> tuple[float, Array]:
        value, slope = total(targets, scan, low + span * unit, per_time)
        return (math.log(value), span * slope / value) if 0 < value < math.inf else (HOPELESS, np.zeros_like(unit))

    room: list[dict[str, object]] = []
    if math.isfinite(longest) and np.any(scan.duration_slopes):
        slope = -scan.duration_slopes * span / longest
        room = [{"type": "ineq", "fun": lambda u: 1 - scan.seconds(low + span * u) / longest, "jac": lambda u: slope}]
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        ended = minimize(height, np.clip((start - low) / span, 0, 1), jac=True, method="SLSQP",
                         bounds=[(0.0, 1.0 if f else 0.0) for f in free], constraints=room,
                         options={"maxiter": ROUNDS, "ftol": SETTLED})  # fmt: skip
    return np.asarray(low + span * np.clip(ended.x, 0, np.where(free, 1.0, 0.0)))


def _around_gap(
    start: Array, low: Array, high: Array, groups: Sequence[tuple[int, ...]], gap: tuple[float, float]
) -> tuple[Array, Array]:
    """Return bounds that keep every value of a list on its side of the gap; a start within it is moved out."""
    least, most = low.copy(), high.copy()
    if gap[1] <= gap[0]:
        return least, most
    for k in itertools.chain.from_iterable(groups):
        if start[k] < gap[1]:
            start[k] = most[k] = low[k]
        else:
            least[k] = gap[1]
    return least, most


def total(targets: Sequence[Target], scan: Scan, settings: Array, per_time: bool) -> tuple[float, Array]:
    """Return the mean cost of the tissues, by their shares, and its (v,) derivatives."""
    contrast, sigma, seconds = scan.contrast(settings), scan.sigma(settings), scan.seconds(settings)
    whole = sum(target.share for target in targets)
    value, slope = 0.0, np.zeros_like(settings)
    for target in targets:
        found = cost(target, contrast, sigma)
        if not math.isfinite(found.value):
            return math.inf, np.zeros_like(settings)
        value += target.share / whole * found.value
        slope += target.share / whole * _chained(found, scan)
    return (value * seconds, slope * seconds + value * scan.duration_slopes) if per_time else (value, slope)


def _chained(found: Cost, scan: Scan) -> Array:
    by_settings = scan.noise_slopes @ found.by_noise
    for name, slope in found.by_column.items():
        by_settings = by_settings + scan.slopes[name] @ slope
    return np.asarray(by_settings)


def _starts(
    targets: Sequence[Target], scan: Scan, low: Array, high: Array, groups: Sequence[tuple[int, ...]],
    gap: tuple[float, float],
) -> Iterator[Array]:  # fmt: skip
    """Yield settings from which to go downhill: where the scan stands, lists spread over their ranges, shares."""
    yield np.clip(scan.at, low, high)
    alone = [k for k in range(len(low)) if not any(k in group for group in groups)]
    for part in (0.15, 0.5, 0.85):
        settings = np.clip(scan.at, low, high)
        settings[alone] = low[alone] + part * (high[alone] - low[alone])
        for group in groups:
            n, least, most = len(group), low[group[0]], high[group[0]]
            reach = least + (0.05 + 0.9 * part) * (most - least)
            even = np.linspace(least, reach, n) if n > 1 else np.array([reach])
            settings[list(group)] = even
        yield settings
    settings = np.clip(scan.at, low, high)
    for group in groups:
        shared = _by_shares(targets, scan, low, high, group, gap)
        if shared is not None:
            settings[list(group)] = shared
            yield settings.copy()


def _by_shares(
    targets: Sequence[Target], scan: Scan, low: Array, high: Array, group: tuple[int, ...], gap: tuple[float, float]
) -> Array | None:
    """Return a list's values by the optimal shares of its images; None where other images help, or too few are."""
    first = group[0]
    follows = [{int(i) for s in scan.slopes.values() for i in np.flatnonzero(s[k])} for k in group]
    if set().union(*follows) != set(range(len(scan.log_noise))) or not follows[0]:
        return None
    images = sorted(follows[0])
    values = np.linspace(low[first], high[first], POINTS)
    if gap[1] > gap[0]:
        values = np.concatenate([low[[first]], np.linspace(max(gap[1], low[first]), high[first], POINTS - 1)])
    step = values - scan.at[first]
    columns = {
        name: (column[images][None] + step[:, None] * scan.slopes[name][first, images][None]).ravel()
        for name, column in scan.columns.items()
    }
    sigma = np.exp(scan.log_noise[images][None] + step[:, None] * scan.noise_slopes[first, images][None]).ravel()
    known, weights = [], []
    for target in targets:
        information, weight = image_information(target, columns, sigma)
        known.append(information.reshape(POINTS, len(images), *weight.shape).sum(axis=1))
        weights.append(weight)
    try:
        shares, _ = best_shares(known, weights)
        chosen, counts = rounded(values, shares, len(group))
    except InputError:
        return None
    return np.repeat(chosen, counts)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class BestContrast:
    """Images that tell tissues best."""

    contrast: dict[str, tuple[float, ...]]
    """Column -> value of every image, SI."""
    value: float
    """Mean cost of the tissues."""
    spread: dict[str, dict[str, float]]
    """Tissue -> parameter -> least standard deviation over the true value."""


def best_contrast(
    targets: Sequence[Target], free: Mapping[str, tuple[float, float]], images: int, *,
    sigma: ArrayLike = 0.01, fixed: Mapping[str, ArrayLike] | None = None, gap: tuple[float, float] = (0.0, 0.0),
) -> BestContrast:  # fmt: skip
    """Return which images tell tissues best, of whatever can be written into a contrast table: no scanner is asked.

    Parameters
    ----------
    targets : sequence of Target
    free : mapping of str to (low, high)
        Contrast columns that are chosen for every image, with their ranges, SI.
    images : int
        How many; images of equal settings are averages.
    sigma : float or (n,) array
        Noise of each image, one quadrature channel, in units of the signal.
    fixed : mapping of str to float or (n,) array, optional
        The other columns, SI.
    gap : (low, high)
        Values between these no image has, SI: below them is the lowest value alone.
    """
    if images < 1 or not free or any(not lo < hi for lo, hi in free.values()):
        raise InputError("needs at least one image and one column with a lowest below its highest value", key="free")
    low = np.concatenate([np.full(images, lo) for lo, _ in free.values()])
    high = np.concatenate([np.full(images, hi) for _, hi in free.values()])
    columns = {n: np.broadcast_to(np.asarray(v, np.float64), (images,)).copy() for n, v in (fixed or {}).items()}
    slopes = {name: np.zeros((len(low), images)) for name in columns}
    middle = (low + high) / 2
    for k, name in enumerate(free):
        part = slice(k * images, (k + 1) * images)
        columns[name], slopes[name] = middle[part].copy(), np.zeros((len(low), images))
        slopes[name][part] = np.eye(images)
    noise = np.log(np.broadcast_to(np.asarray(sigma, np.float64), (images,)))
    scan = Scan(
        at=middle, columns=columns, slopes=slopes, log_noise=noise, noise_slopes=np.zeros((len(low), images)),
        duration=1.0, duration_slopes=np.zeros(len(low)),
    )  # fmt: skip
    groups = [tuple(range(k * images, (k + 1) * images)) for k in range(len(free))]
    found = search(targets, scan, low, high, groups=groups, gap=gap)
    contrast = scan.contrast(found.settings)
    order = np.lexsort([contrast[name] for name in reversed([*free])])
    return BestContrast(
        contrast={name: tuple(column[order].tolist()) for name, column in contrast.items()}, value=found.value,
        spread={t.name: cost(t, contrast, scan.sigma(found.settings)).spread for t in targets},
    )  # fmt: skip
