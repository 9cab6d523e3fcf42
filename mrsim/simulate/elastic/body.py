"""A body in which waves run: a mesh of quadrilaterals, triangles or hexahedra with a material in each element."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.rheology import Rheology

Array = NDArray[np.float64]
BULK = 2.2e9
"""Bulk modulus of water, Pa: soft tissue is nearly incompressible."""
POINTS = 12.0
"""Nodes that the shortest wavelength needs for an error of about 1 %; the elements are of second order, so that
there are two nodes to an element."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Fibres:
    """Fibres in some elements: a nearly incompressible, transversely isotropic material.

    Shear waves across a fibre plane have rho c^2 = G* (1 + phi cos^2 t) (slow) and G* (1 + phi cos^2 2t +
    zeta sin^2 2t) (fast) at the angle t to the fibres (Tweten 2015, doi:10.1016/j.jbiomech.2015.09.009).
    """

    direction: Array
    """(element, axis) unit vectors; zero where there is no fibre."""
    phi: float
    """Shear anisotropy G_1 / G_2 - 1."""
    zeta: float
    """Tensile anisotropy E_1 / E_2 - 1."""

    def __post_init__(self) -> None:
        """Refuse what would not resist a strain."""
        for name, value in (("phi", self.phi), ("zeta", self.zeta)):
            if not value > -1:
                raise InputError(f"{value:g} must be above -1, or a strain costs no energy", key=name)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Body:
    """A mesh and what its elements are made of."""

    mesh: Any
    """Of scikit-fem, in m: ``MeshQuad``, ``MeshTri`` or ``MeshHex`` (boxes of one size), or their curved kin."""
    laws: tuple[Rheology, ...]
    """Of the complex shear modulus."""
    shares: Array
    """(law, element) how much of each element follows each law; columns sum to 1."""
    density: Array
    """(element,) kg/m^3."""
    bulk: float = BULK
    """Bulk modulus, Pa; infinite for an incompressible body."""
    fibres: Fibres | None = None

    def __post_init__(self) -> None:
        """Refuse materials that do not fit the mesh."""
        count = self.mesh.t.shape[1]
        if self.shares.shape != (len(self.laws), count) or self.density.shape != (count,):
            raise InputError(
                f"has {self.shares.shape} shares (law, element) and {self.density.shape} densities for "
                f"{len(self.laws)} laws and {count} elements"
            )
        if not np.allclose(self.shares.sum(axis=0), 1):
            raise InputError("the shares of the laws do not sum to 1 in every element", key="shares")
        if not np.all(self.density > 0):
            raise InputError(f"the least density is {self.density.min():g} kg/m^3; it must be above 0", key="density")

    @classmethod
    def uniform(cls, mesh: Any, law: Rheology, density: float = 1000.0, **more: Any) -> Body:
        """Return a body of one material."""
        count = mesh.t.shape[1]
        return cls(mesh=mesh, laws=(law,), shares=np.ones((1, count)), density=np.full(count, density), **more)

    @property
    def dimension(self) -> int:
        """2 or 3."""
        return int(self.mesh.p.shape[0])

    def modulus(self, frequency: float) -> NDArray[np.complex128]:
        """Return the (element,) G*, Pa, at a frequency, Hz; in mixed elements the mean."""
        return np.asarray(np.array([law.at(frequency) for law in self.laws]) @ self.shares)

    def wavelength(self, frequency: float) -> Array:
        """Return the (element,) length 2 pi / |k| over which a wave changes, m; the wavelength where there is no loss.

        Fibres lengthen waves, so that the modulus across them counts, unless an anisotropy is negative.
        """
        softer = 1.0 if self.fibres is None else 1 + min(0.0, self.fibres.phi, self.fibres.zeta)
        return np.asarray(np.sqrt(np.abs(self.modulus(frequency)) * softer / self.density) / frequency)

    def sizes(self) -> Array:
        """Return the (element,) length of each element's longest edge, m."""
        corners = self.mesh.p[:, self.mesh.t]  # (axis, corner, element)
        box = corners.max(axis=1) - corners.min(axis=1)
        return np.asarray(box.max(axis=0))

    def check_resolved(self, frequency: float, points: float = POINTS) -> None:
        """Refuse a frequency whose waves have fewer than `points` nodes to a wavelength anywhere."""
        length, size = self.wavelength(frequency), self.sizes()
        worst = int(np.argmin(length / size))
        found = 2 * length[worst] / size[worst]
        if found < points * (1 - 1e-9):
            need = 2 * length[worst] / points
            raise InputError(
                f"at {frequency:g} Hz the shortest wavelength is {length[worst] * 1e3:.3g} mm, of which elements of "
                f"{size[worst] * 1e3:.3g} mm (two nodes each) see {found:.3g} nodes; {points:g} need elements of at "
                f"most {math.floor(need * 1e7) / 1e4:.4g} mm",
                key="element size",
            )
