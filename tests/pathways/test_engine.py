"""The Pathways engine against the Bloch engine, and both against closed forms, on hand-made timelines."""

from dataclasses import replace

import numpy as np
import pytest
from objects import Box, Script, hard_pulse, pool

from mrsim.core.errors import InputError
from mrsim.simulate import Bloch, simulate
from mrsim.simulate.pathways import run_pathways
from mrsim.simulate.pathways_options import Pathways

VOXEL = 1e-3 * 1e-3 * 4e-3
EXCITE = hard_pulse(np.pi / 2, 2e-9)
REFOCUS = hard_pulse(np.pi, 2e-9, use="refocusing")
IDEAL = Pathways(subsamples=1, profile="ideal", accuracy=1e-6)
FINE = Bloch(accuracy=1e-6, ideal_slice=True, subsamples=1)


def spin_echo(tr=0.5, te=20e-3, repetitions=5):
    script = Script(dwell=1e-9)
    for _ in range(repetitions):
        script.tr().rf(EXCITE, np.pi / 2).free(te / 2 - 2e-9, (0, 0, 2000.0)).rf(REFOCUS)
        script.free(te / 2 - 2e-9, (0, 0, 2000.0)).read().free(tr - te, (0, 0, 5250.0))
    return script.timeline()


def echo_train(flip, echoes=12, half=5e-3, repetitions=1, tr=None):
    refocus, script = hard_pulse(flip, 2e-9, use="refocusing"), Script(dwell=1e-9)
    for _ in range(repetitions):
        script.tr().rf(EXCITE, np.pi / 2).free(half, (0, 0, 1000.0))
        for echo in range(echoes):
            script.rf(refocus).free(half - 1e-9, (0, 0, 1000.0)).read(contrast=echo).free(half, (0, 0, 1000.0))
        if tr:
            script.free(tr - (2 * echoes + 1) * half, (0, 0, 3500.0))
    return script.timeline()


def spoiled(increment, count=200, flip=15, tr=8e-3, te=2e-3):
    pulse, phase, script = hard_pulse(np.deg2rad(flip), 2e-9), np.deg2rad(increment), Script(dwell=1e-9)
    for n in range(count):
        angle = phase * n * (n + 1) / 2
        script.tr().rf(pulse, angle).free(te).read(phase=angle).free(tr - te - 3e-9, (0, 0, 1000.0))
    return script.timeline()


def balanced(count=60, flip=50, tr=5e-3):
    pulse, script = hard_pulse(np.deg2rad(flip), 2e-9), Script(dwell=1e-9)
    script.tr().rf(hard_pulse(np.deg2rad(flip / 2), 2e-9)).free(tr / 2)
    for n in range(count):
        script.tr().rf(pulse, np.pi * ((n + 1) % 2)).free(tr / 2).read().free(tr / 2)
    return script.timeline()


def double_echo(count=60, flip=30, tr=15e-3):
    """DESS: the echoes of the states 0 and -1 in every repetition."""
    pulse, script = hard_pulse(np.deg2rad(flip), 2e-9), Script(dwell=1e-9)
    for _ in range(count):
        script.tr().rf(pulse).free(tr / 4).read(contrast=0).free(tr / 2, (0, 0, 1000.0)).read(contrast=1).free(tr / 4)
    return script.timeline()


def both(timeline, box, bloch=FINE, pathways=IDEAL):
    return (
        run_pathways(timeline, box, pathways, threads=1).imaging.data[:, 0] / VOXEL,
        simulate(timeline, box, bloch, threads=1).imaging.data[:, 0] / VOXEL,
    )


CASES = {
    "spin echo": (spin_echo(), Box(pools=(pool(1.0, 0.1),), b1=0.9)),
    "echo train 120": (echo_train(np.deg2rad(120)), Box(pools=(pool(0.9, 0.07),), offset=23.0)),
    "echo train 120, repeated": (echo_train(np.deg2rad(120), 6, repetitions=4, tr=0.4), Box(pools=(pool(0.9, 0.2),))),
    "spoiled 117": (spoiled(117), Box(pools=(pool(0.9, 0.06),), offset=30.0)),
    "spoiled 50": (spoiled(50), Box(pools=(pool(0.9, 0.06),))),
    "double echo": (double_echo(), Box(pools=(pool(1.1, 0.2),))),
}


