"""Model-based inversion: one complex modulus per region, such that computed waves match the measured ones.

The forward model is div(G* grad u) + rho omega^2 u = 0 for each component, by conservative second differences between
voxels. The border of two regions is drawn finer than voxels, where the shares of both, interpolated between voxels'
centres, are alike. Lines from centre to centre carry a flux each, side by side: the modulus of a face is the mean over
its lines of the harmonic mean along each (as stairs of whole voxels the border of a nucleus of 18 by 37 mm costs 5 % of
its modulus and 10 % of the annulus's in voxels of 2 mm). The waves measured in the voxels at the mask's rim drive the
model; in the voxels within it the sum of |u - measured|^2 is least. As u is an analytic function of the moduli,
Gauss-Newton with complex derivatives finds them: with A(G) u = 0 in the interior, A du/dG_j = -(dA/dG_j) u needs the
factors of A alone.

Made for small discs: it knows boundaries and needs no Laplacian of noisy data, so it still tells moduli where the body
is a fraction of a wavelength. It takes the regions as known, components as uncoupled (shear alone), and the voxels of a
region as alike. The rim's own noise enters as a driver; the standard errors of `fit` have it in. A plane wave in one
region is misread by the factor of second differences.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ..inversion import IN_PLANE, MODULI, PROBES, VALIDITY, Array, Complex, Field, Inversion, Mask
from ..model import Option
from ..wave_derivatives import whole
from .direct import dispersion
from .principal_frequency import REGIONS, labels_of

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

START = Option(
    name="start", default=0.0, unit="Pa", symbol="G_0", lower=0.0, upper=1e7,
    description="modulus from which the search begins; 0: several, and the best end counts",
)  # fmt: skip
START_ANGLE = 0.3
"""Loss angle of a given start, rad: without loss resonances make the problem singular."""
LADDER = (3e3, 15e3, 60e3)
"""Further starts, Pa, the best of which counts: resonances make the sum of squares many-valleyed."""
LINES = 8
"""Lines to a face along each axis, and points to a line."""
ROUNDS = 60
ACCURACY = 1e-10
"""Relative change of the moduli at which the search ends."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Problem:
    """One region's voxels as unknowns, and what connects them."""

    faces: NDArray[np.int64]
    """(face, 2) voxels on both sides."""
    weight: NDArray[np.float64]
    """(face,) 1 / h^2, 1/m^2."""
    shares: NDArray[np.float64]
    """(face, line, region) of each line from centre to centre that lies in each region."""
    region: NDArray[np.int64]
    """(voxel,) index of the region that fills most of each voxel."""
    inner: Mask
    """(voxel,) True where the wave equation is to hold; the others drive."""


def model_based(field: Field) -> Complex:
    """Return G* of each region, Pa."""
    labels = labels_of(field)
    numbers, region = np.unique(labels[field.mask], return_inverse=True)
    problem = _problem(field, numbers, region)
    measured = np.moveaxis(field.u[..., field.mask], -1, -2)  # (frequency, voxel, component)
    starts = [_start(field, region, len(numbers), problem)]
    if float(field.options.get("start", 0.0)) == 0:
        starts += [np.full(len(numbers), size * np.exp(1j * START_ANGLE)) for size in LADDER]
    best = min((_search(field, problem, measured, start) for start in starts), key=lambda found: found[0])
    result = np.full(field.mask.shape, np.nan + 0j)
    if np.isfinite(best[0]):
        result[field.mask] = np.where(numbers[region] > 0, best[1][region], np.nan)
    return result


def _problem(field: Field, numbers: NDArray[np.int64], region: NDArray[np.int64]) -> _Problem:
    index = np.full(field.mask.shape, -1)
    index[field.mask] = np.arange(field.mask.sum())
    borders = _shares_of_voxels(field, numbers)
    pairs, weight, shares = [], [], []
    for axis in field.axes:
        low, high = np.delete(index, -1, axis), np.delete(index, 0, axis)
        both = (low >= 0) & (high >= 0)
        pairs.append(np.stack([low[both], high[both]], axis=1))
        weight.append(np.full(both.sum(), field.spacing[axis] ** -2))
        shares.append(_shares_of_lines(borders, np.argwhere(both), axis, field.axes))
    inner = whole(field.mask, field.axes)[field.mask]
    if inner.sum() < region.max() + 2:
        raise InputError(
            f"has {inner.sum()} voxels with all their neighbours, too few for {region.max() + 1} moduli", key="mask"
        )
    return _Problem(
        faces=np.concatenate(pairs), weight=np.concatenate(weight), shares=np.concatenate(shares), region=region,
        inner=inner,
    )  # fmt: skip


