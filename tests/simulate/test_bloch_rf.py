"""RF physics of the Bloch kernels against closed forms, an ODE solver and sigpy (physics B-1)."""

import numpy as np
import pytest
from objects import GAMMA_BAR, hard_pulse
from reference import bloch_ode, play_slowly

from mrsim.sequence.timeline import Pulse
from mrsim.simulate.pulse_response import pulse_response

GAMMA = 2 * np.pi * GAMMA_BAR


def shaped(steps, duration, amplitude, gradient, time_bandwidth=4.0, sample="middle"):
    """A Hamming sinc of `steps` equal steps sampled at their middles, under a constant slice gradient."""
    t = (np.arange(steps) + 0.5) / steps - 0.5
    shape = np.sinc(time_bandwidth * t) * (0.54 + 0.46 * np.cos(2 * np.pi * t))
    return Pulse(
        dt=np.full(steps, duration / steps),
        b1=amplitude * shape.astype(complex),
        gradient=np.tile([0.0, 0.0, gradient], (steps, 1)),
        flip=0.0,
        centre=duration / 2,
        use="excitation",
    )


def scaled_to(pulse, flip):
    area = 2 * np.pi * GAMMA_BAR * float(np.sum(pulse.b1.real * pulse.dt))
    return Pulse(
        dt=pulse.dt, b1=pulse.b1 * flip / area, gradient=pulse.gradient, flip=flip, centre=pulse.centre, use=pulse.use
    )


@pytest.mark.parametrize("flip", [0.1, 1.0, np.pi / 2, np.pi, 5.0])
def test_hard_pulse_along_x_turns_z_towards_y(flip):
    m = pulse_response(hard_pulse(flip), GAMMA_BAR)
    np.testing.assert_allclose(m, [0, np.sin(flip), np.cos(flip)], atol=1e-12)


def test_pulse_phase_turns_the_axis_against_the_phase():
    # B1 = b exp(-i phase): phase pi/2 puts B1 along -y, which takes z to +x
    m = pulse_response(hard_pulse(np.pi / 2), GAMMA_BAR, phase=np.pi / 2)
    np.testing.assert_allclose(m, [1, 0, 0], atol=1e-12)


def test_rectangular_pulse_off_resonance_follows_the_rabi_formula():
    duration, flip = 1e-3, np.pi
    offset = np.linspace(-3000, 3000, 121)
    m = pulse_response(hard_pulse(flip, duration, steps=100), GAMMA_BAR, offset=offset)
    w1, dw = flip / duration, 2 * np.pi * offset
    big = np.hypot(w1, dw)
    np.testing.assert_allclose(m[:, 2], 1 - 2 * (w1 / big) ** 2 * np.sin(big * duration / 2) ** 2, atol=1e-11)


def test_free_decay_and_recovery_are_exponential():
    wait = Pulse(
        dt=np.array([0.03]), b1=np.zeros(1, complex), gradient=np.zeros((1, 3)), flip=0, centre=0, use="excitation"
    )
    m = pulse_response(wait, GAMMA_BAR, t1=0.5, t2=0.04, start=(0.6, -0.3, -0.4))
    e1, e2 = np.exp(-0.03 / 0.5), np.exp(-0.03 / 0.04)
    np.testing.assert_allclose(m, [0.6 * e2, -0.3 * e2, 1 - 1.4 * e1], rtol=1e-12)


def test_magnetisation_length_is_conserved_without_relaxation():
    rng = np.random.default_rng(1)
    pulse = scaled_to(shaped(800, 4e-3, 1e-6, 12e-3), np.pi)
    start = rng.normal(size=(200, 3))
    start /= np.linalg.norm(start, axis=1)[:, None]
    m = pulse_response(
        pulse, GAMMA_BAR, position=rng.normal(size=(200, 3)) * 5e-3, offset=rng.normal(size=200) * 300, start=start
    )
    np.testing.assert_allclose(np.linalg.norm(m, axis=1), 1, atol=1e-12)


@pytest.mark.parametrize(("precision", "tolerance"), [("double", 1e-12), ("single", 2e-5)])
def test_kernel_equals_its_plain_twin(precision, tolerance):
    rng = np.random.default_rng(2)
    pulse = scaled_to(shaped(200, 3e-3, 1e-6, 10e-3), 2.0)
    place, offset = rng.normal(size=(7, 3)) * 4e-3, rng.normal(size=7) * 200
    m = pulse_response(pulse, GAMMA_BAR, position=place, offset=offset, t1=0.9, t2=0.05, precision=precision)
    twin = [play_slowly(pulse, GAMMA_BAR, p, f, 0.9, 0.05) for p, f in zip(place, offset, strict=True)]
    # single: round-off of 200 steps with ~10 operations each
    np.testing.assert_allclose(m, twin, atol=tolerance)


def test_compiled_kernel_equals_its_python_source():
    from mrsim.simulate._kernels import bloch as kernels
    from mrsim.simulate.steps import turn_series

    turns = np.linspace(-3, 3, 97)
    series = turn_series(np.float64)
    compiled, plain = np.empty((2, 97)), np.empty((2, 97))
    kernels.phasors(turns, *compiled, series)
    kernels.phasors.py_func(turns, *plain, series)
    np.testing.assert_allclose(compiled, plain, atol=1e-15)
    np.testing.assert_allclose(compiled[0] + 1j * compiled[1], np.exp(-2j * np.pi * turns), atol=1e-14)


