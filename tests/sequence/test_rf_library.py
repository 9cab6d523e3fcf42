"""Pulses beyond sinc and hard ones against sigpy, closed forms and their own rotations."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mrsim.core.errors import InfeasibleError, InputError
from mrsim.sequence.events import NS
from mrsim.sequence.gradients import logical_limits, moments
from mrsim.sequence.rf import (
    binomial,
    bir4,
    goia,
    hard,
    hyperbolic_secant,
    multiband,
    ramped,
    sinc,
    slr,
    spinors,
    verse,
)
from mrsim.sequence.scanner import Scanner

STRONG = Scanner(name="strong", b0=3.0, max_gradient=0.06, max_slew=200.0, max_b1=1e-3)
GAMMA_BAR = STRONG.gamma_bar
LIMITS = logical_limits(STRONG, np.eye(3))


def width(at, values):
    """Return the full width at half of the largest value."""
    inside = at[values > values.max() / 2]
    return inside[-1] - inside[0]


def sigpy_states(signal, dwell, offsets):
    """Return M+ and Mz after a pulse by sigpy's abrm simulator, whose shapes are written for exp(+i ...)."""
    from sigpy.mri.rf.sim import abrm_nd

    # abrm_nd turns by rf and by x . g at each sample.
    turns = np.conj(signal) * 2 * np.pi * GAMMA_BAR * dwell / NS
    g = np.full((len(signal), 1), 2 * np.pi * dwell / NS)
    a, b = abrm_nd(turns, offsets[:, None], g)
    return 2 * np.conj(a) * b, 1 - 2 * np.abs(b) ** 2


def test_spinors_agree_with_sigpy():
    pulse = sinc(STRONG, math.radians(70.0), 3e-3, 4.0)
    offsets = np.linspace(-1500.0, 1500.0, 31)
    mine = spinors(pulse, GAMMA_BAR, offsets)
    transverse, longitudinal = sigpy_states(pulse.signal, pulse.dwell, offsets)
    # The same rotations; sigpy holds its states in single precision.
    np.testing.assert_allclose(mine.longitudinal, longitudinal, atol=2e-5)
    np.testing.assert_allclose(np.abs(mine.transverse), np.abs(transverse), atol=2e-5)


def test_spinors_follow_the_sign_of_the_bloch_equation():
    quarter = spinors(hard(STRONG, math.pi / 2, 100e-6), GAMMA_BAR, np.array([0.0]))
    assert quarter.transverse[0] == pytest.approx(1j, abs=1e-12)
    silent = hard(STRONG, 1e-9, 1e-3)
    turned, along = spinors(silent, GAMMA_BAR, np.array([100.0])).turn(np.array([1.0 + 0j]), np.array([0.3]))
    # exp(-i 2 pi 100 Hz 1 ms); the 1e-9 rad of the pulse is the tolerance.
    assert turned[0] == pytest.approx(np.exp(-0.2j * np.pi), abs=2e-9)
    assert along[0] == pytest.approx(0.3, abs=2e-9)


def test_rotation_in_two_halves_is_the_whole():
    pulse = sinc(STRONG, 2.0, 3e-3, 4.0)
    offsets = np.linspace(-500.0, 500.0, 7)
    first = spinors(pulse, GAMMA_BAR, offsets)
    again = first.then(first)
    m = first.turn(*first.turn(np.zeros(7, dtype=complex), np.ones(7)))
    np.testing.assert_allclose(again.transverse, m[0], atol=1e-13)
    np.testing.assert_allclose(again.longitudinal, m[1], atol=1e-13)


def test_energy_and_peak_are_those_of_a_hard_pulse():
    pulse = hard(STRONG, math.pi, 1e-3)
    # B-26 of the physics notes: 180 deg in 1 ms is 11.7433 uT and 137.905 uT^2 ms.
    assert pulse.peak == pytest.approx(11.7433e-6, rel=1e-5)
    assert pulse.energy == pytest.approx(137.905e-15, rel=1e-5)


