"""Spins of exchanging pools through a whole timeline, class by class.

Off resonance and gradients turn all pools of a spin alike, so between pulses the phase of a place and the exchange
of its pools separate: exact. A pulse without gradient is one matrix (`exchange.pulse_matrix`): exact. A pulse with
gradients runs step by step (`_kernels/exchange`), with an error of second order in the step. While a window is open
the pools' transverse magnetisation is a sum of modes of exp((K - i 2 pi shift) t), each of which decays and precesses
like a spin of its own and is sampled by the readout kernels.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..sequence.timeline import READOUT, RF, Pulse, Timeline
from .classes import TissueClass
from .exchange import ExchangeSystem, matrix_exponential, pulse_matrix
from .options import Progress
from .sampling import SampleForms
from .steps import TimeTable, cut_gradient, pulse_table, rotation_series, turn_series

CHUNK = 4096
"""Spins whose signal is summed together."""
LARGEST_STEP = 0.02
"""Largest product of a rate of exchange or saturation and a step of a pulse with gradients."""
WORST_MODES = 1e7
"""Condition of the modes beyond which samples are stepped through instead."""


def exchange_signal(
    timeline: Timeline,
    classes: list[TissueClass],
    position: NDArray[np.float64],
    volume: NDArray[np.float64],
    *,
    threads: int,
    progress: Progress | None = None,
) -> NDArray[np.complex128]:
    """Return the (readout, sample) signal, m^3, of all spins of classes with exchange; double precision.

    The arguments are those of `direct_signal`.
    """
    total = np.zeros(timeline.readouts.k.shape[:2], dtype=np.complex128)
    done, whole = 0, sum(len(kind.members) for kind in classes)
    for kind in classes:
        reach = np.abs(position[kind.members]).max(axis=0, initial=0.0)
        walk = _Walk.of(timeline, kind, reach)
        parts = [kind.members[i : i + CHUNK] for i in range(0, len(kind.members), CHUNK)]
        work = [(np.ascontiguousarray(position[part].T), volume[part] * kind.pd) for part in parts]
        with ThreadPoolExecutor(threads) as pool:
            for part, signal in zip(parts, pool.map(partial(_carry, walk), *zip(*work, strict=True)), strict=True):
                total += signal
                done += len(part)
                if progress:
                    progress(done, whole)
    return total


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Walk:
    """What all spins of one class share."""

    timeline: Timeline
    system: ExchangeSystem
    offset: float
    b1: float
    matrices: dict[int, NDArray[np.float64]]
    """By pulse without gradient: its map."""
    steps: dict[int, list[tuple[Any, ...]]]
    """By pulse with gradients: the kernel's tables, one per run of equal steps."""
    frequent: tuple[int, ...]
    """Pulses with gradients that play so often that their maps at every spin cost less than their steps."""
    modes: tuple[NDArray[Any], NDArray[Any]] | None
    """Rates and modes of the transverse magnetisation between pulses; None where they are all but parallel."""
    forms: SampleForms
    free: dict[int, tuple[NDArray[np.float64], ...]]
    """By duration, ns: transverse (2, liquid, liquid) and longitudinal (pool, pool) maps, and the recovery (pool,)."""

    @classmethod
    def of(cls, timeline: Timeline, kind: TissueClass, reach: NDArray[np.float64]) -> _Walk:
        system = ExchangeSystem.of(kind.r1, kind.r2, kind.exchange, timeline.gamma_bar * timeline.b0)
        plain = [not np.any(pulse.gradient) for pulse in timeline.pulses]
        still = timeline.kind != RF
        plays = np.bincount(timeline.event[~still], minlength=len(plain))
        rates, modes = np.linalg.eig(system.transverse - 2j * np.pi * np.diag(system.shift))
        return cls(
            timeline=timeline,
            system=system,
            offset=kind.offset,
            b1=kind.b1,
            matrices={
                i: pulse_matrix(system, pulse, timeline.gamma_bar, offset=kind.offset, b1=kind.b1)
                for i, pulse in enumerate(timeline.pulses)
                if plain[i]
            },
            steps={
                i: _step_tables(system, pulse, timeline.gamma_bar, kind, reach)
                for i, pulse in enumerate(timeline.pulses)
                if not plain[i]
            },
            frequent=tuple(i for i, count in enumerate(plays) if not plain[i] and count > system.size + 1),
            modes=(rates, modes) if np.linalg.cond(modes) <= WORST_MODES else None,
            forms=SampleForms.of(timeline.readouts.moment, reach, np.float64),
            free={int(t): _parts(*free_maps(system, t * 1e-9)) for t in np.unique(timeline.duration[still])},
        )


