"""Whole sequences on hand-made timelines: steady states, echo trains, invariants, and reuse against brute force."""

from dataclasses import replace

import numpy as np
import pytest
from objects import GAMMA_BAR, Box, Script, hard_pulse, pool
from reference import epg_cpmg, epg_spoiled

from mrsim.core.errors import InputError
from mrsim.simulate import Bloch, simulate
from mrsim.simulate.bloch import run_bloch
from mrsim.simulate.pulse_maps import Relaxation, ideal_maps

EXCITE, REFOCUS = hard_pulse(np.pi / 2, 2e-9), hard_pulse(np.pi, 2e-9, use="refocusing")
VOXEL = 1e-3 * 1e-3 * 4e-3  # of the script's 1 x 1 x 4 mm voxel
ONE = Bloch(subsamples=1, slab=1.0)
"""One place in the plane, the slab as thick as the slice: signal / VOXEL is the mean magnetisation."""


def cpmg(flip, echoes, esp=10e-3, repetitions=1, tr=None, crusher=1000.0, read=0.0, dwell=1e-9):
    refocus = hard_pulse(flip, 2e-9, use="refocusing")
    script = Script(samples=1, dwell=dwell)
    half = esp / 2 - 2e-9
    for _ in range(repetitions):
        script.tr().rf(EXCITE, np.pi / 2).free(half, (read, 0, crusher))
        for echo in range(echoes):
            script.rf(refocus).free(half - dwell, (read, 0, crusher)).read(contrast=echo).free(half, (read, 0, crusher))
        if tr:
            script.free(tr - (2 * echoes + 1) * (half + 2e-9), (0, 0, 3.7 * crusher))
    return script.timeline()


def amplitudes(timeline, box, engine=ONE):
    return np.abs(simulate(timeline, box, engine, threads=1).imaging.data[:, 0, 0]) / VOXEL


def test_cpmg_without_relaxation_follows_the_closed_forms():
    signal = amplitudes(cpmg(np.deg2rad(120), 60), Box(pools=(pool(1e9, 1e9),)), replace(ONE, sub_slices=400))
    np.testing.assert_allclose(signal[:5], [0.75, 0.9375, 0.84375, 0.85546875, 0.884765625], atol=1e-8)
    assert signal[-10:].mean() == pytest.approx(np.sin(np.deg2rad(60)), abs=2e-3)  # plateau, still ringing a little


@pytest.mark.parametrize(
    ("b1", "echoes"),
    [
        (0.9, (0.87183, 0.81180, 0.71451, 0.66651)),
        (0.8, (0.77838, 0.78423, 0.65022, 0.63650)),
        (0.7, (0.64005, 0.72099, 0.57581, 0.55935)),
    ],
)
def test_cpmg_with_low_refocusing_flips_gives_the_tabulated_echoes(b1, echoes):
    # the table's excitation is scaled by B1 as well
    signal = amplitudes(cpmg(np.pi, 16), Box(pools=(pool(1.0, 0.1),), b1=b1))
    np.testing.assert_allclose(signal[:4], echoes, atol=1e-5)  # five digits are given


@pytest.mark.parametrize("flip", [60, 120, 155])
def test_isochromats_equal_the_extended_phase_graph(flip):
    # time is kept in whole nanoseconds, which shifts each echo by up to 4 ns of 10 ms
    signal = amplitudes(cpmg(np.deg2rad(flip), 12), Box(pools=(pool(0.9, 0.07),)))
    np.testing.assert_allclose(signal, np.abs(epg_cpmg([np.deg2rad(flip)] * 12, 10e-3, 0.9, 0.07)), atol=1e-6)


def test_ideal_cpmg_decays_with_t2():
    signal = amplitudes(cpmg(np.pi, 12), Box(pools=(pool(1.0, 0.084),)))
    np.testing.assert_allclose(signal, np.exp(-10e-3 * np.arange(1, 13) / 0.084), atol=1e-6)


