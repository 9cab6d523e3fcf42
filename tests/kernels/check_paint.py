"""The painter of sub-cells, line by line: planes, against the same planes on very many points."""

import numpy as np
import pytest

from mrsim.phantom.fractions import Lattice
from mrsim.phantom.solid_fractions import Mix, Painted, solid_contents
from mrsim.phantom.solids import Solid


class Half(Solid):
    """What lies where a plane's level is negative."""

    def __init__(self, normal, shift, bend=0.0):
        self.normal, self.shift, self.bend = np.asarray(normal) / np.linalg.norm(normal), shift, bend

    def level(self, point):
        return point @ self.normal - self.shift + self.bend * point[..., 0] ** 2

    def bounds(self):
        return np.array([[-np.inf] * 3, [np.inf] * 3])


class Ramp(Mix):
    into = "rest"

    def share(self, point):
        return 0.5 + 0.2 * point[..., 0]


def shares_of(painted, lattice, many):
    """What each region keeps of every cell by counting points, (region, cell)."""
    axes = [(np.arange(many) + 0.5) / many - 0.5] * 3
    inner = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    cells = np.stack(np.meshgrid(*[np.arange(n) for n in lattice.counts], indexing="ij"), axis=-1).reshape(-1, 3)
    out = np.zeros((len(painted), len(cells)))
    for number, cell in enumerate(cells):
        point = lattice.origin + (cell + inner) @ lattice.steps
        free = np.ones(len(point), dtype=bool)
        for region in range(len(painted) - 1, -1, -1):
            inside = free & (painted[region].solid.level(point) < 0)
            kept = painted[region].mix.share(point) if painted[region].mix else np.ones(len(point))
            out[region, number] += np.where(inside, kept, 0).mean()
            if painted[region].mix:
                out[painted[region].into, number] += np.where(inside, 1 - kept, 0).mean()
            free &= ~inside
    return out


LATTICE = Lattice(
    origin=np.array([-0.6, -0.4, -0.3]), counts=(3, 2, 2), steps=np.array([[0.5, 0.1, 0], [0, 0.5, 0.1], [0, 0, 0.6]])
)


@pytest.mark.parametrize("sizes", [(2, 2, 2), (3, 2, 4)])
def test_planes_are_painted_as_points_count_them(sizes):
    painted = [
        Painted(solid=Half([0, 0, 1], 1e3)),  # all
        Painted(solid=Half([1, 2, 0.5], 0.2)),
        Painted(solid=Half([0, 1, 0], 0.1), mix=Ramp(), into=0),
        Painted(solid=Half([-1, 0.3, 2], -0.1)),
        Painted(solid=Half([1, 0, 0], -0.35)),
    ]
    found = solid_contents(painted, LATTICE, sizes)
    size = int(np.prod(LATTICE.counts))
    filled = np.zeros((len(painted), size))
    np.add.at(filled, (found.region, found.cell), found.fraction)
    np.testing.assert_allclose(filled.sum(axis=0), 1.0, atol=1e-12)
    # 16 lines of a sub-cell, and points of 1/24 of a cell: planes are the same, so only the counting differs
    assert np.abs(filled - shares_of(painted, LATTICE, 24)).max() < 0.02


def test_pieces_of_a_cell_are_its_sub_cells():
    painted = [Painted(solid=Half([0, 0, 1], 1e3)), Painted(solid=Half([0.2, 0, 1], 0.05))]
    whole = solid_contents(painted, LATTICE, (2, 2, 4))
    parts = solid_contents(painted, LATTICE, (2, 2, 4), pieces=2)
    size = int(np.prod(LATTICE.counts))
    one, two = np.zeros((2, size)), np.zeros((2, size * 2))
    np.add.at(one, (whole.region, whole.cell), whole.fraction)
    np.add.at(two, (parts.region, parts.cell), parts.fraction)
    np.testing.assert_allclose(two.reshape(2, size, 2).mean(axis=2), one, atol=1e-12)
    assert np.abs(two[:, ::2] - two[:, 1::2]).max() > 0.1


def test_bent_borders_converge_with_the_square_of_the_sub_cell():
    lattice = Lattice(origin=np.zeros(3), counts=(1, 1, 1), steps=np.eye(3))
    wanted = 0.5 - 0.1 - 0.3 / 12  # the mean of z < -0.1 - 0.3 x^2 over the cell, plus its half
    errors = []
    for n in (2, 4, 8):
        found = solid_contents([Painted(solid=Half([0, 0, 1.0], -0.1, bend=0.3))], lattice, (n, n, n))
        errors.append(abs(found.fraction.sum() - wanted))
    assert errors[2] < errors[0] / 8
    assert errors[2] < 5e-4
