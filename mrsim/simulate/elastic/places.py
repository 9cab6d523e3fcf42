"""Displacements between the nodes of a mesh."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .elements import Space, equal_boxes

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]


def interpolated(space: Space, displacement: Complex, place: Array) -> Complex:
    """Return (n, component) displacements at (n, axis) places, m; NaN outside the mesh."""
    element, local = _in_boxes(space.body.mesh, place) if equal_boxes(space.body.mesh) else _in_any(space, place)
    found = np.full((len(place), space.components), np.nan + 0j)
    inside = element >= 0
    total = np.zeros((int(inside.sum()), space.components), dtype=np.complex128)
    for i, nodes in enumerate(space.nodes):
        value, _ = space.second.lbasis(local[:, inside], i)
        total += value[:, None] * displacement[nodes[element[inside]]]
    found[inside] = total
    return found


def _in_boxes(mesh: Any, place: Array) -> tuple[NDArray[np.int64], Array]:
    """Return the element of each place, -1 outside, and the (axis, n) place within it."""
    dim = mesh.p.shape[0]
    corners = mesh.mapping().F(np.concatenate([np.zeros((dim, 1)), np.eye(dim)], axis=1))  # (axis, element, corner)
    origin, turn = corners[:, :, 0].T, (corners[:, 0, 1:] - corners[:, 0, :1]).T
    scaled = np.linalg.solve(turn.T, (origin - origin.min(axis=0)).T).T
    first = np.round(scaled).astype(np.int64)
    lowest = first.min(axis=0)
    table = np.full(first.max(axis=0) - lowest + 1, -1, dtype=np.int64)
    table[tuple((first - lowest).T)] = np.arange(len(first))
    wanted = np.linalg.solve(turn.T, (place - origin.min(axis=0)).T).T - lowest
    element = np.full(len(place), -1, dtype=np.int64)
    for nudge in (-1e-9, 1e-9):  # a place on a face belongs to either side
        cell = np.floor(wanted + nudge).astype(np.int64)
        within = np.all((cell >= 0) & (cell < table.shape), axis=1)
        owner = np.full(len(place), -1, dtype=np.int64)
        owner[within] = table[tuple(cell[within].T)]
        element = np.where(element < 0, owner, element)
    local = wanted - (first - lowest)[np.maximum(element, 0)]
    return element, np.asarray(local.T)


def _in_any(space: Space, place: Array) -> tuple[NDArray[np.int64], Array]:
    mesh = space.body.mesh
    element = np.asarray(mesh.element_finder()(*place.T), dtype=np.int64)
    local = mesh.mapping().invF(place.T[:, :, None], tind=element)[:, :, 0]
    return element, np.asarray(local)
