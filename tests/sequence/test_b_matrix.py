"""The b-matrix against published numbers, closed forms and brute-force integration."""

from __future__ import annotations

import numpy as np
import pytest

from mrsim.sequence.b_matrix import Course, b_course, b_matrices, b_of_contrasts, q_course
from mrsim.sequence.discretize import discretize
from mrsim.sequence.families.multi_echo_spin_echo import MultiEchoSpinEcho
from mrsim.sequence.families.spin_echo import SpinEcho

GAMMA_BAR = 42.577478518e6


def trapezoids(height, delta, separation, ramp, background=0.0, te=60.0):
    """Two equal lobes around a refocusing pulse; mT/m and ms in, a course out."""
    first = (te - separation - delta - ramp) / 2
    corners = np.array([0.0, ramp, delta, delta + ramp])
    lobes = [first + corners, first + separation + corners]
    times = np.unique(np.round(np.concatenate([[0.0, te / 2, te], *lobes]) * 1e6)).astype(np.int64)
    shape = sum(np.interp(times * 1e-6, at, [0.0, height, height, 0.0], left=0.0, right=0.0) for at in lobes)
    gradient = np.zeros((len(times), 3))
    gradient[:, 0] = (shape + background) * 1e-3
    return Course(times=times, gradient=gradient, turns=((round(te / 2 * 1e6), "refocusing"),))


def b_of(course):
    return b_course(course, GAMMA_BAR)[-1, 0, 0] * 1e-6


@pytest.mark.parametrize(("lobes", "expected"), [((40, 20, 30, 0.5), 1068.6557), ((80, 12, 20, 0.6), 1054.9884)])
def test_trapezoids_have_the_published_b(lobes, expected):
    assert b_of(trapezoids(*lobes)) == pytest.approx(expected, abs=5e-5)  # the last printed digit
    height, delta, separation, ramp = np.array(lobes) * 1e-3
    angular = (2 * np.pi * GAMMA_BAR * height) ** 2
    closed = angular * (delta**2 * (separation - delta / 3) + ramp**3 / 30 - delta * ramp**2 / 6)
    # An identity up to round-off of some thirty terms.
    assert b_of(trapezoids(*lobes)) == pytest.approx(closed * 1e-6, rel=1e-12)


def test_constant_gradient_has_b_of_te_cubed():
    course = trapezoids(0.0, 20.0, 30.0, 0.5, background=1.0)
    assert b_of(course) == pytest.approx(1.28823, abs=5e-6)
    assert b_of(course) == pytest.approx((2 * np.pi * GAMMA_BAR * 1e-3) ** 2 * 0.06**3 / 12 * 1e-6, rel=1e-12)


def test_background_gradient_adds_cross_terms_that_both_polarities_cancel():
    plus, minus = (b_of(trapezoids(40 * s, 20, 30, 0.0001, background=1.0)) for s in (1, -1))
    alone = b_of(trapezoids(40, 20, 30, 0.0001))
    background = b_of(trapezoids(0, 20, 30, 0.0001, background=1.0))
    # The vectors are for rectangular lobes, whose b without ramps is 1068.742 + 1.288 = 1070.030; lobes with ramps of
    # 0.1 us differ from them by less than 0.01.
    assert plus == pytest.approx(1143.510, abs=0.02)
    assert minus == pytest.approx(996.558, abs=0.02)
    assert (plus + minus) / 2 == pytest.approx(alone + background, rel=1e-12)
    assert plus / alone - 1 == pytest.approx(0.070, abs=5e-4)
    assert minus / alone - 1 == pytest.approx(-0.068, abs=6e-4)


def brute(timeline, readout, samples=400_000):
    """b by summing q over a fine grid in time: the slow twin, from the played waveforms alone."""
    rf = [(s * 1e-9 + timeline.pulses[e].centre, timeline.pulses[e].use)
          for s, e, k in zip(timeline.start, timeline.event, timeline.kind, strict=True) if k == 1]  # fmt: skip
    begin = timeline.start[timeline.kind == 2][readout] * 1e-9
    nearest = np.argmin(np.linalg.norm(timeline.readouts.k[readout], axis=1))
    end = begin + (nearest + 0.5) * timeline.readouts.dwell[readout]
    start = max(t for t, use in rf if use == "excitation" and t < end)
    turns = [t for t, use in rf if use == "refocusing" and start < t < end]
    edges = np.unique(np.concatenate([np.linspace(start, end, samples), turns]))
    middle = (edges[1:] + edges[:-1]) / 2
    sign = (-1.0) ** np.searchsorted(turns, middle)
    played = np.stack([np.interp(middle, t * 1e-9, g) for t, g in timeline.knots], axis=-1)
    steps = 2 * np.pi * timeline.gamma_bar * played * sign[:, None] * np.diff(edges)[:, None]
    q = np.cumsum(steps, axis=0) - steps / 2
    return np.einsum("ti,tj,t->ij", q, q, np.diff(edges))


