"""Options of the Bloch engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..core.errors import InputError
from ..core.phasors import RealType
from .option_checks import check_sampling

Progress = Callable[[int, int], None]
"""Called with (spins done, spins in all)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bloch:
    """Options of the Bloch engine."""

    accuracy: float = 1e-3
    """Wanted discretisation error through the slice, over M0; the sub-slices are refined until it holds."""
    subsamples: int | None = None
    """Spins per voxel along each in-plane axis; None takes 4, and 2 of objects with solids in them."""
    sub_slices: int | None = None
    """Sub-slices over the slab, of each layer rounded up to a whole number; None refines them to `accuracy`."""
    slab: float | None = None
    """Simulated stretch of the slice direction, in slice thicknesses; None takes what the pulses excite to `accuracy`,
    or the whole object where they select no slice."""
    layers: int | None = None
    """Layers of the object through the slab, or through each slice of a stack; None takes 1 for an object that does not
    vary along the slice direction, and otherwise as many as make their error no larger than that of the plane."""
    rf_step: float | None = None
    """Longest RF step, s; None divides the scanner's RF steps until their error is a quarter of `accuracy`."""
    precision: str = "double"
    """``"double"`` or ``"single"``."""
    device: str = "cpu"
    """``"cpu"``; ``"cuda"``, a graphics processor, on which every spin travels by itself; or ``"auto"``, a graphics
    processor where there is one that can do it."""
    reuse: bool = True
    """False carries every spin through the whole scan by itself."""
    start: str = "equilibrium"
    """``"equilibrium"``, or ``"steady"``: the periodic state that endless equal repetitions lead to, solved exactly."""
    ideal_slice: bool = False
    """True replaces pulses by their nominal flips, the same everywhere in the nominal slice."""
    t2_prime: bool = True
    """False switches reversible dephasing off."""
    chemical_shift: bool = True
    """False puts all species on the water frequency."""
    diffuse: bool = True
    """False lets nothing diffuse."""
    walkers: int | None = None
    """Random walkers between the walls of tissues that have some; None takes the Gaussian phase approximation."""
    seed: int = 1
    """Of the walkers' steps."""
    t2_prime_accuracy: float = 5e-3
    """Largest error of the sampled T2' decay, as a share of the tissue's signal."""
    longest: float = 1800.0
    """Predicted time, s, up to which every spin may be sent on its way alone; longer scans are refused beforehand."""
    memory: float | None = None
    """Bytes that the run may hold, by what is predicted; None: what the machine can still give."""
    only: tuple[str, ...] = ()
    """Names of the tissues to simulate; empty for all."""

    def __post_init__(self) -> None:
        if self.precision not in ("double", "single"):
            raise InputError(f"'{self.precision}' is neither 'double' nor 'single'", key="precision")
        if self.device not in ("cpu", "cuda", "auto"):
            raise InputError(f"'{self.device}' is neither 'cpu' nor 'cuda' nor 'auto'", key="device")
        if self.start not in ("equilibrium", "steady"):
            raise InputError(f"'{self.start}' is neither 'equilibrium' nor 'steady'", key="start")
        check_sampling(self)

    @property
    def dtype(self) -> RealType:
        """The floating-point type of the kernels."""
        return np.float64 if self.precision == "double" else np.float32
