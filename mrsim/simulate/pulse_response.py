"""What one pulse does to spins: slice profiles, inversion profiles, adiabatic thresholds."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.phasors import RealType
from ..sequence.timeline import Pulse
from .steps import TimeTable, pulse_table, rotation_series


def pulse_response(
    pulse: Pulse,
    gamma_bar: float,
    *,
    position: ArrayLike = (0.0, 0.0, 0.0),
    offset: ArrayLike = 0.0,
    b1: ArrayLike = 1.0,
    t1: float = np.inf,
    t2: float = np.inf,
    phase: float = 0.0,
    start: ArrayLike = (0.0, 0.0, 1.0),
    precision: str = "double",
) -> NDArray[np.float64]:
    """Return the magnetisation right after a pulse.

    Parameters
    ----------
    pulse : Pulse
        The pulse with its gradient.
    gamma_bar : float
        Hz/T.
    position : (..., 3) array
        m.
    offset, b1 : array
        Resonance offset, Hz, and relative transmit field; broadcast against the positions.
    t1, t2 : float
        s.
    phase : float
        Phase offset of the pulse, rad.
    start : (..., 3) array
        Magnetisation before the pulse, over M0.
    precision : str
        ``"double"`` or ``"single"``.

    Returns
    -------
    (..., 3) array
        Magnetisation over M0.
    """
    from ._kernels import bloch as kernels

    dtype: RealType = np.float64 if precision == "double" else np.float32
    place, first = np.asarray(position, dtype=np.float64), np.asarray(start, dtype=np.float64)
    shape = np.broadcast_shapes(place.shape[:-1], first.shape[:-1], np.shape(offset), np.shape(b1))
    r = np.broadcast_to(place, (*shape, 3)).reshape(-1, 3)
    m = np.ascontiguousarray(np.broadcast_to(first, (*shape, 3)).reshape(-1, 3).T.astype(dtype))
    df = np.broadcast_to(offset, shape).astype(dtype).ravel()
    relative = np.broadcast_to(b1, shape).astype(dtype).ravel()
    times = TimeTable()
    table = pulse_table(
        (pulse,), gamma_bar, np.abs(r).max(axis=0), float(np.abs(df).max()), float(np.abs(relative).max()), times, dtype
    )
    e1, e2 = times.decay(np.array([1 / t1]), dtype), times.decay(np.array([1 / t2]), dtype)
    group = np.zeros(m.shape[1], np.int32)
    c, s = dtype(np.cos(phase)), dtype(np.sin(phase))
    kernels.turn(m, c, s)
    kernels.play_pulse(
        m,
        np.ascontiguousarray(r.T.astype(dtype)),
        df,
        relative,
        group,
        dtype(1),
        e1,
        e2,
        table.runs.astype(dtype),
        table.b1,
        table.gradient,
        np.empty((7, m.shape[1]), dtype),
        rotation_series(dtype),
    )
    kernels.turn(m, c, -s)
    return np.asarray(m.T.reshape(*shape, 3), dtype=np.float64)
