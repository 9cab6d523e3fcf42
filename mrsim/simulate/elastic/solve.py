"""Time-harmonic motion of a viscoelastic body.

    div(2 G* eps(u)) - grad p + rho omega^2 u = 0,   div u + p / lambda = 0,   lambda = bulk - 2 G* / 3

for u exp(i omega t); in a plane the strain across it is zero, or (`scalar`) the motion is across it: div(G* grad u) +
rho omega^2 u = 0. Small systems are factorised, large ones in space solved by preconditioned iteration (`iterative`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from .body import POINTS, Body
from .drive import Absorbing, Drive, Force, dashpots, driven, loads
from .elements import Matrices, Space, assembled, space

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
DIRECT = {2: 400_000, 3: 12_000}
"""Unknowns up to which a system is factorised, by dimension."""
LARGEST, BYTES = 500_000, 15_000
"""Unknowns above which a body in space is not iterated unasked, and memory for each, bytes (measured at 1.6e5)."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Motion:
    """The motion of a body at one frequency."""

    space: Space
    frequency: float
    """Hz."""
    displacement: Complex
    """(node, component) U, m."""
    pressure: Complex
    """(corner,) Pa; empty for SH waves."""
    power_in: float
    """Mean power of drives and forces, W; in a plane W/m."""
    power_lost: float
    """Mean power that the material turns into heat, W; in a plane W/m."""
    power_out: float
    """Mean power that leaves through absorbing boundaries, W; in a plane W/m."""
    history: dict[str, Any] = field(default_factory=dict)
    """Unknowns, the way of solution, iterations, relative residual."""

    def at(self, place: Array) -> Complex:
        """Return the (n, component) displacement, m, at (n, axis) places, m; NaN outside the body."""
        from .places import interpolated

        return interpolated(self.space, self.displacement, place)


def move(
    body: Body,
    frequency: float,
    drives: tuple[Drive, ...] = (),
    *,
    forces: tuple[Force, ...] = (),
    absorbing: tuple[Absorbing, ...] = (),
    scalar: bool = False,
    method: str = "",
    points: float = POINTS,
    tolerance: float = 1e-10,
    progress: Progress | None = None,
) -> Motion:
    """Return the motion of a body under drives and forces at one frequency.

    Parameters
    ----------
    body : Body
    frequency : float
        Hz.
    drives : tuple of Drive
    forces : tuple of Force
    absorbing : tuple of Absorbing
    scalar : bool
        True for SH waves, whose motion is across the plane of the mesh.
    method : str
        ``"direct"`` or ``"iterative"``; chosen by the number of unknowns by default.
    points : float
        Nodes that the shortest wavelength must have; fewer are refused.
    tolerance : float
        Relative residual of the iteration.
    progress : callable, optional
        Called with (decades of the residual, decades in all) during an iteration.
    """
    if not frequency > 0:
        raise InputError(f"{frequency:g} Hz is no vibration; give a frequency above 0 Hz", key="frequency")
    if not drives and not forces:
        raise InputError("nothing shakes the body; give a drive or a force", key="drives")
    body.check_resolved(frequency, points)
    unknowns = space(body, scalar)
    if not method and body.dimension == 3:
        _check_size(sum(unknowns.unknowns))
    held, motion = driven(unknowns, drives)
    matrices = assembled(unknowns, frequency)
    system = System(
        space=unknowns, matrices=matrices, frequency=frequency, free=~held.ravel(), held=motion.ravel(),
        load=loads(unknowns, forces).ravel(), dashpots=dashpots(unknowns, absorbing, frequency),
    )  # fmt: skip
    direct = sum(unknowns.unknowns) <= DIRECT[body.dimension] if not method else method == "direct"
    if direct:
        solution, facts = _factorised(system)
    else:
        from .iterative import iterated

        solution, facts = iterated(system, tolerance, progress)
    return _motion(system, solution, facts)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class System:
    """The equations [[A, -B^T], [-B, -C]] (u, p) = (force, 0), A = K + dashpots - omega^2 M."""

    space: Space
    matrices: Matrices
    frequency: float
    free: NDArray[np.bool_]
    """(displacement,)."""
    held: Complex
    """(displacement,) prescribed ones, zero where free, m."""
    load: Complex
    """(displacement,) N."""
    dashpots: Any

    @property
    def dynamic(self) -> Any:
        """A, with dashpots."""
        omega = 2 * np.pi * self.frequency
        return (self.matrices.stiffness + self.dashpots - omega**2 * self.matrices.inertia).tocsr()

    def reduced(self) -> tuple[Any, Any, Complex, Complex]:
        """Return A and B of the free displacements, and the right-hand sides of both equations."""
        whole, divergence, free = self.dynamic, self.matrices.divergence, self.free
        first = (self.load - whole @ self.held)[free]
        return whole[free][:, free], divergence[:, free], first, np.asarray(divergence @ self.held)


def _check_size(count: int) -> None:
    """Refuse a body that no workstation holds, unless its method is named."""
    if count > LARGEST:
        raise InputError(
            f"{count} unknowns in space would take about {BYTES * count / 2**30:.2g} GiB, above the {LARGEST} that are "
            'solved unasked; lower the frequency, shake a smaller body, or call move(..., method="iterative")',
            key="mesh",
        )


def _factorised(system: System) -> tuple[Complex, dict[str, Any]]:
    from scipy.sparse import bmat
    from scipy.sparse.linalg import splu

    a, b, first, second = system.reduced()
    if b.shape[0]:
        whole = bmat([[a, -b.T], [-b, -system.matrices.compliance]], format="csc")
        right = np.concatenate([first, second])
    else:
        whole, right = a.tocsc(), first
    factors = splu(whole)
    found = factors.solve(right)
    found = found + factors.solve(right - whole @ found)
    residual = np.linalg.norm(whole @ found - right) / np.linalg.norm(right)
    return found, {"method": "direct", "residual": float(residual)}


def _motion(system: System, solution: Complex, facts: dict[str, Any]) -> Motion:
    """Return the motion, with its balance of power: 1/2 Re(conj(i omega u) . force)."""
    free, matrices, omega = system.free, system.matrices, 2 * np.pi * system.frequency
    u = system.held.copy()
    u[free], p = solution[: free.sum()], solution[free.sum() :]
    inner = matrices.stiffness @ u + system.dashpots @ u - omega**2 * (matrices.inertia @ u) - matrices.divergence.T @ p
    acting = np.where(free, system.load, inner)  # what drives push with, and the forces
    lost = np.imag(np.vdot(u, matrices.stiffness @ u)) - np.imag(np.vdot(p, matrices.compliance @ p))
    count = sum(system.space.unknowns)
    return Motion(
        space=system.space, frequency=system.frequency, displacement=u.reshape(-1, system.space.components), pressure=p,
        power_in=float(omega / 2 * np.imag(np.vdot(u, acting))), power_lost=float(omega / 2 * lost),
        power_out=float(omega / 2 * np.imag(np.vdot(u, system.dashpots @ u))), history={"unknowns": count, **facts},
    )  # fmt: skip
