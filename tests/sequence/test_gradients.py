"""Gradient shapes: exact areas, limits, the raster."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrsim.core.errors import InfeasibleError
from mrsim.core.grid import orientation_axes
from mrsim.sequence.events import NS, Gradient
from mrsim.sequence.gradients import Limits, bridge, flat_top, joined, logical_limits, moments, shifted, trapezoid
from mrsim.sequence.scanner import Scanner

SCANNER = Scanner.preset("3T")
LIMITS = logical_limits(SCANNER, np.eye(3))


def steepest(gradient):
    return np.max(np.abs(np.diff(gradient.amplitudes) / (np.diff(gradient.times) / NS)))


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.floats(-0.06, 0.06), st.floats(-0.06, 0.06), st.floats(-2e-4, 2e-4), st.integers(0, 300))
def test_bridge_has_the_exact_area_within_the_limits(start, end, area, extra):
    shortest = bridge(LIMITS, start, end, area)
    length = int(shortest.times[-1]) + 10_000 * extra
    try:
        longer = bridge(LIMITS, start, end, area, length)
    except InfeasibleError as problem:
        # Between ends of one sign a little more time adds more area than the slew rate can take away: see below.
        assert start * end > 0
        named = float(re.search(r"or ([\d.]+) ms$", str(problem)).group(1))
        assert named * 1e6 > length
        longer = bridge(LIMITS, start, end, area, round(named * 1e6))
    for gradient in (shortest, longer):
        t, g = gradient.times, gradient.amplitudes
        # Areas reach 1e-4 T s/m: 1e-17 is the round-off of the sum.
        assert np.trapezoid(g, t / NS) == pytest.approx(area, rel=1e-12, abs=1e-17)
        assert np.all(t % LIMITS.raster == 0)
        assert np.all(np.diff(t) > 0)
        assert np.max(np.abs(g)) <= LIMITS.gradient * (1 + 1e-9)
        assert steepest(gradient) <= LIMITS.slew * (1 + 1e-9)
        assert (g[0], g[-1]) == (start, end)


def test_bridge_between_ends_of_one_sign_has_a_gap_of_lengths():
    # 0.08 ms at -46.9 mT/m are -3.75 mT/m ms; slewing up and down takes 0.32 off at most, and -3.4 is out of reach.
    with pytest.raises(InfeasibleError, match=r"cannot last 0\.08 ms; it can last 0\.07 ms, or 0\.\d+ ms"):
        bridge(LIMITS, -0.046875, -0.046875, -3.4e-6, 80_000)


@pytest.mark.parametrize(("start", "end"), [(0.0, 0.005337862531635022), (0.005337862531635022, 0.0)])
def test_bridge_that_cannot_last_so_long_waits_at_zero(start, end):
    # The area is little more than the ramp's own: it takes 0.08 ms or, by turning negative in between, 0.16 ms.
    limits = Limits(gradient=0.045, slew=70.0, raster=10_000)
    gradient = bridge(limits, start, end, 2.135145012654009e-07, 150_000)
    t, g = gradient.times, gradient.amplitudes
    assert (t[0], t[-1], g[0], g[-1]) == (0, 150_000, start, end)
    assert np.trapezoid(g, t / NS) == pytest.approx(2.135145012654009e-07, rel=1e-12)
    assert steepest(gradient) <= limits.slew * (1 + 1e-9)


def test_trapezoid_is_as_short_as_theory_allows():
    # Triangle: area = slew (T/2)^2. Trapezoid: T = area / G + G / slew. Rounded up to the raster, twice for ramps.
    for area in (2e-6, 1e-5, 5e-5, 2e-4):
        triangle = 2 * math.sqrt(area / LIMITS.slew)
        peak = area / (triangle / 2)
        ideal = triangle if peak <= LIMITS.gradient else area / LIMITS.gradient + LIMITS.gradient / LIMITS.slew
        length = trapezoid(LIMITS, area).times[-1] / NS
        assert ideal <= length * (1 + 1e-9)
        assert length < ideal + 2 * 10e-6


def test_trapezoid_too_short_names_what_it_needs():
    needed = trapezoid(LIMITS, 1e-4).times[-1]
    with pytest.raises(InfeasibleError, match=f"needs at least {needed / 1e6:g} ms"):
        trapezoid(LIMITS, 1e-4, int(needed) - 10_000)


def test_flat_top_refuses_what_one_axis_cannot_play():
    with pytest.raises(InfeasibleError, match="70 mT/m exceeds the 60 mT/m"):
        flat_top(LIMITS, 0.07, 1_000_000)


@pytest.mark.parametrize(("tilt", "turn"), [(0.0, 0.0), (0.4, 0.0), (0.7, 0.3), (-1.1, 2.0)])
def test_oblique_derating_keeps_any_combination_playable(tilt, turn):
    axes = orientation_axes("coronal", tilt, turn)
    limits = logical_limits(SCANNER, axes)
    corners = np.array(np.meshgrid(*[[-1, 1]] * 3)).reshape(3, -1) * limits.gradient
    worst = np.max(np.abs(axes @ corners))
    assert worst == pytest.approx(SCANNER.max_gradient, rel=1e-9)
    if tilt == turn == 0.0:
        assert limits.gradient == SCANNER.max_gradient


def test_moments_are_the_integrals_of_the_shape():
    gradient = Gradient(times=np.array([20_000, 50_000, 90_000, 200_000]), amplitudes=np.array([0.0, 0.03, -0.01, 0.0]))
    at = np.arange(0, 260_001, 1_000, dtype=np.int64)
    # The waveform on a 1 us comb through all knots: the trapezoidal rule is exact.
    wave = np.interp(at, gradient.times, gradient.amplitudes, left=0, right=0)
    expected = np.concatenate([[0.0], np.cumsum((wave[1:] + wave[:-1]) / 2 * 1e-6)])
    np.testing.assert_allclose(moments(gradient, at), expected, atol=1e-18)


def test_joined_shares_the_knot_where_pieces_meet():
    first, second = bridge(LIMITS, 0.0, 0.01, 3e-6), bridge(LIMITS, 0.01, 0.0, -2e-6)
    whole = joined(first, shifted(second, int(first.times[-1])))
    assert np.all(np.diff(whole.times) > 0)
    assert np.trapezoid(whole.amplitudes, whole.times / NS) == pytest.approx(1e-6, rel=1e-12)
    assert joined(None, None) is None
