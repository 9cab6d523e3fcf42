"""Extended phase graphs for dictionaries: one train played to very many atoms of (T1, T2, B1).

`echo_train` is a crushed CPMG train; every order that can still contribute is carried, so nothing is cut off.
`unbalanced_train` is a train with one gradient order per repetition (FISP fingerprinting, spoiled gradient echo) of
arbitrary flips, RF phases, TR and TE; it carries a bounded number of orders. What leaves the last order K after a
pulse needs K repetitions as transverse magnetisation to come back, and decays at least with the slower relaxation
all the while: with a_n the amplitude lost at repetition n, the signal lost at repetition m is at most
sqrt(2) exp(-K min(TR) / T2) times the sum of a_n exp(-(t_m - t_n) / T1). That bound is carried for every atom, but
is pessimistic, since what is lost is spread over many states of different phases. The error is therefore measured,
on the extreme atoms of every group of similar T2, against the train with all orders; the bound is there for who
needs a proof. Hard pulses, no diffusion, no exchange.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InputError
from .phasors import RealType, phasor_series

CHUNK = 1024
"""Atoms per task of an unbalanced train."""
ECHO_CHUNK = 4096
"""Atoms per task of an echo train."""
GROUPS = 32
"""Groups of similar T2 for which the number of orders is chosen."""
ORDERS = (4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 36, 40, 48, 56, 64, 80, 96, 128, 192, 256, 384, 512)
"""Numbers of orders that are tried."""
TINY = {np.float64: 1e-200, np.float32: 1e-25}
"""Keeps dying states from becoming denormal, which is slow; far below round-off."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Train:
    """The signals of a train and what cutting off orders may have cost."""

    signal: NDArray[Any]
    """(atom, pulse) over M0; 1 is what a 90 degree pulse excites, the receiver follows the RF phase. Real if all RF
    phases are 0 or pi."""
    error: NDArray[np.float64]
    """(atom,) twice the largest error by orders cut off among the extreme atoms of the same group, over M0."""
    bound: NDArray[np.float64]
    """(atom,) what that error cannot exceed, over M0."""
    orders: NDArray[np.int64]
    """(atom,) orders carried."""


def _real_type(precision: str) -> RealType:
    if precision not in ("double", "single"):
        raise InputError(f"'{precision}' is neither 'double' nor 'single'", key="precision")
    return np.float64 if precision == "double" else np.float32


def _series(dtype: RealType) -> NDArray[Any]:
    """Return (3, 12): the terms of cosine, sine and exponential that the kernels use, and how far the last are good."""
    # nine terms leave x^9 / 9! over: 4e-17 and 5e-9
    terms = [1 / math.factorial(n) for n in range(11)] + [1 / 16 if dtype is np.float64 else 1 / 2]
    return np.concatenate([phasor_series(dtype), np.array([terms], dtype)])


def _positive(**values: ArrayLike) -> None:
    for key, value in values.items():
        array = np.asarray(value, dtype=np.float64)
        if array.size and not (np.all(array > 0) and not np.any(np.isnan(array))):
            raise InputError(f"{array[~(array > 0)].flat[0]:g} must be a positive number", key=key)


def _padded(values: ArrayLike, size: int, lanes: int, dtype: RealType) -> NDArray[Any]:
    """Return the values for `size` atoms, repeating the last to fill the lanes."""
    whole = np.broadcast_to(np.asarray(values, dtype=np.float64), (size,))
    return (np.pad(whole, (0, -size % lanes), mode="edge") if size % lanes else whole).astype(dtype)


