"""Signals over b alone: one coefficient, kurtosis, a stretched exponential, and perfusion beside diffusion.

Directions do not enter: the images are of one direction, of several whose mean is meant (the trace), or means over the
sphere. b is the nominal one of the contrast table.
"""

from __future__ import annotations

from typing import Any

from ..model import M0, Model, Parameter
from ..tensor_design import B

ADC = Parameter(
    name="adc", unit="m^2/s", symbol="D", description="apparent diffusion coefficient", lower=0.0, upper=2e-8,
    grid=(5e-11, 6e-9, 24),
)  # fmt: skip
D = Parameter(
    name="d", unit="m^2/s", symbol="D", description="diffusivity of the tissue", lower=0.0, upper=1e-8,
    grid=(1e-10, 4e-9, 10),
)  # fmt: skip
K = Parameter(
    name="k", unit="", symbol="K", description="kurtosis along the direction of the images", lower=-2.0, upper=6.0,
    grid=(0.05, 2.0, 8),
)  # fmt: skip
DDC = Parameter(
    name="ddc", unit="m^2/s", symbol="D_c", description="distributed diffusion coefficient", lower=1e-12, upper=2e-8,
    grid=(5e-11, 6e-9, 16),
)  # fmt: skip
STRETCH = Parameter(
    name="stretch", unit="", symbol=r"\alpha", description="exponent: 1 for one coefficient, less for many",
    lower=0.05, upper=1.5, grid=(0.3, 1.2, 8),
)  # fmt: skip
F = Parameter(
    name="f", unit="", symbol="f", description="share of the signal that perfuses", lower=0.0, upper=1.0,
    grid=(0.02, 0.5, 4),
)  # fmt: skip
D_STAR = Parameter(
    name="d_star", unit="m^2/s", symbol="D^*", description="pseudo-diffusivity of what perfuses; D is not part of it",
    lower=2e-9, upper=5e-7, grid=(6e-9, 1e-7, 5),
)  # fmt: skip


def decay(m0: Any, adc: Any, b: Any) -> Any:
    """S = M0 exp(-b D)."""
    from sympy import exp

    return m0 * exp(-b * adc)


def expansion(m0: Any, d: Any, k: Any, b: Any) -> Any:
    """S = M0 exp(-b D + (b D)^2 K / 6)."""
    from sympy import exp

    return m0 * exp(-b * d + (b * d) ** 2 * k / 6)


def stretched(m0: Any, ddc: Any, stretch: Any, b: Any) -> Any:
    """S = M0 exp(-(b D)^alpha)."""
    from sympy import exp, log

    # b of zero has no logarithm: far below any b that weighs
    return m0 * exp(-exp(stretch * log((b + 1.0) * ddc)))


def perfusion(m0: Any, f: Any, d: Any, d_star: Any, b: Any) -> Any:
    """S = M0 (f exp(-b D*) + (1 - f) exp(-b D))."""
    from sympy import exp

    return m0 * (f * exp(-b * d_star) + (1 - f) * exp(-b * d))


ALL = (
    Model(
        name="adc",
        title="apparent diffusion coefficient",
        reference="Stejskal and Tanner 1965, J Chem Phys 42:288",
        parameters=(M0, ADC),
        contrast=(B,),
        equation=decay,
    ),
    Model(
        name="kurtosis",
        title="diffusion and kurtosis over b, of one direction or of means over directions",
        reference="Jensen et al. 2005, Magn Reson Med 53:1432",
        parameters=(M0, D, K),
        curved=("k",),
        assumes=("expansion",),
        contrast=(B,),
        equation=expansion,
    ),
    Model(
        name="stretched",
        title="stretched exponential over b",
        reference="Bennett et al. 2003, Magn Reson Med 50:727",
        parameters=(M0, DDC, STRETCH),
        contrast=(B,),
        equation=stretched,
    ),
    Model(
        name="ivim",
        title="intravoxel incoherent motion: perfusion beside diffusion",
        reference="Le Bihan et al. 1988, Radiology 168:497",
        parameters=(M0, F, D, D_STAR),
        curved=("f", "d_star"),
        contrast=(B,),
        equation=perfusion,
    ),
)
