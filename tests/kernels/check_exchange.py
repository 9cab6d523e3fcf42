"""Kernels of exchanging pools, of plane sums and of the walk of a class, against dense matrices and plain sums."""

import numpy as np
import pytest

from mrsim.simulate._kernels import exchange as kernels
from mrsim.simulate._kernels.plane import moving_pencils, weigh
from mrsim.simulate._kernels.walk import walk
from mrsim.simulate.steps import rotation_series, turn_series

SIZES = (5, kernels.BLOCK + 3)


def rotated(m, half):
    """Turn m (3, n) by twice the vectors half (3, n)."""
    size = np.linalg.norm(half, axis=0)
    n, angle = half / size, 2 * size
    return m * np.cos(angle) + np.cross(n, m, axis=0) * np.sin(angle) + n * np.sum(n * m, axis=0) * (1 - np.cos(angle))


@pytest.mark.parametrize("n", SIZES)
def test_steps_mix_turn_and_saturate(n):
    rng, liquids, pools, steps = np.random.default_rng(1), 2, 3, 3
    x, y, z = (rng.uniform(-1, 1, (rows, n)) for rows in (liquids, liquids, pools))
    place = rng.uniform(-1, 1, (3, n))
    offset = np.array([0.05, -0.1])
    b1, slopes, kept = (
        rng.uniform(-0.2, 0.2, (2, steps)),
        rng.uniform(-0.1, 0.1, (3, steps)),
        rng.uniform(0.5, 1, (steps, 1)),
    )
    half, whole = (
        (rng.uniform(-0.5, 0.5, (2, 2)), rng.uniform(-0.5, 0.5, (3, 3)), rng.uniform(0, 0.1, 3)) for _ in range(2)
    )
    wanted = [x.copy(), y.copy(), z.copy()]

    def mixed(state, part):
        return [part[0] @ state[0], part[0] @ state[1], part[1] @ state[2] + part[2][:, None]]

    wanted = mixed(wanted, half)
    for k in range(steps):
        for p in range(liquids):
            along = offset[p] + slopes[:, k] @ place
            turned = rotated(
                np.stack([wanted[0][p], wanted[1][p], wanted[2][p]]),
                np.stack([np.full(n, b1[0, k]), np.full(n, b1[1, k]), along]),
            )
            wanted[0][p], wanted[1][p], wanted[2][p] = turned
        wanted[2][liquids:] *= kept[k][:, None]
        wanted = mixed(wanted, half if k == steps - 1 else whole)
    kernels.exchange_steps(x, y, z, place, offset, b1, slopes, kept, half, whole, rotation_series(np.float64))
    for found, one in zip((x, y, z), wanted, strict=True):
        np.testing.assert_allclose(found, one, atol=1e-13, rtol=0)


@pytest.mark.parametrize("largest", [0.01, 0.5])
def test_one_pool_turns_by_every_term_of_the_series(largest):
    place, none = np.zeros((3, 1)), 0.0
    for axis in range(3):
        m, half = np.array([[0.6], [-0.3], [0.7]]), np.zeros((3, 1))
        half[axis] = largest
        wanted = rotated(m, half)
        kernels.turn_pool(
            m[0], m[1], m[2], place, half[2, 0], half[0, 0], half[1, 0], none, none, none, rotation_series(np.float64)
        )  # fmt: skip
        np.testing.assert_allclose(m, wanted, atol=4e-15, rtol=0)


@pytest.mark.parametrize("n", SIZES)
def test_intervals_mix_complex_and_turn(n):
    rng, liquids, pools = np.random.default_rng(2), 2, 3
    x, y, z = (rng.uniform(-1, 1, (rows, n)) for rows in (liquids, liquids, pools))
    place, moment = rng.uniform(-1, 1, (3, n)), rng.uniform(-2, 2, 3)
    place[:, 0] = 0.0
    transverse = rng.uniform(-0.5, 0.5, (2, 2, 2))
    longitudinal, recovery = rng.uniform(-0.5, 0.5, (3, 3)), rng.uniform(0, 0.1, 3)
    for turns in (0.3, 0.5, 1.4999):
        complex_mix = transverse[0] + 1j * transverse[1]
        wanted = (complex_mix @ (x + 1j * y)) * np.exp(-2j * np.pi * (moment @ place + turns))
        along = longitudinal @ z + recovery[:, None]
        kernels.exchange_free(
            x, y, z, place, moment, turns, transverse, longitudinal, recovery, turn_series(np.float64)
        )  # fmt: skip
        np.testing.assert_allclose(x + 1j * y, wanted, atol=2e-14, rtol=0)
        np.testing.assert_allclose(z, along, atol=1e-14, rtol=0)