def echo_train(
    t1: ArrayLike,
    t2: ArrayLike,
    b1: ArrayLike = 1.0,
    *,
    refocusing: ArrayLike,
    spacing: float,
    excitation: ArrayLike = math.pi / 2,
    precision: str = "double",
    threads: int = 1,
) -> NDArray[Any]:
    """Return the echo amplitudes of a crushed CPMG train, over M0.

    Parameters
    ----------
    t1, t2 : (atom,) array
        s.
    b1 : (atom,) array or float
        Relative B1; scales all flips.
    refocusing : (echo,) array
        Flips of the refocusing pulses, rad.
    spacing : float
        Echo spacing, s.
    excitation : (atom,) array or float
        Flip of the excitation, rad: may differ between atoms, which then are places in a slice profile.
    precision : str
        ``"double"`` or ``"single"``.
    threads : int
        Worker threads; the result does not depend on it.

    Returns
    -------
    (atom, echo) array
    """
    from ._kernels import epg

    _positive(t1=t1, t2=t2, spacing=spacing)
    dtype = _real_type(precision)
    t1, t2 = np.atleast_1d(np.asarray(t1, dtype=np.float64)), np.atleast_1d(np.asarray(t2, dtype=np.float64))
    size = np.broadcast_shapes(t1.shape, t2.shape, np.shape(b1), np.shape(excitation))[0]
    turns = (np.atleast_1d(np.asarray(refocusing, dtype=np.float64)) / (2 * np.pi)).astype(dtype)
    columns = [np.broadcast_to(np.asarray(v, dtype=np.float64), (size,)) for v in (t1, t2, b1, excitation)]
    out: NDArray[Any] = np.empty((len(turns), size + -size % epg.LANES), dtype)
    series, tiny = _series(dtype), dtype(TINY[dtype])
    kernel: Any = epg.cpmg

    def work(begin: int) -> None:
        t1, t2, b1, angle = (column[begin : begin + ECHO_CHUNK] for column in columns)
        values = (np.exp(-spacing / 2 / t1), np.exp(-spacing / 2 / t2), np.sin(angle * b1), b1)
        atoms = (_padded(v, len(t1), epg.LANES, dtype) for v in values)
        kernel(*atoms, turns, series, tiny, out[:, begin : begin + ECHO_CHUNK])

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(0, size, ECHO_CHUNK)))
    return out[:, :size].T


class _Unbalanced:
    """The train as its kernel wants it."""

    def __init__(self, flips: ArrayLike, phases: ArrayLike, tr: ArrayLike, te: ArrayLike, dtype: RealType) -> None:
        flip = np.atleast_1d(np.asarray(flips, dtype=np.float64))
        phase, tr, te = (np.broadcast_to(np.asarray(v, dtype=np.float64), flip.shape) for v in (phases, tr, te))
        _positive(tr=tr)
        if np.any(te < 0) or np.any(te > tr):
            raise InputError("te must lie between 0 and tr", key="te")
        self.real = bool(np.all(np.abs(np.sin(phase)) < 1e-9))
        sign = np.where((np.cos(phase) > 0) | (not self.real), 1.0, -1.0)
        change = np.diff(phase, prepend=0.0)
        self.sign, self.turns = sign.astype(dtype), (sign * flip / (2 * np.pi)).astype(dtype)
        self.spin = np.stack([np.cos(change), np.sin(change)], axis=1).astype(dtype)
        self.tr, self.te, self.shortest, self.dtype = tr.astype(dtype), te.astype(dtype), float(tr.min()), dtype

    def play(self, atoms: NDArray[Any], orders: int, rows: NDArray[np.int64], out: NDArray[Any]) -> NDArray[np.float64]:
        """Write the signals of (4, n) r1, r2, b1, mz to rows of `out`, (atom, pulse, part); return the (n,) bound.

        The bound: free evolution and pulses, with amplitudes of M+ and M- scaled by (E2/E)^order and (E/E2)^order,
        E the slower relaxation, shrink the norm by E or more. So an amplitude lost at order K sends to order 0 at
        most sqrt(2) E2^K of itself, and for every further repetition E of that.
        """
        from ._kernels import epg

        kernel: Any = epg.unbalanced
        lost: NDArray[Any] = np.zeros(atoms.shape[1], self.dtype)
        train = (self.turns, self.spin, self.tr, self.te, self.sign)
        kernel(*atoms, *train, orders, _series(self.dtype), self.dtype(TINY[self.dtype]), rows, out, lost)
        coming_back = np.exp(-orders * self.shortest * atoms[1].astype(np.float64))
        return np.asarray(math.sqrt(2) * lost.astype(np.float64) * coming_back)

    def room(self, size: int) -> NDArray[Any]:
        """Return (size, pulse, part) room for signals."""
        return np.empty((size, len(self.turns), 1 if self.real else 2), self.dtype)

    def ladder(self) -> list[int]:
        """Return the numbers of orders to try; the last carries all that can come back."""
        full = len(self.turns) // 2 + 1
        return [n for n in ORDERS if n < full] + [full]