def test_stimulated_echo_of_three_pulses():
    a = np.deg2rad([70, 50, 40])
    tau, mixing, t1, t2 = 5e-3, 30e-3, 0.8, 0.09
    script = (
        Script(dwell=1e-9).tr().rf(hard_pulse(a[0], 2e-9)).free(tau - 2e-9, (0, 0, 3000.0)).rf(hard_pulse(a[1], 2e-9))
    )
    script.free(mixing - 2e-9, (0, 0, 17000.0)).rf(hard_pulse(a[2], 2e-9)).free(tau - 2e-9, (0, 0, 3000.0)).read()
    signal = amplitudes(script.timeline(), Box(pools=(pool(t1, t2),)), replace(ONE, sub_slices=1000))
    expected = 0.5 * np.prod(np.sin(a)) * np.exp(-mixing / t1 - 2 * tau / t2)
    assert signal[0] == pytest.approx(expected, rel=1e-6)


def spin_echo(tr, te, repetitions, dwell=1e-9):
    script = Script(dwell=dwell)
    for _ in range(repetitions):
        script.tr().rf(EXCITE, np.pi / 2).free(te / 2 - 2e-9, (0, 0, 2000.0)).rf(REFOCUS)
        script.free(te / 2 - 2e-9, (0, 0, 2000.0)).read().free(tr - te, (0, 0, 5233.0))
    return script.timeline()


@pytest.mark.parametrize(("tr", "te", "expected"), [(0.5, 0.01, 0.350524), (2.0, 0.08, 0.383555), (4.0, 0.1, 0.360450)])
def test_spin_echo_reaches_its_steady_state(tr, te, expected):
    # six digits are given; residual transverse coherence (e^-TR/T2 = 0.7 % at TR 0.5) is crushed
    signal = amplitudes(spin_echo(tr, te, 12), Box(pools=(pool(1.0, 0.1),)), replace(ONE, accuracy=1e-6))
    assert signal[-1] == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize(
    ("flip", "expected", "stopped"),
    [(30, 0.159881, 0.009555), (50, 0.150588, 0.005494), (70, 0.121607, 0.003659)],
)
def test_balanced_steady_state_follows_freeman_and_hill(flip, expected, stopped):
    tr, t1, t2 = 5e-3, 1.0, 0.1
    pulse, half = hard_pulse(np.deg2rad(flip), 2e-9), hard_pulse(np.deg2rad(flip / 2), 2e-9)
    script = Script(dwell=1e-9).tr().rf(half).free(tr / 2 - 2e-9)
    for n in range(1600):
        script.tr().rf(pulse, np.pi * ((n + 1) % 2)).read().free(tr - 3e-9)
    off = np.array([0.0, 0.25, 0.5]) / tr
    for cycle, offset in zip((0.0, 0.25, 0.5), off, strict=True):
        signal = amplitudes(script.timeline(), Box(pools=(pool(t1, t2),), offset=offset), replace(ONE, sub_slices=1))[
            -1
        ]
        e1, e2, a, phi = np.exp(-tr / t1), np.exp(-tr / t2), np.deg2rad(flip), 2 * np.pi * cycle + np.pi
        below = (1 - e1 * np.cos(a)) * (1 - e2 * np.cos(phi)) - e2 * (e1 - np.cos(a)) * (e2 - np.cos(phi))
        profile = (1 - e1) * np.sin(a) * np.sqrt(1 - 2 * e2 * np.cos(phi) + e2**2) / below
        assert signal == pytest.approx(profile, rel=2e-5)
        if cycle != 0.25:  # B-2: pass band and stop band
            assert signal == pytest.approx(expected if cycle == 0 else stopped, abs=2e-6)


def test_inversion_recovery_crosses_zero_at_t1_ln2():
    inversion = hard_pulse(np.pi, 2e-9, use="inversion")
    times = np.array([0.6931, 0.69315, 0.6932]) - 4e-9
    signal = []
    for ti in times:
        script = Script(dwell=1e-9).tr().rf(inversion).free(ti, (0, 0, 5000.0)).rf(EXCITE).read()
        signal.append(simulate(script.timeline(), Box(pools=(pool(1.0, 0.1),)), ONE).imaging.data[0, 0, 0].imag / VOXEL)
    # recovery 1 - 2 exp(-TI/T1) along the direction of the excitation
    np.testing.assert_allclose(signal, 1 - 2 * np.exp(-times), atol=1e-7)
    assert signal[0] < 0 < signal[2]


