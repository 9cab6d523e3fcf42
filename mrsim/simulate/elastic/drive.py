"""What shakes a body, and where its waves may leave it.

Places are told by a function of the centres of the facets (edges in a plane) of the surface: (facet, axis) in m to
(facet,) bool. The rest of the surface is free of traction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core.errors import InputError
from .elements import Space

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
Where = Callable[[Array], NDArray[np.bool_]]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Drive:
    """Prescribed motion of a part of the surface: Re[U exp(i 2 pi f t)]."""

    where: Where
    amplitude: ArrayLike | Callable[[Array], ArrayLike]
    """(component,) U, m, complex, or a function from (node, axis) places to (node, component); NaN leaves a component
    as it was: free of traction. Of two drives that share nodes the later one holds."""
    name: str = "drive"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Absorbing:
    """A part of the surface at which the medium is cut: dashpots of the shear waves' impedance sqrt(rho G*).

    They swallow a shear wave that arrives head on; of one that arrives at the angle a they throw back
    (1 - cos a) / (1 + cos a).
    """

    where: Where
    name: str = "absorbing boundary"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Force:
    """A force on the node nearest to a place."""

    place: tuple[float, ...]
    """m."""
    vector: tuple[complex, ...]
    """(component,) N; in a plane N/m."""
    name: str = "force"


def driven(space: Space, drives: tuple[Drive, ...]) -> tuple[NDArray[np.bool_], Complex]:
    """Return which (node, component) displacements are prescribed, and all of them, zero where free."""
    held = np.zeros((len(space.places), space.components), dtype=bool)
    motion = np.zeros(held.shape, dtype=np.complex128)
    for drive in drives:
        nodes = space.on_facets(facets_of(space, drive.where, drive.name))
        given = drive.amplitude(space.places[nodes]) if callable(drive.amplitude) else drive.amplitude
        values = np.asarray(given, dtype=np.complex128)
        if values.shape[-1:] != (space.components,):
            raise InputError(
                f"has {values.shape[-1:]} components of motion; the waves have {space.components}", key=drive.name
            )
        values = np.broadcast_to(values, (len(nodes), space.components))
        known = ~np.isnan(values)
        held[nodes] |= known
        motion[nodes] = np.where(known, values, motion[nodes])
    return held, motion


def facets_of(space: Space, where: Where, name: str) -> NDArray[np.int64]:
    """Return the facets of the surface at a place, refusing a place that the surface does not reach."""
    mesh = space.body.mesh
    surface = mesh.boundary_facets()
    centres = mesh.p[:, mesh.facets[:, surface]].mean(axis=1).T
    chosen = np.asarray(where(centres), dtype=bool)
    if not chosen.any():
        low, high = mesh.p.min(axis=1) * 1e3, mesh.p.max(axis=1) * 1e3
        box = ", ".join(f"{axis} {a:.4g} to {b:.4g} mm" for axis, a, b in zip("xyz", low, high, strict=False))
        raise InputError(f"touches no part of the body's surface; the body spans {box}", key=name)
    return np.asarray(surface[chosen], dtype=np.int64)


def loads(space: Space, forces: tuple[Force, ...]) -> Complex:
    """Return the (node, component) forces."""
    total = np.zeros((len(space.places), space.components), dtype=np.complex128)
    for force in forces:
        distance = np.linalg.norm(space.places - np.asarray(force.place), axis=1)
        node = int(np.argmin(distance))
        if distance[node] > space.body.sizes().max():
            place = ", ".join(f"{x * 1e3:.4g}" for x in force.place)
            raise InputError(
                f"acts at ({place}) mm, {distance[node] * 1e3:.3g} mm outside the body; move it", key=force.name
            )
        total[node] += np.asarray(force.vector)
    return total


def dashpots(space: Space, absorbing: tuple[Absorbing, ...], frequency: float) -> Any:
    """Return the (displacement, displacement) matrix i omega sqrt(rho G*) integral of phi_i phi_j over what absorbs."""
    from scipy.sparse import csr_matrix, identity, kron
    from skfem import BilinearForm, FacetBasis

    count = space.unknowns[0]
    total, body = csr_matrix((count, count), dtype=np.complex128), space.body
    impedance = np.sqrt(body.density * body.modulus(frequency))
    for part in absorbing:
        facets = facets_of(space, part.where, part.name)
        basis = FacetBasis(body.mesh, space.second, facets=facets)
        at = impedance[body.mesh.f2t[0, facets]][:, None]
        form = BilinearForm(lambda u, v, w: w["impedance"] * u * v, dtype=np.complex128)
        one = form.assemble(basis, impedance=np.broadcast_to(at, basis.dx.shape))
        total = total + 2j * np.pi * frequency * kron(one, identity(space.components))
    return total.tocsr()
