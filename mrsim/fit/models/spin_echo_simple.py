"""Spin echo with the common saturation term, which forgets that the refocusing pulse inverts.

Right for TE << T1 only: at TR 500, TE 10, T1 1000 ms it reads 1.6 % more than the exact form `spin_echo`.
"""

from __future__ import annotations

from typing import Any

from ..model import TE, TR, Model
from . import spin_echo


def signal(pd: Any, t1: Any, t2: Any, te: Any, tr: Any) -> Any:
    """PD [1 - exp(-TR/T1)] exp(-TE/T2)."""
    from sympy import exp

    return pd * (1 - exp(-tr / t1)) * exp(-te / t2)


MODEL = Model(
    name="spin-echo-simple",
    title="spin echo, common saturation 1 - exp(-TR/T1)",
    reference="Bernstein, King, Zhou 2004, Handbook of MRI Pulse Sequences, section 14.3",
    parameters=spin_echo.MODEL.parameters,
    contrast=(TE, TR),
    equation=signal,
)
