"""Spoiled gradient echo in its steady state, for T1 from several flip angles.

Ideal spoiling (Ernst). RF spoiling with a quadratic phase leaves a few per cent more or less than this,
and the flip angle is the nominal one times `b1`. M0 holds the decay exp(-TE/T2*), so TE must not vary.
"""

from __future__ import annotations

from typing import Any

from ..model import B1, FLIP, M0, SHORT_TR, T1, Model


def signal(m0: Any, t1: Any, flip: Any, tr: Any, b1: Any) -> Any:
    """M0 sin(a) (1 - E1) / (1 - E1 cos(a)), E1 = exp(-TR/T1), a = b1 flip."""
    from sympy import cos, exp, sin

    e1 = exp(-tr / t1)
    return m0 * sin(b1 * flip) * (1 - e1) / (1 - e1 * cos(b1 * flip))


MODEL = Model(
    name="spgr",
    title="spoiled gradient echo, T1 from variable flip angles",
    reference="Ernst and Anderson 1966, Rev Sci Instrum 37:93; Fram et al. 1987, Magn Reson Imaging 5:201",
    parameters=(M0, T1),
    contrast=(FLIP, SHORT_TR),
    assumes=("spoiling", "profile"),
    equation=signal,
    options=(B1,),
)
