"""Spin echo with the exact saturation term.

90-180 with the longitudinal magnetization that recovers before the refocusing pulse inverted by it. Ideal
pulses, and transverse magnetization that is gone before the next excitation (TR >> T2, or spoiled).
T1 comes from images that differ in TR, T2 from images that differ in TE.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..model import PD, T1, T2, TE, TR, Model


def signal(pd: Any, t1: Any, t2: Any, te: Any, tr: Any) -> Any:
    """PD [1 - 2 exp(-(TR - TE/2)/T1) + exp(-TR/T1)] exp(-TE/T2)."""
    from sympy import exp

    return pd * (1 - 2 * exp(-(tr - te / 2) / t1) + exp(-tr / t1)) * exp(-te / t2)


MODEL = Model(
    name="spin-echo",
    title="spin echo, exact saturation 1 - 2 exp(-(TR - TE/2)/T1) + exp(-TR/T1)",
    reference="Bernstein, King, Zhou 2004, Handbook of MRI Pulse Sequences",
    parameters=(PD, replace(T1, grid=(0.03, 8.0, 16)), replace(T2, grid=(2e-3, 4.0, 16))),
    contrast=(TE, TR),
    equation=signal,
)
