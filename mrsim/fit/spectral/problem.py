"""What a linear-combination fit compares: spectra in a window of frequencies, as functions of phase, shifts and widths.

The signal of a voxel is a sum over the basis, each member with the phase, shift and line width of its group,

    s(t) = e^(i phi) sum_m c_m b_m(t + tau) e^(-i 2 pi (d + d_g) t - L_g t - G t^2),

and is compared after the unitary transform with exp(+i 2 pi f t), in which white noise stays white. The delay tau is
first-order phase: exp(-i 2 pi f tau). Real and imaginary parts stand behind one another, so every array is real.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
COMMON = ("phase", "delay", "gauss", "shift")
"""Parameters that all groups share; the dampings of all groups and the extra shifts of all but the first follow."""
BLOCK = 64
"""Points between places from which a decay is followed."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """The basis and the window of a fit."""

    basis: Complex
    """(member, point) signals in time."""
    groups: NDArray[np.intp]
    """(member,) the group that a member belongs to; groups are numbered from 0."""
    dwell: float
    """Time between points, s."""
    window: NDArray[np.bool_]
    """(point,) frequencies that are compared, in the order of the transform (zero first)."""
    baseline: Array
    """(2 frequency, function) orthogonal part of the baseline, see `baseline.smoother`; no column without one."""

    def single(self) -> Problem:
        """Return the problem in single precision: half the work, for the way to the minimum, not for its bottom."""
        return replace(self, basis=self.basis.astype(np.complex64), baseline=self.baseline.astype(np.float32))

    @property
    def group_count(self) -> int:
        """Number of groups."""
        return int(self.groups.max()) + 1

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the nonlinear parameters."""
        each = range(self.group_count)
        return (*COMMON, *(f"damping {g}" for g in each), *(f"shift {g}" for g in each[1:]))

    @cached_property
    def time(self) -> Array:
        """(point,) s."""
        return np.asarray(np.arange(self.basis.shape[1]) * self.dwell)

    @cached_property
    def frequency(self) -> Array:
        """(frequency,) Hz, of the window."""
        return np.asarray(np.fft.fftfreq(self.basis.shape[1], self.dwell)[self.window])

    @cached_property
    def inside(self) -> slice | NDArray[np.intp]:
        """Places of the window in the transform; a slice, which takes no copy, unless water lies within."""
        where = np.flatnonzero(self.window)
        whole = len(where) > 0 and where[-1] - where[0] == len(where) - 1
        return slice(int(where[0]), int(where[-1]) + 1) if whole else where

    def spectra(self, signals: Complex) -> Array:
        """Return the (..., 2 frequency) spectra of (..., point) signals in the window, real part first."""
        return stacked(self.transformed(signals))

    def transformed(self, signals: Complex) -> Complex:
        """Return the (..., frequency) complex spectra of (..., point) signals in the window."""
        from scipy.fft import ifft

        return np.asarray(ifft(signals, axis=-1, norm="ortho")[..., self.inside])

    def lines(self, theta: Array) -> tuple[Complex, Complex]:
        """Return the (voxel, member, point) shaped signals, and the (voxel, 1, frequency) phase of their spectra.

        Parameters
        ----------
        theta : (voxel, parameter) array
            In the order of `names`: rad, s, 1/s^2, Hz, then 1/s and Hz.
        """
        first, last = len(COMMON), len(COMMON) + self.group_count
        damping, extra = theta[:, first:last], theta[:, last:]
        shift = theta[:, 3, None] + np.concatenate([np.zeros((len(theta), 1)), extra], axis=1)
        kind = self.basis.dtype
        shape = self._decays(damping + 2j * np.pi * shift, kind)
        if (gauss := theta[:, 2]).any():
            shape *= np.exp(-gauss[:, None, None] * self.time**2).astype(kind.type(0).real.dtype)
        phase = self.phase(theta).astype(kind)
        lines = np.empty((len(theta), *self.basis.shape), dtype=kind)
        for member, group in enumerate(self.groups):
            np.multiply(self.basis[member], shape[:, group], out=lines[:, member])
        return lines, phase[:, None]

    def phase(self, theta: Array) -> Complex:
        """Return the (voxel, frequency) phase of zeroth and first order."""
        return np.asarray(np.exp(1j * (theta[:, 0, None] - 2 * np.pi * self.frequency * theta[:, 1, None])))

    def _decays(self, rates: Complex, kind: np.dtype[np.complexfloating]) -> Complex:
        """Return the (..., point) exp(-rate t): places BLOCK apart times those between them, few exponentials."""
        points = self.basis.shape[1]
        near = np.exp(-rates[..., None] * self.time[:BLOCK]).astype(kind)
        far = np.exp(-rates[..., None] * self.time[::BLOCK]).astype(kind)
        whole = far[..., :, None] * near[..., None, :]
        return np.asarray(whole.reshape(*rates.shape, -1)[..., :points])

    def derivatives(self, signals: Complex, phase: Complex, amplitudes: Array, whole: Complex) -> Array:
        """Return the (voxel, parameter, 2 frequency) derivatives of the fit with respect to `theta`.

        Parameters
        ----------
        signals, phase : array
            Of `lines`.
        amplitudes : (voxel, member) array
        whole : (voxel, 1, frequency) array
            The fit itself: the sum of the members' spectra.
        """
        own = self.groups == np.arange(self.group_count)[:, None]
        sums = (amplitudes[:, None] * own).astype(signals.dtype) @ signals
        time, frequency = self.time.astype(signals.dtype), self.frequency.astype(whole.real.dtype)
        slopes = self.transformed(sums * time) * phase
        total = sums.sum(axis=1, keepdims=True)
        curved = self.transformed(total * time**2) * phase
        every = slopes.sum(axis=1, keepdims=True)
        turns = 2j * np.pi
        parts = [1j * whole, -turns * frequency * whole, -curved, -turns * every, -slopes, -turns * slopes[:, 1:]]
        return stacked(np.concatenate(parts, axis=1))

    def rows(self, spectra: Array) -> Rows:
        """Return (voxel, row, 2 frequency) spectra, ready for inner products in which no baseline counts."""
        half, functions = self.baseline.shape[0] // 2, self.baseline.shape[1] // 2
        spline = self.baseline[:half, :functions]  # the same for real and imaginary part, which do not mix
        explained = [spectra[..., :half] @ spline, spectra[..., half:] @ spline]
        return Rows(spectra, np.concatenate(explained, axis=-1))


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Spectra, and what a baseline would explain of them."""

    values: Array
    """(voxel, row, 2 frequency)."""
    explained: Array
    """(voxel, row, function) coefficients of the baseline's orthogonal part."""

    def __matmul__(self, other: Rows) -> Array:
        """Return the (voxel, row, row) inner products that are left once a baseline explains both sides."""
        plain = self.values @ np.swapaxes(other.values, -1, -2)
        return np.asarray(plain - self.explained @ np.swapaxes(other.explained, -1, -2))

    def products(self, other: Rows, inner: Array) -> tuple[Array, Array]:
        """Return the (voxel, row, row) inner products as `@` does, and the covariance that white noise gives to them.

        Parameters
        ----------
        other : Rows
        inner : (function, function) array
            Inner products of the baseline's orthogonal part, which the stiffness makes smaller than one.
        """
        plain = self.values @ np.swapaxes(other.values, -1, -2)
        across = np.swapaxes(other.explained, -1, -2)
        softened = 2 * np.eye(len(inner)) - inner
        return plain - self.explained @ across, plain - (self.explained @ softened) @ across

    def spread(self, inner: Array) -> Array:
        """Return the (voxel, row) variance that white noise gives to the inner product of each row with the data."""
        softened = 2 * np.eye(len(inner)) - inner
        explained = np.sum((self.explained @ softened) * self.explained, axis=-1)
        return np.asarray(np.einsum("vrf,vrf->vr", self.values, self.values) - explained)

    def with_rows(self, other: Rows) -> Rows:
        """Return these rows and those of another behind them."""
        values = np.concatenate([self.values, other.values], axis=1)
        return Rows(values, np.concatenate([self.explained, other.explained], axis=1))

    def left(self, amplitudes: Array, members: Rows) -> Rows:
        """Return what is left of one row once the (voxel, member) amplitudes of the members are taken off."""
        factors = amplitudes[:, None].astype(members.values.dtype, copy=False)
        return Rows(self.values - factors @ members.values, self.explained - factors @ members.explained)


def stacked(values: Complex) -> Array:
    """Return complex values as real ones, the real parts first along the last axis."""
    return np.concatenate([values.real, values.imag], axis=-1)
