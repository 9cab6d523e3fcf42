"""B0 and B1 maps: the field between voxels, and interpolation over nodes against spin by spin."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from objects import Box, Script, hard_pulse, pool
from test_bloch_sequences import selective_cpmg

from mrsim.core.errors import InputError
from mrsim.core.field_map import FieldMap
from mrsim.core.grid import Grid
from mrsim.simulate import Bloch, simulate

ENGINE = Bloch(slab=2.0, subsamples=2, sub_slices=270, accuracy=1e-4, rf_step=10e-6)


@dataclass
class MappedBox(Box):
    """A box whose field changes from place to place."""

    hertz: tuple = (0.0, 0.0, 0.0)
    flip: tuple = (0.0, 0.0, 0.0)

    def sample(self, grid):
        spins = super().sample(grid)
        x, y = spins.position[:, 0], spins.position[:, 1]
        return replace(
            spins,
            offset=spins.offset + self.hertz[0] * x + self.hertz[1] * y + self.hertz[2] * x * y,
            b1=spins.b1 + self.flip[0] * x + self.flip[1] * y + self.flip[2] * x * y,
        )


def test_field_map_is_trilinear_and_refuses_places_outside():
    grid = Grid(shape=(3, 4, 5), spacing=(2e-3, 3e-3, 4e-3), centre=(1e-3, 2e-3, 3e-3))
    z, y, x = np.meshgrid(*(grid.coordinates(a) for a in (2, 1, 0)), indexing="ij")

    def truth(x, y, z):
        return 3 + 100 * x - 40 * y + 7 * z + 2e4 * x * y + 1e6 * x * y * z

    field = FieldMap(values=truth(x, y, z), grid=grid)
    places = np.random.default_rng(1).uniform(-1, 1, (50, 3)) * [4e-3, 4e-3, 4e-3]
    # trilinear fields are reproduced inside the grid; 1e-12 is round-off
    np.testing.assert_allclose(field.at(grid.to_world(places), "offset"), truth(*places.T), atol=1e-12)
    with pytest.raises(InputError, match=r"offset: the map reaches from -5\.0 to 5\.0 mm along its x axis"):
        field.at(grid.to_world(np.array([[5.5e-3, 0, 0]])), "offset")


def test_field_map_with_one_voxel_along_an_axis_is_constant_along_it():
    grid = Grid(shape=(1, 2, 2), spacing=(1e-3, 1e-3, 1e-3))
    field = FieldMap(values=np.array([[[1.0, 2.0], [3.0, 4.0]]]), grid=grid)
    np.testing.assert_allclose(field.at(np.array([[0.0, 0.0, z] for z in (-1.0, 0.0, 2.0)]), "b1"), 4.0)


@pytest.mark.parametrize("fields", [((3e3, -4e3, 6e5), (20.0, 30.0, 4e3)), ((2e3, 5e3, 0.0), (0.0, 0.0, 0.0))])
def test_maps_by_nodes_equal_spin_by_spin(fields):
    box = MappedBox(
        size=(5e-3, 2.4e-3),
        pools=(pool(0.6, 0.03, t2_prime=0.05), pool(0.3, 0.02, 0.4, shift=-3.4e-6)),
        offset=11.0,
        b1=0.93,
        hertz=fields[0],
        flip=fields[1],
    )
    timeline = selective_cpmg(repetitions=2, echoes=3)
    engine = replace(ENGINE, t2_prime_accuracy=2e-2)
    nodes, plain = (simulate(timeline, box, replace(engine, reuse=reuse)) for reuse in (True, False))
    assert nodes.history["reuse"] == "through the slice"
    assert nodes.history["field_error"] <= 1e-4
    assert 1 < np.prod(nodes.history["field_nodes"]) < 100
    largest = np.abs(plain.imaging.data).max()
    # 1e-4 of M0 is asked for and reported; the largest sample is half of M0
    assert np.abs(nodes.imaging.data - plain.imaging.data).max() < 3e-4 * largest
    uniform = simulate(timeline, replace(box, hertz=(0, 0, 0), flip=(0, 0, 0)), engine).imaging.data
    assert np.abs(uniform - plain.imaging.data).max() > 3e-2 * largest


def test_map_under_any_gradient_equals_spin_by_spin():
    script = Script(matrix=(1, 4, 4), samples=16).tr().rf(hard_pulse(0.9)).free(2e-3, (50.0, -80.0, 400.0))
    timeline = (
        script.rf(hard_pulse(np.pi, 2e-9, use="refocusing")).free(2e-3, (0, 0, 400.0)).read((20.0, 33.0, 0)).timeline()
    )
    box = MappedBox(size=(4e-3, 3e-3), hertz=(4e3, 9e3, 0.0), flip=(30.0, 0.0, 0.0))
    nodes, plain = (simulate(timeline, box, replace(ENGINE, reuse=r)).imaging.data for r in (True, False))
    assert np.abs(nodes - plain).max() < 3e-4 * np.abs(plain).max()
