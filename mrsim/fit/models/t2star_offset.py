"""Mono-exponential T2* decay of gradient echoes above a constant.

The offset takes the magnitude's noise floor; see `t2_offset` for what it costs.
"""

from __future__ import annotations

from typing import Any

from ..model import M0, OFFSET, T2_STAR, TE, Model


def signal(m0: Any, t2_star: Any, offset: Any, te: Any) -> Any:
    """M0 exp(-TE/T2*) + c."""
    from sympy import exp

    return m0 * exp(-te / t2_star) + offset


MODEL = Model(
    name="t2star-offset",
    title="mono-exponential T2* decay with a constant offset",
    reference="Chavhan et al. 2009, RadioGraphics 29:1433",
    parameters=(M0, T2_STAR, OFFSET),
    contrast=(TE,),
    equation=signal,
)
