"""The operators on configuration states: energy, merging, diffusion weights."""

import numpy as np
import pytest
from objects import Box, Script, hard_pulse, pool

from mrsim.simulate.pathways import run_pathways
from mrsim.simulate.pathways_options import Pathways
from mrsim.simulate.pathways_pools import Pools
from mrsim.simulate.pathways_states import States, stored, transverse
from mrsim.simulate.pathways_steps import Path
from mrsim.simulate.pulse_maps import rotation

GAMMA = 2 * np.pi * 42.577478518e6
VOXEL = 1e-3 * 1e-3 * 4e-3


def path(time, moment):
    result = Path()
    result.extend(time, np.asarray(moment, float))
    return result


def maps(flip):
    return rotation(flip, 0.0)[None, ..., None]


def still():
    return States(Pools.single(0.0, 0.0), 1)


def test_pulses_keep_the_energy_of_the_states():
    rng, states = np.random.default_rng(2), still()
    for _ in range(9):
        states.turn(maps(rng.uniform(0, np.pi)), rng.uniform(0, 2 * np.pi))
        assert states.energy()[0] == pytest.approx(1, abs=1e-12)
        states.evolve(path(1e-3, rng.normal(size=3) * 300))
        assert states.energy()[0] == pytest.approx(1, abs=1e-12)
    assert len(states.names) > 1000  # moments without a common divisor never meet


def test_states_with_the_same_moment_and_time_merge():
    states = still()
    for _ in range(30):
        states.turn(maps(0.5), 0.3)
        states.evolve(path(1e-3, (100.1, 33.3, -1e3 / 3)))
    assert len(states.names) == 31


def test_pulse_operator_is_that_of_the_literature_conjugated():
    a, phi = 0.8, 0.4
    c, s, sine = np.cos(a / 2) ** 2, np.sin(a / 2) ** 2, np.sin(a)
    # physics.md B-3 with +i and phases negated: B1 = b exp(-i phi)
    e = np.exp(-1j * phi)
    expected = np.array(
        [
            [c, e**2 * s, 1j * e * sine],
            [e**-2 * s, c, -1j / e * sine],
            [0.5j / e * sine, -0.5j * e * sine, np.cos(a)],
        ]
    )
    for part in range(3):
        states = still()
        states.values[:] = 0
        states.values[0, 0, 2 * part] = 1
        states.turn(maps(a), phi)
        found = [states.part(row)[0, 0, 0] for row in range(3)]
        np.testing.assert_allclose(found, expected[:, part], atol=1e-15)


def test_diffusion_weights_are_those_of_a_constant_gradient():
    step, time = 700.0, 8e-3
    way = path(time, (0, step, 0))
    dk = 2 * np.pi * step
    for order in (-3, -1, 0, 2, 5):
        k = np.array([[0, order * step, 0]])
        assert stored(k, way, np.eye(3))[0] == pytest.approx(order**2 * dk**2 * time, rel=1e-12)
        assert transverse(k, way, np.eye(3))[0] == pytest.approx(
            ((order + 0.5) ** 2 + 1 / 12) * dk**2 * time, rel=1e-12
        )


def constant_gradient_train(gradient, half, echoes):
    refocus, script = hard_pulse(np.pi, 2e-9, use="refocusing"), Script(dwell=1e-9)
    moment = (0, 0, GAMMA / (2 * np.pi) * gradient * half)
    script.tr().rf(hard_pulse(np.pi / 2, 2e-9), np.pi / 2).free(half, moment)
    for _ in range(echoes):
        script.rf(refocus).free(half, moment).read().free(half, moment)
    return script.timeline()


def test_echo_train_in_a_constant_gradient_diffuses_as_carr_and_purcell():
    gradient, half, d, t2 = 20e-3, 5e-3, 2e-9, 0.1
    timeline = constant_gradient_train(gradient, half, 8)
    engine = Pathways(subsamples=1, profile="ideal", accuracy=1e-9, diffusion={"*": d})
    signal = np.abs(run_pathways(timeline, Box(pools=(pool(1e9, t2),)), engine).imaging.data[:, 0, 0]) / VOXEL
    n = np.arange(1, 9)
    esp = 2 * half
    expected = np.exp(-n * GAMMA**2 * gradient**2 * esp**3 * d / 12 - n * esp / t2)
    np.testing.assert_allclose(signal, expected, rtol=3e-6)  # pulses of 2 ns shift times by a few ns of 10 ms


def test_stimulated_echo_diffuses_while_it_is_stored():
    tau, mixing, moment, d = 4e-3, 60e-3, 3000.0, 1.5e-9
    script, pulse = Script(dwell=1e-9).tr(), hard_pulse(np.pi / 2, 2e-9)
    script.rf(pulse).free(tau, (0, 0, moment)).rf(pulse).free(mixing, (0, 0, 17000.0)).rf(pulse)
    timeline = script.free(tau, (0, 0, moment)).read().timeline()
    engine = Pathways(subsamples=1, profile="ideal", accuracy=1e-9, diffusion={"box": d})
    signal = np.abs(run_pathways(timeline, Box(pools=(pool(1e9, 1e9),)), engine).imaging.data[0, 0, 0]) / VOXEL
    q = 2 * np.pi * moment
    assert signal == pytest.approx(0.5 * np.exp(-d * q**2 * (mixing + 2 * tau / 3)), rel=1e-5)