def _shares_of_voxels(field: Field, numbers: NDArray[np.int64]) -> Array:
    """Return (region, z, y, x) the share of each region in each voxel; outside the mask that of the nearest voxel."""
    from scipy.ndimage import distance_transform_edt

    given = np.broadcast_to(np.asarray(field.options["regions"], np.float64), field.mask.shape)
    whole_numbers = labels_of(field).astype(float)
    between = np.clip(np.where(whole_numbers > 0, given, 0), numbers.min(), numbers.max())
    known = np.isin(np.floor(between), numbers) & np.isin(np.ceil(between), numbers)
    number = np.where(known, between, whole_numbers)
    nearest = distance_transform_edt(~field.mask, sampling=field.spacing, return_distances=False, return_indices=True)
    return np.asarray(np.maximum(0, 1 - np.abs(number[tuple(nearest)] - numbers[:, None, None, None])))


def _shares_of_lines(shares: Array, low: NDArray[np.int64], axis: int, axes: tuple[int, ...]) -> Array:
    """Return (face, line, region) the shares of the lines of faces whose lower voxels are given, (face, 3)."""
    from scipy.ndimage import map_coordinates, maximum_filter, minimum_filter

    middle = (np.arange(LINES) + 0.5) / LINES
    steps = [middle if a == axis else middle - 0.5 if a in axes else np.zeros(1) for a in range(3)]
    offsets = np.moveaxis(np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1), axis, 0).reshape(LINES, -1, 3)
    pure = shares[:, low[:, 0], low[:, 1], low[:, 2]].T  # (face, region)
    found = np.repeat(pure[:, None], offsets.shape[1], axis=1)
    near = tuple(2 if a == axis else 3 for a in range(3))
    origin = tuple(-1 if a == axis else 0 for a in range(3))
    spread = [maximum_filter(s, near, origin=origin) > minimum_filter(s, near, origin=origin) for s in shares]
    border = np.any(spread, axis=0)[tuple(low.T)] | (pure.max(axis=1) < 1)
    places = np.moveaxis(low[border, None, None] + offsets, -1, 0)  # (3, face, along, line)
    drawn = np.stack([map_coordinates(s, places, order=1, mode="nearest") for s in shares])
    owner = drawn.argmax(axis=0)
    found[border] = np.stack([np.mean(owner == j, axis=1) for j in range(len(shares))], axis=-1)
    return found


def _start(field: Field, region: NDArray[np.int64], count: int, problem: _Problem) -> Complex:
    """Return first moduli: the given one, or per region that of second differences."""
    given = float(field.options.get("start", 0.0))
    if given > 0:
        return np.full(count, given * np.exp(1j * START_ANGLE))
    stiffness = _stiffness(problem, np.ones(count, complex))
    found = np.full(count, np.nan + 0j)
    above, below = np.zeros(count, complex), np.zeros(count)
    for u, omega in zip(field.u, field.omega, strict=True):
        flat = u[:, field.mask].T
        curvature = stiffness @ flat
        used = problem.inner
        np.add.at(above, region[used], (-field.density * omega**2 * np.conj(curvature) * flat).sum(axis=1)[used])
        np.add.at(below, region[used], (np.abs(curvature) ** 2).sum(axis=1)[used])
    known = below > 0
    found[known] = above[known] / below[known]
    typical = np.median(np.abs(found[known])) if known.any() else 1e4
    size = np.where(known, np.abs(found), typical)
    return size * np.exp(1j * np.clip(np.where(known, np.angle(found), START_ANGLE), 0.1, 1.4))


