"""Which b-values, and how many images of each, tell a model's parameters best: optimal designs by the Cramér-Rao bound.

Of a number of images a share w_j is spent on the b-value b_j of a grid. With the Fisher information F_j of one image
there, M = sum w_j F_j, and the sum of relative variances

    V = tr(W M^-1),   W = diag(1 / theta_k^2) over the parameters that are wanted,

is convex in w. Its least value is found by the multiplicative rule w_j <- w_j sqrt(d_j) / norm with the sensitivities
d_j = tr(M^-1 W M^-1 F_j) (Silvey, Titterington and Torsney 1978, doi:10.1080/03610927808827719), and the equivalence
theorem proves it: nowhere d_j > V, and d_j = V wherever w_j > 0. Shares become numbers of images by Pukelsheim and
Rieder's efficient rounding. The best design depends on the truth: several truths share one by the mean of V / p.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core import magnitude
from ..core.errors import InputError
from ..fit.method import Likelihood
from ..fit.models import find_model
from ..fit.signal import jacobian, signal

Array = NDArray[np.float64]
ROUNDS, SETTLED = 20_000, 1e-4
"""Of the multiplicative rule; excess of the largest sensitivity over V at which it ends."""
POINTS = 121
"""b-values of the grid."""
SEGMENTED, THRESHOLD = "ivim-segmented", 2e8
"""The fit in two steps, and the b-value that divides them unless another is given, s/m^2."""
GONE = 1e-6
"""D* of perfusion that has decayed at the threshold, m^2/s."""
LEAST = 1e-3
"""Share below which a b-value is left out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BDesign:
    """The b-values that are best for some images."""

    b: tuple[float, ...]
    """s/m^2, ascending, each once."""
    images: tuple[int, ...]
    """Of each b-value."""
    spread: dict[str, float]
    """Least standard deviation of every parameter over its true value; of the first truth."""
    excess: float
    """How far the shares are from the optimum at most, as a part of V: the equivalence theorem's bound."""


def best_b_values(
    model: str, truths: Sequence[Mapping[str, float]], wanted: Sequence[str], *, largest: float, images: int,
    sigma: ArrayLike, likelihood: Likelihood = "gaussian", threshold: float = THRESHOLD,
    weights: Mapping[str, float] | None = None,
) -> BDesign:  # fmt: skip
    """Return the b-values between 0 and `largest` that tell some parameters best.

    Parameters
    ----------
    model : str
        A signal model over b alone: ``adc``, ``kurtosis``, ``ivim``, ``stretched``; or ``ivim-segmented``, the fit of f
        and D to images without weighting and at or above a threshold.
    truths : sequence of mapping
        True parameters, SI units; several share one design.
    wanted : sequence of str
        Parameters whose relative standard deviations count.
    largest : float
        s/m^2.
    images : int
        In all.
    sigma : float
        Noise of one image, one quadrature channel, in units of the signal.
    likelihood : str
        ``"gaussian"`` or ``"rician"``.
    threshold : float
        b from which perfusion has decayed, s/m^2, of ``ivim-segmented``.
    weights : mapping of str to float, optional
        By which the squared relative standard deviations of wanted parameters count; 1 by default.
    """
    noise = float(np.asarray(sigma))
    _check(model, truths, wanted, largest, images)
    b = np.linspace(0.0, largest, POINTS)
    if model == SEGMENTED:
        if not 0 < threshold < largest:
            raise InputError(f"{threshold * 1e-6:g} s/mm^2 must lie below the largest b", key="threshold")
        b = np.concatenate([[0.0], np.linspace(threshold, largest, POINTS - 1)])
    known = [information(model, truth, b, noise, likelihood) for truth in truths]
    parts = [_weights(model, truth, wanted, weights or {}) for truth in truths]
    shares, excess = best_shares(known, parts)
    chosen, counts = rounded(b, shares, images)
    spread = relative_spread(model, truths[0], np.repeat(chosen, counts), noise, likelihood)
    return BDesign(b=tuple(chosen.tolist()), images=tuple(counts.tolist()), spread=spread, excess=excess)


def information(model: str, truth: Mapping[str, float], b: Array, sigma: float, likelihood: Likelihood) -> Array:
    """Return the (n, p, p) Fisher information of one image at each b-value."""
    found = find_model("ivim" if model == SEGMENTED else model)
    whole = {**truth, "d_star": GONE} if model == SEGMENTED else truth
    point = {p.name: float(whole[p.name]) for p in found.parameters}
    slope = np.real(jacobian(found, point, {"b": b}))[: len(parameters_of(model))]
    if likelihood == "rician":
        clean = np.abs(signal(found, point, {"b": b}))
        weight = magnitude.information(clean, np.full_like(clean, sigma))
    else:
        weight = np.full(len(b), 1 / sigma**2)
    return np.asarray(np.einsum("pn,qn,n->npq", slope, slope, weight))