def test_scaling_all_times_and_fields_leaves_the_signal():
    def scaled(factor):
        pulse = hard_pulse(np.deg2rad(130), 1e-3 * factor, steps=50, use="refocusing")
        pulse = replace(pulse, gradient=np.tile([0, 0, 10e-3 / factor], (50, 1)))
        script = Script(samples=8, dwell=20e-6 * factor).tr().rf(hard_pulse(1.3, 0.5e-3 * factor, steps=25), 0.4)
        for _ in range(4):
            script.free(6e-3 * factor, (300.0, 0, 900.0)).rf(pulse).free(5e-3 * factor, (300.0, 0, 900.0)).read(
                (25.0, 0, 0)
            )
        return script.timeline()

    def box(factor):
        return Box(pools=(pool(0.9 * factor, 0.06 * factor, t2_prime=0.03 * factor),), offset=40 / factor)

    engine = Bloch(slab=2.0, subsamples=4, sub_slices=128)
    one = simulate(scaled(1), box(1), engine).imaging.data
    two = simulate(scaled(2), box(2), engine).imaging.data
    np.testing.assert_allclose(two, one, atol=1e-10 * np.abs(one).max())


def test_two_half_objects_add_up_to_the_whole():
    timeline = cpmg(np.deg2rad(140), 4, read=300.0, dwell=4e-6)
    timeline = replace(
        timeline, encoding=replace(timeline.encoding, grid=replace(timeline.encoding.grid, shape=(1, 8, 8)))
    )
    engine = Bloch(slab=2.0, subsamples=2, sub_slices=256)
    whole = simulate(timeline, Box(size=(8e-3, 6e-3)), engine).imaging.data
    # the halves meet between two cells of the sampling grid, whose edges lie at odd multiples of a quarter pixel
    edge = 0.25e-3
    left = simulate(timeline, Box(size=(4e-3 + edge, 6e-3), centre=(-2e-3 + edge / 2, 0)), engine).imaging.data
    right = simulate(timeline, Box(size=(4e-3 - edge, 6e-3), centre=(2e-3 + edge / 2, 0)), engine).imaging.data
    np.testing.assert_allclose(left + right, whole, atol=1e-12 * np.abs(whole).max())


def test_receiver_phase_undoes_the_phase_of_the_pulse():
    def scan(phase):
        return Script(samples=4).tr().rf(hard_pulse(0.7), phase).free(1e-3).read((30, 0, 0), phase=phase).timeline()

    reference = simulate(scan(0.0), Box(), ONE).imaging.data
    for phase in (0.3, 1.9, -2.5):
        np.testing.assert_allclose(simulate(scan(phase), Box(), ONE).imaging.data, reference, atol=1e-14 * VOXEL)


def selective_cpmg(repetitions=3, echoes=4):
    """Slice-selective CPMG with read gradients, crushers, rewound phase encoding and a spoiler."""
    steps, dt, slope = 300, 10e-6, 6e-3
    t = (np.arange(steps) + 0.5) / steps - 0.5
    shape = np.sinc(4 * t) * (0.54 + 0.46 * np.cos(2 * np.pi * t))
    shape = shape / (2 * np.pi * GAMMA_BAR * dt * shape.sum())
    gradient = np.tile([0, 0, slope], (steps, 1))
    base = hard_pulse(1.0)
    excite = replace(
        base,
        dt=np.full(steps, dt),
        b1=np.pi / 2 * shape.astype(complex),
        gradient=gradient,
        flip=np.pi / 2,
        centre=steps * dt / 2,
    )
    refocus = replace(excite, b1=np.deg2rad(165) * shape.astype(complex), flip=np.deg2rad(165), use="refocusing")
    half = GAMMA_BAR * slope * steps * dt / 2
    script = Script(matrix=(1, repetitions, 8), samples=8, dwell=10e-6)
    for line in range(repetitions):
        ky = (line - 1) / 3e-3
        script.tr().rf(excite, np.pi / 2).free(3e-3, (250.0, 0, 800.0 - half))
        for echo in range(echoes):
            script.rf(refocus).free(3e-3, (125.0, ky, 800.0)).read((31.25, 0, 0), line=line, contrast=echo)
            script.free(3e-3, (125.0, -ky, 800.0))
        script.free(0.3, (-250.0, 0, 3111.0))
    return script.timeline()