def test_hyperbolic_secant_inverts_whatever_b1():
    pulse = hyperbolic_secant(STRONG, 20e-3, 1000.0, over_threshold=3.0)
    # At 30 % less B1 still twice the adiabatic threshold: at least 99 % inverted (Mz <= -0.98), flat to 1 %.
    b1 = np.linspace(0.7, 1.3, 13)
    along = spinors(pulse, GAMMA_BAR, np.linspace(-250.0, 250.0, 21)[:, None], b1=b1[None, :]).longitudinal
    assert along.max() <= -0.98
    inverted = (1 - along[10]) / 2
    assert inverted.max() - inverted.min() <= 0.01
    f = np.linspace(-1500.0, 1500.0, 601)
    assert width(f, 1 - spinors(pulse, GAMMA_BAR, f).longitudinal) == pytest.approx(pulse.bandwidth, rel=0.05)


def test_hyperbolic_secant_is_the_shape_of_sigpy():
    from sigpy.mri.rf.adiabatic import hypsec

    pulse = hyperbolic_secant(STRONG, 10e-3, 1200.0)
    n, seconds = len(pulse.signal), pulse.dwell / NS
    beta = 2 * math.acosh(100.0) / 10e-3
    # Twice as many points: sigpy samples at the edges, here samples are taken in the middle.
    a, om = hypsec(2 * n, beta, math.pi * 1200.0 / beta, 10e-3)
    np.testing.assert_allclose(np.abs(pulse.signal) / a[1::2], pulse.peak, rtol=1e-3)
    swept = -np.diff(np.unwrap(np.angle(pulse.signal))) / seconds
    np.testing.assert_allclose(swept, om[2::2], atol=0.01 * np.abs(om).max())


@pytest.mark.parametrize("flip", [30.0, 90.0, 180.0])
def test_bir4_does_not_depend_on_b1(scanner, flip):
    pulse = bir4(scanner, math.radians(flip), 8e-3)
    b1 = np.linspace(0.7, 1.3, 13)
    state = spinors(pulse, GAMMA_BAR, np.zeros(13), b1=b1)
    tilt = np.degrees(np.arccos(state.longitudinal))
    # An ordinary pulse would turn by 30 % more or less; 3 deg is cos(180) to 0.1 %.
    np.testing.assert_allclose(tilt, flip, atol=3.0)
    assert pulse.peak <= scanner.max_b1
    if flip < 180.0:
        assert np.max(np.abs(np.angle(state.transverse / 1j))) < math.radians(8.0)


def test_bir4_turns_like_sigpys_design(scanner):
    from sigpy.mri.rf.adiabatic import bir4 as design

    n, seconds = 1200, 8e-3
    a, om = design(n, 10.0, math.atan(20.0), math.pi / 2, 2 * np.pi * 6000.0)
    phase = np.cumsum(om) * seconds / n
    theirs = 12.6e-6 * a * np.exp(-1j * phase)
    offsets = np.array([-40.0, 0.0, 40.0])
    _, expected = sigpy_states(np.conj(theirs), seconds / n * NS, offsets)
    state = spinors(bir4(scanner, math.pi / 2, seconds), GAMMA_BAR, offsets)
    # sigpy sums the sweep from the left edges of its samples: half a sample of a 6 kHz sweep.
    np.testing.assert_allclose(np.sort(state.longitudinal), np.sort(expected), atol=0.03)


def test_goia_refocuses_its_slice_at_any_b1(scanner):
    limits = logical_limits(scanner, np.eye(3))
    made = goia(scanner, limits, 8e-3, 8000.0, 20e-3)
    z = np.linspace(-20e-3, 20e-3, 401)
    for b1 in (0.8, 1.0, 1.3):
        through = spinors(made, GAMMA_BAR, np.zeros(401), z, b1).refocused
        assert width(z, through) == pytest.approx(20e-3, rel=0.05)
        # 99 % on average; the wiggles of a finite sweep stay above 98 %.
        assert through[np.abs(z) < 6e-3].min() >= 0.98
        assert through[np.abs(z) < 6e-3].mean() >= 0.99
    assert np.abs(made.gradient.amplitudes).max() <= limits.gradient
    assert np.abs(np.diff(made.gradient.amplitudes)).max() <= limits.slew * limits.raster / NS


