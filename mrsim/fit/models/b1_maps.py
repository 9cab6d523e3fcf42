"""The transmit field from ratios and phases: double angle, actual flip angle imaging (AFI), Bloch-Siegert shift.

Double angle (flips a and 2 a, full recovery): cos(b1 a) = S2 / (2 S1). With recovery left incomplete the ratio depends
on T1: give `t1`, or a TR of five T1. In a slice the flip angle falls towards the edges, and the ratio of the means is
not that of the middle: two-dimensional images read b1 wrongly, and the maps carry a warning.

AFI (two repetition times in turn, n = TR2 / TR1, both short against T1): cos(b1 a) = (n r - 1) / (n - r), r = S2 / S1
(Yarnykh 2007). Spoiling must be complete. With `t1` given the exact steady state is used instead of its limit.

Bloch-Siegert: an off-resonant pulse turns the phase by the integral of sqrt(f^2 + (g b)^2) - |f|, with g b its
amplitude in Hz; offsets of both signs double it and cancel everything else. To lowest order it is K b1^2, with
K_BS = integral of (g b)^2 / (2 |f|) 2 pi dt (Sacolick 2010). The envelope stands in the protocol sheet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ..method import AT_BOUND, Method, Scan, Series, Solution, start
from ..model import FLIP, M0, SHORT_TR, TR, Column, Option, Parameter
from .complex_decay import PHASE

Array = NDArray[np.float64]
REFERENCE_T1 = 1.0
"""T1 that a warning of incomplete recovery takes for granted, s."""
STEPS = 60
"""Of the bisection of the flip angle."""
B1_FIELD = Parameter(
    name="b1", unit="", symbol="b_1", description="transmit field over the nominal one", lower=0.0, upper=4.0,
    grid=(0.2, 2.0, 12),
)  # fmt: skip
KNOWN_T1 = Option(
    name="t1", default=0.0, unit="s", symbol="T_1", description="T1 for incomplete recovery; 0: the limit without it",
    varies=True, lower=0.0, upper=20.0, step=0.1,
)  # fmt: skip
OFFSET_COLUMN = Column(
    name="offset", unit="Hz", symbol="f", description="offset of the off-resonant pulse", plausible=1e6,
    mistaken="rad/s", signed=True,
)  # fmt: skip


def by_bisection(ratio: Any, wanted: Array, lower: Array, upper: Array) -> Array:
    """Return the angles within [lower, upper] at which a falling function `ratio` takes the wanted values."""
    low, high = np.broadcast_to(lower, wanted.shape).copy(), np.broadcast_to(upper, wanted.shape).copy()
    for _ in range(STEPS):
        middle = 0.5 * (low + high)
        above = ratio(middle) > wanted
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.asarray(0.5 * (low + high))


def recovery(t1: Any, tr: Any) -> Any:
    """Return exp(-tr / t1); 0 for a t1 of 0, which stands for full recovery."""
    known = np.asarray(t1, np.float64) > 0
    return np.where(known, np.exp(-tr / np.where(known, t1, 1.0)), 0.0)


def _angle_ratio(angle: Array, e1: Any) -> Array:
    """Return S(2 a) / S(a) of a spoiled gradient echo."""
    return np.asarray(2 * np.cos(angle) * (1 - e1 * np.cos(angle)) / (1 - e1 * np.cos(2 * angle)))


def _repetition_ratio(angle: Array, t1: Any, tr: tuple[float, float]) -> Array:
    """Return S2 / S1 of two repetition times in turn: signal 1 is read before tr[0], signal 2 before tr[1]."""
    c, n = np.cos(angle), tr[1] / tr[0]
    e1, e2 = recovery(t1, tr[0]), recovery(t1, tr[1])
    exact = (1 - e1 + (1 - e2) * e1 * c) / np.where(t1 == 0, 1.0, 1 - e2 + (1 - e1) * e2 * c)
    return np.asarray(np.where(np.asarray(t1) > 0, exact, (1 + n * c) / (n + c)))


def _filled(
    solution: Solution, voxels: Any, signals: tuple[Array, Array], nominal: float, ratio: Any, factor: Any, w: Array
) -> None:
    """Write m0 and b1 from two signed signals, with their errors; values out of reach are at a bound.

    ratio, factor : callables
        Of the angle, rad: second over first signal, and first signal over m0.
    """
    first, second = np.maximum(signals[0], 1e-300), signals[1]
    r = second / first
    top, bottom = np.full(r.shape, 1e-6), np.full(r.shape, np.pi - 1e-6)
    ends = ratio(top), ratio(bottom)
    reach = (r < ends[0]) & (r > ends[1])
    angle = by_bisection(ratio, np.clip(r, ends[1], ends[0]), top, bottom)
    step = 1e-5
    slope = (ratio(angle + step) - ratio(angle - step)) / (2 * step)
    size = factor(angle)
    bend = (factor(angle + step) - factor(angle - step)) / (2 * step) / size
    turned = np.stack([-r, np.ones_like(r)]) / (first * slope)  # the angle's derivatives by both signals
    grown = np.stack([1 / size, np.zeros_like(size)]) - first / size * bend * turned
    variance = 1 / w[:, None]
    solution.values[0, voxels], solution.values[1, voxels] = first / size, angle / nominal
    solution.unit_errors[0, voxels] = np.where(reach, np.sqrt(np.sum(grown**2 * variance, axis=0)), np.nan)
    spread = np.sqrt(np.sum(turned**2 * variance, axis=0)) / nominal
    solution.unit_errors[1, voxels] = np.where(reach, spread, np.nan)
    solution.status[voxels[~reach]] = AT_BOUND
    solution.rounds[voxels] = 1


def double_angle(scan: Scan, series: Series) -> Solution:
    """Find b1 from flips a and 2 a."""
    flip = np.asarray(scan.contrast["flip"])
    order = np.argsort(flip)
    if len(flip) != 2 or abs(flip[order[1]] - 2 * flip[order[0]]) > 1e-6 * flip.max():
        listed = ", ".join(f"{np.degrees(f):g}" for f in flip)
        raise InputError(f"are {listed} deg; the double-angle method takes one angle and its double", key="flip")
    solution, tr, nominal = start(DOUBLE_ANGLE, series), scan.column("tr"), float(flip[order[0]])
    v = np.flatnonzero(solution.status == 0)
    one, two = np.asarray(series.data)[order][:, v]
    t1 = scan.options["t1"] if np.ndim(scan.options["t1"]) == 0 else scan.options["t1"][v]
    e1 = recovery(t1, tr)
    weight = series.weight[order]
    # signals of one phase and either sign have squares of twice that phase; the first of both is positive
    phase = 0.5 * np.angle(weight[0] * one**2 + weight[1] * two**2)
    phase = np.where(np.real(one * np.exp(-1j * phase)) < 0, phase + np.pi, phase)
    one, two = one * np.exp(-1j * phase), two * np.exp(-1j * phase)
    signals = np.real(one), np.real(two)

    def factor(angle: Array) -> Array:
        return np.asarray(np.sin(angle) * (1 - e1) / (1 - e1 * np.cos(angle)))

    _filled(solution, v, signals, nominal, lambda a: _angle_ratio(a, e1), factor, weight)
    solution.values[2, v] = np.angle(np.exp(1j * phase))
    energy = weight[0] * signals[0] ** 2 + weight[1] * signals[1] ** 2
    solution.unit_errors[2, v] = 1 / np.sqrt(np.maximum(energy, 1e-300))
    solution.cost[v] = weight[0] * np.imag(one) ** 2 + weight[1] * np.imag(two) ** 2
    return replace(solution, warnings=(*_short(tr, t1), *_sliced(scan)))


def _short(tr: float, t1: Any) -> tuple[str, ...]:
    if np.any(np.asarray(t1) > 0) or tr >= 5 * REFERENCE_T1:
        return ()
    nominal = np.array([np.pi / 3])
    ratio = _angle_ratio(nominal, recovery(REFERENCE_T1, tr))
    bias = float(np.arccos(np.clip(ratio / 2, -1, 1))[0] / nominal[0] - 1)
    return (
        f"double angle with a TR of {tr:g} s: incomplete recovery of a T1 of {REFERENCE_T1:g} s changes b1 by "
        f"{100 * bias:+.1f} % at 60 deg; lengthen TR to five T1, or give t1"
    ),  # fmt: skip


def _sliced(scan: Scan) -> tuple[str, ...]:
    profile = str(scan.sheet.get("excitation_profile", "hard"))
    if profile.startswith("hard") or scan.sheet.get("kind") != "2d":
        return ()
    text = f"double angle in a slice ({profile}): the flip falls towards the edges, which biases b1; excite a slab"
    return (f"{text} with a hard pulse or encode it in three dimensions",)


def actual_flip(scan: Scan, series: Series) -> Solution:
    """Find b1 from two repetition times."""
    tr = np.asarray(scan.contrast["tr"])
    order, flip = np.argsort(tr), scan.column("flip")
    if len(tr) != 2 or tr[order[1]] < 1.5 * tr[order[0]]:
        listed = ", ".join(f"{1e3 * t:g}" for t in tr)
        raise InputError(f"are {listed} ms; AFI takes two, of a ratio of 1.5 or more", key="tr")
    solution, pair = start(ACTUAL_FLIP, series), (float(tr[order[0]]), float(tr[order[1]]))
    v = np.flatnonzero(solution.status == 0)
    one, two = np.asarray(series.data)[order][:, v]
    t1 = scan.options["t1"] if np.ndim(scan.options["t1"]) == 0 else scan.options["t1"][v]
    ratio, factor = (lambda a: _repetition_ratio(a, t1, pair)), (lambda a: _afi_factors(a, t1, pair)[0])
    _filled(solution, v, (one, two), flip, ratio, factor, series.weight[order])
    return solution


def _afi_factors(angle: Array, t1: Any, tr: tuple[float, float]) -> tuple[Array, Array]:
    """Return both signals over m0; without T1 up to the factor TR1 / (T1 sin^2 a) that they share."""
    c, n = np.cos(angle), tr[1] / tr[0]
    e1, e2 = recovery(t1, tr[0]), recovery(t1, tr[1])
    shared = np.where(np.asarray(t1) > 0, 1 - e1 * e2 * c**2, 1.0)
    one = np.where(np.asarray(t1) > 0, 1 - e2 + (1 - e1) * e2 * c, n + c)
    two = np.where(np.asarray(t1) > 0, 1 - e1 + (1 - e2) * e1 * c, 1 + n * c)
    return np.sin(angle) * one / shared, np.sin(angle) * two / shared


def shift_of(scan: Scan, b1: Array) -> Array:
    """Return the (voxel,) phase of the Bloch-Siegert shift by a pulse of positive offset, rad."""
    amplitude = np.asarray(scan.fact("off_resonant_pulse", "b1-bloch-siegert"), np.float64)
    dwell = float(scan.fact("off_resonant_dwell", "b1-bloch-siegert"))
    offset = float(np.max(np.abs(scan.contrast["offset"])))
    table = np.linspace(0.0, B1_FIELD.upper, 801)
    turned = np.sum(np.hypot(offset, table[:, None] * amplitude) - offset, axis=1) * (2 * np.pi * dwell)
    # the phase over b1^2 is smooth and nearly constant: interpolate that
    rest = np.concatenate([[turned[1] / table[1] ** 2], turned[1:] / table[1:] ** 2])
    return np.asarray(b1**2 * np.interp(b1, table, rest))


def bloch_siegert(scan: Scan, series: Series) -> Solution:
    """Find b1 from the phase between pulses of both offsets."""
    offset = np.asarray(scan.contrast["offset"])
    if len(offset) != 2 or abs(offset.sum()) > 1e-6 * np.abs(offset).max() or offset[0] == 0:
        raise InputError(f"are {', '.join(f'{f:g}' for f in offset)} Hz; takes two opposite ones", key="offset")
    solution, order = start(BLOCH_SIEGERT, series), np.argsort(-offset)
    v = np.flatnonzero(solution.status == 0)
    plus, minus = np.asarray(series.data)[order][:, v]
    turn = np.angle(plus * minus.conj())
    turn = np.where(turn < -np.pi / 4, turn + 2 * np.pi, turn)
    low, high = np.zeros(turn.shape), np.full(turn.shape, B1_FIELD.upper)
    b1 = by_bisection(lambda b: -2 * shift_of(scan, b), -turn, low, high)
    slope = (shift_of(scan, b1 + 1e-4) - shift_of(scan, np.maximum(b1 - 1e-4, 0))) / 1e-4
    weight = series.weight[order]
    spread = np.sqrt(1 / (weight[0] * np.abs(plus) ** 2) + 1 / (weight[1] * np.abs(minus) ** 2))
    sizes = np.abs(np.stack([plus, minus]))
    size = weight @ sizes / weight.sum()
    solution.values[:, v] = (
        size,
        b1,
        np.angle(plus + minus * np.exp(1j * turn)) - turn / 2,
    )
    solution.unit_errors[0, v] = 1 / np.sqrt(weight.sum())
    solution.unit_errors[1, v] = spread / np.maximum(slope, 1e-12)
    solution.unit_errors[2, v] = spread / 2
    solution.status[v[turn <= 0]] = AT_BOUND
    solution.cost[v], solution.rounds[v] = weight @ (sizes - size) ** 2, 1
    return solution


def _dam_signal(scan: Scan, parameters: Mapping[str, Array]) -> NDArray[Any]:
    angle = scan.contrast["flip"][:, None] * parameters["b1"]
    e1 = recovery(scan.options["t1"], scan.column("tr"))
    value = parameters["m0"] * np.sin(angle) * (1 - e1) / (1 - e1 * np.cos(angle))
    return np.asarray(value * np.exp(1j * parameters["phase"]))


def _afi_signal(scan: Scan, parameters: Mapping[str, Array]) -> NDArray[Any]:
    tr = np.asarray(scan.contrast["tr"])
    pair = (float(tr.min()), float(tr.max()))
    factors = _afi_factors(scan.column("flip") * parameters["b1"], scan.options["t1"], pair)
    return np.asarray(parameters["m0"] * np.stack([factors[int(t == pair[1])] for t in tr]))


def _bloch_siegert_signal(scan: Scan, parameters: Mapping[str, Array]) -> NDArray[Any]:
    turn = np.sign(scan.contrast["offset"])[:, None] * shift_of(scan, parameters["b1"])
    return np.asarray(parameters["m0"] * np.exp(1j * (turn + parameters["phase"])))


DOUBLE_ANGLE = Method(
    name="b1-dam",
    title="transmit field by the double-angle method",
    reference="Insko and Bolinger 1993, J Magn Reson A 103:82; Stollberger and Wach 1996, Magn Reson Med 35:246",
    parameters=(M0, B1_FIELD, PHASE),
    contrast=(FLIP, TR),
    constant=("tr",),
    options=(KNOWN_T1,),
    data="complex",
    formula=r"\cos(b_1 \alpha) = \frac{S_{2 \alpha}}{2 S_\alpha}",
    solve=double_angle,
    squares=False,
    signal=_dam_signal,
    images=2,
)
ACTUAL_FLIP = Method(
    name="b1-afi",
    title="transmit field by actual flip angle imaging",
    reference="Yarnykh 2007, Magn Reson Med 57:192; Nehrke 2009, Magn Reson Med 61:84",
    parameters=(M0, B1_FIELD),
    contrast=(SHORT_TR, FLIP),
    constant=("flip",),
    options=(KNOWN_T1,),
    formula=r"\cos(b_1 \alpha) = \frac{n r - 1}{n - r}, \quad r = S_2 / S_1, \quad n = T_{R2} / T_{R1}",
    likelihoods=("gaussian", "rician"),
    solve=actual_flip,
    signal=_afi_signal,
    images=2,
)
BLOCH_SIEGERT = Method(
    name="b1-bloch-siegert",
    title="transmit field by the Bloch-Siegert shift of an off-resonant pulse",
    reference="Sacolick et al. 2010, Magn Reson Med 63:1315",
    parameters=(M0, B1_FIELD, PHASE),
    contrast=(OFFSET_COLUMN,),
    data="complex",
    formula=r"\varphi_+ - \varphi_- = 4 \pi \int \sqrt{f^2 + (b_1 \bar\gamma B_1(t))^2} - |f| \, dt "
    r"\approx 2 K_{BS} b_1^2",
    solve=bloch_siegert,
    signal=_bloch_siegert_signal,
    images=2,
)
