"""What a protocol's settings cost: the relative variances that its images leave, and how they change with settings.

For a tissue with true parameters theta the Fisher information of n images is M = sum_i k_i J_i J_i^T, with J_i the
derivatives of image i's signal by the parameters that are not known beforehand and k_i = 1/sigma_i^2 (Gaussian noise;
Rice's information for magnitudes). The cost is

    V = tr(W M^-1),   W = diag(w_p / theta_p^2) over the parameters that are wanted,

the weighted sum of squared relative standard deviations. With A = M^-1 W M^-1 its derivative by a contrast column of
image i is

    dV/dc_i = -2 k_i J_i^T A dJ_i/dc - dk_i/dS dS_i/dc J_i^T A J_i,

exact where the model is one symbolic equation.

What a fit takes into M0 changes the size of the signal: for columns that the model does not read, the decay
exp(-TE/T2) or exp(-TE/T2*), and the saturation sin(a) (1 - E1) / (1 - E1 cos(a)), E1 = exp(-TR/T1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import magnitude
from ..core.errors import InputError
from ..fit.design import columns_of, signal_design
from ..fit.method import Likelihood
from ..fit.models import find_model

Array = NDArray[np.float64]
HIDDEN = ("te", "tr", "flip")
"""Columns whose weight is known where the model does not read them."""
TELLS = 1e-13
"""Reciprocal condition number of the scaled information below which images tell nothing."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Target:
    """A tissue whose parameters are to be measured."""

    name: str
    model: str
    values: Mapping[str, float]
    """True value of every parameter of the model, SI."""
    wanted: tuple[str, ...]
    """Parameters whose relative standard deviations count."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """By which wanted parameters count; 1 where none stands."""
    known: tuple[str, ...] = ()
    """Parameters that are known beforehand."""
    t1: float = math.inf
    """s; infinite: nothing is saturated."""
    decay: float = math.inf
    """T2 or T2*, s, of the decay that the model does not read; infinite: none."""
    share: float = 1.0
    """Weight of the tissue in the cost."""
    likelihood: Likelihood = "gaussian"
    options: Mapping[str, float] = field(default_factory=dict)
    """Of the model."""
    sheet: Mapping[str, Any] = field(default_factory=dict)
    """Protocol sheet, for methods that read one."""

    def __post_init__(self) -> None:
        """Refuse what the model does not have, and a relative error of zero."""
        names = [p.name for p in find_model(self.model).parameters]
        stray = [name for name in (*self.wanted, *self.known, *self.values) if name not in names]
        if stray or not self.wanted:
            raise InputError(f"{self.model} has {', '.join(names)}; got {', '.join(stray) or 'nothing'}", key="want")
        both = set(self.wanted) & set(self.known)
        if both:
            raise InputError(f"{', '.join(sorted(both))} cannot be both wanted and known", key="known")
        bad = [n for n in names if not math.isfinite(self.values.get(n, math.nan))]
        bad += [n for n in self.wanted if n not in bad and self.values[n] == 0]
        if bad:
            said = f"{self.name} has no {', '.join(bad)} other than zero; say it with --truth {bad[0]}=..."
            raise InputError(said, key="truth")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Cost:
    """V of one tissue and its derivatives."""

    value: float
    by_column: dict[str, Array]
    """(n,) per contrast column."""
    by_noise: Array
    """(n,) by the logarithm of each image's noise."""
    spread: dict[str, float]
    """Least standard deviation over the true value, per parameter."""


def cost(target: Target, contrast: Mapping[str, Array], sigma: Array) -> Cost:
    """Return what a tissue costs.

    Parameters
    ----------
    target : Target
    contrast : mapping of str to (n,) array
        At least the model's columns, SI.
    sigma : (n,) array
        Noise of each image, one quadrature channel, in units of the signal.
    """
    found = find_model(target.model)
    rows = [k for k, p in enumerate(found.parameters) if p.name not in target.known]
    names = [found.parameters[k].name for k in rows]
    read = columns_of(target.model)
    design = signal_design(target.model, target.values, {c: contrast[c] for c in read}, sheet=target.sheet,
                           **target.options)  # fmt: skip
    weight, by_hidden = hidden_weight(target, {c: contrast[c] for c in HIDDEN if c in contrast and c not in read})
    value, slope = weight * design.value, weight * design.slope[rows]
    information, by_value, by_noise = _information(value, sigma, target.likelihood)
    whole = np.einsum("n,pn,qn->pq", information, slope, slope)
    inverse = _inverse(whole)
    if inverse is None:
        nothing = np.zeros_like(sigma)
        return Cost(value=math.inf, by_column=dict.fromkeys((*read, *by_hidden), nothing), by_noise=nothing,
                    spread=dict.fromkeys(names, math.inf))  # fmt: skip
    scale = _scale(target, names)
    middle = inverse @ (scale[:, None] * inverse)
    turned = middle @ slope
    square = np.einsum("pn,pn->n", slope, turned)

    def by(change: Array, change_of_slope: Array) -> Array:
        straight = -2 * information * np.einsum("pn,pn->n", turned, change_of_slope)
        return np.asarray(straight - by_value * change * square)

    by_column = {
        c: by(weight * design.by_column[k], weight * design.slope_by_column[k][rows]) for k, c in enumerate(read)
    }
    by_column |= {c: by(d * design.value, d * design.slope[rows]) for c, d in by_hidden.items()}
    spread = np.sqrt(np.diag(inverse)) / np.array([abs(target.values[n]) or math.nan for n in names])
    return Cost(
        value=float(scale @ np.diag(inverse)), by_column=by_column, by_noise=-by_noise * square,
        spread=dict(zip(names, spread.tolist(), strict=True)),
    )  # fmt: skip