@pytest.mark.parametrize(("duration", "thickness"), [(4e-3, 20e-3), (5e-3, 15e-3), (8e-3, 20e-3)])
def test_goia_displaces_fat_by_offset_over_its_stated_bandwidth(duration, thickness, scanner):
    made = goia(scanner, logical_limits(scanner, np.eye(3)), duration, 8000.0, thickness)
    z = np.linspace(-thickness, thickness, 801)

    def middle(df):
        through = spinors(made, GAMMA_BAR, np.full(801, df), z).refocused
        inside = np.flatnonzero(through > 0.5)
        return (
            sum(
                np.interp(0.5, through[[o, i]], z[[o, i]])
                for o, i in (inside[[0, 0]] - [1, 0], inside[[-1, -1]] + [1, 0])
            )
            / 2
        )

    # Stated from a shift of 200 Hz; wiggles at the edges take the others 3 % off.
    for df in (-400.0, 100.0, 400.0):
        assert middle(df) - middle(0.0) == pytest.approx(-thickness * df / made.pulse.bandwidth, rel=0.03)
    assert made.pulse.bandwidth < 8000.0


def test_verse_keeps_the_slice_and_lowers_the_peak():
    pulse = sinc(STRONG, math.pi, 4e-3, 4.0, use="refocusing")
    amplitude = pulse.bandwidth / (GAMMA_BAR * 4e-3)
    made = verse(STRONG, LIMITS, pulse, amplitude, 7e-6)
    z = np.linspace(-8e-3, 8e-3, 321)
    before = spinors(pulse, GAMMA_BAR, GAMMA_BAR * amplitude * z).refocused
    after = spinors(made, GAMMA_BAR, np.zeros(321), z).refocused
    # Sampling of both pulses: 1e-3 of the magnetisation.
    np.testing.assert_allclose(after, before, atol=1e-3)
    assert pulse.peak > 11e-6
    assert made.pulse.peak <= 7e-6
    assert made.pulse.energy < pulse.energy
    assert np.abs(made.gradient.amplitudes).max() <= LIMITS.gradient
    assert np.abs(np.diff(made.gradient.amplitudes)).max() <= LIMITS.slew * LIMITS.raster / NS
    total = moments(made.gradient, made.gradient.times[-1:])[0]
    assert total == pytest.approx(amplitude * pulse.duration / NS, rel=1e-12)


def test_multiband_excites_every_band_with_its_phase():
    single = sinc(STRONG, math.radians(20.0), 4e-3, 6.0)
    offsets = np.array([-6000.0, 0.0, 6000.0])
    tags = np.array([0.0, 2 * np.pi / 3, 4 * np.pi / 3])
    made = multiband(STRONG, single, offsets, tags=tags, scheduled=False)
    alone = spinors(single, GAMMA_BAR, np.zeros(1)).transverse[0]
    # Spins in the centre of each band, followed back from the end to the centre of the pulse.
    played = spinors(made, GAMMA_BAR, offsets).transverse * np.exp(2j * np.pi * offsets * 2e-3)
    # Bands overlap by the side lobes of a Hamming window: below 1 %; samples of 20 us hold 6 kHz at sinc(0.12).
    np.testing.assert_allclose(played * np.exp(1j * tags), alone, atol=0.03 * abs(alone))
    f = np.linspace(4500.0, 7500.0, 601)
    assert width(f, np.abs(spinors(made, GAMMA_BAR, f).transverse)) == pytest.approx(single.bandwidth, rel=0.05)


@pytest.mark.parametrize(("bands", "published"), [(3, 2.22), (4, 2.48), (6, 3.04), (8, 3.20)])
def test_multiband_schedule_lowers_the_peak(bands, published):
    single = sinc(STRONG, math.radians(20.0), 4e-3, 4.0)
    offsets = (np.arange(bands) - (bands - 1) / 2) * 3000.0
    peak = multiband(STRONG, single, offsets).peak / single.peak
    # Wong's schedules; the envelope of the sinc is not flat where the sum peaks.
    assert peak <= published * 1.02
    assert multiband(STRONG, single, offsets, scheduled=False).peak / single.peak > 0.9 * bands


