"""Isochromats through a timeline, step by step in numpy: slow, obvious, and independent of the engines."""

from __future__ import annotations

import numpy as np

from mrsim.sequence.timeline import READOUT, RF, Timeline


def line_of_spins(count: int, length: float, axis: int = 2) -> np.ndarray:
    """Return (count, 3) positions evenly over `length` m along one axis, around the origin."""
    place = np.zeros((count, 3))
    place[:, axis] = ((np.arange(count) + 0.5) / count - 0.5) * length
    return place


def mean_signal(
    timeline: Timeline,
    position: np.ndarray,
    t1: float,
    t2: float,
    *,
    offset: float = 0.0,
    b1: float = 1.0,
    sample: int | None = None,
) -> np.ndarray:
    """Return (readout,) mean transverse magnetisation as received at one sample (or the one nearest to k = 0)."""
    plus, z = np.zeros(len(position), complex), np.ones(len(position))
    table, found = timeline.readouts, []
    for i, kind in enumerate(timeline.kind):
        seconds, event = timeline.duration[i] * 1e-9, timeline.event[i]
        if kind == RF:
            plus, z = through_pulse(timeline, event, timeline.phase[i], position, plus, z, t1, t2, offset, b1)
            continue
        if kind == READOUT:
            at = np.argmin(np.linalg.norm(table.k[event], axis=1)) if sample is None else sample
            since = (at + 0.5) * table.dwell[event]
            turn = position @ table.moment[event, at] + offset * since
            seen = plus * np.exp(-2j * np.pi * turn - since / t2)
            found.append(np.mean(seen) * np.exp(1j * table.phase[event]))
        plus = plus * np.exp(-2j * np.pi * (position @ timeline.moment[i] + offset * seconds) - seconds / t2)
        z = 1 + (z - 1) * np.exp(-seconds / t1)
    return np.array(found)


def through_pulse(timeline, event, phase, position, plus, z, t1, t2, offset, b1):
    """Return the magnetisation after a pulse: per step half the relaxation, a rotation, half the relaxation."""
    pulse, gamma_bar = timeline.pulses[event], timeline.gamma_bar
    for dt, sample, gradient in zip(pulse.dt, pulse.b1 * np.exp(-1j * phase), pulse.gradient, strict=True):
        plus, z = plus * np.exp(-dt / 2 / t2), 1 + (z - 1) * np.exp(-dt / 2 / t1)
        along = gamma_bar * (position @ gradient) + offset
        across = gamma_bar * b1 * sample
        size = np.sqrt(along**2 + abs(across) ** 2)
        axis = np.stack([np.full_like(along, across.real), np.full_like(along, across.imag), along], axis=1)
        axis = axis / np.maximum(size, 1e-30)[:, None]
        m = np.stack([plus.real, plus.imag, z], axis=1)
        c, s = np.cos(-2 * np.pi * size * dt)[:, None], np.sin(-2 * np.pi * size * dt)[:, None]
        m = m * c + np.cross(axis, m) * s + axis * np.sum(axis * m, axis=1, keepdims=True) * (1 - c)
        plus, z = m[:, 0] + 1j * m[:, 1], m[:, 2]
        plus, z = plus * np.exp(-dt / 2 / t2), 1 + (z - 1) * np.exp(-dt / 2 / t1)
    return plus, z
