"""Mono-exponential T2 decay above a constant.

The offset stands for what does not decay within the train: the magnitude's noise floor, or a fluid with
a T2 far beyond the last echo. It costs precision: with 8 echoes to 101 ms and no true offset, the bound on
T2 is 4 times (T2 50 ms) to 9 times (120 ms) that of `t2_mono`.
"""

from __future__ import annotations

from typing import Any

from ..model import M0, OFFSET, T2, TE, Model


def signal(m0: Any, t2: Any, offset: Any, te: Any) -> Any:
    """M0 exp(-TE/T2) + c."""
    from sympy import exp

    return m0 * exp(-te / t2) + offset


MODEL = Model(
    name="t2-offset",
    title="mono-exponential T2 decay with a constant offset",
    reference="Milford et al. 2015, PLoS ONE 10:e0145255",
    parameters=(M0, T2, OFFSET),
    contrast=(TE,),
    assumes=("refocusing",),
    equation=signal,
)