@pytest.mark.parametrize("case", CASES)
def test_pathways_equal_isochromats(case):
    paths, spins = both(*CASES[case])
    # the accuracy asked of both engines, over M0; a share of the largest signal, which is at least 0.07
    assert np.abs(paths - spins).max() < 1e-4 * np.abs(spins).max()


@pytest.mark.parametrize("cycles", [0.0, 0.13, 0.31, 0.5])
def test_balanced_steady_state_equals_isochromats_over_off_resonance(cycles):
    paths, spins = both(balanced(), Box(pools=(pool(0.8, 0.07),), offset=cycles / 5e-3))
    assert np.abs(paths - spins).max() < 1e-4 * np.abs(spins).max()


def test_isochromats_converge_to_the_pathways_as_their_number_grows():
    timeline, box = echo_train(np.deg2rad(120)), Box(pools=(pool(0.9, 0.07),))
    exact = run_pathways(timeline, box, IDEAL).imaging.data
    errors = []
    for count in (16, 32, 64, 128):
        few = simulate(timeline, box, replace(FINE, sub_slices=count)).imaging.data
        errors.append(np.abs(few - exact).max() / np.abs(exact).max())
    # a coherence wound up 4 (2 n) times over the voxel aliases into the signal until the spins outnumber its turns
    assert errors[0] > 1e-2
    assert errors[-1] < 1e-5
    assert all(a >= b for a, b in zip(errors[:-1], errors[1:], strict=True))


def selective():
    """Slice-selective echo train with readout gradients, crushers, phase encoding and a spoiler."""
    steps, dt, slope = 300, 10e-6, 6e-3
    t = (np.arange(steps) + 0.5) / steps - 0.5
    shape = np.sinc(4 * t) * (0.54 + 0.46 * np.cos(2 * np.pi * t))
    gamma_bar = 42.577478518e6
    shape = shape / (2 * np.pi * gamma_bar * dt * shape.sum())
    excite = replace(
        hard_pulse(1.0),
        dt=np.full(steps, dt),
        b1=np.pi / 2 * shape.astype(complex),
        gradient=np.tile([0, 0, slope], (steps, 1)),
        flip=np.pi / 2,
        centre=steps * dt / 2,
    )
    refocus = replace(excite, b1=np.deg2rad(165) * shape.astype(complex), flip=np.deg2rad(165), use="refocusing")
    half = gamma_bar * slope * steps * dt / 2
    script = Script(matrix=(1, 3, 8), samples=8, dwell=10e-6)
    for line in range(3):
        ky = (line - 1) * 150.0
        script.tr().rf(excite, np.pi / 2).free(3e-3, (250.0, 0, 800.0 - half))
        for echo in range(4):
            script.rf(refocus).free(3e-3, (125.0, ky, 800.0)).read((31.25, 0, 0), line=line, contrast=echo)
            script.free(3e-3, (125.0, -ky, 800.0))
        script.free(0.3, (-250.0, 0, 3111.0))
    return script.timeline()


def test_real_profiles_equal_isochromats():
    # edges of the box on edges of cells; points approach the filled cells with the square of their distance
    box = Box(size=(5e-3, 3e-3), pools=(pool(0.6, 0.15), pool(0.3, 0.05, 0.4, shift=-3.4e-6)), offset=17.0, b1=0.93)
    paths = run_pathways(selective(), box, Pathways(subsamples=1, accuracy=1e-6, slab=2.0))
    data = paths.imaging.data
    errors = []
    for subsamples in (9, 27, 81):
        spins = simulate(selective(), box, Bloch(accuracy=1e-6, slab=2.0, subsamples=subsamples)).imaging.data
        errors.append(np.abs(spins - data).max() / np.abs(data).max())
    assert errors[0] / errors[1] == pytest.approx(9, rel=0.1)
    assert errors[2] < 1e-4
    assert paths.history["discretisation_error"] <= 1e-6
    assert paths.history["pruning_bound"] <= 1e-6