BRICK = Box(
    size=(5e-3, 2.4e-3),
    pools=(pool(0.6, 0.15, t2_prime=0.02), pool(0.3, 0.05, 0.4, shift=-3.4e-6)),
    offset=17.0,
    b1=0.93,
)


def test_reuse_through_the_slice_equals_spin_by_spin():
    timeline = selective_cpmg()
    fixed = Bloch(slab=2.0, subsamples=2, sub_slices=90, accuracy=1e-8, rf_step=10e-6)
    reused, plain = (simulate(timeline, BRICK, replace(fixed, reuse=reuse)) for reuse in (True, False))
    assert reused.history["reuse"] == "through the slice"
    assert plain.history["reuse"] == "reuse is switched off"
    np.testing.assert_allclose(reused.imaging.data, plain.imaging.data, atol=1e-10 * np.abs(plain.imaging.data).max())


def test_reuse_is_refused_when_in_plane_moments_have_no_common_divisor():
    script = Script(samples=2)
    script.tr().rf(hard_pulse(1.0)).free(1e-3, (100.0, 0, 0)).rf(hard_pulse(1.0)).free(1e-3, (100 * np.sqrt(2), 0, 0))
    script.rf(hard_pulse(0.5)).read((10, 0, 0))
    raw = simulate(script.timeline(), Box(), Bloch(slab=2.0, subsamples=3, sub_slices=8))
    assert "no common divisor" in raw.history["reuse"]


def test_a_gradient_that_moves_in_y_during_the_readout_equals_spin_by_spin():
    script = Script(matrix=(1, 4, 4), samples=16).tr().rf(hard_pulse(0.9)).free(2e-3, (50.0, -80.0, 400.0)).rf(REFOCUS)
    timeline = script.free(2e-3, (0, 0, 400.0)).read((20.0, 33.0, 0)).timeline()
    engine = Bloch(slab=2.0, subsamples=2, sub_slices=64)
    reused, plain = (simulate(timeline, BRICK, replace(engine, reuse=r)).imaging.data for r in (True, False))
    np.testing.assert_allclose(reused, plain, atol=1e-11 * np.abs(plain).max())


def test_signal_does_not_depend_on_the_number_of_threads():
    timeline = selective_cpmg()
    for reuse in (True, False):
        engine = Bloch(slab=2.0, subsamples=5, sub_slices=90, reuse=reuse)
        one, two = (run_bloch(timeline, BRICK, engine, threads=n).imaging.data for n in (1, 2))
        assert np.array_equal(one, two)


def test_single_precision_stays_within_its_stated_error():
    timeline = selective_cpmg()
    for reuse in (True, False):
        engine = Bloch(slab=2.0, subsamples=2, sub_slices=90, reuse=reuse)
        double, single = (
            simulate(timeline, BRICK, replace(engine, precision=p)).imaging.data for p in ("double", "single")
        )
        assert np.abs(single - double).max() < 1e-4 * np.abs(double).max()  # design section 9: 1e-4 in single precision


def test_through_slice_refinement_reaches_the_accuracy_that_it_reports():
    timeline = selective_cpmg(repetitions=2, echoes=6)
    exact = simulate(
        timeline, BRICK, Bloch(slab=2.0, subsamples=2, sub_slices=3000, accuracy=1e-9, rf_step=10e-6)
    ).imaging.data
    raw = simulate(timeline, BRICK, Bloch(slab=2.0, subsamples=2, accuracy=1e-4))
    assert raw.history["discretisation_error"] <= 1e-4
    assert np.abs(raw.imaging.data - exact).max() < 3e-4 * np.abs(exact).max()
    coarse = simulate(timeline, BRICK, Bloch(slab=2.0, subsamples=2, sub_slices=64)).imaging.data
    assert np.abs(coarse - exact).max() > 1e-2 * np.abs(exact).max()  # 64 sub-slices alias the crushers


