"""Echo trains in a constant gradient against a sum over all pathways, none merged, and the identities of phase graphs.

The sum multiplies, for every sequence of components (M+, conj M+, Mz) between the pulses, the elements of the pulse
matrices (physics B-3), relaxation, and diffusion by the weights of B-12, which it integrates along the pathway.
"""

import numpy as np
import pytest
from objects import GAMMA_BAR, Box, Script, hard_pulse, pool

from mrsim.simulate.pathways import run_pathways
from mrsim.simulate.pathways_options import Pathways

VOXEL, THICKNESS = 1e-3 * 1e-3 * 4e-3, 4e-3
PULSE, DWELL = 2e-9, 2e-9


def mixing(flip, phase):
    """The pulse matrix of B-3 in this project's signs: +i and the phases negated."""
    c, s, sine, e = np.cos(flip / 2) ** 2, np.sin(flip / 2) ** 2, np.sin(flip), np.exp(-1j * phase)
    return np.array(
        [
            [c, e**2 * s, 1j * e * sine],
            [e**-2 * s, c, -1j / e * sine],
            [0.5j / e * sine, -0.5j * e * sine, np.cos(flip)],
        ]
    )


def sum_of_pathways(flips, phases, times, rate, t1, t2, diffusion):
    """Signal in the middle of every interval from the second on; times : (pulse,) s after each pulse; rate : 1/m/s."""
    amplitude, order, component = np.ones(1, complex), np.zeros(1), np.array([2])
    found = []
    for number, (flip, phase, time) in enumerate(zip(flips, phases, times, strict=True)):
        matrix = mixing(flip, phase)
        amplitude = np.concatenate([matrix[row, component] * amplitude for row in range(3)])
        order, component = np.tile(order, 3), np.repeat([0, 1, 2], len(component))
        for half in range(2):
            step = rate * time / 2 * np.array([1, -1, 0])[component]
            # B-12: (k + 1/2)^2 + 1/12 in units of the step for what moves, k^2 for what does not
            square = (order + step / 2) ** 2 + step**2 / 12
            decay = np.array([1 / t2, 1 / t2, 1 / t1])[component] + diffusion * 4 * np.pi**2 * square
            amplitude, order = amplitude * np.exp(-decay * time / 2), order + step
            fresh = 1 - np.exp(-time / 2 / t1)
            amplitude, order = np.append(amplitude, fresh), np.append(order, 0.0)
            component = np.append(component, 2)
            if half == 0 and number:
                seen = component == 0
                found.append(amplitude[seen] @ np.sinc(order[seen] * THICKNESS))
    return np.array(found)


def engine_signal(flips, phases, times, rate, t1, t2, diffusion, b1=1.0):
    """The same by the engine: the gradient plays on during pulses, and samples lie in the middle of the intervals."""
    script = Script(dwell=DWELL)
    script.tr()
    for number, (flip, phase, time) in enumerate(zip(flips, phases, times, strict=True)):
        pulse = hard_pulse(flip, PULSE, use="refocusing" if number else "excitation")
        pulse.gradient[:, 2] = rate / GAMMA_BAR
        script.rf(pulse, phase)
        if number == 0:
            script.free(time - PULSE, (0, 0, rate * (time - PULSE)))
            continue
        rest = time / 2 - PULSE / 2 - DWELL / 2
        script.free(rest, (0, 0, rate * rest)).read((0, 0, rate * DWELL)).free(rest, (0, 0, rate * rest))
    engine = Pathways(subsamples=1, profile="ideal", accuracy=1e-12, diffusion={"*": diffusion} if diffusion else {})
    box = Box(pools=(pool(t1, t2),), b1=b1)
    return run_pathways(script.timeline(), box, engine, threads=1).imaging.data[:, 0, 0] / VOXEL


def cpmg(refocus, spacing=10e-3):
    """Flips, phases and intervals of an echo train whose echoes lie in the middle of the intervals."""
    count = len(refocus)
    times = np.full(count + 1, spacing)
    times[0] = spacing / 2
    return np.array([np.pi / 2, *refocus]), np.array([np.pi / 2, *np.zeros(count)]), times


RATE = 2000.0 / 1e-3  # 40 cycles over the voxel in the first half spacing
D = 2e-9


