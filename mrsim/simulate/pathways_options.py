"""Options of the Pathways engine."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..core.errors import InputError
from .option_checks import check_sampling


@dataclass(frozen=True, kw_only=True, slots=True)
class Pathways:
    """Options of the Pathways engine."""

    accuracy: float = 1e-4
    """Largest signal that dropping weak states may cost, over M0, and, for real profiles, the wanted change on
    refining the sub-slices, over the signal of the whole object."""
    profile: str = "real"
    """``"real"``: the pulses' flips through the slice, by sub-slices; ``"ideal"``: the nominal flip in the nominal
    slice."""
    sub_slices: int | None = None
    """Sub-slices over the slab for real profiles; None refines them to `accuracy`."""
    slab: float | None = None
    """Simulated stretch of the slice direction for real profiles, in slice thicknesses; None takes what the pulses
    excite to `accuracy`, or the whole object where they select no slice."""
    layers: int | None = None
    """Layers of the object through the slab; None takes 1 for an object that does not vary along the slice
    direction and 9 otherwise."""
    subsamples: int = 1
    """Cells per voxel along each in-plane axis: they resolve the object's edges; dephasing within them is exact."""
    t2_prime: bool = True
    """False switches reversible dephasing off."""
    chemical_shift: bool = True
    """False puts all species on the water frequency."""
    diffusion: Mapping[str, float] = field(default_factory=dict)
    """Isotropic diffusion coefficient by tissue name, m^2/s; ``"*"`` is for all others."""
    only: tuple[str, ...] = ()
    """Names of the tissues to simulate; empty for all."""

    def __post_init__(self) -> None:
        if self.profile not in ("real", "ideal"):
            raise InputError(f"'{self.profile}' is neither 'real' nor 'ideal'", key="profile")
        check_sampling(self)
        for tissue, value in self.diffusion.items():
            if not (math.isfinite(value) and value >= 0):
                raise InputError(f"{value} m^2/s must be a number of at least 0", key=f"diffusion.{tissue}")
