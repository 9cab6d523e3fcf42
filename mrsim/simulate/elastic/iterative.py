"""Iteration for large bodies: GMRES behind a block-triangular preconditioner.

Displacements: each component by itself, damped (K - (1 - i beta) omega^2 M), by one cycle of two levels: Chebyshev
smoothing with the diagonal on the elements of second order, factors of the elements of first order on the same mesh
below. Pressure: (integral psi psi / G* + C)^-1 - omega^2 (B diag(rho)^-1 B^T)^-1, the inverse of the Schur
complement of a homogeneous medium (Cahouet & Chabard 1988, doi:10.1002/fld.1650080802).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError

if TYPE_CHECKING:
    from .solve import Progress, System

Complex = NDArray[np.complex128]
DAMPING = 0.3
"""Share beta of the inertia that becomes loss in the preconditioner."""
SWEEPS = 2
"""Degree of the smoothing polynomial."""
RESTART, MOST = 250, 1000
"""Vectors that GMRES keeps, and iterations after which it gives up."""
RINGING = 0.05
"""Loss tangent below which a body that is many wavelengths wide rings."""
FILL, GROWTH = 2.95, 1.735
"""Entries of the factors of a cube: FILL n^GROWTH, measured at 6 and 19 thousand free unknowns (10 and 81 million)."""


def iterated(system: System, tolerance: float, progress: Progress | None = None) -> tuple[Complex, dict[str, Any]]:
    """Return the free displacements and pressures, and how they were found."""
    a, b, first, second = system.reduced()
    c, count = system.matrices.compliance, a.shape[0]

    def product(x: Complex) -> Complex:
        u, p = x[:count], x[count:]
        return np.concatenate([a @ u - b.T @ p, -(b @ u) - c @ p])

    moved, pressed = _displacements(system, a), _pressures(system, b)

    def inverse(r: Complex) -> Complex:
        p = -pressed(r[count:])
        return np.concatenate([moved(r[:count] + b.T @ p), p])

    decades = int(np.ceil(-np.log10(tolerance)))

    def told(residual: float) -> None:
        if progress is not None:
            progress(min(decades, int(-np.log10(max(residual, 1e-300)))), decades)

    right = np.concatenate([first, second])
    solution, residual, steps = gmres(product, inverse, right, tolerance, told, _advice(system))
    return solution, {"method": "iterative", "residual": residual, "iterations": steps}


def _displacements(system: System, a: Any) -> Callable[[Complex], Complex]:
    """Return an approximate inverse of A, component by component."""
    space, omega = system.space, 2 * np.pi * system.frequency
    free, width = system.free, space.components
    inertia = system.matrices.inertia[free][:, free]
    numbers = np.flatnonzero(free)
    down = _interpolation(space)
    corners = np.asarray(down.argmax(axis=0)).ravel()  # the node at which each function is 1
    cycles = []
    for component in range(width):
        mine = np.flatnonzero(numbers % width == component)
        damping = 1j * DAMPING * omega**2 * inertia[mine][:, mine]
        block, own = (a[mine][:, mine] + damping).tocsr(), numbers[mine] // width
        # Of a corner that is held no function is left: between two held sides those of both would be the same.
        moves = np.isin(corners, own)
        cycles.append((mine, _two_levels(block, down[own][:, moves])))

    def apply(r: Complex) -> Complex:
        found = np.empty_like(r)
        for mine, cycle in cycles:
            found[mine] = cycle(r[mine])
        return found

    return apply


def _interpolation(space: Any) -> Any:
    """Return the (node, corner) values of the functions of first order at the nodes of second order."""
    from scipy.sparse import csr_matrix

    local = np.stack([space.first.lbasis(space.second.doflocs.T, i)[0] for i in range(len(space.corners))], axis=1)
    size = (*local.shape, space.nodes.shape[1])
    rows = np.broadcast_to(space.nodes[:, None], size).ravel()
    columns = np.broadcast_to(space.corners[None], size).ravel()
    values = np.broadcast_to(local[:, :, None], size).ravel()
    kept = values != 0
    _, once = np.unique(rows[kept] * (int(space.corners.max()) + 1) + columns[kept], return_index=True)
    shape = (len(space.places), int(space.corners.max()) + 1)
    return csr_matrix((values[kept][once], (rows[kept][once], columns[kept][once])), shape=shape)


def _two_levels(block: Any, down: Any) -> Callable[[Complex], Complex]:
    """Return one symmetric cycle of smoothing, coarse correction and smoothing for a scalar block."""
    from scipy.sparse.linalg import splu

    down = down[:, np.diff(down.tocsc().indptr) > 0].tocsr()
    small = (down.T @ block @ down).tocsc()
    coarse = splu(small, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}) if small.shape[0] else None
    fine, up, restrict = block.astype(np.complex64), down.astype(np.float32), down.T.tocsr().astype(np.float32)
    diagonal = (1 / block.diagonal()).astype(np.complex64)
    top = _largest(fine, diagonal)

    def smooth(x: Any, r: Any) -> Any:
        low, high = top / 4, 1.05 * top
        middle, half = (high + low) / 2, (high - low) / 2
        rest = r if x is None else r - fine @ x
        step = diagonal * rest / np.float32(middle)
        x = step if x is None else x + step
        previous = half / middle
        for _ in range(SWEEPS - 1):
            current = 1 / (2 * middle / half - previous)
            rest = r - fine @ x
            step = np.float32(current * previous) * step + np.float32(2 * current / half) * (diagonal * rest)
            x, previous = x + step, current
        return x

    def cycle(r: Complex) -> Complex:
        single = r.astype(np.complex64)
        x = smooth(None, single)
        if coarse is None:  # every corner is held
            return np.asarray(x, dtype=np.complex128)
        below = coarse.solve((restrict @ (single - fine @ x)).astype(np.complex128))
        return np.asarray(smooth(x + up @ below.astype(np.complex64), single), dtype=np.complex128)

    return cycle


def _largest(matrix: Any, diagonal: Any, rounds: int = 12) -> float:
    """Return the largest eigenvalue of the matrix behind its diagonal, by the power method."""
    x = np.random.default_rng(0).standard_normal(matrix.shape[0]).astype(np.complex64)
    size = 1.0
    for _ in range(rounds):
        x = diagonal * (matrix @ (x / np.linalg.norm(x)))
        size = float(np.linalg.norm(x))
    return size


def _pressures(system: System, b: Any) -> Callable[[Complex], Complex]:
    """Return an approximate inverse of the Schur complement."""
    from scipy.sparse import diags
    from scipy.sparse.linalg import splu

    from .elements import weighted_pressure

    space, matrices, omega = system.space, system.matrices, 2 * np.pi * system.frequency
    modulus = space.body.modulus(system.frequency)
    soft = matrices.compliance + weighted_pressure(space, 1 / modulus)
    weight = matrices.inertia.diagonal()[system.free]
    laplacian = (b @ diags(1 / weight) @ b.T).tocsc()
    laplacian = laplacian + diags(np.full(b.shape[0], 1e-10 * laplacian.diagonal().mean())).tocsc()
    near = splu(soft.tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    far = splu(laplacian.tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})

    def apply(r: Complex) -> Complex:
        return np.asarray(near.solve(r) - omega**2 * (far.solve(r.real) + 1j * far.solve(r.imag)))

    return apply


def gmres(
    product: Callable[[Complex], Complex],
    inverse: Callable[[Complex], Complex],
    right: Complex,
    tolerance: float,
    told: Callable[[float], None],
    advice: str = "refine the mesh or lower the frequency",
) -> tuple[Complex, float, int]:
    """Return the solution of product(x) = right, its relative residual and the iterations (right preconditioning)."""
    x, size, steps = np.zeros_like(right), float(np.linalg.norm(right)), 0
    residual = 1.0
    while steps < MOST:
        rest = right - product(x)
        residual = float(np.linalg.norm(rest)) / size
        if residual <= tolerance:
            return x, residual, steps
        update, used = _cycle(product, inverse, rest, tolerance * size, told, size)
        x, steps = x + update, steps + used
    raise InputError(
        f"the iteration stands at a residual of {residual:.2g} after {steps} steps; {advice}", key="method"
    )


def _advice(system: System) -> str:
    """Return what helps against an iteration that does not end: loss, where waves ring, or factors, if they fit."""
    body, count = system.space.body, sum(system.space.unknowns)
    modulus = body.modulus(system.frequency)
    least = float((modulus.imag / modulus.real).min())
    said = f'ask for method "direct" ({count} unknowns, about {_direct_memory(count) / 2**30:.2g} GiB)'
    if least < RINGING:
        cause = f"the least loss tangent is {least:.2g}: waves that hardly lose power ring, and near a resonance no"
        return f"{cause} iteration ends; give the tissues a loss angle (tangent of {RINGING:g} or more), or {said}"
    return f"refine the mesh, lower the frequency, or {said}"


def _direct_memory(count: int) -> float:
    """Return about how many bytes the factors of a body in space take, 20 bytes an entry."""
    return 20 * FILL * math.pow(count, GROWTH)


def _cycle(product: Any, inverse: Any, rest: Complex, goal: float, told: Any, size: float) -> tuple[Complex, int]:
    """Return the correction of up to RESTART steps, and how many they were."""
    norm = np.linalg.norm(rest)
    basis = np.empty((RESTART + 1, len(rest)), dtype=np.complex128)
    basis[0] = rest / norm
    hessenberg = np.zeros((RESTART + 1, RESTART), dtype=np.complex128)
    least: Complex = np.zeros(1, dtype=np.complex128)
    step = 0
    while step < RESTART:
        new = product(inverse(basis[step]))
        for _ in range(2):  # twice is enough for orthogonality, and once where little was taken off
            before = np.linalg.norm(new)
            part = (basis[: step + 1] @ new.conj()).conj()
            new -= part @ basis[: step + 1]
            hessenberg[: step + 1, step] += part
            if np.linalg.norm(new) > 0.5 * before:
                break
        hessenberg[step + 1, step] = np.linalg.norm(new)
        basis[step + 1] = new / hessenberg[step + 1, step]
        step += 1
        wanted = np.zeros(step + 1, dtype=np.complex128)
        wanted[0] = norm
        least = np.asarray(np.linalg.lstsq(hessenberg[: step + 1, :step], wanted, rcond=None)[0], np.complex128)
        left = np.linalg.norm(wanted - hessenberg[: step + 1, :step] @ least)
        told(float(left) / size)
        if left <= goal:
            break
    return inverse(least @ basis[:step]), step