def test_gradient_echo_decays_with_t2_star_without_any_spins():
    t2, t2_prime = 0.08, 0.03
    script = Script(dwell=1e-9).tr().rf(EXCITE)
    for _ in range(6):
        script.free(4e-3 - 1e-9).read()
    box = Box(pools=(pool(1.0, t2, t2_prime=t2_prime),), offset=41.0)
    signal = run_pathways(script.timeline(), box, IDEAL).imaging.data[:, 0, 0] / VOXEL
    t = 4e-3 * np.arange(1, 7)
    # times are kept in whole ns
    np.testing.assert_allclose(signal, 1j * np.exp(-t / t2 - t / t2_prime - 2j * np.pi * 41 * t), atol=1e-6)


def test_line_broadening_refocuses_in_a_spin_echo_and_grows_on_the_way_there():
    t2, t2_prime, te = 0.08, 0.03, 20e-3
    script = Script(samples=101, dwell=100e-6).tr().rf(EXCITE, np.pi / 2).free(te / 2, (0, 0, 2000.0)).rf(REFOCUS)
    timeline = script.free(te / 2 - 50.5 * 100e-6, (0, 0, 2000.0)).read().timeline()
    box = Box(pools=(pool(1.0, t2, t2_prime=t2_prime),))
    signal = np.abs(run_pathways(timeline, box, IDEAL).imaging.data[0, 0]) / VOXEL
    away = (np.arange(101) - 50) * 100e-6
    np.testing.assert_allclose(signal, np.exp(-(te + away) / t2 - np.abs(away) / t2_prime), atol=1e-6)


def test_balanced_steady_state_averages_over_the_broadened_line():
    timeline, t2_prime, tr, nodes = balanced(16), 0.02, 5e-3, 128
    broad = run_pathways(timeline, Box(pools=(pool(0.8, 0.07, t2_prime=t2_prime),)), IDEAL).imaging.data[:, 0, 0]
    # the profile repeats itself every 2 / TR, so the Lorentzian line, wrapped around, is Poisson's kernel
    angle = 2 * np.pi * np.arange(nodes) / nodes
    rho = np.exp(-tr / 2 / t2_prime)
    weight = (1 - rho**2) / (1 + rho**2 - 2 * rho * np.cos(angle)) / nodes
    offsets = angle / (np.pi * tr)
    single = replace(FINE, sub_slices=1)
    lines = [simulate(timeline, Box(pools=(pool(0.8, 0.07),), offset=f), single).imaging.data[:, 0, 0] for f in offsets]
    # the kernel's 95th harmonic, which the nodes fold onto the profile's 33rd, is 7e-6
    np.testing.assert_allclose(broad, weight @ np.array(lines), atol=1e-5 * VOXEL)


def test_dropped_states_cost_no_more_than_the_reported_bound():
    for timeline, box in (CASES["spoiled 117"], CASES["echo train 120, repeated"]):
        exact = run_pathways(timeline, box, replace(IDEAL, accuracy=1e-12)).imaging.data / VOXEL
        for accuracy in (1e-2, 1e-4):
            run = run_pathways(timeline, box, replace(IDEAL, accuracy=accuracy))
            error = np.abs(run.imaging.data / VOXEL - exact).max()
            assert 0 < error <= run.history["pruning_bound"] <= accuracy


def test_readout_in_two_directions_equals_isochromats():
    script = Script(matrix=(1, 4, 4), samples=16).tr().rf(hard_pulse(0.9, 2e-9)).free(2e-3, (50.0, -80.0, 400.0))
    timeline = script.rf(REFOCUS).free(2e-3, (0, 0, 400.0)).read((20.0, 33.0, 0)).timeline()
    box = Box(size=(5e-3, 3e-3), offset=12.0)
    paths = run_pathways(timeline, box, IDEAL).imaging.data
    spins = simulate(timeline, box, replace(FINE, subsamples=81)).imaging.data
    assert np.abs(paths - spins).max() < 2e-4 * np.abs(spins).max()  # points a sixteenth of the shortest wave apart


