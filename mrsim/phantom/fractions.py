"""How much of each cell every region of the plane fills, by adaptive subdivision.

A cell is a parallelogram. While a boundary in it is not straight to within the tolerance, the cell is cut
into four; then each boundary is replaced by its tangent and the areas are exact: painting from the top
down, the part of the cell not yet covered stays a convex polygon, because the complement of a half-plane
is a half-plane. Areas of one cell therefore add up to 1 to rounding, junctions of many regions included.
Along the extrusion the cells are integrated exactly where the grid is aligned with it, and by midpoint
sums with a bounded error where it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Level = Callable[[Array], Array]
"""(n, 3) points -> (n,) level set, m, Lipschitz 1."""

STRAIGHTNESS = 3e-5
"""Largest deviation of a boundary from its tangent, in cell widths times the subdivided cell's width."""
DEPTH = 10
"""Largest number of halvings; a corner then hides in a millionth of the cell."""
TOUCH = 1e-6
"""Levels up to this, in radii of the smallest cells, count as zero there."""
OBLIQUE_STRAIGHTNESS = 1e-3
"""The same for the many cross-sections of an oblique extrusion, whose errors average out."""
DEPTH_ERROR = 6e-4
"""Largest error bound of a midpoint sum along an oblique extrusion."""
NODES = 2048
"""Largest number of midpoint nodes along an oblique extrusion."""

_NINE = np.array([(s, t) for t in (-0.5, 0.0, 0.5) for s in (-0.5, 0.0, 0.5)])
_QUARTERS = np.array([(-0.25, -0.25), (0.25, -0.25), (-0.25, 0.25), (0.25, 0.25)])
_SQUARE = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)])


def cell_fractions(
    levels: Sequence[Level], centre: Array, p: Array, q: Array, straightness: float = STRAIGHTNESS
) -> Array:
    """Return the (region, n) visible area fraction of each region in parallelogram cells.

    Parameters
    ----------
    levels : sequence of callables
        Level sets in painter's order: later regions cover earlier ones.
    centre : (n, 3) array
        Cell centres, m.
    p, q : (3,) array
        Edges of every cell, m.
    straightness : float
        Largest deviation of a boundary from its tangent; the area error is about a sixth of it.
    """
    filled = np.zeros((len(levels), len(centre)))
    cell = np.arange(len(centre))
    for depth in range(DEPTH + 1):
        scale = 0.5**depth
        edges = np.stack([p, q]) * scale
        radius = 0.5 * max(np.linalg.norm(edges[0] + edges[1]), np.linalg.norm(edges[0] - edges[1]))
        covering, crossing = _classify(levels, centre, float(radius))
        weight = scale * scale
        known = ~crossing.any(axis=0)
        _paint(filled, covering[known], cell[known], weight)
        centre, cell, covering, crossing = centre[~known], cell[~known], covering[~known], crossing[:, ~known]
        if len(cell) == 0:
            break
        planes, deviation = _tangents(levels, centre, edges, crossing, scale, float(radius))
        leaf = (deviation <= straightness) | (depth == DEPTH)
        _clip_leaves(filled, planes[:, leaf], crossing[:, leaf], covering[leaf], cell[leaf], weight)
        centre = (centre[~leaf, None, :] + _QUARTERS @ edges).reshape(-1, 3)
        cell = np.repeat(cell[~leaf], 4)
    return filled