def test_spin_lock_in_an_ideal_slice_relaxes_while_it_plays():
    """A lock along x of 20 ms: what lies along it decays with T2, whatever the slice; a flip alone would keep it."""
    lock, t2 = hard_pulse(2 * np.pi * 8, 20e-3, use="preparation", steps=40), 0.05
    timeline = Script(dwell=1e-9).tr().rf(lock).free(1e-3).timeline()
    spin = Relaxation(r1=1.0, r2=1 / t2, offset=0.0, b1=1.0)
    found = ideal_maps(timeline.pulses, timeline, np.zeros(1), spin)[0, 0, 0, 0]
    assert found == pytest.approx(np.exp(-20e-3 / t2), rel=1e-4)


def test_ideal_slice_returns_the_nominal_flips():
    signal = simulate(
        selective_cpmg(),
        replace(BRICK, b1=1.0, offset=0.0, pools=(pool(0.6, 0.15),)),
        Bloch(slab=2.0, subsamples=2, ideal_slice=True),
    ).imaging
    line = signal.labels["line"] == 1
    centre = np.abs(signal.data[line, 0]).max(axis=1)
    assert np.all(np.diff(centre) < 0.05 * centre[0])  # flips of 165 degrees: close to a plain decay
    assert centre[0] > 0


def test_t2_prime_decays_in_a_gradient_echo_and_refocuses_in_a_spin_echo():
    t2, t2_prime = 0.08, 0.03
    box = Box(pools=(pool(1.0, t2, t2_prime=t2_prime),))
    script = Script(dwell=1e-9).tr().rf(EXCITE)
    for _ in range(6):
        script.free(4e-3 - 1e-9).read()
    free = simulate(script.timeline(), box, replace(ONE, t2_prime_accuracy=1e-2))
    t = 4e-3 * np.arange(1, 7)
    stated = free.history["t2_prime_error"]
    assert stated <= 1e-2
    np.testing.assert_allclose(
        np.abs(free.imaging.data[:, 0, 0]) / VOXEL, np.exp(-t / t2 - t / t2_prime), atol=1.1 * stated
    )
    echo = simulate(spin_echo(1.0, 0.02, 1), box, ONE)
    assert np.abs(echo.imaging.data[0, 0, 0]) / VOXEL == pytest.approx(np.exp(-0.02 / t2), abs=2e-4)


@pytest.mark.parametrize("increment", [117, 50, 0])
def test_spoiled_gradient_echo_equals_the_phase_graph_for_any_phase_increment(increment):
    flip, tr, t1, t2, count = np.deg2rad(15), 8e-3, 0.9, 0.06, 120
    pulse, phase = hard_pulse(flip, 2e-9), np.deg2rad(increment)
    script = Script(dwell=1e-9)
    for n in range(count):
        angle = phase * n * (n + 1) / 2
        script.tr().rf(pulse, angle).read(phase=angle).free(tr - 3e-9, (0, 0, 1000.0))
    raw = simulate(script.timeline(), Box(pools=(pool(t1, t2),)), replace(ONE, accuracy=1e-5))
    signal = raw.imaging.data[:, 0, 0] / VOXEL
    reference = epg_spoiled(flip, phase, tr, t1, t2, count)
    np.testing.assert_allclose(signal, reference, atol=1e-5)
    ernst = np.sin(flip) * (1 - np.exp(-tr / t1)) / (1 - np.exp(-tr / t1) * np.cos(flip))
    if increment == 117:  # close to ideal spoiling, and no closer: the residual is physics
        assert 1e-3 < abs(np.abs(signal[-20:]).mean() / ernst - 1) < 0.1


