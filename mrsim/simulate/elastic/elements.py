"""Finite elements of second order for displacements and of first order for the pressure (Taylor-Hood), assembled.

    stiffness K_ij = integral of eps(phi_i) : D : eps(phi_j),  D = 2 G* for an isotropic body
    inertia   M_ij = integral of rho phi_i phi_j
    divergence B_lj = integral of psi_l div phi_j

Displacements that follow the pressure through a space of their own do not lock as nu goes to 1/2. Strains are six (or
three) numbers with sqrt(2) on the shears, so that D of an isotropic body is a number. A mesh of equal boxes has one
element's integrals for all; scikit-fem gives mesh, elements, numbering and quadrature.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from .body import Body, Fibres

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
CHUNK = 1000
"""Elements whose matrices are held at a time."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Space:
    """The unknowns of a body: displacements of the nodes, component by component at each, and pressures."""

    body: Body
    components: int
    """1 for SH waves, which move across the plane; else the dimension."""
    nodes: NDArray[np.int64]
    """(node of element, element)."""
    places: Array
    """(node, axis) of the displacement, m."""
    corners: NDArray[np.int64]
    """(corner of element, element) unknowns of the pressure."""
    numbering: Any
    """scikit-fem's, of the nodes."""
    second: Any
    """Element of the displacement."""
    first: Any
    """Element of the pressure."""

    @property
    def unknowns(self) -> tuple[int, int]:
        """Numbers of displacements and pressures."""
        return self.components * len(self.places), int(self.corners.max()) + 1 if self.components > 1 else 0

    def on_facets(self, facets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the nodes on some facets of the mesh."""
        return np.unique(self.numbering.get_facet_dofs(np.asarray(facets)).all())


def space(body: Body, scalar: bool) -> Space:
    """Return the unknowns of a body, for SH waves (`scalar`, two dimensions alone) or vectors."""
    from skfem import ElementHex1, ElementHex2, ElementQuad1, ElementQuad2, ElementTriP1, ElementTriP2
    from skfem.assembly import Dofs

    kinds = {4: (ElementQuad2, ElementQuad1), 3: (ElementTriP2, ElementTriP1), 8: (ElementHex2, ElementHex1)}
    corners = body.mesh.t.shape[0]
    if body.dimension == 3 and corners != 8:
        raise InputError("a body in space needs a mesh of hexahedra", key="mesh")
    if scalar and body.dimension != 2:
        raise InputError("SH waves run in a plane; give a mesh of two dimensions", key="mesh")
    second, first = (kind() for kind in kinds[corners])
    numbering = Dofs(body.mesh, second)
    nodes = np.asarray(numbering.element_dofs, dtype=np.int64)
    mapped = body.mesh.mapping().F(np.asarray(second.doflocs, dtype=np.float64).T)  # (axis, element, node)
    places = np.zeros((int(nodes.max()) + 1, body.dimension))
    places[nodes.T] = np.moveaxis(mapped, 0, -1)
    return Space(
        body=body, components=1 if scalar else body.dimension, nodes=nodes, places=places,
        corners=np.asarray(Dofs(body.mesh, first).element_dofs, dtype=np.int64), numbering=numbering, second=second,
        first=first,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Matrices:
    """Integrals over a body, sparse."""

    stiffness: Any
    """(displacement, displacement) K, Pa m or (in a plane) Pa, complex."""
    inertia: Any
    """(displacement, displacement) M, kg or kg/m."""
    divergence: Any
    """(pressure, displacement) B, m^2 or m."""
    pressure: Any
    """(pressure, pressure) integrals of psi_l psi_m, m^3 or m^2."""
    compliance: Any
    """(pressure, pressure) the same over lambda, 1/Pa."""


def assembled(space: Space, frequency: float) -> Matrices:
    """Return the matrices at a frequency, Hz."""
    from scipy.sparse import csr_matrix

    body, own = space.body, _Integrals(space)
    modulus = body.modulus(frequency)
    count, pressures = space.unknowns
    columns = (space.components * space.nodes[:, None, :] + np.arange(space.components)[None, :, None]).reshape(
        -1, space.nodes.shape[1]
    )
    material = _material(body, modulus, space.components)
    stiffness = _sparse(lambda part: own.stiffness(material(part), part), columns, columns, (count, count), complex)
    inertia = _sparse(
        lambda part: body.density[part, None, None] * own.inertia(part), columns, columns, (count, count), float
    )
    if not pressures:
        empty = csr_matrix((0, 0))
        return Matrices(stiffness=stiffness, inertia=inertia, divergence=csr_matrix((0, count)), pressure=empty,
                        compliance=empty)  # fmt: skip
    square, soft = (pressures, pressures), 1 / (body.bulk - 2 / 3 * modulus)
    return Matrices(
        stiffness=stiffness,
        inertia=inertia,
        divergence=_sparse(own.divergence, space.corners, columns, (pressures, count), float),
        pressure=_sparse(own.pressure, space.corners, space.corners, square, float),
        compliance=_sparse(
            lambda part: soft[part, None, None] * own.pressure(part), space.corners, space.corners, square, complex
        ),
    )


class _Integrals:
    """Integrals over single elements, all (element, row, column)."""

    def __init__(self, space: Space) -> None:
        from skfem import Basis

        mesh = space.body.mesh
        self.equal = equal_boxes(mesh)
        self.space, sample = space, mesh.restrict(elements=np.array([0])) if self.equal else mesh
        nodes = Basis(sample, space.second)
        self.dx = np.asarray(nodes.dx)  # (element, point)
        self.value = np.array([np.broadcast_to(np.asarray(part[0]), self.dx.shape) for part in nodes.basis])
        self.gradient = np.array(
            [np.broadcast_to(part[0].grad, (mesh.p.shape[0], *self.dx.shape)) for part in nodes.basis]
        )
        corners = Basis(sample, space.first, quadrature=nodes.quadrature)
        self.corner = np.array([np.broadcast_to(np.asarray(part[0]), self.dx.shape) for part in corners.basis])

    def _part(self, array: Array, part: slice) -> Array:
        return array if self.equal else array[..., part, :]

    def strain(self, part: slice) -> Array:
        """Return the (element, strain, unknown, point) strains of the unknowns."""
        gradient = self._part(self.gradient, part)  # (node, axis, element, point)
        count, dim, components = gradient.shape[0], gradient.shape[1], self.space.components
        if components == 1:
            return np.asarray(gradient.transpose(2, 1, 0, 3))
        pairs = strain_pairs(dim)
        found = np.zeros((gradient.shape[2], len(pairs), count, dim, gradient.shape[3]))
        for row, (i, j) in enumerate(pairs):
            share = 1.0 if i == j else np.sqrt(0.5)
            found[:, row, :, i] += share * gradient[:, j].transpose(1, 0, 2) * (0.5 if i == j else 1)
            found[:, row, :, j] += share * gradient[:, i].transpose(1, 0, 2) * (0.5 if i == j else 1)
        return found.reshape(gradient.shape[2], len(pairs), count * dim, -1)

    def stiffness(self, material: Complex, part: slice) -> Complex:
        """Return the stiffness for a (element, strain, strain) or (element,) material."""
        strain, dx = self.strain(part), self._part(self.dx, part)
        weighted = strain * dx[:, None, None]
        if material.ndim == 1:
            return np.asarray(material[:, None, None] * np.einsum("eaip,eajp->eij", weighted, strain, optimize=True))
        if self.equal:
            table = np.einsum("aip,bjp->abij", weighted[0], strain[0], optimize=True)
            rows = table.shape[0] * table.shape[1]
            flat = material.reshape(-1, rows)
            product = flat.real @ table.reshape(rows, -1) + 1j * (flat.imag @ table.reshape(rows, -1))
            return np.asarray(product.reshape(-1, *table.shape[2:]))
        stress = np.einsum("eab,ebjp->eajp", material, strain, optimize=True)
        return np.asarray(np.einsum("eaip,eajp->eij", weighted, stress, optimize=True))

    def inertia(self, part: slice) -> Array:
        """Return the integrals of phi_i phi_j."""
        value, dx = self._part(self.value, part), self._part(self.dx, part)
        own = np.einsum("iep,jep,ep->eij", value, value, dx, optimize=True)
        eye = np.eye(self.space.components)
        return np.asarray(np.einsum("eij,ab->eiajb", own, eye).reshape(len(own), len(own[0]) * len(eye), -1))

    def divergence(self, part: slice) -> Array:
        """Return the integrals of psi_l div phi_j."""
        gradient, dx, corner = (self._part(a, part) for a in (self.gradient, self.dx, self.corner))
        own = np.einsum("lep,jaep,ep->elja", corner, gradient, dx, optimize=True)
        return self._repeated(own.reshape(len(own), len(corner), -1), part)

    def pressure(self, part: slice) -> Array:
        """Return the integrals of psi_l psi_m."""
        corner, dx = self._part(self.corner, part), self._part(self.dx, part)
        return self._repeated(np.einsum("lep,mep,ep->elm", corner, corner, dx, optimize=True), part)

    def _repeated(self, own: Array, part: slice) -> Array:
        count = self.space.nodes[:, part].shape[1]
        return np.broadcast_to(own, (count, *own.shape[1:]))


def strain_pairs(dimension: int) -> tuple[tuple[int, int], ...]:
    """Return the pairs of axes whose strains an element has."""
    return tuple((i, i) for i in range(dimension)) + tuple(
        (i, j) for i in range(dimension) for j in range(i + 1, dimension)
    )


def _material(body: Body, modulus: Complex, components: int) -> Any:
    """Return the material of a slice of elements: numbers, or matrices where there are fibres."""
    if components == 1:
        if body.fibres is not None:
            raise InputError("SH waves are solved without fibres; give a vector problem", key="fibres")
        return lambda part: modulus[part]
    if body.fibres is None:
        return lambda part: 2 * modulus[part]
    fibres = body.fibres
    return lambda part: 2 * modulus[part, None, None] * fibre_matrix(fibres, part)


def fibre_matrix(fibres: Fibres, part: slice) -> Array:
    """Return D / (2 G*) of the energy G* (eps:eps + 2 phi (|eps a|^2 - (a eps a)^2) + 2 zeta (a eps a)^2)."""
    a = fibres.direction[part]
    pairs = strain_pairs(a.shape[1])
    along, across = np.zeros((len(a), len(pairs))), np.zeros((len(a), a.shape[1], len(pairs)))
    for row, (i, j) in enumerate(pairs):
        root = 1.0 if i == j else np.sqrt(2.0)
        along[:, row] = root * a[:, i] * a[:, j]
        across[:, i, row] += a[:, j] / root
        if i != j:
            across[:, j, row] += a[:, i] / root
    outer = along[:, :, None] * along[:, None, :]
    bent = np.einsum("eia,eib->eab", across, across)
    return np.asarray(np.eye(len(pairs)) + 2 * fibres.phi * (bent - outer) + 2 * fibres.zeta * outer)


def equal_boxes(mesh: Any) -> bool:
    """Whether all elements are boxes of one size along the axes."""
    if type(mesh).__name__ not in ("MeshQuad1", "MeshHex1"):
        if mesh.p.shape[0] == 3:
            raise InputError("hexahedra must be equal boxes along the axes", key="mesh")
        return False
    relative = mesh.p[:, mesh.t] - mesh.p[:, mesh.t[:1]]
    size = np.abs(relative).max()
    equal = bool(np.all(np.abs(relative - relative[:, :, :1]) < 1e-9 * size))
    if mesh.p.shape[0] == 3 and not equal:
        raise InputError("hexahedra must be equal boxes along the axes", key="mesh")
    return equal


def _sparse(make: Any, rows: Any, columns: Any, shape: tuple[int, int], dtype: type) -> Any:
    """Return the sum of the elements' matrices, a chunk of elements at a time."""
    from scipy.sparse import csr_matrix

    total, count = csr_matrix(shape, dtype=dtype), rows.shape[1]
    for start in range(0, count, CHUNK):
        part = slice(start, min(start + CHUNK, count))
        row, column = rows[:, part].T.astype(np.int32), columns[:, part].T.astype(np.int32)
        size = (len(row), row.shape[1], column.shape[1])
        values = np.broadcast_to(make(part), size)
        i = np.broadcast_to(row[:, :, None], size)
        j = np.broadcast_to(column[:, None, :], size)
        total = total + csr_matrix((values.ravel(), (i.ravel(), j.ravel())), shape=shape)
    return total


def weighted_pressure(space: Space, weight: Complex) -> Any:
    """Return the (pressure, pressure) integrals of weight psi_l psi_m for an (element,) weight."""
    own, count = _Integrals(space), space.unknowns[1]
    return _sparse(
        lambda part: weight[part, None, None] * own.pressure(part),
        space.corners,
        space.corners,
        (count, count),
        complex,
    )