def _classify(levels: Sequence[Level], centre: Array, radius: float) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return which region covers each ball whole (-1: none), and which boundaries above that one may cross it."""
    covering = np.full(len(centre), -1)
    crossing = np.zeros((len(levels), len(centre)), dtype=bool)
    still_open = np.arange(len(centre))
    for region in range(len(levels) - 1, -1, -1):
        level = levels[region](centre[still_open])
        crossing[region, still_open] = np.abs(level) <= radius
        inside = level < -radius
        covering[still_open[inside]] = region
        still_open = still_open[~inside]
    return covering, crossing


def _tangents(
    levels: Sequence[Level], centre: Array, edges: Array, crossing: NDArray[np.bool_], scale: float, radius: float
) -> tuple[Array, Array]:
    """Return the (region, n, 3) planes c0 + cs s + ct t fitted over each cell, and their largest deviation."""
    planes = np.zeros((*crossing.shape, 3))
    deviation = np.zeros(len(centre))
    offsets = _NINE @ edges
    for region, level in enumerate(levels):
        index = np.flatnonzero(crossing[region])
        if len(index) == 0:
            continue
        value = level((centre[index, None, :] + offsets).reshape(-1, 3)).reshape(-1, 9)
        fit = np.stack([value.mean(axis=1), value @ _NINE[:, 0] / 1.5, value @ _NINE[:, 1] / 1.5], axis=1)
        residual = np.abs(value - fit[:, :1] - fit[:, 1:] @ _NINE.T).max(axis=1)
        # No point of the cell is farther than radius/2 from one of the nine: then the boundary passes by.
        passes = (np.abs(value).min(axis=1) > radius / 2) & (np.abs(np.sign(value).sum(axis=1)) == 9)
        fit[passes] = np.sign(value[passes, :1]) * (1.0, 0.0, 0.0)
        if scale == 0.5**DEPTH:  # a corner that only touches the cell must not nibble at it
            touched = (value.max(axis=1) <= TOUCH * radius) | (value.min(axis=1) >= -TOUCH * radius)
            fit[touched] = np.sign(value[touched].sum(axis=1, keepdims=True)) * (1.0, 0.0, 0.0)
        planes[region, index] = fit
        bent = residual * scale / np.maximum(np.hypot(fit[:, 1], fit[:, 2]), 1e-12 * radius)
        deviation[index] = np.maximum(deviation[index], np.where(passes, 0.0, bent))
    return planes, deviation


def _paint(filled: Array, region: NDArray[np.int64], cell: NDArray[np.int64], area: Array | float) -> None:
    """Add areas to (region, cell); region -1 is the background."""
    hit = region >= 0
    np.add.at(filled, (region[hit], cell[hit]), np.broadcast_to(area, region.shape)[hit])


def _clip_leaves(
    filled: Array,
    planes: Array,
    crossing: NDArray[np.bool_],
    covering: NDArray[np.int64],
    cell: NDArray[np.int64],
    weight: float,
) -> None:
    """Paint leaves from the top region down; what is left goes to the covering region."""
    rest = np.broadcast_to(_SQUARE, (len(cell), 4, 2)).copy()
    area = np.ones(len(cell))
    for region in range(len(planes) - 1, -1, -1):
        index = np.flatnonzero(crossing[region])
        if len(index) == 0:
            continue
        rest, left = _clip(rest, index, planes[region, index])
        left = np.minimum(left, area[index])
        _paint(filled, np.full(len(index), region), cell[index], (area[index] - left) * weight)
        area[index] = left
    _paint(filled, covering, cell, area * weight)


def _clip(polygon: Array, index: NDArray[np.int64], plane: Array) -> tuple[Array, Array]:
    """Cut the polygons number `index` back to where plane > 0.

    Returns
    -------
    (n, vertex + 1, 2) array
        All polygons; unused vertices repeat the last one.
    (m,) array
        Area of those that were cut.
    """
    here = polygon[index]
    value = plane[:, :1] + here[..., 0] * plane[:, 1:2] + here[..., 1] * plane[:, 2:]
    following = np.roll(value, -1, axis=1)
    keep = value > 0
    cross = keep != (following > 0)
    share = np.where(cross, value / np.where(cross, value - following, 1.0), 0.0)
    point = here + share[..., None] * (np.roll(here, -1, axis=1) - here)
    slots = np.stack([here, point], axis=2).reshape(len(here), -1, 2)
    valid = np.stack([keep, cross], axis=2).reshape(len(here), -1)
    count = valid.sum(axis=1)
    order = np.argsort(~valid, axis=1, kind="stable")
    place = np.minimum(np.arange(polygon.shape[1] + 1), np.maximum(count - 1, 0)[:, None])
    cut = np.take_along_axis(slots, np.take_along_axis(order, place, axis=1)[..., None], axis=1)
    cut[count == 0] = 0.0
    result = np.concatenate([polygon, polygon[:, -1:]], axis=1)
    result[index] = cut
    x, y = cut[..., 0], cut[..., 1]
    area = 0.5 * np.abs((x * np.roll(y, -1, axis=1) - y * np.roll(x, -1, axis=1)).sum(axis=1))
    return result, area


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Lattice:
    """Cells of a grid in the frame (first, second, along) of an extruded object."""

    origin: Array
    """(3,) centre of cell (0, 0, 0), m."""
    steps: Array
    """(3, 3): row a is the step along the lattice's axis a, m."""
    counts: tuple[int, int, int]
    """Cells along each lattice axis."""

    def centres(self) -> Array:
        """Return the (n0, n1, n2, 3) cell centres, m."""
        i, j, k = (np.arange(n)[:, None] * step for n, step in zip(self.counts, self.steps, strict=True))
        return np.asarray(self.origin + i[:, None, None] + j[None, :, None] + k[None, None, :])