def test_imaging_gradients_agree_with_brute_force(scanner):
    timeline = discretize(MultiEchoSpinEcho(matrix=(16, 4), echoes=3, tr=0.2).build(scanner))
    found = b_matrices(timeline)
    for readout in (0, 5, 11):
        expected = brute(timeline, readout)
        # The midpoint sum errs by (step / ramp)^2 of each lobe: 1e-7 of the trace with 0.1 us steps.
        np.testing.assert_allclose(found[readout], expected, atol=2e-7 * np.trace(expected))
        assert np.trace(found[readout]) > 0.1e6
    np.testing.assert_allclose(found[2], found[2].T, rtol=1e-12)


def test_piecewise_integration_is_exact_against_a_fine_quadrature():
    rng = np.random.default_rng(3)
    times = np.cumsum(rng.integers(1, 500, 12)).astype(np.int64) * 10_000
    gradient = rng.standard_normal((12, 3)) * 0.03
    course = Course(times=times, gradient=gradient, turns=((int(times[5]), "refocusing"),))
    nodes, weights = np.polynomial.legendre.leggauss(8)
    q, b = np.zeros(3), np.zeros((3, 3))
    for i in range(11):
        if i == 5:
            q = -q
        length = (times[i + 1] - times[i]) * 1e-9
        for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
            part = gradient[i] * node + (gradient[i + 1] - gradient[i]) * node**2 / 2
            at = q + 2 * np.pi * GAMMA_BAR * part * length
            b += weight * length * np.outer(at, at)
        q = q + 2 * np.pi * GAMMA_BAR * (gradient[i] + gradient[i + 1]) / 2 * length
    np.testing.assert_allclose(b_course(course, GAMMA_BAR)[-1], b, rtol=1e-9, atol=1e-9 * np.trace(b))


def test_storage_holds_q_and_recall_turns_it():
    ns = 1_000_000
    times = np.array([0, 1, 11, 12, 20, 25, 120, 121, 131, 132, 140], dtype=np.int64) * ns
    # A lobe, then storage at 20 ms with a crusher that must not count, then recall at 120 ms and the second lobe.
    gradient = np.zeros((11, 3))
    gradient[[1, 2, 7, 8], 0] = 20e-3
    gradient[5, 2] = 30e-3
    course = Course(times=times, gradient=gradient, turns=((20 * ns, "storage"), (120 * ns, "recall")))
    after, before = q_course(course, GAMMA_BAR)
    area = 2 * np.pi * GAMMA_BAR * 20e-3 * 11e-3
    assert before[6, 0] == pytest.approx(area, rel=1e-12)
    assert after[6, 0] == pytest.approx(-area, rel=1e-12)
    assert abs(before[-1, 0]) < 1e-9 * area
    delta, separation, ramp = 11e-3, 120e-3, 1e-3
    closed = (2 * np.pi * GAMMA_BAR * 20e-3) ** 2 * (
        delta**2 * (separation - delta / 3) + ramp**3 / 30 - delta * ramp**2 / 6
    )
    b = b_course(course, GAMMA_BAR)[-1]
    assert b[0, 0] == pytest.approx(closed, rel=1e-12)
    assert b[2, 2] == 0.0


def test_contrasts_take_the_b_of_their_central_line(scanner):
    timeline = discretize(SpinEcho(matrix=(16, 8), te=(0.02, 0.06), tr=0.3).build(scanner))
    images = b_of_contrasts(timeline)
    assert images.shape == (2, 3, 3)
    central = np.flatnonzero(timeline.readouts.labels["line"] == 4)
    np.testing.assert_allclose(images, b_matrices(timeline)[central], rtol=1e-12)
    # No phase encoding is played in the central line, and a longer echo time holds its crushers for longer.
    assert images[0, 1, 1] == 0.0
    assert images[1, 0, 0] > images[0, 0, 0]
