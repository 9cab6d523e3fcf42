"""Dropping weak states costs no more than stated: over random trains, at any place, for any relaxation."""

import numpy as np
import pytest

from mrsim.phantom.exchange import ExchangePool
from mrsim.simulate.pathways_pools import Pools
from mrsim.simulate.pathways_states import States
from mrsim.simulate.pathways_steps import UNITS, Path
from mrsim.simulate.pulse_maps import rotation

OTHERS = (
    ExchangePool(name="free", fraction=0.3, rate=15.0, t1=0.6, t2=0.02, shift=1e-6),
    ExchangePool(name="bound", fraction=0.1, rate=40.0, t1=1.0, t2=1e-5, line="gaussian"),
)


def pools_of(rng, kind):
    if kind == "exchange":
        return Pools.exchanging(1.1, 12.0, OTHERS, 123e6)
    t2 = np.exp(rng.uniform(*np.log({"short": (3e-3, 30e-3), "long": (0.5, 5.0)}[kind])))
    return Pools.single(1 / (t2 * rng.uniform(0.6, 5.0)), 1 / t2)


def random_step(rng, lanes, count):
    """A path of two-axis moments on a coarse lattice, so that states meet, and a pulse whose flip varies by lane."""
    way = Path()
    moment = np.append(rng.integers(-1, 3, 2), 0.0) * 120.0
    way.extend(6e-3, moment)
    nominal, scale = rng.uniform(0, np.pi), rng.uniform(0.6, 1.3, lanes)
    maps = np.stack([rotation(nominal * b, 0.0) for b in scale], axis=-1)[None]
    return way, np.repeat(maps, count, axis=0), rng.uniform(0, 2 * np.pi)


def saturating(maps, pools, left):
    """The maps with a bound pool's longitudinal part shrunk to `left`."""
    for p in np.flatnonzero(~pools.free):
        maps[p] = 0
        maps[p, 2, 2] = left
    return maps


def magnetisation(states, position):
    """(place, pool, 3, lane) real magnetisation, the sum of all states."""
    wave = np.exp(-2j * np.pi * position @ (states.names[:, :3] * UNITS[:3]).T)
    plus, minus, z = (states.part(which) for which in range(3))
    other = wave.conj().copy()
    other[:, 0] = 0  # the state without moment is its own opposite
    transverse = np.tensordot(wave, plus, 1) + np.tensordot(other, minus.conj(), 1)
    along = np.tensordot(wave, z, 1) + np.tensordot(other, z.conj(), 1)
    return np.stack([transverse.real, transverse.imag, along.real], axis=2)


@pytest.mark.parametrize("share", [1e-4, 1e-2])
@pytest.mark.parametrize("diffusion", [None, np.diag([2e-9, 1e-9, 0.0])], ids=["still", "diffusing"])
@pytest.mark.parametrize("kind", ["short", "long", "exchange"])
def test_random_trains_lose_no_more_than_the_stated_bound_anywhere(kind, diffusion, share):
    rng = np.random.default_rng(17)
    position = np.append(rng.uniform(-5e-3, 5e-3, (20, 2)), np.zeros((20, 1)), axis=1)
    lanes, tightest = 3, 0.0
    for _ in range(2):
        pools = pools_of(rng, kind)
        full, cut = States(pools, lanes), States(pools, lanes)
        for _ in range(10):
            way, maps, phase = random_step(rng, lanes, pools.count)
            saturating(maps, pools, rng.uniform(0.5, 1.0))
            for states in (full, cut):
                states.evolve(way, diffusion)
                states.turn(maps, phase)
            cut.prune(share)
            # at any place, all pools together, averaged over the lanes of a layer
            lost = np.linalg.norm(magnetisation(full, position) - magnetisation(cut, position), axis=2)
            error = lost.sum(axis=1).mean(axis=1).max()
            assert error <= cut.bound * (1 + 1e-9) + 1e-13
            # the mean over all places is the signal of a whole number of cycles
            mean = np.abs((full.part(0)[0] - cut.part(0)[0]).sum(axis=0).mean())
            assert mean <= cut.bound * (1 + 1e-9) + 1e-13
            tightest = max(tightest, error / cut.bound if cut.bound else 0.0)
        assert len(cut.names) < len(full.names)
    assert tightest > 0.2  # the bound is no idle promise: losses come near it
