"""Diffusion directions and lobes: known arrangements, the shortest echo time that reaches b."""

from __future__ import annotations

import numpy as np
import pytest

from mrsim.core.errors import InfeasibleError, InputError
from mrsim.sequence.b_matrix import b_course, q_course
from mrsim.sequence.diffusion import SCHEMES, Room, lobe_course, solve_lobes
from mrsim.sequence.directions import directions_of, energy, read_bvecs, repelled
from mrsim.sequence.gradients import Limits

GAMMA_BAR = 42.577478518e6
LIMITS = Limits(gradient=0.06, slew=200.0, raster=10_000)
ROOM = Room(lead=4_000_000, side=4_000_000, tail=20_000_000, mixing=30_000_000)
B = 800e6


def test_six_directions_are_the_icosahedron():
    axes = repelled(6)
    apart = np.abs(axes @ axes.T)[~np.eye(6, dtype=bool)]
    # The six axes of an icosahedron all meet at acos(1 / sqrt 5); the minimiser stops at 1e-8 of a radian or so.
    np.testing.assert_allclose(apart, 1 / np.sqrt(5), atol=1e-6)


@pytest.mark.parametrize("count", [12, 30, 64])
def test_repelled_directions_are_even(count):
    axes = repelled(count)
    np.testing.assert_allclose(np.linalg.norm(axes, axis=1), 1.0, atol=1e-12)
    assert np.array_equal(axes, repelled(count))
    # A minimum: any small move costs energy.
    rng = np.random.default_rng(1)
    moved = [axes + 1e-3 * rng.standard_normal(axes.shape) for _ in range(5)]
    assert all(energy(m / np.linalg.norm(m, axis=1, keepdims=True)) > energy(axes) for m in moved)
    # An even set makes the second moment isotropic: the tensor fit then weighs all orientations alike. Discrete sets
    # of these sizes reach 1 %.
    np.testing.assert_allclose(axes.T @ axes / count, np.eye(3) / 3, atol=1e-2)


def test_bvec_files_of_both_layouts_are_read(tmp_path):
    table = np.array([[0.0, 0, 0], [2.0, 0, 0], [0, 0.6, 0.8], [0, 0, -1]])
    np.savetxt(tmp_path / "rows.bvec", table)
    np.savetxt(tmp_path / "fsl.bvec", table.T)
    expected = [[0, 0, 0], [1, 0, 0], [0, 0.6, 0.8], [0, 0, -1]]
    np.testing.assert_allclose(read_bvecs(tmp_path / "rows.bvec"), expected, atol=1e-15)
    np.testing.assert_allclose(directions_of(str(tmp_path / "fsl.bvec")), expected, atol=1e-15)
    np.testing.assert_array_equal(directions_of("z x"), [[0, 0, 1], [1, 0, 0]])


@pytest.mark.parametrize("content", ["1 2\n3 4", "a b c", "1 2 nan\n0 0 1"])
def test_broken_bvec_files_are_refused(content, tmp_path):
    (tmp_path / "bad.bvec").write_text(content)
    with pytest.raises(InputError, match="directions"):
        read_bvecs(tmp_path / "bad.bvec")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_shortest_echo_time_reaches_b_and_one_step_less_does_not(scheme):
    lobes = solve_lobes(scheme, B, ROOM, LIMITS, GAMMA_BAR)
    course = lobe_course(lobes, np.array([0.6, 0.0, 0.8]))
    matrix = b_course(course, GAMMA_BAR)[-1]
    assert np.trace(matrix) == pytest.approx(B, rel=1e-12)
    np.testing.assert_allclose(matrix / B, np.outer([0.6, 0, 0.8], [0.6, 0, 0.8]), atol=1e-12)
    assert 0.9 * LIMITS.gradient < lobes.amplitude <= LIMITS.gradient
    # The echo: nothing is left of q.
    after, before = q_course(course, GAMMA_BAR)
    assert np.abs(before[-1]).max() < 1e-9 * np.abs(after).max()
    with pytest.raises(InfeasibleError, match=f"{lobes.te / 1e6:.6g} ms, the shortest"):
        solve_lobes(scheme, B, ROOM, LIMITS, GAMMA_BAR, te=lobes.te - 2 * LIMITS.raster)
    longer = solve_lobes(scheme, B, ROOM, LIMITS, GAMMA_BAR, te=lobes.te + 8_000_000)
    assert longer.amplitude < lobes.amplitude


@pytest.mark.parametrize("scheme", SCHEMES)
def test_lobes_leave_the_pulses_their_room(scheme):
    lobes = solve_lobes(scheme, B, ROOM, LIMITS, GAMMA_BAR)
    spans = [(s, s + n) for s, n in zip(lobes.starts, lobes.lengths, strict=True)]
    assert spans[0][0] >= ROOM.lead
    assert all(end <= begin for (_, end), (begin, _) in zip(spans[:-1], spans[1:], strict=True))
    for time, _ in lobes.turns:
        assert all(end <= time - ROOM.side or begin >= time + ROOM.side for begin, end in spans)
    echo = lobes.te + (ROOM.mixing if scheme == "steam" else 0)
    assert spans[-1][1] <= echo - ROOM.tail


def test_monopolar_lobes_have_the_closed_form_of_stejskal_and_tanner():
    lobes = solve_lobes("monopolar", B, ROOM, LIMITS, GAMMA_BAR)
    ramp, delta = lobes.ramp * 1e-9, (lobes.lengths[0] - lobes.ramp) * 1e-9
    separation = (lobes.starts[1] - lobes.starts[0]) * 1e-9
    closed = (2 * np.pi * GAMMA_BAR * lobes.amplitude) ** 2 * (
        delta**2 * (separation - delta / 3) + ramp**3 / 30 - delta * ramp**2 / 6
    )
    assert closed == pytest.approx(B, rel=1e-11)
