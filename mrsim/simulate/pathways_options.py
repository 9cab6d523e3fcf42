"""Options of the Pathways engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.phasors import RealType
from .option_checks import check_sampling


@dataclass(frozen=True, kw_only=True, slots=True)
class Pathways:
    """Options of the Pathways engine."""

    accuracy: float = 1e-4
    """Largest signal that dropping weak states may cost and, for real profiles, that what the sub-slices resolve
    last may make, over M0."""
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
    subsamples: int = 4
    """Cells per voxel along each in-plane axis: they resolve the object's edges; dephasing within them is exact."""
    precision: str = "double"
    """``"double"`` or ``"single"``, of the states; the sums over the object are double."""
    t2_prime: bool = True
    """False switches reversible dephasing off."""
    chemical_shift: bool = True
    """False puts all species on the water frequency."""
    diffusion: Mapping[str, float | NDArray[np.float64]] = field(default_factory=dict)
    """Diffusion by tissue name, m^2/s: a coefficient, or a (3, 3) tensor in world axes; ``"*"`` is for all others.
    Empty takes the tissues' own, where it makes a difference (`simulate.diffusion`)."""
    diffuse: bool = True
    """False lets nothing diffuse that `diffusion` does not name."""
    start: str = "equilibrium"
    """``"equilibrium"``, or ``"steady"``: the periodic state that endless equal repetitions lead to, to `accuracy`."""
    memory: float | None = None
    """Bytes that the run may hold, by what is predicted; None: what the machine can still give."""
    only: tuple[str, ...] = ()
    """Names of the tissues to simulate; empty for all."""

    def __post_init__(self) -> None:
        if self.profile not in ("real", "ideal"):
            raise InputError(f"'{self.profile}' is neither 'real' nor 'ideal'", key="profile")
        if self.start not in ("equilibrium", "steady"):
            raise InputError(f"'{self.start}' is neither 'equilibrium' nor 'steady'", key="start")
        if self.precision not in ("double", "single"):
            raise InputError(f"'{self.precision}' is neither 'double' nor 'single'", key="precision")
        check_sampling(self)
        for tissue, value in self.diffusion.items():
            _check_diffusion(np.asarray(value, dtype=np.float64), f"diffusion.{tissue}")

    @property
    def dtype(self) -> RealType:
        """The floating-point type of the states."""
        return np.float64 if self.precision == "double" else np.float32


def _check_diffusion(value: NDArray[np.float64], key: str) -> None:
    if value.shape not in ((), (3, 3)):
        raise InputError(f"a diffusion of shape {value.shape} is neither a number nor a (3, 3) tensor", key=key)
    tensor = value * np.eye(3) if value.ndim == 0 else value
    if not np.all(np.isfinite(tensor)) or not np.allclose(tensor, tensor.T, rtol=1e-9, atol=0):
        raise InputError("the diffusion tensor must be finite and symmetric", key=key)
    least = float(np.linalg.eigvalsh(tensor).min())
    if least < -1e-12 * np.abs(tensor).max():
        raise InputError(f"a diffusion of {least:g} m^2/s is impossible; give at least 0", key=key)