def test_ramped_pulse_grows_along_the_slab():
    pulse = ramped(STRONG, math.radians(18.0), 3e-3, 16.0, 2.0)
    f = np.linspace(-0.35, 0.35, 15) * pulse.bandwidth
    flips = np.degrees(np.arcsin(np.abs(spinors(pulse, GAMMA_BAR, f).transverse)))
    expected = 18.0 * (1 + 2 / 3 * f / pulse.bandwidth)
    # Small-tip design at 18 deg, and the window's transition: 3 %.
    np.testing.assert_allclose(flips, expected, rtol=0.03)
    fall = ramped(STRONG, math.radians(18.0), 3e-3, 16.0, 0.5)
    mirrored = np.abs(spinors(fall, GAMMA_BAR, -f).transverse)
    np.testing.assert_allclose(mirrored, np.sin(np.radians(flips)), rtol=1e-9)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_binomial_pulse_leaves_fat_alone(scanner, order):
    fat = -3.4e-6 * scanner.gamma_bar * scanner.b0
    pulse = binomial(scanner, math.radians(20.0), fat, order=order)
    on, off = np.abs(spinors(pulse, GAMMA_BAR, np.array([0.0, fat])).transverse)
    assert on == pytest.approx(math.sin(math.radians(20.0)), rel=1e-6)
    # The spacing lies on a 20 us raster: up to 10 us of 1.15 ms off.
    assert off < 0.02 * on


@pytest.mark.parametrize(("kind", "flip"), [("sat", 90.0), ("inv", 180.0)])
def test_quadratic_phase_halves_the_peak(kind, flip):
    linear = slr(STRONG, math.radians(flip), 6e-3, 12.0, kind=kind)
    quadratic = slr(STRONG, math.radians(flip), 6e-3, 12.0, kind=kind, filter_type="quad")
    assert quadratic.peak < 0.5 * linear.peak
    f = np.linspace(-3000.0, 3000.0, 1201)
    along = spinors(quadratic, GAMMA_BAR, f).longitudinal
    assert width(f, 1 - along) == pytest.approx(quadratic.bandwidth, rel=0.05)
    # Ripples of 1 % each in the design.
    np.testing.assert_allclose(along[np.abs(f) < 700], math.cos(math.radians(flip)), atol=0.02)
    assert along[np.abs(f) > 1400].min() >= 0.98


def test_slr_saturation_is_the_design_of_sigpy():
    from sigpy.mri.rf.slr import dzrf

    pulse = slr(STRONG, math.pi / 2, 4e-3, 6.0, kind="sat")
    angles = 2 * np.pi * GAMMA_BAR * pulse.signal * pulse.dwell / NS
    np.testing.assert_allclose(angles, np.conj(dzrf(len(angles), 6.0, "sat", "ls", 0.01, 0.01)), atol=1e-12)


def test_impossible_pulses_name_value_and_remedy(scanner):
    with pytest.raises(InfeasibleError, match=r"peaks at .* above the 14 uT .* at least 18\.98 ms"):
        hyperbolic_secant(scanner, 10e-3, 2000.0)
    assert hyperbolic_secant(scanner, 18.98e-3, 2000.0).peak <= scanner.max_b1
    with pytest.raises(InfeasibleError, match="sweeps too little to be adiabatic"):
        hyperbolic_secant(scanner, 5e-3, 500.0)
    with pytest.raises(InputError, match="peak: is 20 uT; use up to the 14 uT"):
        bir4(scanner, math.pi, 8e-3, peak=20e-6)
    with pytest.raises(InfeasibleError, match="make the slice at least"):
        goia(scanner, logical_limits(scanner, np.eye(3)), 4e-3, 20000.0, 5e-3)
    with pytest.raises(InputError, match="bands; use 1 to 16"):
        multiband(scanner, sinc(scanner, 0.1, 4e-3, 4.0), np.arange(17.0))
    with pytest.raises(InputError, match=r"ratio: is 20; it must lie between 0\.1 and 10"):
        ramped(scanner, 0.3, 3e-3, 8.0, 20.0)
    with pytest.raises(InputError, match="order: is 7"):
        binomial(scanner, 0.3, -434.0, order=7)
