"""Sums over the cells of a plane at any moment: what the cells add up to one by one."""

from dataclasses import replace

import numpy as np
import pytest
from objects import Box, Script, hard_pulse, pool

from mrsim.simulate import Bloch, simulate
from mrsim.simulate.plane import Plane
from mrsim.simulate.plane_sums import PlaneSums

STEP = 4e-4


def plane_of(layers, ny, nx):
    """Return cells away from the origin that hold anything."""
    density = np.random.default_rng(ny).normal(size=(layers, ny, nx, 2)).view(complex)[..., 0]
    return Plane(
        x=0.02 + STEP * np.arange(nx), y=-0.05 + STEP * np.arange(ny), density=density, cell=np.arange(layers * ny * nx)
    )


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 1, 9), (1, 24, 31)])
def test_sums_at_any_moment_equal_those_cell_by_cell(shape):
    plane = plane_of(*shape)
    # up to 3 turns from cell to cell, more than any readout
    moment = np.random.default_rng(0).uniform(-3 / STEP, 3 / STEP, (5, 7, 2))
    base = np.array([150.0, -70.0])
    sums = PlaneSums(plane, moment, base)
    whole = np.abs(plane.density).sum()
    for order in (0, -4):
        k = moment - order * base
        phase = np.exp(-2j * np.pi * (k[..., 0, None, None] * plane.x + k[..., 1, None, None] * plane.y[:, None]))
        exact = np.einsum("lyx,rsyx->lrs", plane.density, phase)
        found = sums.of(order)
        assert np.abs(found - exact).max() < 2e-9 * whole  # twice what the transform is asked for
        assert np.array_equal(found, sums.of(order))
    assert 0 < sums.error < 2e-9


def test_spiral_of_an_unspoiled_train_equals_spins_that_travel_alone():
    # the readout's own moment stays: what one excitation leaves is wound in the plane when the next one is sampled
    turn = np.linspace(0.3, 9, 60)
    script = Script(matrix=(1, 8, 8), samples=60, dwell=4e-6)
    for n in range(3):
        script.tr().rf(hard_pulse(0.7), n * 0.9).free(1e-3, (0, 0, 20.0)).read((30.0, 17.0, 0))
        moment = 40 * turn[:, None] * np.stack([np.cos(turn), np.sin(turn), 0 * turn], axis=1)
        script.windows[-1] = (moment, script.windows[-1][1])
        script.free(2e-3, (0, 0, 20.0))
    box = Box(size=(4e-3, 3e-3), pools=(pool(0.4, 0.05), pool(0.2, 0.02, pd=0.4, shift=1e-6)), offset=30.0)
    timeline = script.timeline()
    engine = Bloch(slab=2.0, subsamples=3, sub_slices=40, rf_step=1e-6)
    raw = simulate(timeline, box, engine)
    exact = simulate(timeline, box, replace(engine, reuse=False)).imaging.data
    # the sums' 1e-9 of all that there is, over a signal that is dephased to a fifth of it
    assert raw.history["reuse"] == "through the slice"
    assert np.abs(raw.imaging.data - exact).max() < 5e-9 * np.abs(exact).max()