def unbalanced_train(
    t1: ArrayLike,
    t2: ArrayLike,
    b1: ArrayLike = 1.0,
    *,
    flips: ArrayLike,
    tr: ArrayLike,
    te: ArrayLike,
    phases: ArrayLike = 0.0,
    start: ArrayLike = 1.0,
    tolerance: float = 1e-4,
    proven: bool = False,
    precision: str = "double",
    threads: int = 1,
) -> Train:
    """Return the signals of a train with one gradient order per repetition.

    Parameters
    ----------
    t1, t2 : (atom,) array
        s.
    b1 : (atom,) array or float
        Relative B1; scales all flips.
    flips, phases : (pulse,) array
        Flip and RF phase of each pulse, rad: B1 = b exp(-i phase).
    tr, te : (pulse,) array or float
        Time to the next pulse and to the echo, s.
    start : (atom,) array or float
        Longitudinal magnetisation at the first pulse, over M0: say, after an inversion.
    tolerance : float
        Largest error by cutting off orders, over M0; 0 carries all.
    proven : bool
        True holds the bound to the tolerance, False the measured error.
    precision : str
        ``"double"`` or ``"single"``; single adds round-off of about 1e-5.
    threads : int
        Worker threads; the result does not depend on it.
    """
    from ._kernels import epg

    _positive(t1=t1, t2=t2)
    dtype = _real_type(precision)
    train = _Unbalanced(flips, phases, tr, te, dtype)
    shape = np.broadcast_shapes(*(np.shape(np.atleast_1d(v)) for v in (t1, t2, b1, start)))
    columns = (1 / np.asarray(t1, dtype=np.float64), 1 / np.asarray(t2, dtype=np.float64), b1, start)
    # atoms that decay alike need alike many orders
    order = np.argsort(np.broadcast_to(columns[1], shape), kind="stable")[::-1]
    atoms = np.stack([_padded(np.broadcast_to(c, shape)[order], len(order), epg.LANES, dtype) for c in columns])
    ladder = train.ladder()
    groups = np.array_split(np.arange(0, atoms.shape[1], CHUNK), min(GROUPS, -(-atoms.shape[1] // CHUNK)))
    steps, errors = _pilot(train, atoms, groups, ladder, tolerance, proven)
    group_of = {int(begin): g for g, starts in enumerate(groups) for begin in starts}
    signal = train.room(len(order))
    bound, error, used = np.zeros(len(order)), np.zeros(len(order)), np.zeros(len(order), dtype=np.int64)

    def work(begin: int) -> None:
        step = steps[group_of[begin]]
        keep, part = order[begin : begin + CHUNK], atoms[:, begin : begin + CHUNK]
        lost = train.play(part, ladder[step], keep, signal)
        while proven and lost.max() > tolerance and step + 1 < len(ladder):
            step += 1
            lost = train.play(part, ladder[step], keep, signal)
        bound[keep], error[keep], used[keep] = lost[: len(keep)], errors[group_of[begin], step], ladder[step]

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(0, atoms.shape[1], CHUNK)))
    complex_type = np.complex128 if dtype is np.float64 else np.complex64
    values = signal[..., 0] if train.real else signal.view(complex_type)[..., 0]
    return Train(signal=values, error=error, bound=bound, orders=used)


def _pilot(
    train: _Unbalanced,
    atoms: NDArray[Any],
    groups: list[NDArray[np.int64]],
    ladder: list[int],
    tolerance: float,
    proven: bool,
) -> tuple[list[int], NDArray[np.float64]]:
    """Return, per group, the first step of the ladder that suffices, and the (group, step) errors."""
    from ._kernels import epg

    errors = np.zeros((len(groups), len(ladder)))
    if tolerance == 0:
        return [len(ladder) - 1] * len(groups), errors
    corners = []
    for starts in groups:
        members = atoms[:, starts[0] : starts[-1] + CHUNK]
        low, high = members.min(axis=1), members.max(axis=1)
        largest = high[3] if abs(high[3]) > abs(low[3]) else low[3]
        corners += [(r1, low[1], b1, largest) for r1 in (low[0], high[0]) for b1 in (low[2], high[2])]
    pilots = np.array(corners, dtype=atoms.dtype).T
    pilots = np.ascontiguousarray(np.pad(pilots, ((0, 0), (0, -len(corners) % epg.LANES)), mode="edge"))
    every = np.arange(pilots.shape[1])
    full, found = train.room(len(every)), train.room(len(every))
    train.play(pilots, ladder[-1], every, full)
    enough = np.zeros((len(groups), len(ladder)), dtype=bool)
    enough[:, -1] = True
    for step, orders in enumerate(ladder[:-1]):
        lost = train.play(pilots, orders, every, found)[: len(corners)]
        worst = np.sqrt(np.sum((found - full) ** 2, axis=2)).max(axis=1)[: len(corners)]
        errors[:, step] = 2 * worst.reshape(len(groups), 4).max(axis=1)
        enough[:, step] = errors[:, step] <= tolerance
        if proven:
            enough[:, step] &= lost.reshape(len(groups), 4).max(axis=1) <= tolerance
        if np.all(enough[:, step]):
            # more orders, which only a proof may ask for, are taken to be no worse
            errors[:, step + 1 : -1] = errors[:, step : step + 1]
            break
    return [int(np.argmax(row)) for row in enough], errors
