"""Synthetic images: what a spin echo, with or without inversions before it, would show of maps of T1, T2 and PD.

The longitudinal magnetisation is followed through one repetition of ideal pulses in the steady state: the excitation
leaves none, the refocusing pulse at TE/2 inverts what has come back, each inversion of the preparation does the same:

    M -> -M at a pulse,    M -> 1 - (1 - M) exp(-t / T1) in between,    S = PD M exp(-TE / T2).

Without preparation that is PD [1 - 2 exp(-(TR - TE/2)/T1) + exp(-TR/T1)] exp(-TE/T2). One pool per voxel, no transfer
of magnetisation, no flow, no imperfect pulse: contrasts that live of those are not in the maps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError, did_you_mean
from ..core.images import Images
from ..core.maps import Maps

Array = NDArray[np.float64]
FLUID_T1 = 4.3
"""T1 that FLAIR suppresses unless a delay is given, s."""
NEEDED = ("t1", "t2", "pd")


@dataclass(frozen=True, kw_only=True, slots=True)
class Contrast:
    """A weighting with its usual times."""

    title: str
    te: float
    """Echo time, s."""
    tr: float
    """Repetition time, s."""
    inversions: int = 0
    """Before the excitation."""
    ti: float | None = None
    """From the last inversion to the excitation, s; None: that which nulls fluid."""
    gap: float | None = None
    """Between the two inversions of a pair, s."""
    signed: bool = False
    """True keeps the sign (phase-sensitive)."""


CONTRASTS: Mapping[str, Contrast] = {
    "t1w": Contrast(title="T1-weighted", te=0.010, tr=0.5),
    "t2w": Contrast(title="T2-weighted", te=0.1, tr=4.5),
    "pdw": Contrast(title="PD-weighted", te=0.010, tr=8.0),
    "flair": Contrast(title="FLAIR", te=0.1, tr=9.0, inversions=1),
    "stir": Contrast(title="STIR", te=0.05, tr=5.0, inversions=1, ti=0.22),
    "dir": Contrast(title="DIR", te=0.03, tr=9.0, inversions=2, ti=0.45, gap=2.9),
    "psir": Contrast(title="PSIR", te=0.010, tr=6.0, inversions=1, ti=0.5, signed=True),
}
"""Weightings by name."""


def synthesize(
    maps: Maps,
    contrast: str,
    *,
    te: float | None = None,
    tr: float | None = None,
    ti: float | None = None,
    gap: float | None = None,
) -> Images:
    """Return an image that was never scanned.

    Parameters
    ----------
    maps : Maps
        With ``t1``, ``t2`` (s) and ``pd``, e.g. of `fit(images, "mdme-epg")`. Voxels without a value are zero.
    contrast : str
        A key of `CONTRASTS`.
    te, tr, ti, gap : float, optional
        Echo time, repetition time, delay from the last inversion to the excitation, and between a pair of inversions,
        s; the contrast's own by default.

    Returns
    -------
    Images
        One image; of unknown noise, because the errors of the maps are correlated.
    """
    if contrast not in CONTRASTS:
        raise InputError(f"unknown contrast '{contrast}'{did_you_mean(contrast, [*CONTRASTS])}", key="contrast")
    missing = [name for name in NEEDED if name not in maps.values]
    if missing:
        raise InputError(f"the maps of '{maps.model}' have no {' and no '.join(missing)}: fit a model that finds them")
    times = _times(CONTRASTS[contrast], {"te": te, "tr": tr, "ti": ti, "gap": gap})
    kind = CONTRASTS[contrast]
    t1, t2, pd = (maps.values[name] for name in NEEDED)
    signal = weighted(t1, t2, pd, inversions=kind.inversions, **times)
    signal = np.nan_to_num(signal if kind.signed else np.abs(signal))
    table = {name: np.array([times[name]]) for name in ("te", "tr")}
    if kind.inversions:
        table["ti"] = np.array([times["ti"]])
    return Images(
        data=signal[None].astype(np.complex128), grid=maps.grid, contrast=table, sigma=np.full((1, 1, 1, 1), np.nan),
        noisy=True, encoding={"synthetic": contrast, **times},
        history={"contrast": contrast, "maps": dict(maps.history)},
    )  # fmt: skip


def weighted(
    t1: Array, t2: Array, pd: Array, *, te: float, tr: float, ti: float = 0.0, gap: float = 0.0, inversions: int = 0
) -> Array:
    """Return the signed signal; times in s, `inversions` 0, 1 (by `ti`) or 2 (a pair `gap` apart, then `ti`)."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        m = -_recovered(np.zeros_like(t1), te / 2, t1)
        m = _recovered(m, tr - te / 2 - ti - gap, t1)
        if inversions == 2:
            m = _recovered(-m, gap, t1)
        if inversions:
            m = _recovered(-m, ti, t1)
        return np.asarray(pd * m * np.exp(-te / t2))


def null_delay(t1: float, tr: float, te: float = 0.0) -> float:
    """Return the inversion delay, s, at which the signal of a T1 vanishes.

    TI = T1 ln[2 / (1 + exp(-TR/T1))] for TE = 0; the refocusing pulse at TE/2 moves it a little.
    """
    back = 2 * math.exp(-(tr - te / 2) / t1) - math.exp(-tr / t1)
    return t1 * math.log(2 / (1 + back))


def _recovered(m: Array, time: float, t1: Array) -> Array:
    return np.asarray(1 - (1 - m) * np.exp(-time / t1))


def _times(kind: Contrast, given: Mapping[str, float | None]) -> dict[str, float]:
    """Return te, tr, ti and gap, checked."""
    for name, value in given.items():
        if value is not None and not (math.isfinite(value) and value >= 0):
            raise InputError(f"is {value:g} s; it must not be negative", key=name)
        unused = (name == "ti" and not kind.inversions) or (name == "gap" and kind.inversions < 2)
        if value is not None and unused:
            raise InputError(f"means nothing for {kind.title}, which has {kind.inversions} inversions", key=name)
    own: dict[str, Any] = {name: getattr(kind, name) if value is None else value for name, value in given.items()}
    if kind.inversions and own["ti"] is None:
        own["ti"] = null_delay(FLUID_T1, own["tr"], own["te"])
    own = {name: value or 0.0 for name, value in own.items()}
    needed = own["te"] + own["ti"] + own["gap"]
    if own["tr"] < needed:
        raise InputError(f"is {own['tr']:g} s; delays and echo time take {needed:g} s", key="tr")
    return own
