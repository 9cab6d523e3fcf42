"""Receive coils: linear in what they hear, alike on both roads of the engine, and with correlated noise."""

from dataclasses import replace

import numpy as np
import pytest
from objects import Box, Script, hard_pulse, pool
from test_bloch_sequences import BRICK, selective_cpmg

from mrsim.core.coils import Coils
from mrsim.core.errors import InputError
from mrsim.core.field_map import FieldMap
from mrsim.core.grid import Grid
from mrsim.simulate import Bloch, add_noise, simulate
from mrsim.simulate.classes import TissueClass
from mrsim.simulate.direct import direct_signal

GRID = Grid(shape=(1, 3, 3), spacing=(20e-3, 20e-3, 1.0))
ENGINE = Bloch(slab=2.0, subsamples=2, sub_slices=60, rf_step=10e-6)


def coil(constant, x=0.0, y=0.0):
    places = GRID.coordinates(0)
    values = constant + x * places[None, None, :] + y * places[None, :, None]
    return FieldMap(values=np.asarray(values, dtype=complex), grid=GRID)


def test_coils_that_hear_all_alike_scale_the_signal():
    timeline = selective_cpmg(repetitions=2, echoes=2)
    one = simulate(timeline, BRICK, ENGINE).imaging.data
    both = simulate(timeline, BRICK, ENGINE, coils=Coils(maps=(coil(2.0), coil(0.5 - 1.5j)))).imaging.data
    assert both.shape == (one.shape[0], 2, one.shape[2])
    largest = np.abs(one).max()
    np.testing.assert_allclose(both[:, :1], 2 * one, atol=1e-13 * largest)  # round-off
    np.testing.assert_allclose(both[:, 1:], (0.5 - 1.5j) * one, atol=1e-13 * largest)


def test_signal_is_linear_in_the_sensitivity():
    timeline = selective_cpmg(repetitions=2, echoes=2)
    maps = (coil(1.0), coil(0.0, x=30 + 10j, y=-50.0), coil(2.0, x=60 + 20j, y=-100.0))
    data = simulate(timeline, BRICK, ENGINE, coils=Coils(maps=maps)).imaging.data
    np.testing.assert_allclose(data[:, 2], 2 * data[:, 0] + 2 * data[:, 1], atol=1e-13 * np.abs(data).max())


def test_image_of_a_coil_is_its_sensitivity_times_the_image_where_voxels_are_points():
    # one cell a voxel: then a voxel's signal has one place, and the transform of the readouts is exact
    script = Script(matrix=(1, 1, 16), samples=16, dwell=1e-9)
    script.tr().rf(hard_pulse(np.pi / 2, 2e-9)).free(1e-6, (-8.5 / 16e-3, 0, 0)).read((1 / 16e-3, 0, 0))
    maps = (coil(1.0), coil(0.4 + 0.3j, x=40 - 25j))
    engine = replace(ENGINE, subsamples=1, slab=1.0, sub_slices=1)
    box = Box(size=(10e-3, 1e-3), pools=(pool(1e3, 1e3),))
    data = simulate(script.timeline(), box, engine, coils=Coils(maps=maps)).imaging.data[0]
    x = (np.arange(16) - 8) * 1e-3
    image = np.exp(2j * np.pi * np.outer(x, (np.arange(16) - 8) / 16e-3)) @ data.T
    assert np.count_nonzero(np.abs(image[:, 0]) > 0.3 * np.abs(image).max()) >= 9
    # decay and precession within 16 ns are of order 1e-8
    np.testing.assert_allclose(
        image[:, 1], (0.4 + 0.3j + (40 - 25j) * x) * image[:, 0], atol=1e-7 * np.abs(image).max()
    )


@pytest.mark.parametrize("read", [(20.0, 0, 0), (20.0, 33.0, 0)])
def test_coils_on_both_roads_agree(read):
    script = Script(matrix=(1, 4, 4), samples=8).tr().rf(hard_pulse(0.9)).free(2e-3, (50.0, -80.0, 400.0))
    timeline = script.rf(hard_pulse(2.0)).free(2e-3, (50.0, 0, 400.0)).read(read).timeline()
    coils = Coils(maps=(coil(1.0), coil(0.2j, x=50.0, y=20 - 40j)))
    nodes, plain = (
        simulate(timeline, BRICK, replace(ENGINE, reuse=r), coils=coils).imaging.data for r in (True, False)
    )
    np.testing.assert_allclose(nodes, plain, atol=1e-10 * np.abs(plain).max())


@pytest.mark.parametrize("samples", [1, 131])
@pytest.mark.parametrize("precision", ["double", "single"])
def test_coils_heard_together_are_each_heard_alone(samples, precision):
    # coil after coil goes through the one-coil kernel, with the real and the imaginary part as weights
    script = Script(samples=samples).tr().rf(hard_pulse(0.9)).free(2e-3, (50.0, -80.0, 400.0))
    timeline = script.read((3.0, 2.0, -1.0)).rf(hard_pulse(2.0)).free(2e-3).read((20.0, 0, 5.0)).timeline()
    rng = np.random.default_rng(2)
    place, volume = rng.uniform(-5e-3, 5e-3, (700, 3)), rng.uniform(0.5, 1.5, 700)
    heard = rng.standard_normal((3, 700)) + 1j * rng.standard_normal((3, 700))
    kinds = [
        TissueClass(name="a", tissue="a", pd=pd, r1=1.0, r2=r2, offset=offset, b1=1.1, members=np.arange(*ends))
        for pd, r2, offset, ends in ((0.8, 20.0, 30.0, (0, 400)), (1.0, 300.0, -70.0, (400, 700)))
    ]
    dtype = np.float64 if precision == "double" else np.float32

    def carried(weight, **options):
        return direct_signal(timeline, kinds, place, weight, dtype=dtype, threads=1, **options)

    together = carried(volume, sensitivity=heard)
    alone = np.stack([carried(volume * c.real) + 1j * carried(volume * c.imag) for c in heard], axis=1)
    # round-off (1e-16, 6e-8) of sums over 700 spins and of up to 64 steps of the recurrence
    tolerance = 1e-12 if precision == "double" else 5e-5
    np.testing.assert_allclose(together, alone, atol=tolerance * np.abs(alone).max())


def test_noise_of_coils_has_their_covariance():
    covariance = np.array([[1.0, 0.4 + 0.2j], [0.4 - 0.2j, 2.0]])
    timeline = Script(samples=20000).tr().rf(hard_pulse(1.0)).read().timeline()
    raw = simulate(
        timeline, Box(), replace(ENGINE, slab=1.0), coils=Coils(maps=(coil(1), coil(1)), covariance=covariance)
    )
    noise = (add_noise(raw, rng=3).imaging.data - raw.imaging.data)[0]
    found = noise @ noise.conj().T / noise.shape[1] / 2 * timeline.readouts.dwell[0] / timeline.noise_density
    # 20,000 samples: the largest entry scatters by 2 / sqrt(20000) = 1.4 %; five times that
    np.testing.assert_allclose(found, covariance, atol=0.07)


def test_coils_refuse_a_covariance_that_is_none():
    with pytest.raises(InputError, match="covariance: is not Hermitian"):
        Coils(maps=(coil(1), coil(1)), covariance=np.array([[1, 2.0], [2.0, 1]]))