def test_ideal_echo_train_in_a_constant_gradient_has_the_closed_form():
    train, n = cpmg(np.full(8, np.pi)), np.arange(1, 9)
    found = np.abs(engine_signal(*train, RATE, 1e9, 1e9, D))
    # gamma G = 2 pi rate
    expected = np.exp(-n * (2 * np.pi * RATE) ** 2 * 10e-3**3 * D / 12)
    assert expected[-1] < 0.9
    np.testing.assert_allclose(found, expected, rtol=1e-8)
    attenuation = -np.log(np.abs(engine_signal(*train, RATE, 1e9, 0.1, D)) / np.exp(-n * 10e-3 / 0.1))
    np.testing.assert_allclose(attenuation, -np.log(expected), rtol=1e-6)  # 1e-8 of an attenuation of 0.02 and more


@pytest.mark.parametrize("degrees", [150.0, 120.0, 60.0])
def test_echo_train_with_diffusion_equals_the_sum_of_its_pathways(degrees):
    settings = (*cpmg(np.full(6, np.deg2rad(degrees))), RATE, 0.9, 0.08, D)
    found, expected = engine_signal(*settings), sum_of_pathways(*settings)
    np.testing.assert_allclose(found, expected, atol=1e-8)
    still = engine_signal(*settings[:-1], 0.0)
    assert np.abs(found - still).max() > 1e-2  # diffusion matters


def test_irregular_train_with_diffusion_equals_the_sum_of_its_pathways():
    rng = np.random.default_rng(8)
    flips, phases = rng.uniform(0.2, 3.0, 7), rng.uniform(0, 2 * np.pi, 7)
    times = rng.integers(4, 14, 7) * 1e-3
    settings = (flips, phases, times, RATE / 35.0, 0.05, 0.03, 4 * D)  # moments that are no whole number of cycles
    found, expected = engine_signal(*settings), sum_of_pathways(*settings)
    np.testing.assert_allclose(found, expected, atol=1e-8)
    assert np.abs(found).max() > 1e-2
    assert np.abs(found - engine_signal(*settings[:-1], 0.0)).max() > 1e-4


def test_echo_train_without_relaxation_has_the_first_echoes_of_the_closed_forms():
    for flip in (0.7, np.deg2rad(120), 2.9):
        echoes = np.abs(engine_signal(*cpmg(np.full(5, flip)), RATE, 1e12, 1e12, 0.0))
        first, second = np.sin(flip / 2) ** 2, np.sin(flip / 2) ** 4 + np.sin(flip) ** 2 / 2
        np.testing.assert_allclose(echoes[:2], [first, second], rtol=1e-10)
        if flip == np.deg2rad(120):
            np.testing.assert_allclose(echoes, [0.75, 0.9375, 0.84375, 0.85546875, 0.884765625], rtol=1e-10)


def test_echo_train_settles_on_the_sine_of_half_the_flip():
    echoes = np.abs(engine_signal(*cpmg(np.full(40, np.pi / 3)), RATE, 1e12, 1e12, 0.0))
    # it rings about the plateau by some 2 %, ever less; the mean over ten rings is far closer
    assert echoes[-30:].mean() == pytest.approx(0.5, abs=5e-3)


@pytest.mark.parametrize(
    ("b1", "table"),
    [
        (0.9, (0.87183, 0.81180, 0.71451, 0.66651)),
        (0.8, (0.77838, 0.78423, 0.65022, 0.63650)),
        (0.7, (0.64005, 0.72099, 0.57581, 0.55935)),
    ],
)
def test_echo_train_gives_the_tabulated_echoes_for_low_b1(b1, table):
    echoes = np.abs(engine_signal(*cpmg(np.full(4, np.pi)), RATE, 1.0, 0.1, 0.0, b1=b1))
    np.testing.assert_allclose(echoes, table, atol=6e-6)  # five digits are given


def test_stimulated_echo_of_three_pulses_has_the_closed_form():
    tau, store, t1, t2 = 5e-3, 80e-3, 0.7, 0.06
    script, flips = Script(dwell=1e-9).tr(), (1.1, 0.8, 1.9)
    first, second, third = (hard_pulse(flip, PULSE) for flip in flips)
    script.rf(first).free(tau - PULSE, (0, 0, 2500.0)).rf(second).free(store - PULSE, (0, 0, 11250.0)).rf(third)
    script.free(tau - PULSE / 2 - 1e-9, (0, 0, 2500.0)).read()
    engine = Pathways(subsamples=1, profile="ideal", accuracy=1e-12)
    signal = run_pathways(script.timeline(), Box(pools=(pool(t1, t2),)), engine, threads=1).imaging.data[0, 0, 0]
    expected = 0.5 * np.prod(np.sin(flips)) * np.exp(-store / t1 - 2 * tau / t2)
    assert abs(signal) / VOXEL == pytest.approx(expected, rel=2e-8)  # the sample lies half a nanosecond early: 1e-8
