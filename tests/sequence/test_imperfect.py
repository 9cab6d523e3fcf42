"""Imperfections of the scanner: closed forms of what is played, and what must not change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad
from walk import played_k

from mrsim.core.errors import InputError
from mrsim.core.grid import Grid
from mrsim.sequence.discretize import discretize, nominal_timeline
from mrsim.sequence.families.spin_echo import SpinEcho
from mrsim.sequence.families.spoiled_gradient_echo import SpoiledGradientEcho
from mrsim.sequence.imperfect import EddyCurrent, Imperfections
from mrsim.sequence.imperfect.axis_wave import AxisWave, Exponential, PiecewiseLinear
from mrsim.sequence.imperfect.concomitant import concomitant_integral
from mrsim.sequence.imperfect.impulse_response import read_response, respond
from mrsim.sequence.imperfect.nonlinearity import felt_position
from mrsim.sequence.scanner import load_scanner
from mrsim.sequence.timeline import READOUT

TRAPEZOID = PiecewiseLinear(times=np.array([0.0, 0.3e-3, 2.3e-3, 2.5e-3]), values=np.array([0.0, 20e-3, 20e-3, 0.0]))


def played(scanner, protocol=None, **imperfections):
    protocol = protocol or SpoiledGradientEcho(matrix=(16, 4), tr=0.02)
    return discretize(protocol.build(replace(scanner, imperfections=Imperfections(**imperfections))))


def test_eddy_current_of_a_trapezoid_is_its_convolution():
    exponential = Exponential.of(TRAPEZOID, 0.7e-3)
    slopes = [(0.0, 0.3e-3, 20e-3 / 0.3e-3), (2.3e-3, 2.5e-3, -20e-3 / 0.2e-3)]

    def convolved(t):
        return sum(
            quad(lambda u, s=s: s * np.exp(-(t - u) / 0.7e-3), a, min(b, t), epsabs=1e-15)[0]
            for a, b, s in slopes
            if t > a
        )

    at = np.array([0.1e-3, 0.3e-3, 1.1e-3, 2.4e-3, 4e-3])
    np.testing.assert_allclose(exponential.at(at), [convolved(t) for t in at], rtol=1e-9)
    areas = [quad(convolved, 0, t, points=[p for p in (0.3e-3, 2.3e-3, 2.5e-3) if p < t])[0] for t in at]
    np.testing.assert_allclose(exponential.integral(at), areas, rtol=1e-7)  # of the outer quadrature


def test_eddy_currents_of_a_finished_gradient_leave_no_area():
    for time_constant in (1e-4, 1e-3, 0.1):
        exponential = Exponential.of(TRAPEZOID, time_constant)
        total = exponential.integral(np.array([2.5e-3 + 60 * time_constant]))[0]
        assert abs(total) < 1e-12 * 20e-3 * time_constant + 1e-19


def test_knots_of_an_eddy_current_describe_it_to_two_in_a_thousand():
    wave = AxisWave(gradient=TRAPEZOID, taken=((0.1, Exponential.of(TRAPEZOID, 0.7e-3)),))
    knots = wave.knots()
    dense = np.linspace(0, 2.5e-3, 4001)
    straight = np.interp(dense, knots, wave.at(knots))
    assert np.max(np.abs(straight - wave.at(dense))) < 2e-3 * 0.1 * 20e-3


@pytest.mark.parametrize("tilt", [0.0, 0.6])
def test_equal_delays_shift_k_against_the_readout(tilt, scanner):
    delay = 3e-6
    protocol = SpoiledGradientEcho(matrix=(16, 4), tr=0.02, tilt=tilt)
    timeline = played(scanner, protocol, gradient_delay=(delay,) * 3)
    k, t = played_k(timeline)
    step = timeline.readouts.k[0, 1, 0] - timeline.readouts.k[0, 0, 0]
    shift = step / timeline.readouts.dwell[0] * delay
    # The pulse's part of the delay: the slice gradient's area after the centre, which the rephaser no longer meets.
    np.testing.assert_allclose((k - timeline.readouts.k)[..., 0], -shift, atol=1e-5 * abs(shift) + 1e-5)
    np.testing.assert_allclose(t, timeline.readouts.t, atol=1e-12)


def test_delay_of_one_coil_moves_that_axis_alone(scanner):
    protocol = SpoiledGradientEcho(matrix=(16, 4), tr=0.02, orientation="coronal")  # reads along x, encodes along z
    k = played_k(played(scanner, protocol, gradient_delay=(3e-6, 0.0, 0.0)))[0]
    plain = played_k(played(scanner, protocol))[0]
    assert np.all(np.abs((k - plain)[..., 0]) > 0.05)
    np.testing.assert_allclose((k - plain)[..., 1:], 0.0, atol=1e-5)


def test_imperfections_leave_sequence_nominal_k_and_time_alone(scanner, tmp_path):
    protocol = SpinEcho(matrix=(16, 2), te=(0.02,), tr=0.1)
    path = tmp_path / "response.txt"
    frequency = np.arange(0, 50001.0, 500.0)
    flat = 1 / (1 + 1j * frequency / 2e4)
    np.savetxt(path, np.stack([frequency, *[flat.real, flat.imag] * 3], axis=1))
    everything = Imperfections(
        gradient_delay=(1e-6, 2e-6, 3e-6),
        eddy_currents=(EddyCurrent(axis="x", amplitude=0.01, b0=1e-4, time_constant=0.05),),
        gradient_response=str(path),
        concomitant=True,
        nonlinearity=(0.1, 0.1, -0.1),
        b0_drift=0.1,
        rf_amplitude=0.95,
        adc_dead_time=2e-4,
    )
    perfect = nominal_timeline(protocol.build(scanner))
    sequence = protocol.build(replace(scanner, imperfections=everything))
    timeline = discretize(sequence)
    for name in ("k", "t", "phase", "frequency", "dwell"):
        assert np.array_equal(getattr(timeline.readouts, name), getattr(perfect.readouts, name))
    assert np.array_equal(timeline.start, perfect.start)
    assert timeline.encoding.grid.shape == perfect.encoding.grid.shape
    assert sequence.check() == ()
    assert not np.array_equal(timeline.moment, perfect.moment)
    assert np.all(timeline.readouts.received[:, 0] == 0)


def test_perfect_scanner_plays_the_nominal_timeline_itself(scanner):
    sequence = SpinEcho(matrix=(16, 2), te=(0.02,)).build(scanner)
    assert np.array_equal(discretize(sequence).moment, nominal_timeline(sequence).moment)
    assert discretize(sequence).spatial is None


@pytest.mark.parametrize("amplitude", [0.0, 0.4])
def test_impulse_response_of_an_exponential_equals_its_closed_form(amplitude, tmp_path):
    """H = exp(-i w d) (1 - a i w T / (1 + i w T)): the response of a delay and of one eddy current."""
    time_constant, delay = 0.2e-3, 5e-6
    frequency = np.arange(0, 200001.0, 100.0)
    omega = 2j * np.pi * frequency
    response = np.exp(-omega * delay) * (1 - amplitude * omega * time_constant / (1 + omega * time_constant))
    path = tmp_path / "response.txt"
    np.savetxt(path, np.stack([frequency, *[response.real, response.imag] * 3], axis=1))
    got_frequency, got = read_response(str(path))
    long = PiecewiseLinear(times=np.append(TRAPEZOID.times, 5e-3) + 1e-3, values=np.append(TRAPEZOID.values, 0.0))
    convolved = respond(long, got_frequency, got[0])
    shifted = replace(long, times=long.times + delay)
    exact = AxisWave(gradient=shifted, taken=((amplitude, Exponential.of(shifted, time_constant)),))
    at = np.linspace(1.2e-3, 4.5e-3, 200)
    # Steps of 2.5 us and a cut at 200 kHz round the corners off: about step / ramp of the slope's change.
    np.testing.assert_allclose(convolved.integral(at), exact.integral(at), atol=2e-4 * 20e-3 * 2e-3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 1 0 1 0 1 0\n", "has 1 frequencies"),
        ("0 1 0 1 0 1 0\n10 1 0 1 0 1\n", "is not seven finite numbers"),
        ("0 1 0 1 0 1 0\n10 1 0 1 0 nan 0\n", "is not seven finite numbers"),
        ("5 1 0 1 0 1 0\n10 1 0 1 0 1 0\n", "from 0 Hz in even steps"),
    ],
)
def test_broken_response_file_names_its_problem(text, message, tmp_path):
    path = tmp_path / "response.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_response(str(path))


def test_concomitant_phase_of_a_trapezoid_is_the_closed_form():
    gamma_bar, b0 = 42.577478518e6, 1.5
    square = (20e-3) ** 2 * (2e-3 + 0.5e-3 / 3)  # integral of G^2 with ramps of 0.3 and 0.2 ms
    zero = np.zeros(4)
    for axis, expected in ((0, np.diag([0, 0, 1.0])), (1, np.diag([0, 0, 1.0])), (2, np.diag([0.25, 0.25, 0]))):
        waves = np.stack([TRAPEZOID.values if a == axis else zero for a in range(3)], axis=1)
        q = concomitant_integral(TRAPEZOID.times, waves, np.array([2.5e-3]), gamma_bar, b0)[0]
        np.testing.assert_allclose(q, expected * gamma_bar * square / (2 * b0), rtol=1e-12, atol=1e-15)
    waves = np.stack([TRAPEZOID.values, zero, 0.5 * TRAPEZOID.values], axis=1)
    q = concomitant_integral(TRAPEZOID.times, waves, np.array([2.5e-3]), gamma_bar, b0)[0]
    r = np.array([0.1, 0.05, 0.08])
    gx, gz = 1.0, 0.5
    field = (gz**2 * (r[0] ** 2 + r[1] ** 2) / 4 + gx**2 * r[2] ** 2 - gx * gz * r[0] * r[2]) / (2 * b0)
    assert r @ q @ r == pytest.approx(gamma_bar * square * field, rel=1e-12)


def test_nonlinear_gradients_obey_laplace_and_are_linear_at_the_isocentre():
    grid, step = Grid(shape=(1, 1, 1), spacing=(1e-3,) * 3), 1e-3
    at = np.array([0.07, -0.05, 0.11])

    def felt(r):
        return felt_position(r, grid, (0.3, 0.2, -0.4))

    laplace = sum(felt(at + d) + felt(at - d) - 2 * felt(at) for d in step * np.eye(3)) / step**2
    np.testing.assert_allclose(laplace, 0.0, atol=1e-6)  # third-order terms: second differences are exact
    assert np.max(np.abs(felt(at) - at)) > 1e-4
    np.testing.assert_allclose(felt(1e-4 * at), 1e-4 * at, rtol=1e-7)


def test_drift_of_the_field_is_its_phase_since_the_excitation(scanner):
    drift = 40.0
    protocol = SpoiledGradientEcho(matrix=(16, 8), tr=0.1, te=0.02, phase_increment=0.0)
    timeline = played(scanner, protocol, b0_drift=drift)
    plain = played(scanner, protocol)
    segment = np.flatnonzero(timeline.kind == READOUT)
    centre = timeline.start[segment] * 1e-9 + (16 // 2 + 0.5) * timeline.readouts.dwell
    excited = centre - timeline.readouts.t[:, 8]
    # Phase of the magnetisation in the turning frame is that of the pulse, taken back: what is left is exp(-i phase).
    pulse = timeline.phase[timeline.kind == 1] - plain.phase[timeline.kind == 1]
    signal = np.exp(-1j * pulse) * timeline.readouts.received[:, 8]
    expected = np.exp(-2j * np.pi * drift * (centre**2 - excited**2) / 2)
    np.testing.assert_allclose(signal, expected, atol=1e-9)
    first = timeline.pulses[timeline.event[np.flatnonzero(timeline.kind == 1)[-1]]]
    turned = np.unwrap(np.angle(first.b1 * np.sign(plain.pulses[0].b1.real)))
    frequency = (turned[-1] - turned[0]) / (2 * np.pi * (first.dt[0] * (len(turned) - 1)))
    assert frequency == pytest.approx(drift * excited[-1], abs=1e-4 / 2e-3)  # rounded to 1e-4 turns in 2 ms


def test_scanner_file_sets_imperfections_with_units(tmp_path):
    from mrsim.core.toml import available

    text = available("protocols/scanners")["3T"].read_text()
    path = tmp_path / "mine.toml"
    path.write_text(
        text + '\n[imperfections]\ngradient_delay = "1 2 3 us"\nconcomitant = true\nb0_drift = "6 Hz/min"\n'
        '[[imperfections.eddy_currents]]\naxis = "x"\namplitude = 0.002\ntime_constant = "50 ms"\n'
    )
    found = load_scanner(str(path)).imperfections
    np.testing.assert_allclose(found.gradient_delay, [1e-6, 2e-6, 3e-6])
    assert found.b0_drift == pytest.approx(0.1)
    assert found.eddy_currents[0].time_constant == pytest.approx(0.05)
    path.write_text(text + '\n[imperfections]\ngradient_delays = "1 2 3 us"\n')
    with pytest.raises(InputError, match="gradient_delays"):
        load_scanner(str(path))