def test_signal_does_not_depend_on_the_number_of_threads():
    box = Box(size=(5e-3, 3e-3), pools=(pool(0.6, 0.15), pool(0.3, 0.05, 0.4, shift=-3.4e-6)))
    one, two = (
        run_pathways(selective(), box, Pathways(subsamples=1, slab=2.0), threads=n).imaging.data for n in (1, 2)
    )
    assert np.array_equal(one, two)


def test_equal_repetitions_are_not_walked_again(monkeypatch):
    from mrsim.simulate import pathways_walk

    played = []
    play = pathways_walk._Walker.play
    monkeypatch.setattr(
        pathways_walk._Walker, "play", lambda self, steps, looking=True: played.append(1) or play(self, steps, looking)
    )
    long = run_pathways(spin_echo(1.0, repetitions=64), Box(pools=(pool(0.1, 0.05),)), IDEAL).imaging.data
    assert len(played) <= 6
    assert np.abs(long[5:] - long[-1]).max() < 1e-8 * np.abs(long).max()


def test_unknown_tissues_and_in_plane_pulses_are_refused():
    with pytest.raises(InputError, match="no spins of 'cartilage'"):
        run_pathways(spin_echo(), Box(), replace(IDEAL, diffusion={"cartilage": 1e-9}))
    slanted = replace(EXCITE, gradient=np.tile([1e-3, 0, 0], (1, 1)))
    timeline = Script().tr().rf(slanted).read().timeline()
    with pytest.raises(InputError, match="in-plane gradient plays during an RF pulse"):
        run_pathways(timeline, Box(), Pathways(subsamples=1, slab=1.0))


def test_single_precision_costs_less_than_a_millionth_of_the_magnetisation():
    box = Box(pools=(pool(0.9, 0.2),), offset=23.0)
    errors = []
    for timeline in (echo_train(np.deg2rad(120), 12, repetitions=2, tr=0.4), balanced(24)):
        engine = replace(IDEAL, accuracy=1e-9)
        double, single = (
            run_pathways(timeline, box, replace(engine, precision=name)).imaging.data / VOXEL
            for name in ("double", "single")
        )
        errors.append(np.abs(single - double).max())
    assert 0 < max(errors) < 1e-6


def test_stated_error_is_no_less_than_the_true_one_and_falls_with_the_points():
    box = Box(pools=(pool(0.6, 0.15),), offset=17.0, b1=0.93)
    engine = Pathways(subsamples=1, slab=2.0, accuracy=1e-9)
    exact = run_pathways(selective(), box, replace(engine, sub_slices=320)).imaging.data
    largest = np.abs(exact).max()
    true, stated = [], []
    for count in (40, 64, 96):
        run = run_pathways(selective(), box, replace(engine, sub_slices=count))
        # the signal's share of the largest sample against the engine's share of M0, which is more
        true.append(np.abs(run.imaging.data - exact).max() / largest)
        stated.append(run.history["discretisation_error"] / 0.2)
    assert all(t <= s for t, s in zip(true, stated, strict=True))
    assert true[0] > 10 * true[2]


def test_stated_error_of_the_cells_is_that_of_the_image():
    """Lines of k-space, each from equilibrium, of a box whose edges cut through cells."""
    lines, voxel = 8, 1e-3
    script = Script(matrix=(1, lines, lines), samples=lines, dwell=1e-9)
    step = 1 / (lines * voxel)
    for line in range(lines):
        start = np.array([-(lines + 1) / 2, line - lines // 2, 0.0]) * step
        script.tr().rf(EXCITE).free(1e-6, start).read((step, 0, 0)).free(20.0, (0, 0, 3e4))
    timeline = script.timeline()
    box = Box(size=(4.37e-3, 2.71e-3), centre=(0.4e-3, -0.3e-3), pools=(pool(1.0, 0.1),))

    def image(subsamples):
        run = run_pathways(timeline, box, Pathways(profile="ideal", subsamples=subsamples, slab=1.0))
        data = run.imaging.data[:, 0] / (voxel**2 * 4e-3)
        return np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(data))), run.history["in_plane_error"]

    exact, _ = image(64)
    for subsamples in (4, 8):
        found, stated = image(subsamples)
        true = np.abs(found - exact).max()  # the density is 1
        assert stated / 10 < true < 2 * stated
        assert true > 1e-4
