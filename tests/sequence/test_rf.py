"""Pulses against Fourier theory, sigpy's designs and sigpy's simulator."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mrsim.core.errors import InfeasibleError, InputError
from mrsim.sequence.events import NS
from mrsim.sequence.gradients import logical_limits
from mrsim.sequence.rf import hard, sample_dwell, sinc, slr
from mrsim.sequence.scanner import Scanner
from mrsim.sequence.selection import crushed, excite, slice_amplitude


@pytest.fixture
def strong(scanner):
    """A 3 T scanner whose RF amplifier never limits."""
    return Scanner(name="strong", b0=3.0, max_gradient=0.06, max_slew=200.0, max_b1=1e-3)


def rotate(pulse, gamma_bar, offsets):
    """Return transverse and longitudinal magnetisation after a pulse at each offset, Hz: Rodrigues, step by step."""
    m = np.zeros((len(offsets), 3))
    m[:, 2] = 1.0
    step = pulse.dwell / NS
    for b1 in pulse.signal * np.exp(-1j * pulse.phase):
        field = np.stack([np.full(len(offsets), b1.real), np.full(len(offsets), b1.imag), offsets / gamma_bar], axis=1)
        size = np.linalg.norm(field, axis=1)
        axis = field / np.maximum(size, 1e-300)[:, None]
        angle = -2 * np.pi * gamma_bar * size * step  # dM/dt = gamma M x B turns clockwise
        c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
        m = m * c + np.cross(axis, m) * s + axis * np.sum(axis * m, axis=1, keepdims=True) * (1 - c)
    return m[:, 0] + 1j * m[:, 1], m[:, 2]


@pytest.mark.parametrize("flip", [1.0, 30.0, 90.0, 180.0])
@pytest.mark.parametrize("window", ["hamming", "hann"])
def test_sinc_turns_on_resonance_spins_by_its_flip(strong, flip, window):
    pulse = sinc(strong, math.radians(flip), 3e-3, 4.0, window=window)
    transverse, longitudinal = rotate(pulse, strong.gamma_bar, np.zeros(1))
    # Rotations about one axis add: exact to round-off of 300 steps.
    assert longitudinal[0] == pytest.approx(math.cos(math.radians(flip)), abs=1e-12)
    assert transverse[0] == pytest.approx(1j * math.sin(math.radians(flip)), abs=1e-12)


def test_hard_pulse_flips_exactly(scanner):
    pulse = hard(scanner, math.pi / 2, 0.5e-3)
    transverse, _ = rotate(pulse, scanner.gamma_bar, np.zeros(1))
    assert transverse[0] == pytest.approx(1j, abs=1e-12)


def test_small_tip_profile_is_the_fourier_transform_of_the_shape(scanner):
    pulse = sinc(scanner, math.radians(1.0), 3e-3, 4.0)
    offsets = np.linspace(-2000.0, 2000.0, 81)
    transverse, _ = rotate(pulse, scanner.gamma_bar, offsets)
    t = (np.arange(len(pulse.signal)) + 0.5) * pulse.dwell / NS
    left = np.exp(-2j * np.pi * np.outer(offsets, 3e-3 - t))
    fourier = 2j * np.pi * scanner.gamma_bar * (left @ pulse.signal) * pulse.dwell / NS
    # Second order in the flip: (1 deg)^2 / 6 = 5e-5; off resonance a sample lasts 10 us, 2 kHz: 7e-4.
    np.testing.assert_allclose(transverse, fourier, atol=2e-3 * abs(fourier).max())


def test_sinc_bandwidth_is_the_width_at_half_maximum(scanner):
    pulse = sinc(scanner, math.radians(5.0), 4e-3, 8.0)
    offsets = np.linspace(0.0, 2000.0, 2001)
    transverse, _ = rotate(pulse, scanner.gamma_bar, offsets)
    half = offsets[np.argmin(np.abs(np.abs(transverse) - np.abs(transverse[0]) / 2))]
    # A windowed box passes one half at its edge.
    assert 2 * half == pytest.approx(pulse.bandwidth, rel=0.01)


@pytest.mark.parametrize(("kind", "flip"), [("ex", math.pi / 2), ("se", math.pi), ("inv", math.pi)])
@pytest.mark.parametrize("filter_type", ["ls", "pm", "min", "max"])
def test_slr_is_the_design_of_sigpy(strong, kind, flip, filter_type):
    from sigpy.mri.rf.slr import dzrf

    pulse = slr(strong, flip, 4e-3, 6.0, kind=kind, filter_type=filter_type)
    angles = 2 * np.pi * strong.gamma_bar * pulse.signal * pulse.dwell / NS
    expected = np.conj(dzrf(len(angles), 6.0, kind, filter_type, 0.01, 0.01))
    np.testing.assert_allclose(angles, expected, atol=1e-12)


def test_slr_small_tip_flip_is_exact(scanner):
    pulse = slr(scanner, math.radians(20.0), 3e-3, 4.0, kind="st")
    assert 2 * np.pi * scanner.gamma_bar * abs(pulse.signal.sum()) * pulse.dwell / NS == pytest.approx(math.radians(20))


@pytest.mark.parametrize(("kind", "flip"), [("ex", 60.0), ("ex", 90.0), ("se", 120.0), ("inv", 180.0)])
def test_slr_profile_is_flat_in_the_slice_and_zero_outside(strong, kind, flip):
    pulse = slr(strong, math.radians(flip), 4e-3, 8.0, kind=kind)
    inside = np.linspace(-0.35, 0.35, 15) * pulse.bandwidth
    outside = np.array([-2.0, -1.0, -0.7, 0.7, 1.0, 2.0]) * pulse.bandwidth
    transverse, within = rotate(pulse, strong.gamma_bar, inside)
    _, without = rotate(pulse, strong.gamma_bar, outside)
    # Designed ripple 1 %, of the transverse part for excitations; least squares exceeds it by at most twice.
    if kind == "ex":
        np.testing.assert_allclose(np.abs(transverse), math.sin(math.radians(flip)), atol=0.02)
    else:
        np.testing.assert_allclose(within, math.cos(math.radians(flip)), atol=0.02)
    np.testing.assert_allclose(without, 1.0, atol=0.02)


@pytest.mark.parametrize("filter_type", ["min", "max"])
def test_slr_centre_is_the_phase_origin_of_an_excitation(strong, filter_type):
    pulse = slr(strong, math.pi / 2, 4e-3, 6.0, filter_type=filter_type)
    offsets = np.linspace(-0.25, 0.25, 51) * pulse.bandwidth
    transverse, _ = rotate(pulse, strong.gamma_bar, offsets)
    rephased = transverse * np.exp(2j * np.pi * offsets * (pulse.duration - pulse.centre) / NS)
    # What no linear rephaser can remove is curvature: a few degrees over half of the slice.
    assert np.degrees(np.std(np.unwrap(np.angle(rephased)))) < 10.0
    assert np.angle(rephased[-1] / rephased[0]) == pytest.approx(0.0, abs=math.radians(20.0))
    assert (pulse.centre > pulse.duration / 2) == (filter_type == "min")


def test_excitation_block_rephases_the_slice(scanner):
    limits = logical_limits(scanner, np.eye(3))
    pulse = sinc(scanner, math.radians(10.0), 3e-3, 4.0)
    amplitude = slice_amplitude(scanner, pulse, 4e-3, limits)
    part = excite(scanner, limits, pulse, amplitude)
    z = np.linspace(-1.5e-3, 1.5e-3, 31)
    transverse, _ = rotate(pulse, scanner.gamma_bar, scanner.gamma_bar * amplitude * z)
    tail = part.gradient.times >= part.free
    t, g = part.gradient.times[tail] / NS, part.gradient.amplitudes[tail]
    rephased = transverse * np.exp(-2j * np.pi * scanner.gamma_bar * np.trapezoid(g, t) * z)
    # Linear response: what is left is of second order in 10 deg.
    np.testing.assert_allclose(np.angle(rephased / 1j), 0.0, atol=math.radians(1.0))
    profile = np.abs(transverse) / np.abs(transverse[15])
    assert np.interp(2.0e-3 * 0.75, z, profile) > 0.7


def test_crushers_are_equal_and_bridge_to_the_plateau(scanner):
    limits = logical_limits(scanner, np.eye(3))
    pulse = sinc(scanner, math.pi, 4.4e-3, 4.0, use="refocusing")
    amplitude = slice_amplitude(scanner, pulse, 4e-3, limits)
    wanted = 4.0 / (scanner.gamma_bar * 4e-3)
    part = crushed(scanner, limits, pulse, amplitude, wanted)
    t, g = part.gradient.times, part.gradient.amplitudes
    np.testing.assert_array_equal(t, part.duration - t[::-1])
    np.testing.assert_array_equal(g, g[::-1])
    lead = t <= part.pulse.delay
    ramp = amplitude * limits.ramp(amplitude) / NS / 2
    assert np.trapezoid(g[lead], t[lead] / NS) == pytest.approx(wanted + ramp, rel=1e-12)
    assert np.all(g[1:-1] > 0)


@pytest.mark.parametrize("length", [20_000, 1_000_000, 3_000_000, 4_400_000, 9_140_000])
def test_sample_dwell_divides_the_pulse_evenly(scanner, length):
    dwell = sample_dwell(scanner, length)
    assert length % (2 * dwell) == 0
    assert dwell % 1000 == 0
    samples = length // dwell
    assert samples >= min(100, length // 1000)
    # Half of 9.14 ms is 457 (a prime) times 10 us: no dwell gives 100 to 300 samples.
    assert samples <= 300 or length == 9_140_000
    assert sample_dwell(scanner, 3_000_000) == 10_000


def test_pulse_errors_name_value_limit_and_remedy(scanner):
    with pytest.raises(InfeasibleError, match=r"180 deg excitation pulse of 1 ms peaks at .* uT, above the 14 uT"):
        sinc(scanner, math.pi, 1e-3, 4.0)
    needed = 3.36e-3
    assert np.abs(sinc(scanner, math.pi, needed, 4.0).signal).max() <= scanner.max_b1
    with pytest.raises(InputError, match="unknown window 'kaiser'; known: hamming, hann"):
        sinc(scanner, 1.0, 3e-3, 4.0, window="kaiser")
    with pytest.raises(InputError, match="unknown SLR filter 'fir'"):
        slr(scanner, 1.0, 3e-3, 4.0, filter_type="fir")
    with pytest.raises(InputError, match="unknown SLR pulse type 'foo'"):
        slr(scanner, 1.0, 3e-3, 4.0, kind="foo")
    with pytest.raises(InputError, match=r"time_bandwidth: is 1; an SLR se pulse .* needs more than"):
        slr(scanner, 3.0, 3e-3, 1.0, kind="se")
    with pytest.raises(InputError, match="time_bandwidth: is -1"):
        sinc(scanner, 1.0, 3e-3, -1.0)


def test_a_pulse_of_hours_is_refused_at_once(scanner):
    """Its divisors alone would take minutes to find."""
    with pytest.raises(InputError, match="a pulse of 7000 s is longer than any"):
        slr(scanner, np.pi, 7000.0, 4.0)
