"""Mono-exponential T2 decay of spin echoes.

Ideal refocusing, one compartment, no noise floor. Real refocusing pulses add stimulated echoes, which
lengthen the fitted T2; the magnitude's noise floor lengthens it where the last echoes are below three
standard deviations of the noise.
"""

from __future__ import annotations

from typing import Any

from ..model import M0, T2, TE, Model


def signal(m0: Any, t2: Any, te: Any) -> Any:
    """M0 exp(-TE/T2)."""
    from sympy import exp

    return m0 * exp(-te / t2)


MODEL = Model(
    name="t2-mono",
    title="mono-exponential T2 decay without offset",
    reference="Hahn 1950, Phys Rev 80:580",
    parameters=(M0, T2),
    contrast=(TE,),
    assumes=("refocusing",),
    equation=signal,
)
