"""Bit-identical signals: for any number of threads on every road, and for any batching in whole chunks."""

from dataclasses import replace

import numpy as np
import pytest
from objects import Script, hard_pulse, pool
from test_bloch_sequences import selective_cpmg
from test_coils import ENGINE, coil
from test_field_maps import MappedBox

from mrsim.core.coils import Coils
from mrsim.phantom.motion import Affine, Trace
from mrsim.sequence.discretize import discretize
from mrsim.sequence.families.spoiled_gradient_echo import SpoiledGradientEcho
from mrsim.sequence.scanner import Scanner
from mrsim.simulate import blocks, simulate
from mrsim.simulate.classes import TissueClass
from mrsim.simulate.direct import CHUNK, direct_signal

COILS = Coils(maps=(coil(1.0, x=30 + 10j), coil(0.3j, y=-50.0)))
POOLS = (pool(0.6, 0.03, 0.7, t2_prime=0.05), pool(0.3, 0.02, 0.3, shift=-3.4e-6))
SHIFT = Affine(course=Trace(times=(0.0, 0.1), values=(0.0, 1.0)), shift=(1e-3, -5e-4, 0.0))


class MovingBox(MappedBox):
    """A box that moves."""

    def sample(self, grid):
        return replace(super().sample(grid), motion=(SHIFT,))


@pytest.mark.parametrize(
    ("box", "reuse"),
    [
        (MappedBox(size=(5e-3, 2.4e-3), pools=POOLS, hertz=(3e3, -4e3, 0.0)), True),
        (MappedBox(size=(5e-3, 2.4e-3), pools=POOLS, hertz=(3e3, -4e3, 0.0)), False),
        (MovingBox(size=(5e-3, 2.4e-3), pools=POOLS), False),
    ],
    ids=["by class", "by spin", "moving"],
)
def test_signal_in_coils_does_not_depend_on_threads(box, reuse):
    engine = replace(ENGINE, reuse=reuse, sub_slices=200, t2_prime_accuracy=2e-2, accuracy=1e-2, rf_step=50e-6)
    timeline = selective_cpmg(repetitions=1, echoes=2)
    if isinstance(box, MovingBox):  # which needs a timeline with the waveforms
        echo = SpoiledGradientEcho(matrix=(8, 2), fov=(8e-3, 2e-3), slice_thickness=5e-3, dummies=0)
        timeline = discretize(echo.build(Scanner.preset("3T")))
    one, three = (simulate(timeline, box, engine, threads=n, coils=COILS) for n in (1, 3))
    assert one.history["spins"] > 2 * CHUNK or reuse  # several chunks are in flight
    assert np.array_equal(one.imaging.data, three.imaging.data)
    assert np.all(np.abs(one.imaging.data).max(axis=(0, 2)) > 0)


@pytest.mark.parametrize("coils", [None, COILS], ids=["one coil", "coils"])
@pytest.mark.parametrize("kind", [MappedBox, MovingBox])
def test_spins_in_blocks_of_cells_give_the_signal_of_all(kind, coils, monkeypatch):
    engine = replace(ENGINE, reuse=False, sub_slices=40, t2_prime_accuracy=2e-2, accuracy=1e-2, rf_step=50e-6)
    echo = SpoiledGradientEcho(matrix=(8, 2), fov=(8e-3, 2e-3), slice_thickness=5e-3, dummies=0)
    timeline, told = discretize(echo.build(Scanner.preset("3T"))), []
    box = kind(size=(5e-3, 2.4e-3), pools=POOLS)
    whole = simulate(timeline, box, engine, coils=coils, threads=1)
    monkeypatch.setattr(blocks, "MOST", whole.history["spins"] // 7)
    parts = simulate(timeline, box, engine, coils=coils, threads=1, progress=lambda *step: told.append(step))
    np.testing.assert_allclose(parts.imaging.data, whole.imaging.data, atol=1e-12 * np.abs(whole.imaging.data).max())
    done = [step for step, _ in told]
    assert len(told) >= 7
    assert done == sorted(done)
    assert told[-1] == (whole.history["spins"],) * 2


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_signal_and_state_do_not_depend_on_batches_of_whole_chunks(dtype):
    script = Script(samples=32).tr().rf(hard_pulse(0.9)).free(2e-3, (50.0, -80.0, 400.0))
    timeline = script.read((3.0, 2.0, -1.0)).rf(hard_pulse(2.0)).free(2e-3).read((20.0, 0, 5.0)).timeline()
    count, rng = 5 * CHUNK + 100, np.random.default_rng(3)
    place, volume = rng.uniform(-5e-3, 5e-3, (count, 3)), rng.uniform(0.5, 1.5, count)
    heard = rng.standard_normal((2, count)) + 1j * rng.standard_normal((2, count))
    offset, b1 = rng.uniform(-80, 80, count), rng.uniform(0.8, 1.2, count)

    def carried(first, last, state):
        kind = TissueClass(
            name="a",
            tissue="a",
            pd=0.8,
            r1=1.0,
            r2=20.0,
            offset=0.0,
            b1=1.0,
            members=np.arange(first, last),
            local_offset=offset[first:last],
            local_b1=b1[first:last],
        )
        state = state[:, first:last]
        return direct_signal(timeline, [kind], place, volume, dtype=dtype, threads=2, state=state, sensitivity=heard)

    whole_state, state = (np.repeat([[0.0], [0.0], [1.0]], count, axis=1) for _ in range(2))
    whole = carried(0, count, whole_state)
    ends = [*range(0, count, CHUNK), count]
    batched = sum(carried(first, last, state) for first, last in zip(ends, ends[1:], strict=False))
    assert np.array_equal(whole, batched)
    assert np.array_equal(whole_state, state)
    two = carried(0, 2 * CHUNK, np.repeat([[0.0], [0.0], [1.0]], count, axis=1))
    for first in range(2, 6):
        two = two + carried(ends[first], ends[first + 1], np.repeat([[0.0], [0.0], [1.0]], count, axis=1))
    assert np.array_equal(whole, two)