def test_layers_are_weighed_and_added():
    rng = np.random.default_rng(3)
    value = rng.normal(size=(3, 2, 4, 5)) + 1j * rng.normal(size=(3, 2, 4, 5))
    shape = rng.normal(size=(2, 4, 5)) + 1j * rng.normal(size=(2, 4, 5))
    step, row = np.array([2, 0, 1]), np.array([1, 0, 1])
    out = np.ones((3, 2, 5), complex)
    weigh(value, step, shape, row, out)
    np.testing.assert_allclose(out, 1 + np.einsum("rclx,rlx->rcx", value[step], shape[row]), atol=1e-14, rtol=0)


def test_pencils_that_move_are_summed_with_what_they_see():
    rng = np.random.default_rng(4)
    coils, layers, rows, columns, kinds = 2, 2, 3, 6, 3
    density = rng.normal(size=(coils, layers, rows, columns)) + 1j * rng.normal(size=(coils, layers, rows, columns))
    ends = np.array([[[0, 6], [1, 5], [2, 2]], [[3, 4], [0, 2], [5, 6]]])
    held = np.zeros((layers, rows, columns), bool)
    for layer in range(layers):
        for j in range(rows):
            held[layer, j, ends[layer, j, 0] : ends[layer, j, 1]] = True
    shifts = rng.uniform(-1, 1, (layers, rows, kinds, columns))
    moment, wind, y = rng.uniform(-1, 1, (4, kinds)), rng.uniform(-1, 1, 4), rng.uniform(-2, 2, rows)
    seen = np.array([2, 0])
    out = np.ones((4, coils * 3, layers, columns), complex)
    moving_pencils(
        density.real.copy(), density.imag.copy(), shifts, ends, moment, wind, y, seen, turn_series(np.float64), out
    )
    turns = wind[:, None, None, None] * y[:, None] + np.einsum("rk,lykx->rlyx", moment, shifts)
    factors = [np.ones((layers, rows, columns)), shifts[:, :, 2], shifts[:, :, 0]]
    for part, factor in enumerate(factors):
        whole = np.einsum("clyx,rlyx,lyx->rclx", density, np.exp(-2j * np.pi * turns), factor * held)
        np.testing.assert_allclose(out[:, part * coils : (part + 1) * coils], 1 + whole, atol=1e-13, rtol=0)


def test_walk_of_a_class_is_maps_and_phasors_in_turn():
    rng, depth, angles = np.random.default_rng(5), 6, 2
    state = rng.uniform(-1, 1, (angles, 3, depth))
    maps = rng.uniform(-1, 1, (2, 3, 4, depth))
    phasor = rng.normal(size=(2, depth)) + 1j * rng.normal(size=(2, depth))
    sample = rng.normal(size=(2, depth)) + 1j * rng.normal(size=(2, depth))
    plane = rng.normal(size=(2, angles)) + 1j * rng.normal(size=(2, angles))
    decay, angle = np.array([0.9, 0.7]), np.array([0, 0.8, 0, 0, -2.1, 0, 0, 0])
    ops = np.array([[0, 1, 1], [1, 0, 0], [2, 1, 0], [0, 0, 0], [1, 1, 0], [2, 0, 0], [0, 1, 0], [2, 1, 0]])
    layers = np.array([0, 2, 6])
    wanted, out = state.copy(), np.empty((3, 2, 2, angles))
    heard = []
    for kind, use, row in ops:
        turned = wanted[:, 0] + 1j * wanted[:, 1]
        spin = np.exp(1j * angle[(len(heard) and 4) or 1]) if kind == 1 else 1.0
        if kind == 0:
            turned = turned * phasor[use] * plane[row][:, None]
            wanted = np.stack([turned.real, turned.imag, 1 + decay[use] * (wanted[:, 2] - 1)], axis=1)
        elif kind == 1:
            turned = turned * spin
            full = np.stack([turned.real, turned.imag, wanted[:, 2], np.ones_like(wanted[:, 2])], axis=1)
            done = np.einsum("rcz,fcz->frz", maps[use], full)
            turned = (done[:, 0] + 1j * done[:, 1]) / spin
            wanted = np.stack([turned.real, turned.imag, done[:, 2]], axis=1)
        else:
            whole = turned * sample[use]
            heard.append([whole[:, low:high].mean(axis=1) for low, high in ((0, 2), (2, 6))])
    split = [np.stack([array.real, array.imag], axis=1) for array in (phasor, sample, plane)]
    phases = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    walk(state, maps, split[0], decay, split[1], ops, phases, split[2], layers, 1.0, out)
    np.testing.assert_allclose(state, wanted, atol=1e-13, rtol=0)
    np.testing.assert_allclose(out[:, :, 0] + 1j * out[:, :, 1], np.array(heard), atol=1e-13, rtol=0)
