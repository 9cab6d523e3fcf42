"""Inversion recovery whose inversion is imperfect by an unknown amount, which is fitted with T1.

A slice-selective inversion is incomplete at its edges, relaxes while it lasts and follows B1. All of that enters the
equation as the mean of cos(theta) over what is excited, so one number per voxel, the efficiency -cos(theta), takes it
up, where `inversion-recovery` puts it down to T1. The price is scatter: T1 of 0.9 to 1.4 s from five inversion
times to 2.6 s has 2.3 to 2.7 times the standard error.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..model import M0, T1, Parameter
from . import inversion_recovery

EFFICIENCY = Parameter(
    name="efficiency",
    unit="",
    symbol=r"\eta",
    description="-Mz after over Mz before the inversion; above one by noise alone",
    lower=0.0,
    upper=1.5,
    grid=(0.4, 1.0, 4),
)


def signal(m0: Any, t1: Any, efficiency: Any, ti: Any, tr: Any, te: Any) -> Any:
    """M0 {1 - exp(-TI/T1) - eta [exp(-TI/T1) - 2 exp(-(TR - TE/2)/T1) + exp(-TR/T1)]}."""
    from sympy import exp

    before = exp(-ti / t1) - 2 * exp(-(tr - te / 2) / t1) + exp(-tr / t1)
    return m0 * (1 - exp(-ti / t1) - efficiency * before)


MODEL = replace(
    inversion_recovery.MODEL,
    name="inversion-recovery-efficiency",
    title="inversion recovery, signed, inversion efficiency fitted",
    parameters=(M0, T1, EFFICIENCY),
    equation=signal,
    options=(),
)