def test_steady_start_is_where_endless_repetitions_lead():
    timeline = selective_cpmg(repetitions=40)
    box = replace(BRICK, pools=(pool(0.6, 0.25),))
    engine = Bloch(slab=2.0, subsamples=1, sub_slices=96, accuracy=1e-9, rf_step=10e-6)
    transient = simulate(timeline, box, engine).imaging
    steady = simulate(timeline, box, replace(engine, start="steady")).imaging
    last, first = (transient.labels["line"] == 39), (transient.labels["line"] == 0)
    largest = np.abs(steady.data).max()
    np.testing.assert_allclose(steady.data[last], transient.data[last], atol=1e-8 * largest)
    assert np.abs(steady.data[first] - transient.data[first]).max() > 1e-3 * largest


def test_steady_start_is_refused_where_repetitions_differ():
    script, pulse = Script(), hard_pulse(0.5)
    for n in range(3):
        script.tr().rf(pulse).read().free(0.1 + 0.01 * n)
    with pytest.raises(InputError, match="no periodic state: repetition 1 plays something else"):
        simulate(script.timeline(), Box(), replace(ONE, start="steady"))


def test_equal_repetitions_cost_one_walk_and_not_many(monkeypatch):
    from mrsim.simulate import walker

    walked = []
    walk = walker._Walker.walk
    monkeypatch.setattr(walker._Walker, "walk", lambda self, *a: walked.append(1) or walk(self, *a))
    timeline = spin_echo(1.5, 0.02, 256)
    simulate(timeline, Box(pools=(pool(0.1, 0.05),)), replace(ONE, sub_slices=128))
    # four walks: the answer, one with finer sub-slices and two that judge the RF steps; each only until the voxel has
    # recovered to 1e-6
    assert len(walked) <= 4 * 5
    walked.clear()
    simulate(timeline, Box(pools=(pool(4.0, 2.0),)), replace(ONE, sub_slices=128, start="steady"))
    assert len(walked) == 4 * 5  # four walks for the fixed point and one for the signal


def test_every_form_of_readout_equals_the_direct_sum():
    from mrsim.simulate._kernels import bloch as kernels
    from mrsim.simulate.sampling import ANY, CONSTANT, SMOOTH, VERY_SMOOTH, SampleForms
    from mrsim.simulate.steps import turn_series

    rng = np.random.default_rng(4)
    n, samples, dwell = 100, 150, 4e-6
    place = rng.uniform(-0.1, 0.1, (3, n))
    weight = rng.normal(size=(2, n))
    time = (np.arange(samples) + 0.5) * dwell
    angle = np.linspace(0.2, 3, samples)
    line = np.outer(np.arange(samples) + 0.5, [3.0, -2.0, 0.5])
    spiral = 60 * angle[:, None] * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    jumps = rng.normal(size=(samples, 3)) * 20
    reach = np.abs(place).max(axis=1)
    shapes = (
        (line, CONSTANT, CONSTANT),
        (1.6 * spiral, SMOOTH, SMOOTH),
        (0.45 * spiral, VERY_SMOOTH, SMOOTH),  # close to the largest bend of the short series in either precision
        (0.28 * spiral, VERY_SMOOTH, VERY_SMOOTH),
        (jumps, ANY, ANY),
    )
    for moment, *form in shapes:
        turns = moment @ place + 70.0 * time[:, None]
        decay = np.exp(-30.0 * (time - time[0]))
        expected = ((weight[0] + 1j * weight[1]) * np.exp(-2j * np.pi * turns)).sum(axis=1) * decay
        # single precision: the phase of 48 recurrence steps and moments of a few hundred cycles per metre
        for dtype, tolerance, expected_form in ((np.float64, 1e-12, form[0]), (np.float32, 5e-5, form[1])):
            forms = SampleForms.of(moment[None], reach, dtype)
            assert forms.form[0] == expected_form
            out = np.zeros((2, samples), dtype)
            kernels.column_readout(
                forms.form[0],
                weight.astype(dtype),
                place.astype(dtype),
                dtype(70.0),
                dtype(np.exp(-30.0 * dwell)),
                forms.moment[0],
                forms.stride[0],
                forms.bends[0],
                time.astype(dtype),
                turn_series(dtype),
                out,
            )
            assert np.abs(out[0] + 1j * out[1] - expected).max() < tolerance * np.abs(expected).max()


