"""Coupled spins as the fewest small spaces that carry their signal.

1. Spins without a path of couplings between them are simulated apart.
2. Spins of another nucleus than the observed one are not turned by pulses and couple through I_z S_z alone: every
   combination of their states is a copy of the observed spins at shifted frequencies (14N with its spin 1 too).
3. Magnetically equivalent spins 1/2 act through their sum alone: n of them are the irreducible spins n/2, n/2 - 1, ...,
   each as often as its multiplicity says (three protons of a methyl: 3/2 once and 1/2 twice).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.nuclei import Nucleus, nucleus
from ...phantom.metabolite import CoupledSpins

LARGEST = 1024
"""Largest dimension of a space: ten different spins 1/2."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Subspace:
    """Irreducible spins that are coupled with each other."""

    spins: tuple[float, ...]
    """Spin quantum number of each."""
    offsets: tuple[float, ...]
    """Frequency of each above the reference, Hz."""
    couplings: tuple[tuple[int, int, float], ...]
    """Pairs of them, counted from 0, and J, Hz."""

    @property
    def dimension(self) -> int:
        """Number of states."""
        return math.prod(round(2 * spin + 1) for spin in self.spins)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Network:
    """Observed spins with a path of couplings between any two."""

    offsets: NDArray[np.float64]
    """(spin,) Hz."""
    couplings: NDArray[np.float64]
    """(spin, spin) J, Hz, symmetric."""
    foreign: NDArray[np.float64]
    """(spin, foreign spin) J with spins of other nuclei, Hz."""
    foreign_spins: tuple[float, ...]
    spin: float
    """Spin quantum number of the observed nucleus."""
    rates: NDArray[np.float64]
    """(spin, 2) 1 / T1 and 1 / T2, 1/s; zero without relaxation."""


def networks(part: CoupledSpins, observed: Nucleus, b0: float, reference: float) -> list[Network]:
    """Return the parts of a spin system that are coupled within, seen from the observed nucleus.

    Parameters
    ----------
    part : CoupledSpins
    observed : Nucleus
        Whose spins are turned and received.
    b0 : float
        T.
    reference : float
        Shift at frequency zero, fraction.
    """
    count = len(part.shifts)
    kinds = [nucleus(name) for name in part.nuclei or ("1H",) * count]
    j = np.zeros((count, count))
    for (a, b), value in part.pairs().items():
        j[a, b] = j[b, a] = value
    seen = [i for i in range(count) if kinds[i].name == observed.name]
    other = [i for i in range(count) if kinds[i].name != observed.name]
    larmor = abs(observed.gamma_bar) * b0
    t1, t2 = (np.broadcast_to(np.asarray(t or np.inf, dtype=np.float64), count) for t in (part.t1, part.t2))
    rates = np.stack([1 / t1, 1 / t2], axis=1)
    found = []
    for members in _connected(j, seen):
        partners = [i for i in other if np.any(j[members, i])]
        found.append(
            Network(
                offsets=(np.array([part.shifts[i] for i in members]) - reference) * larmor,
                couplings=j[np.ix_(members, members)],
                foreign=j[np.ix_(members, partners)],
                foreign_spins=tuple(kinds[i].spin for i in partners),
                spin=observed.spin,
                rates=rates[members],
            )
        )
    return found


def _connected(j: NDArray[np.float64], members: list[int]) -> list[list[int]]:
    """Return the spins in sets between which nothing is coupled."""
    left, sets = list(members), []
    while left:
        reached, fresh = {left[0]}, [left[0]]
        while fresh:
            a = fresh.pop()
            near = [b for b in members if j[a, b] and b not in reached]
            reached.update(near)
            fresh += near
        sets.append(sorted(reached))
        left = [i for i in left if i not in reached]
    return sets


def subspaces(network: Network, grouped: bool = True) -> dict[Subspace, float]:
    """Return the spaces of a network and the weight of each one's signal.

    The signal is the sum of weight * Tr(rho F_+) from rho = F_z; with the weights it is 1 per spin that a pulse of
    90 degrees has turned. `grouped`: reduce equivalent spins; without it the full space is kept.
    """
    groups = equivalent(network) if grouped else [[i] for i in range(len(network.offsets))]
    check_size(network, groups)
    choices = [_irreducible(len(group), network.spin) for group in groups]
    states = (2 * network.spin + 1) ** len(network.offsets)
    unit = 3 / (states * network.spin * (network.spin + 1))
    first = [group[0] for group in groups]
    found: dict[Subspace, float] = {}
    for shifts, share in _copies(network):
        for choice in itertools.product(*choices):
            kept = [g for g, (spin, _) in enumerate(choice) if spin > 0]
            if not kept:
                continue
            at = [first[g] for g in kept]
            pairs = itertools.combinations(range(len(kept)), 2)
            space = Subspace(
                spins=tuple(choice[g][0] for g in kept),
                offsets=tuple(float(shifts[i]) for i in at),
                couplings=tuple(
                    (a, b, float(network.couplings[at[a], at[b]])) for a, b in pairs if network.couplings[at[a], at[b]]
                ),
            )
            found[space] = found.get(space, 0.0) + share * unit * math.prod(choice[g][1] for g in range(len(groups)))
    return found


def equivalent(network: Network) -> list[list[int]]:
    """Return the spins in groups of magnetically equivalent ones: alike in shift, rates and every coupling."""
    j, groups = network.couplings, list[list[int]]()
    for i in range(len(network.offsets)):
        for group in groups:
            a = group[0]
            rest = [k for k in range(len(network.offsets)) if k not in (a, i)]
            alike = (
                network.spin == 0.5
                and network.offsets[i] == network.offsets[a]
                and np.array_equal(j[i, rest], j[a, rest])
                and np.array_equal(network.foreign[i], network.foreign[a])
                and np.array_equal(network.rates[i], network.rates[a])
            )
            if alike:
                group.append(i)
                break
        else:
            groups.append([i])
    return groups


def check_size(network: Network, groups: list[list[int]]) -> None:
    """Refuse a space that would not fit, with the memory that it would need."""
    dimension = math.prod(round(2 * network.spin * len(group)) + 1 for group in groups)
    if dimension > LARGEST:
        memory = 6 * 16 * float(dimension) ** 2 / 2**30
        raise InputError(
            f"{len(network.offsets)} strongly coupled spins in {len(groups)} groups have {dimension} states; their "
            f"density matrix and propagators would need about {memory:.3g} GiB; at most {LARGEST} states (ten "
            "different spins 1/2) are simulated: leave out couplings that are too weak to be seen",
            key="couplings",
        )


def _irreducible(count: int, spin: float) -> list[tuple[float, int]]:
    """Return (spin, multiplicity) of the irreducible spins in the sum of `count` spins."""
    if count == 1:
        return [(spin, 1)]
    below = range(count // 2 + 1)
    return [(count / 2 - k, math.comb(count, k) - (math.comb(count, k - 1) if k else 0)) for k in below]


def _copies(network: Network) -> list[tuple[NDArray[np.float64], float]]:
    """Return the observed spins' offsets for each state of the foreign spins, and its share."""
    levels = [np.arange(-spin, spin + 1) for spin in network.foreign_spins]
    share = 1.0 / math.prod(len(level) for level in levels)
    # H = -2 pi offset I_z + 2 pi J I_z S_z
    return [(network.offsets - network.foreign @ np.array(m), share) for m in itertools.product(*levels)]
