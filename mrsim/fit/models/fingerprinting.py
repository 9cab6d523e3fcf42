"""T1 and T2 from an unbalanced train of varying flips and repetition times after an inversion (FISP fingerprinting).

One image per repetition, in the order of the train; flips, TR and TE come from the contrast table. Dictionary of
extended phase graphs with one gradient order per repetition, compressed, matched by the largest inner product, then
refined between its nodes; M0 follows by projection. Where the protocol sheet holds the excitation, every atom is the
sum of the trains at the places of the slice, each with the flips that the pulse has there; what the profile changes
within one cycle of the spoiler is left out (2 % of T2 with 4 cycles in a slice). Before the first pulse the
inverted magnetisation recovers for `inversion_time` of the sheet, 0 where it states none; before the inversion it is
M0. B1 is given, as a number or a map, or fitted (`mrf-fisp-b1`). Relaxation during the pulses is not modelled, nor is
in-plane aliasing, which acts like noise.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ...core.echo_trains import unbalanced_train
from ...core.errors import InputError
from ...core.selective_flips import SelectiveFlips
from ...core.selective_train import SelectivePulse
from ..method import Method, Scan
from ..model import B1, FLIP, M0, SHORT_TR, T1, T2, TE, Option, Parameter
from ..solve import over_chunks
from ..tabulated import Axis, tabulated

Array = NDArray[np.float64]
INVERSION = Option(
    name="efficiency", default=1.0, unit="", symbol=r"\eta", description="-Mz after over Mz before the inversion",
    lower=-1.0, upper=1.0,
)  # fmt: skip
B1_FITTED = Parameter(
    name="b1", unit="", symbol="b_1", description="true over nominal flip angle", lower=0.6, upper=1.3,
    grid=(0.6, 1.3, 36),
)  # fmt: skip
T1_FITTED, T2_FITTED = replace(T1, lower=0.1, upper=5.0), replace(T2, lower=8e-3, upper=2.5)
FEW = 512
"""Atoms up to which all orders are carried."""


def axes(scan: Scan) -> tuple[Axis, ...]:
    """Return the axes of the grid: T1, T2 and, where it is a map or fitted, B1."""
    t1, t2 = Axis.of(T1_FITTED, 40), Axis.of(T2_FITTED, 36)
    b1 = scan.options.get("b1")
    if b1 is None:
        return t1, t2, Axis.of(B1_FITTED, 36, logarithmic=False)
    if np.ndim(b1) == 0:
        return t1, t2
    low, high = float(np.min(b1, initial=1.0)) - 0.01, float(np.max(b1, initial=1.0)) + 0.01
    return t1, t2, Axis(name="b1", lower=low, upper=high, count=10, logarithmic=False)


def atoms(scan: Scan, values: dict[str, Array]) -> Array:
    """Return the (n, atom) signals, real: all RF phases are equal."""
    if "refocusing_flips" in scan.sheet:
        raise InputError(
            "is in the protocol sheet, but a fingerprint is a train without refocusing pulses; fit a train of spin "
            "echoes with t2-epg",
            key="refocusing_flips",
        )
    b1 = np.broadcast_to(values["b1"] if "b1" in values else scan.options["b1"], values["t1"].shape)
    levels, which = np.unique(b1, return_inverse=True)
    flips = scan.contrast["flip"]
    nominal = float(scan.sheet.get("excitation_flip", np.max(flips)))
    profile = _profile(scan, float(np.max(levels) * np.max(flips)) / nominal)
    out = np.empty((len(flips), b1.size))

    def level(start: int, stop: int) -> None:
        for number in range(start, stop):
            mine = np.flatnonzero(which == number)
            played = levels[number] * flips
            angles, cosines, weight = played[:, None], np.ones((len(flips), 1)), np.ones(1)
            if profile is not None:
                (angles, cosines), weight = profile(played / nominal), profile.weight
            parts = zip(angles.T, cosines.T, weight, strict=True)
            heard = (share * cosine * _train(scan, values, mine, angle) for angle, cosine, share in parts)
            out[:, mine] = sum(heard, np.zeros((len(mine), len(flips)))).T

    over_chunks(level, 0, len(levels), None, chunk=1)
    return out


def _profile(scan: Scan, largest: float) -> SelectiveFlips | None:
    """Return what the excitation does in the slice at up to `largest` of its amplitude; None where it is hard."""
    if "pulses" not in scan.sheet:
        if str(scan.sheet.get("excitation_profile", "hard")).startswith("hard"):
            return None
        raise InputError(
            "the sheet names a selective excitation but holds no 'pulses'; without its waveform T2 would be far off",
            key="pulses",
        )
    pulse = SelectivePulse.from_sheet(scan.sheet["pulses"]["excitation"])
    return SelectiveFlips.of(pulse, float(scan.fact("slice_thickness", "mrf-fisp")), largest)


def _train(scan: Scan, values: dict[str, Array], mine: NDArray[np.int64], flips: Array) -> Array:
    """Return the (atom, n) signals of some atoms with these flips, rad."""
    t1, t2 = values["t1"][mine], values["t2"][mine]
    recovered = np.exp(-float(scan.sheet.get("inversion_time", 0.0)) / t1)
    train = unbalanced_train(
        t1, t2, flips=flips, tr=scan.contrast["tr"], te=scan.contrast["te"],
        start=1 - (1 + scan.options["efficiency"]) * recovered, tolerance=0.0 if t1.size <= FEW else 1e-8,
    )  # fmt: skip
    return np.asarray(train.signal)


FORMULA = (
    r"S_n = M_0 \int \mathrm{EPG}_n[\alpha_{1 \ldots n}(z, b_1), T_{R, 1 \ldots n}; T_1, T_2] \, \mathrm{d}z"
    r" \, e^{-T_E / T_2}"
)
REFERENCE = "Jiang et al. 2015, Magn Reson Med 74:1621; McGivney et al. 2014, IEEE Trans Med Imaging 33:2311"
METHOD = tabulated(
    atoms,
    axes,
    partial(
        Method,
        name="mrf-fisp",
        title="T1 and T2 by unbalanced fingerprinting",
        reference=REFERENCE,
        parameters=(M0, T1_FITTED, T2_FITTED),
        contrast=(FLIP, SHORT_TR, TE),
        options=(B1, INVERSION),
        data="phase-corrected",
        knows=("slice-profile",),
        formula=FORMULA,
    ),
)
WITH_B1 = tabulated(
    atoms,
    axes,
    partial(
        Method,
        name="mrf-fisp-b1",
        title="T1, T2 and B1 by unbalanced fingerprinting",
        reference=REFERENCE,
        parameters=(M0, T1_FITTED, T2_FITTED, B1_FITTED),
        contrast=(FLIP, SHORT_TR, TE),
        options=(INVERSION,),
        data="phase-corrected",
        knows=("slice-profile",),
        formula=FORMULA,
    ),
)