def image_information(target: Target, contrast: Mapping[str, Array], sigma: Array) -> tuple[Array, Array]:
    """Return the (n, p, p) information of each image on what is not known, and the (p, p) weights W."""
    found = find_model(target.model)
    rows = [k for k, p in enumerate(found.parameters) if p.name not in target.known]
    read = columns_of(target.model)
    design = signal_design(target.model, target.values, {c: contrast[c] for c in read}, sheet=target.sheet,
                           **target.options)  # fmt: skip
    weight, _ = hidden_weight(target, {c: contrast[c] for c in HIDDEN if c in contrast and c not in read})
    slope = weight * design.slope[rows]
    information, _, _ = _information(weight * design.value, sigma, target.likelihood)
    names = [found.parameters[k].name for k in rows]
    return np.einsum("n,pn,qn->npq", information, slope, slope), np.diag(_scale(target, names))


def _scale(target: Target, names: Sequence[str]) -> Array:
    """Return the diagonal of W."""
    part = [target.weights.get(n, 1.0) if n in target.wanted else 0.0 for n in names]
    return np.array([w / target.values[n] ** 2 if w else 0.0 for w, n in zip(part, names, strict=True)])


def hidden_weight(target: Target, hidden: Mapping[str, Array]) -> tuple[Array, dict[str, Array]]:
    """Return the size that a fit takes into M0, (n,), and its derivatives by the columns that make it."""
    weight: Any = 1.0
    slopes: dict[str, Any] = {}
    if "te" in hidden and math.isfinite(target.decay):
        weight = np.exp(-hidden["te"] / target.decay)
        slopes["te"] = -weight / target.decay
    if {"tr", "flip"} <= {*hidden} and math.isfinite(target.t1):
        e1, sine, cosine = np.exp(-hidden["tr"] / target.t1), np.sin(hidden["flip"]), np.cos(hidden["flip"])
        below = 1 - e1 * cosine
        size = sine * (1 - e1) / below
        slopes = {name: slope * size for name, slope in slopes.items()}
        slopes["flip"] = weight * (1 - e1) * (cosine - e1) / below**2
        slopes["tr"] = weight * sine * (1 - cosine) / below**2 * e1 / target.t1
        weight = weight * size
    return np.asarray(weight), {name: np.asarray(slope) for name, slope in slopes.items()}


def _information(value: Array, sigma: Array, likelihood: Likelihood) -> tuple[Array, Array, Array]:
    """Return each image's information on its signal, and its derivatives by the signal and by ln sigma."""
    if likelihood == "gaussian":
        plain = 1 / sigma**2
        return plain, np.zeros_like(plain), -2 * plain
    clean, step = np.abs(value), 1e-4
    width = step * (clean + sigma)

    def at(signal: Array, noise: Array) -> Array:
        return np.asarray(magnitude.information(np.maximum(signal, 0.0), noise))

    by_value = (at(clean + width, sigma) - at(np.abs(clean - width), sigma)) / (clean + width - np.abs(clean - width))
    by_noise = (at(clean, sigma * (1 + step)) - at(clean, sigma * (1 - step))) / (2 * step)
    return at(clean, sigma), by_value * np.sign(value), by_noise


def _inverse(whole: Array) -> Array | None:
    """Return M^-1; None where images cannot tell the parameters apart."""
    size = np.sqrt(np.diag(whole))
    if not (np.isfinite(size).all() and (size > 0).all()):
        return None
    scaled = whole / np.outer(size, size)
    if np.linalg.eigvalsh(scaled)[0] < TELLS:
        return None
    return np.asarray(np.linalg.inv(scaled) / np.outer(size, size))
