"""Kernels on configuration states, line by line, against dictionaries of names and complex arithmetic."""

import numpy as np
import pytest
from scipy.special import spherical_jn

from mrsim.simulate._kernels import states as kernels

MULTIPLIERS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x27D4EB2F165667C5], np.uint64)


def found_by_name(names, by):
    """Return the set of new names and, of every state, where F, conj F(-) and Z go and whether under the opposite."""

    def held(name):
        for value in name[::-1]:
            if value:
                return (tuple(-v for v in name), True) if value < 0 else (name, False)
        return name, False

    slots, flips, rows = np.zeros((3, len(names)), int), np.zeros((2, len(names)), bool), {(0, 0, 0, 0): 0}
    for part, move in enumerate((lambda n: n + by, lambda n: by - n, lambda n: n)):
        for s, name in enumerate(names):
            if part == 1 and s == 0:
                continue
            new, flip = held(tuple(int(v) for v in move(name)))
            slots[part, s] = rows.setdefault(new, len(rows))
            if part < 2:
                flips[part, s] = flip
    return list(rows), slots, flips


@pytest.mark.parametrize("near", [1, 10, 100])
@pytest.mark.parametrize("room", [64, 512])
def test_states_go_where_their_names_say(near, room):
    names = near * np.array([[0, 0, 0, 0], [1, 0, 2, 1], [0, 1, 0, 0], [-4, 3, 0, 0], [2, -2, 1, 1], [3, 1, 1, 0]])
    for by in near * np.array([[1, 0, 2, 1], [0, 1, 0, 0], [-3, -1, -1, 0], [0, 0, 0, 0]]):
        table, rows = np.zeros(room, np.uint64), np.zeros(room, np.int64)
        found, slots = np.zeros((18, 4), np.int64), np.zeros((3, 6), np.int64)
        flips = np.zeros((2, 6), bool)
        close = np.full(4, near)
        with np.errstate(over="ignore"):
            count = kernels.destinations(names, by, close, MULTIPLIERS, table, rows, found, slots, flips)
        wanted, to, turned = found_by_name(names, by)
        assert [tuple(one) for one in found[:count]] == wanted
        to[1, 0], slots[1, 0] = 0, 0  # F(0) has no opposite of its own
        np.testing.assert_array_equal(slots, to)
        np.testing.assert_array_equal(flips, turned)


def test_names_that_differ_by_round_off_are_the_same():
    near, names = np.full(4, 100), np.array([[0, 0, 0, 0], [500, 0, 0, 0], [1, 2, -1, 1000]])
    table, rows = np.zeros(64, np.uint64), np.zeros(64, np.int64)
    found, slots = np.zeros((9, 4), np.int64), np.zeros((3, 3), np.int64)
    flips = np.zeros((2, 3), bool)
    with np.errstate(over="ignore"):
        kernels.destinations(names, np.array([502, 1, 0, 0]), near, MULTIPLIERS, table, rows, found, slots, flips)
    assert slots[0, 0] == slots[2, 1]  # 0 moves to 502, 500 stays
    assert slots[1, 1] == 0  # 502 - 500 is no name at all: the first state
    assert not flips[1, 1]


def complex_of(values, part):
    return values[..., 2 * part, :] + 1j * values[..., 2 * part + 1, :]


def states(rng, count, pools, lanes):
    values = rng.normal(size=(count, pools, 6, lanes))
    values[0, :, 2], values[0, :, 3] = values[0, :, 0], -values[0, :, 1]
    values[0, :, 5] = 0
    return values


def test_states_relax_exchange_and_move():
    rng, pools, lanes = np.random.default_rng(1), 2, 3
    values = states(rng, 4, pools, lanes)
    rows = np.array([0, 2, 3])
    names = np.array([[0, 0, 0, 0], [1, 0, 0, 0], [3, 0, 0, 0]])
    for by in ([1, 0, 0, 0], [-2, 0, 0, 0]):
        wanted_names, slots, flips = found_by_name(names, np.array(by))
        weight = rng.uniform(0.5, 1, (3, 3))
        transverse = rng.normal(size=(pools, pools, 2))
        transverse[0, 1] = 0
        longitudinal, recovery = rng.normal(size=(pools, pools)), rng.normal(size=pools)
        out = np.zeros((len(wanted_names), pools, 6, lanes))
        kernels.spread(values, rows, slots, flips, weight, transverse, longitudinal, recovery, out)
        mixing = transverse[..., 0] + 1j * transverse[..., 1]
        plus = np.zeros((len(wanted_names), 3, pools, lanes), complex)  # F(k), conj F(-k), Z(k)
        for s in range(3):
            f, m, z = (complex_of(values[rows[s]], part) for part in range(3))
            for part, state in ((0, mixing @ f * weight[0, s]), (1, np.conj(mixing) @ m * weight[1, s])):
                if part == 1 and s == 0:
                    continue
                # F goes to F(k + by); conj F(-k) to conj F(-k + by) = conj F(-(k - by))
                side = 0 if part == 0 else 1
                if part == 0:
                    to, conjugated = (1, True) if flips[0, s] else (0, False)
                else:
                    # the name sought is by - k: F(by - k) = conj of the state
                    to, conjugated = (1, False) if flips[1, s] else (0, True)
                assert side == part
                plus[slots[part, s], to] += np.conj(state) if conjugated else state
            plus[slots[2, s], 2] += longitudinal @ z * weight[2, s]
        plus[0, 2] += recovery[:, None]
        plus[0, 1] = np.conj(plus[0, 0])
        for part in range(3):
            np.testing.assert_allclose(complex_of(out, part), plus[:, part], atol=1e-13, rtol=0)


