"""Motion encoding against closed forms and numeric integration of gradient times displacement."""

from __future__ import annotations

import numpy as np
import pytest

from mrsim.core.errors import InfeasibleError
from mrsim.sequence.b_matrix import Course
from mrsim.sequence.gradients import Limits, area
from mrsim.sequence.motion_encoding import SHAPES, efficiency, locked_period, motion_gradient

GAMMA_BAR = 42.577478518e6
LIMITS = Limits(gradient=0.06, slew=200.0, raster=10_000)


def alone(gradient, turns=()):
    waves = np.zeros((len(gradient.times), 3))
    waves[:, 1] = gradient.amplitudes
    return Course(times=gradient.times, gradient=waves, turns=turns)


def encoded(gradient, frequency):
    return abs(efficiency(alone(gradient), GAMMA_BAR, frequency)[-1, 1])


@pytest.mark.parametrize("frequency", [80.0, 200.0, 400.0, 1000.0])
@pytest.mark.parametrize("cycles", [1, 3])
def test_matched_sinusoid_encodes_as_published(frequency, cycles):
    gradient = motion_gradient(LIMITS, "sinusoid", frequency, cycles, 30e-3)
    closed = 2 * np.pi * GAMMA_BAR * 30e-3 * cycles / (2 * frequency)
    assert encoded(gradient, frequency) == pytest.approx(closed, rel=1e-12)
    if frequency == 80.0 and cycles == 1:
        assert encoded(gradient, frequency) * 20e-6 == pytest.approx(1.00321, abs=5e-6)


def test_trapezoids_encode_the_fourier_coefficient_of_their_shape():
    gradient = motion_gradient(LIMITS, "trapezoid", 80.0, 1, 30e-3)
    ramp = LIMITS.ramp(30e-3) * 1e-9
    # Half a period of a trapezoid wave: the square's 2 / pi times the mean of the ramp's cosine.
    square = 2 * np.pi * GAMMA_BAR * 2 * 30e-3 / (80.0 * np.pi)
    assert square * 20e-6 == pytest.approx(1.27732, abs=5e-6)
    closed = square * np.cos(np.pi * 80.0 * ramp) * np.sinc(80.0 * ramp)
    assert encoded(gradient, 80.0) == pytest.approx(closed, rel=1e-9)


@pytest.mark.parametrize("vibration", [60.0, 80.0, 123.4, 1000.0])
@pytest.mark.parametrize("ratio", [0.4, 0.8, 1.0, 1.3])
def test_sinusoids_encode_matched_and_fractional_as_the_closed_form(vibration, ratio):
    cycles, own = 2, vibration / ratio
    gradient = motion_gradient(LIMITS, "sinusoid", own, cycles, 10e-3, vibration)
    w_v, w_g = 2 * np.pi * vibration, 2 * np.pi * own * (1 + 1e-9)
    closed = 2 * np.pi * GAMMA_BAR * 10e-3 * 2 * w_g * abs(np.sin(np.pi * cycles * w_v / w_g)) / abs(w_g**2 - w_v**2)
    # The closed form is taken 1e-9 off the 0 / 0 of the matched case. Periods need not end on the raster.
    assert encoded(gradient, vibration) == pytest.approx(closed, rel=1e-6)


def test_a_fraction_that_encodes_nothing_is_played_as_it_is():
    gradient = motion_gradient(LIMITS, "sinusoid", 200.0, 2, 20e-3, 100.0)  # one period of the vibration to two of it
    assert encoded(gradient, 100.0) < 1e-6 * encoded(gradient, 200.0)
    assert gradient.amplitudes.max() == pytest.approx(20e-3, rel=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_efficiency_is_the_phase_of_moving_spins(shape):
    gradient = motion_gradient(LIMITS, shape, 60.0, 2, 25e-3)
    xi = efficiency(alone(gradient), GAMMA_BAR, 60.0)[-1, 1]
    t = np.linspace(0, gradient.times[-1] * 1e-9, 400_001)
    middle = (t[1:] + t[:-1]) / 2
    played = np.interp(middle, gradient.times * 1e-9, gradient.amplitudes)
    for phase in (0.0, 0.7, 2.0):
        moved = 15e-6 * np.cos(2 * np.pi * 60.0 * middle + phase)
        numeric = -2 * np.pi * GAMMA_BAR * np.sum(played * moved * np.diff(t))
        predicted = -np.real(xi * 15e-6 * np.exp(1j * phase))
        # The midpoint rule with 0.1 us steps: (2 pi f h)^2 / 24 and the corners of the lobes, 1e-8 of xi u.
        assert predicted == pytest.approx(numeric, abs=1e-8)


def test_static_spins_gain_no_phase_and_steady_flow_none_if_compensated():
    for shape in SHAPES:
        gradient = motion_gradient(LIMITS, shape, 60.0, 2, 25e-3)
        t, g = gradient.times * 1e-9, gradient.amplitudes
        scale = 25e-3 / 60.0
        assert abs(area(gradient)) < 1e-14 * scale
        # First moment, exact on straight lines.
        first = np.sum(np.diff(t) * (g[1:] * (2 * t[1:] + t[:-1]) + g[:-1] * (2 * t[:-1] + t[1:])) / 6)
        if shape == "flow-compensated":
            assert abs(first) < 1e-13 * scale / 60.0
        else:
            assert abs(first) > 0.05 * scale / 60.0


def test_refocusing_between_two_halves_of_a_period_adds_their_encodings():
    half = motion_gradient(LIMITS, "sinusoid", 80.0, 1, 30e-3)
    length = int(half.times[-1])
    pause = length // 2
    times = np.concatenate([half.times, [length + pause // 2], half.times + length + pause])
    height = np.concatenate([half.amplitudes, [0.0], half.amplitudes])
    waves = np.stack([height, 0 * height, 0 * height], axis=-1)
    course = Course(times=times, gradient=waves, turns=((length + pause // 2, "refocusing"),))
    together = abs(efficiency(course, GAMMA_BAR, 80.0)[-1, 0])
    # Half a period later the vibration has turned its sign, and so has the pulse: the two add up.
    assert together == pytest.approx(2 * encoded(half, 80.0), rel=1e-12)


def test_repetition_time_is_locked_to_whole_periods():
    assert locked_period(80.0, 10_000, 20_000_000) == 25_000_000
    assert locked_period(60.0, 10_000, 20_000_000) == 50_000_000
    with pytest.raises(InfeasibleError, match=r"use 60.0\d* Hz|use 59.9\d* Hz"):
        locked_period(60.0123, 10_000, 20_000_000)


def test_gradients_beyond_the_limits_are_refused():
    with pytest.raises(InfeasibleError, match="lower its amplitude to"):
        motion_gradient(LIMITS, "sinusoid", 1000.0, 1, 50e-3)
    with pytest.raises(InfeasibleError, match="exceeds the 60 mT/m"):
        motion_gradient(LIMITS, "trapezoid", 60.0, 1, 70e-3)
