"""Bloch kernels, line by line, against Rodrigues' formula and sums of exponentials spin by spin."""

import numpy as np
import pytest

from mrsim.simulate._kernels import bloch as kernels
from mrsim.simulate.sampling import LARGEST_BEND, SLIGHT_BEND, SMOOTH, VERY_SMOOTH, SampleForms
from mrsim.simulate.steps import _in_own_frames, rotation_series, turn_series

N = 5
ROUND = {np.float64: 3e-14, np.float32: 2e-6}
"""Of sums of a few terms of order one: round-off and the series' own error (2e-15 and 5e-8 each)."""
DTYPES = (np.float64, np.float32)


def rotated(m, half):
    """Turn m (3, n) by twice the vectors half (3, n)."""
    size = np.linalg.norm(half, axis=0)
    n = half / np.where(size > 0, size, 1)
    along, angle = np.sum(n * m, axis=0), 2 * size
    return m * np.cos(angle) + np.cross(n, m, axis=0) * np.sin(angle) + n * along * (1 - np.cos(angle))


def summed(w, place, offset, decay, moment, time):
    """Return (2, samples): the sum over spins of w exp(-2 pi i (moment . place + offset time)) decay^sample."""
    turns = moment @ place + np.outer(time, offset)
    power = decay ** np.arange(len(time))[:, None]
    found = np.sum(w * np.exp(-2j * np.pi * turns) * power, axis=1)
    return np.stack([found.real, found.imag])


def spins(rng, dtype, components=3):
    """Return weight (complex), place, offset (Hz), decay per sample of a few spins; and the arrays of their type."""
    w = rng.normal(size=N) + 1j * rng.normal(size=N)
    place, offset, decay = rng.uniform(-1, 1, (components, N)), rng.uniform(-30, 30, N), rng.uniform(0.97, 0.999, N)
    return w, place.astype(dtype), offset.astype(dtype), decay.astype(dtype)


def framed(fields):
    """Return the rows of `PulseTable.b1` of (2, step) fields."""
    return np.concatenate([fields, _in_own_frames(fields[0] + 1j * fields[1])]).astype(fields.dtype)


def parts(w, dtype):
    return w.real.astype(dtype), w.imag.astype(dtype)


def close(found, wanted, dtype, factor=1.0):
    np.testing.assert_allclose(found, wanted, atol=factor * ROUND[dtype], rtol=0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("short", "largest"), [(False, 0.5), (True, 0.1)])
def test_steps_turn_and_relax(dtype, short, largest):
    rng = np.random.default_rng(1)
    m = rng.uniform(-1, 1, (3, N)).astype(dtype)
    place = rng.uniform(-1, 1, (3, N)).astype(dtype)
    b1, offset = rng.uniform(0.8, 1.0, N).astype(dtype), (largest * rng.uniform(-0.4, 0.4, N)).astype(dtype)
    e1, e2, recovery = (rng.uniform(0.5, 1, N).astype(dtype) for _ in range(3))
    fields = (largest * np.array([[9, 0.6, -0.3, 9], [9, -0.35, 0.55, 9]])).astype(dtype)
    slopes = (largest * np.array([[9, 0.1, -0.2, 9], [9, 0.15, 0.1, 9], [9, -0.1, 0.2, 9]])).astype(dtype)
    wanted, most = m.astype(float), 0.0
    for k in (1, 2):
        half = np.stack([fields[0, k] * b1, fields[1, k] * b1, offset + slopes[:, k] @ place]).astype(float)
        most = max(most, np.linalg.norm(half, axis=0).max())
        x, y, z = rotated(wanted, half)
        wanted = np.stack([e2 * x, e2 * y, recovery + e1 * z])
    assert 0.7 * largest < most <= largest
    arguments = (place, offset, b1, e1, e2, recovery, framed(fields), slopes, 1, 3, short, rotation_series(dtype))
    kernels.rf_steps(m, *arguments)
    close(m, wanted, dtype)


