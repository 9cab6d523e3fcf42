"""Multi-dynamic multi-echo (MDME, QRAPMASTER) in closed form: T1, T2, PD and B1 from phase-sensitive images.

A saturation by b1 s, the delay TD, the excitation by b1 a, an echo at TE; then the rest of TR.
The longitudinal magnetisation before the excitation is, in the steady state,

    M(TD) = [1 - (1 - cos(b1 s)) exp(-TD/T1) - cos(b1 s) exp(-TR/T1)] / [1 - cos(b1 s) cos(b1 a) exp(-TR/T1)],

and the signal PD sin(b1 a) M(TD) exp(-TE/T2). It holds for pulses without a profile and a train that refocuses fully
and takes no time; `mdme-epg` knows better. The sign of M(TD) is part of the data: without it T1 is ambiguous.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from ..model import FLIP, PD, T1, T2, TE, TR, Column, Model, Option, Parameter

TD = Column(
    name="td", unit="s", symbol="T_D", description="delay from saturation to excitation", plausible=60.0, mistaken="ms"
)
B1_FITTED = Parameter(
    name="b1",
    unit="",
    symbol="b_1",
    description="true over nominal flip angle",
    lower=0.4,
    upper=1.45,  # at 1.5 the saturation turns by 180 deg and folds back
    grid=(0.5, 1.4, 8),
)
SATURATION = Option(
    name="saturation", default=2 * math.pi / 3, unit="rad", symbol="s", description="nominal flip of the saturation"
)
PARAMETERS = (
    PD,
    replace(T1, grid=(0.1, 6.0, 14)),
    replace(T2, grid=(0.01, 3.0, 8)),
    B1_FITTED,
)


def signal(pd: Any, t1: Any, t2: Any, b1: Any, td: Any, te: Any, tr: Any, flip: Any, saturation: Any) -> Any:
    """Return the phase-sensitive signal."""
    from sympy import cos, exp, sin

    turned, whole = cos(b1 * saturation), exp(-tr / t1)
    recovered = (1 - (1 - turned) * exp(-td / t1) - turned * whole) / (1 - turned * cos(b1 * flip) * whole)
    return pd * sin(b1 * flip) * recovered * exp(-te / t2)


MODEL = Model(
    name="mdme",
    title="MDME (synthetic MRI): T1, T2, PD and B1 from phase-sensitive images, ideal pulses",
    reference="Warntjes et al. 2008, doi:10.1002/mrm.21635",
    parameters=PARAMETERS,
    contrast=(TD, TE, TR, FLIP),
    options=(SATURATION,),
    constant=("tr", "flip"),
    data="phase-referenced",
    equation=signal,
)