def test_spoiler_that_winds_whole_cycles_from_spin_to_spin_is_named():
    def scan(cycles):
        script = Script().tr().rf(hard_pulse(0.5)).read().free(1e-3, (0, 0, cycles * 60 / 4e-3))
        raw = simulate(script.timeline(), Box(), replace(ONE, sub_slices=60))
        return [text for text in raw.history["warnings"] if "from spin to spin" in text]

    assert "along z winds 1.00 cycles" in scan(1.0)[0]
    assert scan(0.4) == []


@pytest.mark.parametrize("reuse", [True, False])
def test_rf_steps_and_spins_are_refined_until_the_stated_error_holds(reuse):
    pulse = hard_pulse(2.0, 4e-3, steps=2)  # 2 ms steps on a T2 of 3 ms: relaxation within a step matters
    script = Script(samples=4).tr().rf(pulse).free(1e-3, (0, 0, 9e3)).rf(pulse, 0.3).free(1e-3, (0, 0, 9e3)).read()
    timeline, box = script.timeline(), Box(pools=(pool(0.02, 3e-3),))
    engine = replace(ONE, reuse=reuse, accuracy=1e-4)
    raw = simulate(timeline, box, engine)
    exact = simulate(timeline, box, replace(ONE, reuse=reuse, rf_step=4e-6, sub_slices=1500)).imaging.data
    assert raw.history["rf_substeps"] > 1
    assert raw.history["rf_step_error"] <= 0.25e-4
    assert raw.history["discretisation_error"] <= 1e-4
    stated = raw.history["rf_step_error"] + raw.history["discretisation_error"]
    assert np.abs(raw.imaging.data - exact).max() <= stated * VOXEL
    coarse = simulate(timeline, box, replace(engine, rf_step=2e-3, sub_slices=1500))
    assert np.abs(coarse.imaging.data - exact).max() > 1e-3 * VOXEL
    # the error of the scanner's own steps is stated too; Richardson's rule holds to leading order, here within 5 %
    assert coarse.history["rf_step_error"] * VOXEL == pytest.approx(np.abs(coarse.imaging.data - exact).max(), rel=0.05)


def test_t2_prime_in_a_balanced_sequence_averages_the_profile_over_the_line():
    flip, tr, t1, t2, t2_prime, count = np.deg2rad(40), 8e-3, 0.3, 0.05, 0.02, 150
    pulse, half = hard_pulse(flip, 2e-9), hard_pulse(flip / 2, 2e-9)
    script = Script(dwell=1e-9).tr().rf(half).free(tr / 2 - 2e-9)
    for n in range(count):
        script.tr().rf(pulse, np.pi * ((n + 1) % 2)).read().free(tr - 3e-9)
    box = Box(pools=(pool(t1, t2, t2_prime=t2_prime),))
    raw = simulate(script.timeline(), box, replace(ONE, sub_slices=1))
    signal = np.abs(raw.imaging.data[-1, 0, 0]) / VOXEL
    # Freeman and Hill right after the pulse, complex, over a Lorentzian line: periodic in the phase per repetition,
    # so that its Fourier coefficients c_n decay by exp(-|n| TR / T2')
    phi = 2 * np.pi * np.arange(512) / 512
    e1, e2 = np.exp(-tr / t1), np.exp(-tr / t2)
    turn = phi + np.pi  # the pulses alternate
    below = (1 - e1 * np.cos(flip)) * (1 - e2 * np.cos(turn)) - e2 * (e1 - np.cos(flip)) * (e2 - np.cos(turn))
    profile = (1 - e1) * np.sin(flip) * (1 - e2 * np.exp(-1j * turn)) / below
    coefficients = np.fft.fft(profile) / 512
    n = np.abs(np.rint(np.fft.fftfreq(512) * 512))
    expected = abs(np.sum(coefficients * np.exp(-n * tr / t2_prime)))
    # the stated error is that of each coefficient's decay; 1e-4 of M0 is left of the transient
    stated = raw.history["t2_prime_error"] * np.abs(coefficients).sum()
    assert abs(signal - expected) < stated + 1e-4
    assert abs(abs(coefficients.sum()) - expected) > 2 * stated  # T2' matters here
