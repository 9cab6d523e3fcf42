"""Mono-exponential T2* decay of gradient echoes.

One compartment whose field spread is Lorentzian. A linear gradient across the voxel gives a sinc decay
instead, and water with fat beats; both break this model.
"""

from __future__ import annotations

from typing import Any

from ..model import M0, T2_STAR, TE, Model


def signal(m0: Any, t2_star: Any, te: Any) -> Any:
    """M0 exp(-TE/T2*)."""
    from sympy import exp

    return m0 * exp(-te / t2_star)


MODEL = Model(
    name="t2star-mono",
    title="mono-exponential T2* decay without offset",
    reference="Chavhan et al. 2009, RadioGraphics 29:1433",
    parameters=(M0, T2_STAR),
    contrast=(TE,),
    equation=signal,
)
