"""Magnetisation transfer from a tissue's facts: the bound protons as a pool beside water.

Tissue files state what an inversion or saturation recovery of the whole tissue shows. With bound protons of their own
T1 beside it, free water must recover with another rate, so that the observed one stays (Henkelman et al. 1993,
doi:10.1002/mrm.1910290607): with k the rate of bound protons and f their number over that of free ones,

    R1 = R1_obs - f k (R1_bound - R1_obs) / (R1_bound - R1_obs + k).

T2 is left as observed: an interval's loss of transverse magnetisation to bound protons is part of it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..core.errors import InputError
from .exchange import ExchangePool

if TYPE_CHECKING:
    from .phantom import Phantom
    from .tissue import Pool, Tissue

BOUND_T1 = 1.0
"""T1 of bound protons, s, where a tissue states none: the convention of Henkelman's fits, which cannot tell it."""


def bound_pool(tissue: Tissue, field: float) -> ExchangePool | None:
    """Return a tissue's bound protons at a field strength, T; None if its facts have none there."""
    known = tissue.known(field)
    if not {"mt_fraction", "mt_rate", "mt_t2"} <= known.keys():
        return None
    return ExchangePool(
        name="bound",
        fraction=known["mt_fraction"].value,
        rate=known["mt_rate"].value,
        t1=known["mt_t1"].value if "mt_t1" in known else BOUND_T1,
        t2=known["mt_t2"].value,
        line="super-lorentzian",
    )


def water_beside(water: Pool, bound: ExchangePool) -> Pool:
    """Return water with bound protons beside it and the T1 that leaves the observed one as it is."""
    observed, own, back = 1 / water.t1, 1 / bound.t1, bound.rate
    free = observed - bound.fraction * back * (own - observed) / (own - observed + back)
    if not free > 0:
        raise InputError(
            f"an observed T1 of {water.t1:.3g} s leaves free water no relaxation beside bound protons of "
            f"T1 {bound.t1:.3g} s; correct the tissue's facts",
            key="mt_t1",
        )
    return replace(water, t1=1 / free, exchange=(*water.exchange, bound))


def with_transfer(phantom: Phantom) -> Phantom:
    """Return a phantom whose tissues carry the bound protons of their facts."""
    tissues = tuple(
        tissue if bound_pool(tissue, phantom.field) is None else replace(tissue, transfer=True)
        for tissue in phantom.tissues
    )
    if not any(tissue.transfer for tissue in tissues):
        raise InputError(
            f"no tissue of phantom '{phantom.name}' states bound protons at {phantom.field:g} T: mt_fraction, mt_rate "
            "and mt_t2; 'mrsim tissue NAME' shows what is known"
        )
    return replace(phantom, tissues=tissues)


def transfer_notes(phantom: Phantom) -> tuple[str, ...]:
    """Return a line that says which tissues of a phantom carry bound protons and what was assumed; none without any."""
    bound = [tissue for tissue in phantom.tissues if tissue.transfer]
    if not bound:
        return ()
    free = [tissue.name for tissue in phantom.tissues if not tissue.transfer]
    assumed = [tissue.name for tissue in bound if "mt_t1" not in tissue.known(phantom.field)]
    parts = [f"magnetisation transfer with bound protons in {', '.join(tissue.name for tissue in bound)}"]
    parts += [f"none are known of {', '.join(free)}"] * bool(free)
    parts += [f"their T1 is taken as {BOUND_T1:g} s in {', '.join(assumed)}"] * bool(assumed)
    return ("; ".join(parts),)
