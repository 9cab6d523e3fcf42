"""Model-based inversion: one complex modulus per region, such that computed waves match the measured ones.

The forward model is div(G* grad u) + rho omega^2 u = 0 for each component, by conservative second differences between
voxels with the harmonic mean of G* at faces. The waves measured in the voxels at the mask's rim drive it; in the
voxels within it the sum of |u - measured|^2 is least. As u is an analytic function of the moduli, Gauss-Newton with
complex derivatives finds them: with A(G) u = 0 in the interior, A du/dG_j = -(dA/dG_j) u needs the factors of A alone.

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
from ..inversion import IN_PLANE, MODULI, PROBES, VALIDITY, Complex, Field, Inversion, Mask
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
ROUNDS = 60
ACCURACY = 1e-10
"""Relative change of the moduli at which the search ends."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Problem:
    """One region's voxels as unknowns, and what connects them."""

    faces: NDArray[np.int64]
    """(face, 2) voxels on both sides."""
    share: NDArray[np.float64]
    """(face,) 1 / h^2, 1/m^2."""
    region: NDArray[np.int64]
    """(voxel,) index of each voxel's region."""
    inner: Mask
    """(voxel,) True where the wave equation is to hold; the others drive."""


def model_based(field: Field) -> Complex:
    """Return G* of each region, Pa."""
    labels = labels_of(field)
    numbers, region = np.unique(labels[field.mask], return_inverse=True)
    problem = _problem(field, region)
    measured = np.moveaxis(field.u[..., field.mask], -1, -2)  # (frequency, voxel, component)
    starts = [_start(field, region, len(numbers), problem)]
    if float(field.options.get("start", 0.0)) == 0:
        starts += [np.full(len(numbers), size * np.exp(1j * START_ANGLE)) for size in LADDER]
    best = min((_search(field, problem, measured, start) for start in starts), key=lambda found: found[0])
    result = np.full(field.mask.shape, np.nan + 0j)
    if np.isfinite(best[0]):
        result[field.mask] = np.where(numbers[region] > 0, best[1][region], np.nan)
    return result


def _problem(field: Field, region: NDArray[np.int64]) -> _Problem:
    index = np.full(field.mask.shape, -1)
    index[field.mask] = np.arange(field.mask.sum())
    pairs, share = [], []
    for axis in field.axes:
        low, high = np.delete(index, -1, axis), np.delete(index, 0, axis)
        both = (low >= 0) & (high >= 0)
        pairs.append(np.stack([low[both], high[both]], axis=1))
        share.append(np.full(both.sum(), field.spacing[axis] ** -2))
    inner = whole(field.mask, field.axes)[field.mask]
    if inner.sum() < region.max() + 2:
        raise InputError(
            f"has {inner.sum()} voxels with all their neighbours, too few for {region.max() + 1} moduli", key="mask"
        )
    return _Problem(faces=np.concatenate(pairs), share=np.concatenate(share), region=region, inner=inner)


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


def _face_modulus(problem: _Problem, modulus: Complex) -> tuple[Complex, Complex, Complex]:
    """Return the harmonic means at faces, and the two regions' weights d(mean)/dG on either side."""
    low, high = (modulus[problem.region[problem.faces[:, side]]] for side in (0, 1))
    mean = 2 * low * high / (low + high)
    return mean, 2 * high**2 / (low + high) ** 2, 2 * low**2 / (low + high) ** 2


def _stiffness(problem: _Problem, modulus: Complex) -> csr_matrix:
    """Return the (voxel, voxel) matrix of div(G grad), Pa/m^2."""
    return _divergence(problem, _face_modulus(problem, modulus)[0])


def _divergence(problem: _Problem, weight: Complex) -> csr_matrix:
    from scipy.sparse import csr_matrix

    (i, j), value, n = problem.faces.T, weight * problem.share, len(problem.region)
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
    _, low, high = _face_modulus(problem, modulus)
    count = len(modulus)
    sides = problem.region[problem.faces]
    slopes = [
        _divergence(problem, modulus[j] * ((sides[:, 0] == j) * low + (sides[:, 1] == j) * high))[inner]
        for j in range(count)
    ]
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
    support=lambda field: 0.0,
    least_voxels=6.0,
    dispersion=one_region_dispersion,
)
