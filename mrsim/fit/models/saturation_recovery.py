"""Saturation recovery: the recovery after a saturation pulse of a general flip angle.

M0 holds what the read-out makes of the longitudinal magnetisation, so it must not vary over the series. With a
saturation of 90 degrees nothing of the past is left and the equation is exact whatever the repetition time; with
another flip the magnetisation before the pulse is taken to be M0: use a long repetition time.
"""

from __future__ import annotations

from math import pi
from typing import Any

from ..model import M0, T1, Column, Model, Option

RECOVERY = Column(
    name="recovery", unit="s", symbol="T_D", description="time from saturation to excitation", plausible=60.0,
    mistaken="ms",
)  # fmt: skip
SATURATION = Option(
    name="saturation", default=pi / 2, unit="rad", symbol=r"\theta", description="flip angle of the saturation pulse"
)


def signal(m0: Any, t1: Any, recovery: Any, saturation: Any) -> Any:
    """M0 {1 - [1 - cos(theta)] exp(-TD/T1)}."""
    from sympy import cos, exp

    return m0 * (1 - (1 - cos(saturation)) * exp(-recovery / t1))


MODEL = Model(
    name="saturation-recovery",
    title="saturation recovery, T1 from several recovery times",
    reference="Markley et al. 1971, J Chem Phys 55:3604",
    parameters=(M0, T1),
    contrast=(RECOVERY,),
    equation=signal,
    options=(SATURATION,),
)