def sizes_of(values, share, layers):
    """Return the largest over layers of the sum over pools of what a state can add to the magnetisation."""
    weighed = [
        (share * np.abs(complex_of(values, part)) ** 2).reshape(*values.shape[:2], layers, -1).sum(-1)
        for part in range(3)
    ]
    whole = np.sqrt((np.sqrt(weighed[0]) + np.sqrt(weighed[1])) ** 2 + 4 * weighed[2])
    return whole.sum(axis=1).max(axis=-1)


def test_pulses_are_real_affine_maps_of_the_magnetisation():
    rng, pools, layers, each = np.random.default_rng(2), 2, 2, 3
    values = states(rng, 3, pools, layers * each)
    maps, share = rng.normal(size=(pools, 3, 4, layers * each)), rng.uniform(0.1, 1, layers * each)
    f, m, z = (complex_of(values, part) for part in range(3))
    x, y = (f + m) / 2, (f - m) / 2j
    full = np.stack([x, y, z, np.zeros_like(z)], axis=2)
    full[0, :, 3] = 1
    x, y, z = np.moveaxis(np.einsum("prcl,spcl->sprl", maps, full), 2, 0)
    sizes = np.empty(3)
    kernels.turn(values, maps, share, layers, 0.5, sizes)
    for part, wanted in enumerate((x + 1j * y, x - 1j * y, z)):
        np.testing.assert_allclose(complex_of(values, part), wanted, atol=1e-13, rtol=0)
    np.testing.assert_allclose(sizes, sizes_of(values, share, layers), rtol=1e-13)


def test_how_far_two_sets_of_states_are_apart():
    rng, pools, layers, each = np.random.default_rng(3), 2, 2, 3
    one, two = (states(rng, 3, pools, layers * each) for _ in range(2))
    share = rng.uniform(0.1, 1, layers * each)
    row, other = np.array([0, 2, -1, 1]), np.array([1, -1, 2, 0])
    difference = np.stack([one[0] - two[1], one[2], two[2], one[1] - two[0]])
    wanted = sizes_of(difference, share, layers).sum()
    assert kernels.apart(one, row, two, other, share, layers) == pytest.approx(wanted, rel=1e-13)


@pytest.mark.parametrize("count", [1, 2, 5, 12])
@pytest.mark.parametrize("x", [0.0, 1e-9, 0.3, -0.3, np.pi, 4.4934, -7.7, 12.0, 40.0, 1e-3])
def test_spherical_bessel_functions(count, x):
    out = np.empty(count)
    kernels.spherical_bessel(x, out)
    order = np.arange(count)
    wanted = spherical_jn(order, abs(x)) * np.where(x < 0, (-1.0) ** order, 1)
    np.testing.assert_allclose(out, wanted, atol=2e-14, rtol=0)
    np.testing.assert_allclose(out[:2], wanted[:2], rtol=1e-9, atol=1e-15)


def test_states_are_seen_through_layers():
    """Against a fine sum over each layer of the polynomials that pass through the points of its panels."""
    rng, pools, layers, panels, order, width = np.random.default_rng(4), 2, 2, 3, 4, 1e-3
    points, _ = np.polynomial.legendre.leggauss(order)
    polynomials = np.array([
        (2 * degree + 1) * np.polynomial.legendre.legval(points, np.eye(order)[degree]) for degree in range(order)
    ])  # fmt: skip
    polynomials = polynomials * np.polynomial.legendre.leggauss(order)[1] / 2
    values = states(rng, 3, pools, layers * panels * order)
    state, opposite = np.array([1, 2, 0]), np.array([False, True, False])
    k = rng.uniform(-600, 600, (3, 5))
    k[0, 0], k[1, 0] = 0.0, 4000.0
    out = np.empty((3, layers, pools, 5, 4))
    kernels.through(values, state, opposite, k, width, polynomials, layers, out)
    nodes, weights = np.polynomial.legendre.leggauss(60)
    for i in range(3):
        # conj F(-k), looked at as F of the opposite name
        looked = np.conj(complex_of(values, 1)[state[i]]) if opposite[i] else complex_of(values, 0)[state[i]]
        looked = looked.reshape(pools, layers, panels, order)
        for highest in (False, True):
            wanted = np.zeros((layers, pools, 5), complex)
            for panel in range(panels):
                centre = (panel - (panels - 1) / 2) * width
                legendre = np.polynomial.legendre.legvander(nodes, order - 1)
                content = looked[:, :, panel] @ polynomials.T @ legendre.T
                if highest:
                    content = (looked[:, :, panel] @ polynomials[-1])[..., None] * legendre[:, -1]
                phase = np.exp(-2j * np.pi * np.outer(k[i], centre + nodes * width / 2))
                wanted += np.einsum("pln,sn,n->lps", content, phase, weights / 2) / panels
            found = out[i, ..., 2 * highest] + 1j * out[i, ..., 2 * highest + 1]
            np.testing.assert_allclose(found, wanted, atol=1e-12)