def lattice_fractions(levels: Sequence[Level], spans: Sequence[tuple[float, float]], lattice: Lattice) -> Array:
    """Return the (region, n0, n1, n2) visible volume fraction of each region in each cell.

    Parameters
    ----------
    levels : sequence of callables
        Plane level sets of (n, 3) points (first two coordinates), in painter's order.
    spans : sequence of (float, float)
        Where each region begins and ends along the extrusion (third coordinate), m.
    lattice : Lattice
        The cells.
    """
    axis = int(np.argmax(np.abs(lattice.steps[:, 2]) / np.linalg.norm(lattice.steps, axis=1)))
    across = [a for a in range(3) if a != axis]
    size = np.linalg.norm(lattice.steps[axis])
    sideways = np.linalg.norm(lattice.steps[axis, :2])
    if sideways <= 1e-12 * size and np.all(np.abs(lattice.steps[across, 2]) <= 1e-12 * size):
        return _aligned(levels, spans, lattice, axis, across)
    solid = [_solid(level, span) for level, span in zip(levels, spans, strict=True)]
    return _oblique(solid, lattice, axis, across)


def _solid(level: Level, span: tuple[float, float]) -> Level:
    """Return the level set of a region of finite length."""
    if np.all(np.isinf(span)):
        return level
    return lambda x: np.maximum(level(x), np.maximum(span[0] - x[:, 2], x[:, 2] - span[1]))


def _aligned(
    levels: Sequence[Level], spans: Sequence[tuple[float, float]], lattice: Lattice, axis: int, across: list[int]
) -> Array:
    """Solve each distinct cross-section once and weigh it with the length over which it holds."""
    filled = np.zeros((len(levels), *lattice.counts))
    layer = np.moveaxis(lattice.centres(), axis, 0)
    p, q = lattice.steps[across]
    half = abs(lattice.steps[axis, 2]) / 2
    ends = np.asarray(spans)
    solved: dict[bytes, Array] = {}
    for k in range(lattice.counts[axis]):
        low, high = layer[k, 0, 0, 2] - half, layer[k, 0, 0, 2] + half
        near = 1e-9 * half
        inner = np.unique(ends[(ends > low + near) & (ends < high - near)])
        cuts = np.concatenate([[low], inner, [high]])
        for start, stop in zip(cuts[:-1], cuts[1:], strict=True):
            middle = (start + stop) / 2
            active = (ends[:, 0] < middle) & (middle < ends[:, 1])
            key = active.tobytes()
            if key not in solved:
                some = [level for level, on in zip(levels, active, strict=True) if on]
                solved[key] = cell_fractions(some, layer[0].reshape(-1, 3), p, q).reshape(-1, *layer.shape[1:3])
            place = np.moveaxis(filled, axis + 1, 1)
            place[active, k] += solved[key] * ((stop - start) / (2 * half))
    return filled


def _oblique(levels: Sequence[Level], lattice: Lattice, axis: int, across: list[int]) -> Array:
    """Average cross-sections over each cell's depth, with more of them where the average still changes."""
    centre = lattice.centres().reshape(-1, 3)
    p, q = lattice.steps[across]
    step = lattice.steps[axis]
    corners = np.array([(a, b, c) for a in (-0.5, 0.5) for b in (-0.5, 0.5) for c in (-0.5, 0.5)])
    radius = np.linalg.norm(corners @ lattice.steps, axis=1).max()
    covering, crossing = _classify(levels, centre, float(radius))
    filled = np.zeros((len(levels), len(centre)))
    _paint(filled, covering, np.arange(len(centre)), 1.0)
    index, nodes = np.flatnonzero(crossing.any(axis=0)), 8
    while len(index):
        depth = np.concatenate([[-0.5], (np.arange(nodes) + 0.5) / nodes - 0.5, [0.5]])
        points = (centre[index, None, :] + depth[:, None] * step).reshape(-1, 3)
        part = cell_fractions(levels, points, p, q, OBLIQUE_STRAIGHTNESS).reshape(len(levels), len(index), nodes + 2)
        filled[:, index] = part[..., 1:-1].mean(axis=2)
        if nodes == NODES:
            break
        # A kink or a step of the integrand shows as a change of slope: error <= sum |slope change| h / (4 nodes).
        slope = np.diff(part, axis=2) / (np.diff(depth) * nodes)
        bound = np.abs(np.diff(slope, axis=2)).sum(axis=2).max(axis=0, initial=0.0) / (4 * nodes)
        index, nodes = index[bound > DEPTH_ERROR], 2 * nodes
    return filled.reshape(-1, *lattice.counts)