def _face_modulus(problem: _Problem, modulus: Complex) -> tuple[Complex, Complex]:
    """Return the (face,) moduli, and their (region, face) derivatives by ln G of each region."""
    lines = 1 / (problem.shares @ (1 / modulus))  # (face, line)
    slopes = np.mean(lines[..., None] ** 2 * problem.shares / modulus, axis=1)
    return lines.mean(axis=1), slopes.T


def _stiffness(problem: _Problem, modulus: Complex) -> csr_matrix:
    """Return the (voxel, voxel) matrix of div(G grad), Pa/m^2."""
    return _divergence(problem, _face_modulus(problem, modulus)[0])


def _divergence(problem: _Problem, weight: Complex) -> csr_matrix:
    from scipy.sparse import csr_matrix

    (i, j), value, n = problem.faces.T, weight * problem.weight, len(problem.region)
    rows, columns = np.concatenate([i, j, i, j]), np.concatenate([j, i, i, j])
    return csr_matrix((np.concatenate([value, value, -value, -value]), (rows, columns)), shape=(n, n))


def _search(field: Field, problem: _Problem, measured: Complex, start: Complex) -> tuple[float, Complex]:
    """Return cost and moduli of least squares by damped Gauss-Newton in ln G; infinite where the search did not end."""
    modulus, damping = start, 1e-3
    cost, gradient, normal = _linearised(field, problem, measured, modulus)
    for _ in range(ROUNDS):
        damped = normal + damping * np.diag(np.diag(normal).real)
        step = np.linalg.solve(damped, gradient)
        trial = modulus * np.exp(step / max(1.0, np.abs(step).max()))
        new = _linearised(field, problem, measured, trial)
        if new[0] <= cost:
            small = np.abs(step).max() < ACCURACY or cost - new[0] <= 1e-15 * cost
            modulus, (cost, gradient, normal), damping = trial, new, damping / 10
            if small:
                return cost, modulus
        else:
            damping *= 10
            if damping > 1e12:
                return cost, modulus  # no direction is down any more, at round-off
    return np.inf, modulus


def _linearised(field: Field, problem: _Problem, measured: Complex, modulus: Complex) -> tuple[float, Complex, Complex]:
    """Return the cost, and right side and matrix of the normal equations for steps of ln G."""
    from scipy.sparse import identity
    from scipy.sparse.linalg import splu

    inner = problem.inner
    stiffness = _stiffness(problem, modulus)
    slopes = [_divergence(problem, slope)[inner] for slope in _face_modulus(problem, modulus)[1]]
    count = len(modulus)
    cost, gradient, normal = 0.0, np.zeros(count, complex), np.zeros((count, count), complex)
    for u, omega in zip(measured, field.omega, strict=True):
        rows = (stiffness + field.density * omega**2 * identity(len(inner)))[inner]
        factors = splu(rows[:, inner].tocsc())
        whole_u = u.copy()
        whole_u[inner] = factors.solve(-np.asarray(rows[:, ~inner] @ u[~inner]))
        residual = (u - whole_u)[inner]
        jacobian = np.stack([factors.solve(-np.asarray(slope @ whole_u)).ravel() for slope in slopes])
        cost += float(np.sum(np.abs(residual) ** 2))
        gradient += np.conj(jacobian) @ residual.ravel()
        normal += np.conj(jacobian) @ jacobian.T
    return cost, gradient, normal


def one_region_dispersion(k: Complex, spacing: tuple[float, ...], options: Mapping[str, Any]) -> complex:
    """Return the factor of second differences."""
    return dispersion(k, spacing, {})


MODEL_BASED = Inversion(
    name="mre-model",
    title="moduli of regions whose computed waves match the measured ones",
    reference="Van Houten 2001, Magnetic Resonance in Medicine 45:827",
    parameters=MODULI,
    derived=VALIDITY,
    contrast=(),
    options=(REGIONS, START, IN_PLANE, PROBES),
    data="complex",
    formula=r"\min_{G^*} \sum |u - u(G^*)|^2,\quad \nabla \cdot (G^* \nabla u) + \rho \omega^2 u = 0",
    solve=model_based,
    order=0,
    support=lambda options: 0.0,
    least_voxels=6.0,
    dispersion=one_region_dispersion,
)