@pytest.mark.parametrize(("short", "largest"), [(False, 0.5), (True, 0.1)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_largest_angle_of_a_step_has_every_term_of_the_series(dtype, short, largest):
    """Each axis alone at the largest half angle: the last term of the series is beyond the tolerance."""
    one, none = np.ones(1, dtype), np.zeros(1, dtype)
    bound = {(np.float64, False): 4e-15, (np.float64, True): 2e-14, (np.float32, False): 3e-7, (np.float32, True): 3e-7}
    for axis in range(3):
        half = np.zeros((3, 1))
        half[axis] = largest
        m = np.array([[0.6], [-0.3], [0.7]], dtype)
        wanted = rotated(m.astype(float), half)
        fields = np.zeros((2, 1), dtype)
        if axis < 2:
            fields[axis] = largest
        offset = np.full(1, largest if axis == 2 else 0.0, dtype)
        slopes, place = np.zeros((3, 1), dtype), np.zeros((3, 1), dtype)
        arguments = (place, offset, one, one, one, none, framed(fields), slopes, 0, 1, short, rotation_series(dtype))
        kernels.rf_steps(m, *arguments)
        np.testing.assert_allclose(m, wanted, atol=bound[dtype, short], rtol=0)


def test_ramped_steps_have_every_term_of_the_series_too():
    one, none, work = np.ones(1), np.zeros(1), np.empty((3, 1))
    for axis in range(3):
        half, fields = np.zeros((3, 1)), np.zeros((2, 1))
        half[axis] = 0.5
        if axis < 2:
            fields[axis] = 0.5
        m = np.array([[0.6], [-0.3], [0.7]])
        wanted, offset, place, slopes = rotated(m, half), np.full(1, half[2, 0]), np.zeros((3, 1)), np.zeros((6, 1))
        series = rotation_series(np.float64)
        kernels.rf_ramped(m, place, offset, one, one, one, none, fields, slopes, 0, 1, work, series)
        np.testing.assert_allclose(m, wanted, atol=4e-15, rtol=0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_phasors_of_any_angle(dtype):
    turns = np.concatenate([np.linspace(-0.5, 0.5, 21), [1.37, -3.81, 0.4999]]).astype(dtype)
    real, imag, series = np.empty_like(turns), np.empty_like(turns), turn_series(dtype)
    kernels.phasors(turns, real, imag, series)
    exact = np.exp(-2j * np.pi * turns.astype(float))
    tolerance = 5e-15 if dtype is np.float64 else 8e-7
    np.testing.assert_allclose(real + 1j * imag, exact, atol=tolerance, rtol=0)
    for turn, one in zip(turns, exact, strict=True):
        c, s = kernels.phasor(turn, series[0], series[4], series[2, 0], dtype is np.float32, True)
        assert abs(c - 1j * s - one) < (5e-15 if dtype is np.float64 else 5e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_phasors_of_small_angles(dtype):
    series = turn_series(dtype)
    for turn in LARGEST_BEND * np.array([-1, -0.7, 0.0, 0.4, 1], dtype):
        c, s = kernels.small_phasor(dtype(turn), series[2][:5], series[3][:5], dtype is np.float32)
        assert abs(c + 1j * s - np.exp(2j * np.pi * float(turn))) < {np.float64: 2e-15, np.float32: 1e-7}[dtype]


def test_projection_counts_every_component():
    rng = np.random.default_rng(2)
    moment, place, offset = rng.normal(size=5), rng.normal(size=(5, N)), rng.normal(size=N)
    out = np.full(N, 7.0)
    kernels.project(moment, place, offset, 0.3, out)
    close(out, moment @ place + 0.3 * offset, np.float64)


def test_ramped_steps_follow_a_field_that_changes_within_them():
    """Against a thousand steps of constant field each: fourth order, so 1e-5 where the second would leave 1e-2."""
    rng, n = np.random.default_rng(3), 4
    place, m = rng.uniform(-1, 1, (4, n)), rng.uniform(-1, 1, (3, n))
    b1, offset = rng.uniform(0.7, 1.2, n), rng.uniform(-0.05, 0.05, n)
    e1, e2, recovery = (rng.uniform(0.6, 1, n) for _ in range(3))
    fields = np.array([[9.0, 0.1, -0.08], [9.0, 0.07, 0.12]])
    mean, change = 0.06 * rng.normal(size=(4, 3)), 0.1 * rng.normal(size=(4, 3))
    wanted, exact = m.copy(), m.copy()
    for k in (1, 2):
        along, rise = mean[:, k] @ place + offset, change[:, k] @ place
        h0 = np.stack([fields[0, k] * b1, fields[1, k] * b1, along])
        h1 = np.stack([0 * rise, 0 * rise, rise])
        count = 1000
        for j in range(count):
            part = h0 + h1 * ((j + 0.5) / count - 0.5)
            wanted = rotated(wanted, part / count)
        exact = rotated(exact, h0 + np.cross(h1, h0, axis=0) / 6)
        for state in (wanted, exact):
            state[:] = np.stack([e2 * state[0], e2 * state[1], recovery + e1 * state[2]])
    gradient = np.concatenate([mean, change])
    work = np.empty((3, n))
    kernels.rf_ramped(m, place, offset, b1, e1, e2, recovery, fields, gradient, 1, 3, work, rotation_series(np.float64))
    assert np.abs(m - wanted).max() < 2e-4
    close(m, exact, np.float64)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("samples", [1, 4, 71, 130])
def test_readout_under_a_constant_gradient(dtype, samples):
    rng = np.random.default_rng(4)
    w, _, _, decay = spins(rng, dtype)
    turns, step = rng.uniform(-1, 1, N).astype(dtype), rng.uniform(-0.1, 0.1, N).astype(dtype)
    out = np.ones((2, samples), dtype)
    wr, wi = parts(w, dtype)
    kernels.readout_constant(wr, wi, turns, step, decay, np.empty((6, N), dtype), turn_series(dtype), out)
    k, t = np.ones((samples, 1)), np.arange(samples)
    wanted = 1 + summed(w, turns[None].astype(float), step.astype(float), decay.astype(float), k, t)
    close(out, wanted, dtype, 20)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("samples", [1, 6, 7])
def test_readouts_under_any_gradient(dtype, samples):
    rng = np.random.default_rng(5)
    for components, kernel in ((3, kernels.readout_general), (5, kernels.readout_moving)):
        w, place, offset, decay = spins(rng, dtype, components)
        moment = rng.uniform(-2, 2, (samples, components)).astype(dtype)
        time = np.sort(rng.uniform(0, 0.05, samples)).astype(dtype)
        out = np.ones((2, samples), dtype)
        wr, wi = parts(w, dtype)
        extra = (np.empty((7, N), dtype),) if components == 5 else ()
        kernel(wr, wi, place, offset, decay, moment, time, *extra, turn_series(dtype), out)
        wanted = 1 + summed(w, *(a.astype(float) for a in (place, offset, decay, moment, time)))
        close(out, wanted, dtype, 10)


def curved(rng, samples, form, dtype=np.float64):
    """Return moments of a smooth or very smooth readout over places within 1, what goes with them, and times."""
    bend = LARGEST_BEND / 3 if form == SMOOTH else SLIGHT_BEND[dtype] / 12
    second = rng.uniform(-bend, bend, (samples, 3))
    moment = rng.uniform(-1, 1, 3) + np.cumsum(np.cumsum(second, axis=0) + 0.05, axis=0)
    forms = SampleForms.of(moment[None], np.ones(3), dtype)
    assert samples < 4 or forms.form == form
    return forms.moment[0], forms.stride[0], forms.bends[0], (1e-3 + 2e-4 * np.arange(samples)).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", [SMOOTH, VERY_SMOOTH])
@pytest.mark.parametrize("samples", [47, 50, 51, 52, 100])
def test_readout_under_a_smooth_gradient(dtype, form, samples):
    rng = np.random.default_rng(6)
    w, place, offset, decay = spins(rng, dtype)
    moment, stride, bends, time = curved(rng, samples, form, dtype)
    out = np.ones((2, samples), dtype)
    wr, wi = parts(w, dtype)
    work, series = np.empty((8, N), dtype), turn_series(dtype)
    arguments = (place, offset, decay, moment, stride, bends, time, form == VERY_SMOOTH, work, series)
    kernels.readout_curved(wr, wi, *arguments, out)
    wanted = 1 + summed(w, *(a.astype(float) for a in (place, offset, decay, moment, time)))
    # the error of a bend adds up over 48 samples, twice
    assert np.abs(out - wanted).max() < {np.float64: 2e-11, np.float32: 2e-3}[dtype]


FORMS = {"any": 0, "smooth": 1, "constant": 2, "very smooth": 3}


def sampled(form, components, samples, kernel, rng):
    """Return what `kernel` samples and what the spins sum up to; arguments as `evolve` hands them on."""
    w, place, offset, _ = spins(rng, np.float64, components)
    if form == 2:
        first, step = rng.uniform(-1, 1, components), rng.uniform(-0.1, 0.1, components)
        moment = first + step * np.arange(samples)[:, None]
        stride, bends, time = np.tile(step, (samples, 1)), np.zeros((samples, components)), 2e-4 * np.arange(samples)
        time = 1e-3 + time
    elif components > 3:
        moment, time = rng.uniform(-1, 1, (samples, components)), np.sort(rng.uniform(0, 0.01, samples))
        stride = bends = np.zeros_like(moment)
    else:
        moment, stride, bends, time = curved(rng, samples, form or SMOOTH)
    return w, place, offset, moment, stride, bends, time


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("components", [3, 5])
@pytest.mark.parametrize("samples", [1, 34])
def test_sampling_without_coils(form, components, samples):
    if samples == 1 and form in (1, 3):
        form = 2  # one sample is never smooth
    rng = np.random.default_rng(7)
    w, place, offset, moment, stride, bends, time = sampled(form, components, samples, None, rng)
    group, e2, half = np.array([0, 1, 1, 0, 1]), np.array([0.98, 0.95]), np.array([0.9, 0.8])
    weight, m = rng.uniform(0.5, 1, N), np.stack([w.real, w.imag, np.ones(N)])
    out, before = np.ones((2, samples)), m.copy()
    work = np.empty((11, N))
    series = turn_series(np.float64)
    kernels.sample_state(
        form, m, weight, place, offset, group, e2, half, moment, stride, bends, time, work, series, out
    )  # fmt: skip
    assert np.array_equal(m, before)
    wanted = 1 + summed(w * weight * half[group], place, offset, e2[group], moment, time)
    close(out, wanted, np.float64, 200)


@pytest.mark.parametrize("form", [0, 2])
@pytest.mark.parametrize("components", [3, 5])
@pytest.mark.parametrize("samples", [1, 6, 7, 8, 69])
def test_sampling_in_coils(form, components, samples):
    rng = np.random.default_rng(8)
    w, place, offset, moment, stride, _, time = sampled(form, components, samples, None, rng)
    group, e2, half = np.array([0, 1, 1, 0, 1]), np.array([0.98, 0.95]), np.array([0.9, 0.8])
    heard = rng.normal(size=(3, 2, N))
    out, m = np.ones((3, 2, samples)), np.stack([w.real, w.imag, np.ones(N)])
    tile, work = np.zeros((kernels.TILE, 2, N)), np.empty((11, N))
    kernels.sample_coils(
        form, m, heard, place, offset, group, e2, half, moment, stride, time, work, tile, turn_series(np.float64), out
    )  # fmt: skip
    for coil in range(3):
        weight = heard[coil, 0] + 1j * heard[coil, 1]
        wanted = 1 + summed(w * weight * half[group], place, offset, e2[group], moment, time)
        close(out[coil], wanted, np.float64, 50)


E1, E2 = np.array([[0.9, 0.8], [0.81, 0.64]]), np.array([[0.7, 0.6], [0.49, 0.36]])
"""(row, class): half a step and a step."""


def pulse(components, rng):
    """Return runs, B1 and gradient of a pulse: steps of constant field, then steps whose field changes."""
    runs = np.array([[0, 3, 0, 1, 0.01, 0, 1], [3, 5, 0, 1, 0.02, 1, 0]], float)
    fields = 0.05 * rng.normal(size=(2, 5))
    return runs, fields, 0.04 * rng.normal(size=(2 * components, 5))


def played(m, place, offset, b1, group, recover, runs, fields, slopes):
    """Play a pulse step by step: half a step of relaxation, rotation, half a step of relaxation."""
    components = place.shape[0]
    for first, last, half, _, scale, ramped, _ in runs:
        e1, e2 = E1[int(half)][group], E2[int(half)][group]
        for k in range(int(first), int(last)):
            m = np.stack([e2 * m[0], e2 * m[1], e1 * m[2] + recover * (1 - e1)])
            along = slopes[:components, k] @ place + scale * offset
            h0 = np.stack([fields[0, k] * b1, fields[1, k] * b1, along])
            rise = slopes[components:, k] @ place
            h1 = np.stack([0 * rise, 0 * rise, rise])
            m = rotated(m, h0 + (np.cross(h1, h0, axis=0) / 6 if ramped else 0))
            m = np.stack([e2 * m[0], e2 * m[1], e1 * m[2] + recover * (1 - e1)])
    return m


@pytest.mark.parametrize("recover", [0.0, 1.0])
def test_pulses_split_relaxation_evenly(recover):
    rng = np.random.default_rng(9)
    m, place = rng.uniform(-1, 1, (3, N)), rng.uniform(-1, 1, (3, N))
    offset, b1, group = rng.uniform(-5, 5, N), rng.uniform(0.8, 1.2, N), np.array([0, 1, 0, 1, 1])
    runs, fields, slopes = pulse(3, rng)
    wanted = played(m, place, offset, b1, group, recover, runs, fields, slopes)
    work = np.empty((7, N))
    series = rotation_series(np.float64)
    kernels.play_pulse(m, place, offset, b1, group, recover, E1, E2, runs, framed(fields), slopes, work, series)
    close(m, wanted, np.float64)


def test_maps_of_pulses_act_as_the_pulses():
    rng, n = np.random.default_rng(10), kernels.BLOCK + 3
    place, m = rng.uniform(-1, 1, (3, n)), rng.uniform(-1, 1, (3, n))
    runs, fields, slopes = pulse(3, rng)
    runs = runs[:1, :].copy()
    runs[0, 1] = 1
    out = np.empty((3, 4, n))
    one = (E1[:, 1:], E2[:, 1:])
    kernels.propagators(place, 3.0, 1.1, *one, runs, framed(fields), slopes, rotation_series(np.float64), out)
    group, every = np.ones(n, int), np.ones(n)
    wanted = played(m, place, 3.0 * every, 1.1 * every, group, 1.0, runs, fields, slopes)
    close(np.einsum("rcn,cn->rn", out[:, :3], m) + out[:, 3], wanted, np.float64)


def precessed(m, place, offset, moment, seconds, e1, e2):
    turned = (m[0] + 1j * m[1]) * np.exp(-2j * np.pi * (moment @ place + offset * seconds)) * e2
    return np.stack([turned.real, turned.imag, 1 + e1 * (m[2] - 1)])


@pytest.mark.parametrize("coils", [0, 2])
def test_a_whole_timeline_of_two_blocks(coils):
    rng, n = np.random.default_rng(11), kernels.BLOCK + 2
    place, m = rng.uniform(-1, 1, (3, n)), np.stack([np.zeros(n), 0.1 * np.ones(n), 0.9 * np.ones(n)])
    offset, b1, group = rng.uniform(-5, 5, n), rng.uniform(0.8, 1.2, n), rng.integers(0, 2, n)
    weight, heard = rng.uniform(0.5, 1, n), rng.normal(size=(coils, 2, n))
    # an interval, a pulse with a phase, a readout whose interval goes on, the second pulse, a readout
    kind, event = np.array([0, 1, 2, 1, 2]), np.array([0, 0, 0, 1, 1])
    row, seconds = np.array([0, 0, 1, 0, 1]), np.array([1e-3, 0, 5e-3, 0, 4e-3])
    moment, angle = rng.uniform(-1, 1, (5, 3)), np.array([0, 0.7, 0, -1.9, 0])
    phase = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    runs = np.array([[0, 1, 0, 1, 0.01, 0, 0], [1, 2, 0, 1, 0.01, 0, 0]], float)
    fields, slopes = 0.2 * rng.normal(size=(2, 2)), 0.05 * rng.normal(size=(6, 2))
    samples, form, time = rng.uniform(-1, 1, (2, 3, 3)), np.array([0, 0]), np.array([1e-3, 2e-3, 3e-3])
    out = np.ones((2, max(coils, 1), 2, 3))
    wanted, state = out.copy(), m.copy()
    for s in range(5):
        if kind[s] == 1:
            spin = np.exp(1j * angle[s])
            turned = (state[0] + 1j * state[1]) * spin
            state = np.stack([turned.real, turned.imag, state[2]])
            state = played(state, place, offset, b1, group, 1.0, runs[event[s] : event[s] + 1], fields, slopes)
            turned = (state[0] + 1j * state[1]) / spin
            state = np.stack([turned.real, turned.imag, state[2]])
            continue
        if kind[s] == 2:
            for coil in range(max(coils, 1)):
                w = (state[0] + 1j * state[1]) * E2[1][group]
                w = w * (heard[coil, 0] + 1j * heard[coil, 1] if coils else weight)
                wanted[event[s], coil] += summed(w, place, offset, E2[0][group], samples[event[s]], time)
        state = precessed(state, place, offset, moment[s], seconds[s], E1[row[s]][group], E2[row[s]][group])
    nothing = np.zeros_like(samples)
    kernels.evolve(
        m, weight, heard, place, offset, b1, group, kind, event, row, moment, seconds, phase, E1, E2,
        np.array([0, 1, 2]), runs, framed(fields), slopes, np.array([0, 1]), form, samples, nothing, nothing, time,
        rotation_series(np.float64), turn_series(np.float64), out,
    )  # fmt: skip
    close(m, state, np.float64)
    close(out, wanted, np.float64, 50)


def test_readouts_of_a_class_in_the_plane_and_in_columns():
    rng, n, samples = np.random.default_rng(12), kernels.BLOCK + 3, 3
    series = turn_series(np.float64)
    weight, place = rng.normal(size=(2, 2, n)), rng.uniform(-1, 1, (3, n))
    start, step = rng.uniform(-1, 1, (2, 3)), rng.uniform(-0.2, 0.2, (2, 3))
    out = np.ones((2, 2, samples))
    kernels.plane_readouts(weight, place[:2], start, step, 0.9, series, out)
    flat = np.concatenate([place[:2], np.ones((1, n))])
    for k in range(2):
        moment = start[k] + np.arange(samples)[:, None] * step[k]
        w = weight[k, 0] + 1j * weight[k, 1]
        wanted = 1 + summed(w, flat, np.zeros(n), np.full(n, 0.9), moment, np.zeros(samples))
        close(out[k], wanted, np.float64, 50)
    moment, time = rng.uniform(-1, 1, (samples, 3)), np.array([1e-3, 3e-3, 4e-3])
    found, nothing = np.ones((2, samples)), np.zeros((samples, 3))
    kernels.column_readout(0, weight[0], place, 12.0, 0.8, moment, nothing, nothing, time, series, found)
    w = weight[0, 0] + 1j * weight[0, 1]
    close(found, 1 + summed(w, place, np.full(n, 12.0), np.full(n, 0.8), moment, time), np.float64, 50)


def test_blocks_take_the_same_memory_in_either_precision():
    double, single = (kernels.block_size(np.zeros(1, dtype)) for dtype in (np.float64, np.float32))
    assert (double, single) == (kernels.BLOCK, 2 * kernels.BLOCK)