def relative_spread(
    model: str, truth: Mapping[str, float], b: Array, sigma: float, likelihood: Likelihood = "gaussian"
) -> dict[str, float]:
    """Return the least standard deviation of every parameter over its truth, for images at (n,) b-values, s/m^2."""
    names = parameters_of(model)
    point = np.array([truth[name] for name in names])
    whole = information(model, truth, np.asarray(b, np.float64), sigma, likelihood).sum(axis=0)
    whole *= np.outer(point, point)
    if not _tells(whole):
        return dict.fromkeys(names, float("inf"))
    return dict(zip(names, np.sqrt(np.diag(np.linalg.inv(whole))).tolist(), strict=True))


def best_shares(known: Sequence[Array], weights: Sequence[Array]) -> tuple[Array, float]:
    """Return the (n,) shares of least mean of tr(W M^-1), each relative to its value at even shares, and the excess.

    Parameters
    ----------
    known : sequence of (n, p, p) array
        Information of one image at each place, of every truth.
    weights : sequence of (p, p) array
        W of every truth.
    """
    count = len(known[0])
    shares = np.full(count, 1 / count)
    for part in known:
        if not _tells(part.mean(axis=0)):
            raise InputError("cannot be told apart by any b-values; a fraction of zero, say, has no D*", key="truths")
    sizes = [_value(part, weight, shares)[0] for part, weight in zip(known, weights, strict=True)]
    excess = np.inf
    for _ in range(ROUNDS):
        pairs = [_value(part, weight, shares) for part, weight in zip(known, weights, strict=True)]
        total = sum(v / s for (v, _), s in zip(pairs, sizes, strict=True))
        slope = np.sum([d / s for (_, d), s in zip(pairs, sizes, strict=True)], axis=0)
        excess = float(slope.max() / total - 1)
        if excess < SETTLED:
            break
        shares = shares * np.sqrt(slope)
        shares /= shares.sum()
    return shares, excess


def _value(part: Array, weight: Array, shares: Array) -> tuple[float, Array]:
    """Return tr(W M^-1) and the (n,) sensitivities."""
    whole = np.einsum("n,npq->pq", shares, part)
    scale = 1 / np.sqrt(np.diag(whole))
    inverse = scale[:, None] * np.linalg.inv(whole * np.outer(scale, scale)) * scale
    middle = inverse @ weight @ inverse
    return float(np.sum(weight * inverse)), np.einsum("pq,npq->n", middle, part)


def _tells(whole: Array) -> bool:
    scale = np.sqrt(np.diag(whole))
    return bool(np.all(scale > 0) and np.linalg.eigvalsh(whole / np.outer(scale, scale))[0] > 1e-12)


def parameters_of(model: str) -> list[str]:
    """Return the parameters that images tell: all of a model's, but D* where its images are not used."""
    return [p.name for p in find_model(model).parameters if not (model == SEGMENTED and p.name == "d_star")]


def _weights(model: str, truth: Mapping[str, float], wanted: Sequence[str], weights: Mapping[str, float]) -> Array:
    names = parameters_of(model)
    return np.diag([weights.get(n, 1.0) / truth[n] ** 2 if n in wanted else 0.0 for n in names])


def rounded(b: Array, shares: Array, images: int) -> tuple[Array, NDArray[np.int64]]:
    """Return b-values and their numbers of images: neighbours of the grid are one, then efficient rounding."""
    held = shares > LEAST
    step = np.diff(b, prepend=b[0])
    apart = (np.diff(held.astype(int), prepend=0) > 0) | (step > 3 * np.median(step))  # nothing lies within a gap
    group = np.cumsum(apart & held) * held
    places = [np.flatnonzero(group == g) for g in range(1, int(group.max()) + 1)]
    chosen = np.array([np.sum(b[p] * shares[p]) / shares[p].sum() for p in places])
    part = np.array([shares[p].sum() for p in places])
    part /= part.sum()
    if images < len(part):
        raise InputError(f"{images} images are fewer than the {len(part)} b-values of the best design", key="images")
    counts = np.ceil((images - len(part) / 2) * part).astype(np.int64)
    while counts.sum() != images:
        if counts.sum() < images:
            counts[np.argmin(counts / part)] += 1
        else:
            counts[np.argmax((counts - 1) / part)] -= 1
    return chosen, counts


def _check(
    model: str, truths: Sequence[Mapping[str, float]], wanted: Sequence[str], largest: float, images: int
) -> None:
    found = find_model(model)
    names = parameters_of(model)
    if {column.name for column in found.contrast} != {"b"}:
        raise InputError(f"'{model}' needs more than b; take adc, kurtosis, ivim[-segmented], stretched", key="model")
    if not wanted or not set(wanted) <= set(names):
        raise InputError(f"{', '.join(wanted) or 'nothing'} is wanted; {model} has {', '.join(names)}", key="wanted")
    if not (1e6 <= largest < 1e11) or images < len(names):
        given = f"{images} images up to b {largest * 1e-6:g} s/mm^2"
        raise InputError(f"{given}: give at least {len(names)} images and 1 to 1e5 s/mm^2", key="largest")
    for truth in truths:
        bad = [name for name in names if not (name in truth and np.isfinite(truth[name]))]
        bad += [name for name in wanted if name not in bad and truth[name] == 0]
        if bad:
            raise InputError(f"has no {', '.join(bad)} other than zero, which a relative error needs", key="truths")
