"""Inversion recovery with a general inversion flip angle and finite TR, read by a 90-180 spin echo.

M0 holds the decay exp(-TE/T2), so TE must not vary over the series. With TE = 0 the equation is that of
a 90-degree gradient-echo readout. Ideal 90 and 180 degree pulses; transverse magnetization is gone
before the next inversion. The data keep their sign: the voxel's common phase is taken out first.
"""

from __future__ import annotations

from math import pi
from typing import Any

from ..model import M0, T1, TE, TI, TR, Model, Option

INVERSION = Option(
    name="inversion", default=pi, unit="rad", symbol=r"\theta", description="flip angle of the inversion pulse"
)


def signal(m0: Any, t1: Any, ti: Any, tr: Any, te: Any, inversion: Any) -> Any:
    """M0 {1 - exp(-TI/T1) + cos(theta) [exp(-TI/T1) - 2 exp(-(TR - TE/2)/T1) + exp(-TR/T1)]}."""
    from sympy import cos, exp

    before = exp(-ti / t1) - 2 * exp(-(tr - te / 2) / t1) + exp(-tr / t1)
    return m0 * (1 - exp(-ti / t1) + cos(inversion) * before)


MODEL = Model(
    name="inversion-recovery",
    title="inversion recovery, signed, general inversion flip and finite TR",
    reference="Barral et al. 2010, Magn Reson Med 64:1057",
    parameters=(M0, T1),
    contrast=(TI, TR, TE),
    equation=signal,
    options=(INVERSION,),
    data="phase-corrected",
    constant=("tr", "te"),
)
