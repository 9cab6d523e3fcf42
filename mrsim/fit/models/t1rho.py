"""Mono-exponential decay under a spin lock.

One compartment, ideal lock: resonance offset and B1 that differ from nominal tilt the locking field and mix T1 and T2
into the decay. M0 holds everything else that the sequence does.
"""

from __future__ import annotations

from typing import Any

from ..model import M0, Column, Model, Parameter

TSL = Column(
    name="tsl", unit="s", symbol="T_{SL}", description="spin-lock time", plausible=2.0, mistaken="ms", zero=True
)
T1_RHO = Parameter(
    name="t1_rho", unit="s", symbol=r"T_{1\rho}", description="relaxation time under the spin lock",
    lower=1e-4, upper=10.0, grid=(2e-3, 4.0, 24),
)  # fmt: skip


def signal(m0: Any, t1_rho: Any, tsl: Any) -> Any:
    """M0 exp(-TSL/T1rho)."""
    from sympy import exp

    return m0 * exp(-tsl / t1_rho)


MODEL = Model(
    name="t1rho",
    title="mono-exponential decay under a spin lock",
    reference="Redfield 1955, Phys Rev 98:1787",
    parameters=(M0, T1_RHO),
    contrast=(TSL,),
    equation=signal,
)