def free_maps(system: ExchangeSystem, seconds: float) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    """Return the (liquid, liquid) complex and the (pool, pool + 1) real map of an interval without RF."""
    n = system.liquids
    still = matrix_exponential(system.generator(0.0, 0.0, 0.0) * seconds)
    transverse = still[:n, :n] + 1j * still[n : 2 * n, :n]
    return transverse, still[2 * n : -1, 2 * n :]


def _parts(
    transverse: NDArray[np.complex128], longitudinal: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the maps of an interval as the kernel wants them."""
    both = np.stack([transverse.real, transverse.imag])
    return both, np.ascontiguousarray(longitudinal[:, :-1]), np.ascontiguousarray(longitudinal[:, -1])


def _step_tables(
    system: ExchangeSystem, pulse: Pulse, gamma_bar: float, kind: TissueClass, reach: NDArray[np.float64]
) -> list[tuple[Any, ...]]:
    """Return the kernel's tables of a pulse with gradients, cut finely enough for rotation, exchange, saturation."""
    farthest = float(np.abs(kind.offset + system.shift).max())
    carrier = pulse.frequency - kind.offset
    nutation = 2 * np.pi * gamma_bar * kind.b1 * np.abs(pulse.b1)
    fastest = max(
        float(np.abs(system.transverse).max()),
        float(np.abs(system.longitudinal).max()),
        float(system.saturation(nutation, carrier).max(initial=0.0)),
    )
    split = np.maximum(1, np.ceil(fastest * pulse.parts * pulse.dt / LARGEST_STEP)).astype(int)
    fine = Pulse(
        dt=np.repeat(pulse.dt / split, split),
        b1=np.repeat(pulse.b1 * kind.b1, split),
        gradient=cut_gradient(pulse, split)[0],
        flip=pulse.flip,
        centre=pulse.centre,
        use=pulse.use,
        parts=pulse.parts,
    )
    times = TimeTable()
    table = pulse_table((fine,), gamma_bar, reach, farthest, 1.0, times, np.float64)
    seconds = np.array(list(times.rows))
    found = []
    for first, last, half, whole, factor, *_ in table.runs:
        part = slice(int(first), int(last))
        dt = float(seconds[int(whole)])
        amplitude = 2 * np.hypot(*table.b1[:2, part]) / dt
        halves, wholes = (_mixers(system, float(seconds[int(row)])) for row in (half, whole))
        fields = (table.b1[:2, part].copy(), table.gradient[:3, part].copy())
        kept = np.exp(-system.saturation(amplitude, carrier) * dt)
        found.append(
            (factor * (kind.offset + system.shift), *fields, kept, halves, wholes, rotation_series(np.float64))
        )
    return found


def _mixers(system: ExchangeSystem, seconds: float) -> tuple[NDArray[np.float64], ...]:
    """Return relaxation and exchange over a time: transverse and longitudinal matrices, and the recovery."""
    transverse = matrix_exponential(system.transverse * seconds)
    _, longitudinal = free_maps(system, seconds)
    return transverse, np.ascontiguousarray(longitudinal[:, :-1]), np.ascontiguousarray(longitudinal[:, -1])


def _carry(walk: _Walk, position: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Carry one chunk of spins from equilibrium through the scan; return its (readout, sample) signal."""
    from ._kernels.exchange import exchange_free

    between: Any = exchange_free
    timeline, n = walk.timeline, walk.system.liquids
    state = np.repeat(walk.system.rest()[:, None], position.shape[1], axis=1)
    maps = {event: _spin_maps(walk, event, position) for event in walk.frequent}
    series = turn_series(np.float64)[:2]
    signal = np.zeros(timeline.readouts.k.shape[:2], dtype=np.complex128)
    for s in range(len(timeline.kind)):
        event = int(timeline.event[s])
        if timeline.kind[s] == RF:
            state = _play(walk, state, event, float(timeline.phase[s]), position, maps.get(event))
            continue
        if timeline.kind[s] == READOUT:
            signal[event] += _sample(walk, state[:n] + 1j * state[n : 2 * n], event, position, weight)
        turns = walk.offset * float(timeline.duration[s]) * 1e-9
        parts = (state[:n], state[n : 2 * n], state[2 * n :])
        between(*parts, position, timeline.moment[s], turns, *walk.free[int(timeline.duration[s])], series)
    return signal


def _play(
    walk: _Walk,
    state: NDArray[np.float64],
    event: int,
    phase: float,
    position: NDArray[np.float64],
    spin_map: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    """Return the state after a pulse with phase offset, by its map at every spin where that is known."""
    turn = walk.system.turned(phase)
    if event in walk.matrices:
        whole = turn @ walk.matrices[event] @ turn.T
        return np.asarray(whole[:-1, :-1] @ state + whole[:-1, -1:])
    state = turn.T[:-1, :-1] @ state
    if spin_map is None:
        _step(walk, state, event, position)
    else:
        state = np.einsum("ijn,jn->in", spin_map[:, :-1], state) + spin_map[:, -1]
    return np.asarray(turn[:-1, :-1] @ state)


def _step(walk: _Walk, state: NDArray[np.float64], event: int, position: NDArray[np.float64]) -> None:
    """Carry the state through a pulse with gradients, in place, step by step."""
    from ._kernels.exchange import exchange_steps

    step: Any = exchange_steps
    n = walk.system.liquids
    for tables in walk.steps[event]:
        step(state[:n], state[n : 2 * n], state[2 * n :], position, *tables)


def _spin_maps(walk: _Walk, event: int, position: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (size, size + 1, spin) affine map of a pulse with gradients, the recovery last."""
    size, count = walk.system.size, position.shape[1]
    units = np.zeros((size, size + 1, count))
    units[np.arange(size), np.arange(size)] = 1
    state = units.reshape(size, -1)
    _step(walk, state, event, np.tile(position, size + 1))
    found = state.reshape(size, size + 1, count)
    found[:, :-1] -= found[:, -1:]
    return found


def _sample(
    walk: _Walk, mxy: NDArray[np.complex128], row: int, position: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.complex128]:
    """Return the (sample,) signal of one window that opens with mxy (liquid, n)."""
    table, system = walk.timeline.readouts, walk.system
    samples, dwell = int(table.samples[row]), float(table.dwell[row])
    signal = np.zeros(table.k.shape[1], dtype=np.complex128)
    if walk.modes is None:
        first, each = free_maps(system, dwell / 2)[0], free_maps(system, dwell)[0]
        pools = first @ mxy
        for s in range(samples):
            turns = table.moment[row, s] @ position + walk.offset * (s + 0.5) * dwell
            signal[s] = pools.sum(axis=0) @ (weight * np.exp(-2j * np.pi * turns))
            pools = each @ pools
        return signal
    from ._kernels.bloch import column_readout

    read: Any = column_readout
    time = (np.arange(table.k.shape[1]) + 0.5) * dwell
    forms = (walk.forms.moment[row], walk.forms.stride[row], walk.forms.bends[row])
    rates, modes = walk.modes
    amplitude = modes.sum(axis=0)[:, None] * np.linalg.solve(modes, mxy) * weight
    for rate, part in zip(rates, amplitude, strict=True):
        start = part * math.exp(rate.real * dwell / 2)
        out = np.zeros((2, table.k.shape[1]))
        parts, offset = np.stack([start.real, start.imag]), walk.offset - rate.imag / (2 * np.pi)
        decay = math.exp(rate.real * dwell)
        read(walk.forms.form[row], parts, position, offset, decay, *forms, time, turn_series(np.float64), out)
        signal += out[0] + 1j * out[1]
    signal[samples:] = 0
    return signal