def test_splitting_error_falls_with_the_square_of_the_step():
    duration, t1, t2 = 2e-3, 0.004, 0.002

    def field(t):
        x = t / duration - 0.5
        shape = np.sinc(4 * x) * (0.54 + 0.46 * np.cos(2 * np.pi * x))
        return np.array([9e-6 * shape, 0.0, 8e-3 * 1.5e-3])

    truth = bloch_ode(field, (0, 0, 1), duration, GAMMA, t1, t2)
    steps = np.array([32, 64, 128, 256])
    error = [
        np.abs(
            pulse_response(shaped(n, duration, 9e-6, 8e-3), GAMMA_BAR, position=(0, 0, 1.5e-3), t1=t1, t2=t2) - truth
        ).max()
        for n in steps
    ]
    order = -np.polyfit(np.log(steps), np.log(error), 1)[0]
    assert order == pytest.approx(2.0, abs=0.1)


def test_small_tip_profile_is_the_fourier_transform_of_the_pulse():
    pulse = scaled_to(shaped(300, 3e-3, 1e-6, 10e-3), np.deg2rad(10))
    z = np.linspace(-8e-3, 8e-3, 161)
    m = pulse_response(pulse, GAMMA_BAR, position=np.stack([0 * z, 0 * z, z], axis=1))
    profile = (m[:, 0] + 1j * m[:, 1]) * np.exp(1j * GAMMA * 10e-3 * z * 1.5e-3)
    t = (np.arange(300) + 0.5) * 1e-5 - 1.5e-3
    fourier = 1j * GAMMA * np.array([np.sum(pulse.b1 * np.exp(1j * GAMMA * 10e-3 * q * t)) * 1e-5 for q in z])
    # the small-tip approximation itself errs by about flip^2 / 6 = 0.5 %
    assert np.abs(profile - fourier).max() < 0.01 * np.abs(fourier).max()


@pytest.mark.parametrize("flip", [np.pi / 2, np.pi])
def test_slice_profile_equals_sigpy_abrm(flip):
    from sigpy.mri.rf.sim import abrm

    pulse = scaled_to(shaped(256, 3e-3, 1e-6, 10e-3), flip)
    place = np.linspace(-16, 16, 129)  # abrm's dimensionless position: cycles over the pulse
    a, b = abrm((2 * np.pi * GAMMA_BAR * pulse.b1.real * pulse.dt).astype(complex), place)
    z = place / (GAMMA_BAR * 10e-3 * 3e-3)
    m = pulse_response(pulse, GAMMA_BAR, position=np.stack([0 * z, 0 * z, z], axis=1))
    mz = 1 - 2 * np.abs(b) ** 2
    mxy = np.abs(2 * np.conj(a) * b)
    np.testing.assert_allclose(m[:, 2], np.ravel(mz), atol=1e-3)
    np.testing.assert_allclose(np.hypot(m[:, 0], m[:, 1]), np.ravel(mxy), atol=1e-3)


def hyperbolic_secant(peak, duration=16e-3, beta=672.0, mu=5.0, steps=3200):
    t = (np.arange(steps) + 0.5) * duration / steps - duration / 2
    signal = peak * np.cosh(beta * t) ** -1.0 * np.exp(-1j * mu * np.log(np.cosh(beta * t)))
    return Pulse(
        dt=np.full(steps, duration / steps),
        b1=signal,
        gradient=np.zeros((steps, 3)),
        flip=np.pi,
        centre=duration / 2,
        use="inversion",
    )


def test_adiabatic_inversion_is_flat_above_twice_the_threshold():
    threshold = np.sqrt(5.0) * 672.0 / GAMMA  # sqrt(mu) beta / gamma
    b1 = np.array([0.7, 0.85, 1.0, 1.15, 1.3])
    mz = pulse_response(hyperbolic_secant(2.2 * threshold / 0.7), GAMMA_BAR, b1=b1)[:, 2]
    assert np.all(mz < -0.98)  # 99 % of the spins inverted
    assert np.ptp(mz) < 0.01
    weak = pulse_response(hyperbolic_secant(0.3 * threshold), GAMMA_BAR)[2]
    assert weak > -0.5  # far below the threshold it does not invert


def test_short_t2_pulse_follows_sussman():
    # physics B-33; T1 is irrelevant there
    for t2, duration, flip, mxy, mz in (
        (5e-4, 3e-4, 15, 0.194640, 0.971823),
        (1e-4, 5e-4, 30, 0.100556, 0.956711),
        (1.5e-3, 1e-4, 10, 0.167986, 0.985140),
    ):
        m = pulse_response(hard_pulse(np.deg2rad(flip), duration, steps=400), GAMMA_BAR, t2=t2)
        assert np.hypot(m[0], m[1]) == pytest.approx(mxy, abs=2e-5)
        assert m[2] == pytest.approx(mz, abs=2e-5)
