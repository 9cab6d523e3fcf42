"""Ideal pulses: rotations in no time, at the centre of what is played, of all spins alike.

Gradients dephase: a coherence of order p collects p times the gradient's moment. Density matrices are kept apart by
what they collected, and the receiver sees what has collected nothing, which is an exact coherence filter for crushers
of many cycles. Editing pulses are frequency-selective by purpose and are played as they are, in the voxel's middle.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .coherences import halves
from .operators import Levels, Matrix, product, spin_matrices
from .pulses import propagator
from .relaxation import Damping, waited
from .shot import Play, Shot, Wait

SAME = 1e-3
"""Collected moments closer than this are one, 1/m."""
REFOCUSED = 1.0
"""Largest moment at which the receiver still sees a coherence, 1/m: 0.03 cycles over 30 mm."""
NOTHING = 1e-13
"""Density matrices below this part of the equilibrium are dropped."""
AS_PLAYED = ("preparation",)
"""Pulses that are not replaced by rotations."""

States = dict[tuple[int, int, int], Matrix]
ORIGIN = (0, 0, 0)
"""Nothing collected: where F_z recovers."""
Stretch = tuple[float, NDArray[np.float64]]
"""Duration, s, and moment, 1/m."""


def ideal_state(damping: Damping, shot: Shot) -> Matrix:
    """Return the density matrix at the first sample, in the eigenbasis, of what is refocused there."""
    levels = damping.levels
    states: States = {ORIGIN: np.diag(levels.fz).astype(np.complex128)}
    for event in shot.events:
        if isinstance(event, Wait):
            states = _waited(states, damping, event.duration, event.moment)
            continue
        before, after = _halves(event, shot.gamma_bar)
        if event.pulse.use in AS_PLAYED:
            states = _edited(states, damping, event, shot.gamma_bar)
            continue
        turn = levels.turned(rotation(levels, event, shot.gamma_bar))
        states = _waited(states, damping, *before)
        states = {k: turn @ rho @ turn.conj().T for k, rho in states.items()}
        states = _waited(states, damping, *after)
    seen = [rho for k, rho in states.items() if np.linalg.norm(k) * SAME < REFOCUSED]
    return sum(seen, np.zeros_like(levels.order, dtype=np.complex128))


def _edited(states: States, damping: Damping, event: Play, gamma_bar: float) -> States:
    """Return the states behind a pulse that is played as it is; relaxation half before and half behind it."""
    half = float(event.pulse.dt.sum()) / 2
    turn = damping.levels.turned(propagator(damping.levels.space, event, gamma_bar))
    states = {k: damping.damped(rho, half, float(k == ORIGIN)) for k, rho in states.items()}
    states = {k: turn @ rho @ turn.conj().T for k, rho in states.items()}
    return {k: damping.damped(rho, half, float(k == ORIGIN)) for k, rho in states.items()}


def rotation(levels: Levels, event: Play, gamma_bar: float) -> Matrix:
    """Return exp(i flip (cos(phase) F_x + sin(phase) F_y)): B1 along the phase of the pulse at its centre."""
    pulse = event.pulse
    middle = np.cumsum(pulse.dt) - pulse.dt / 2
    on_carrier = np.sum(gamma_bar * pulse.b1 * pulse.dt * np.exp(2j * np.pi * pulse.frequency * middle))
    phase = np.angle(on_carrier) - event.phase - 2 * np.pi * pulse.frequency * pulse.centre
    return product([_turn(spin, pulse.flip, phase) for spin in levels.space.spins])


def _turn(spin: float, flip: float, phase: float) -> Matrix:
    x, y, _ = spin_matrices(spin)
    e, v = np.linalg.eigh(np.cos(phase) * x + np.sin(phase) * y)
    return np.asarray((v * np.exp(1j * flip * e)) @ v.conj().T)


def _halves(event: Play, gamma_bar: float) -> tuple[Stretch, Stretch]:
    """Return duration and moment before and after the centre of a pulse."""
    middle, rest = halves(event, gamma_bar)
    centre = event.pulse.centre
    return (centre, middle), (float(event.pulse.dt.sum()) - centre, rest)


def _waited(states: States, damping: Damping, duration: float, moment: NDArray[np.float64]) -> States:
    """Return the states behind an interval, split by what each coherence order collects."""
    order = damping.levels.order
    least = NOTHING * float(np.linalg.norm(damping.levels.fz))
    turned = {k: waited(damping, rho, duration, float(k == ORIGIN)) for k, rho in states.items()}
    if not np.any(np.abs(moment) > SAME):
        return turned
    split: States = {}
    for k, rho in turned.items():
        for p in np.unique(order):
            part = np.where(order == p, rho, 0)
            if np.linalg.norm(part) > least:
                x, y, z = (round(old + p * new / SAME) for old, new in zip(k, moment, strict=True))
                split[x, y, z] = split.get((x, y, z), 0) + part
    return split
