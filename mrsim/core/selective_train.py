"""Crushed echo trains with the slice profiles that their pulses really have: echoes by extended phase graphs.

Every place in the slice has its own pulses: matrices from the nominal waveform, with the relaxation that happens
while they play. Between the pulses the crushers wind the magnetisation by whole orders. The repetition is in its
steady state: what is left along z, wound orders included, meets the next excitation; transverse magnetisation is gone.

Hennig 1988, J Magn Reson 78:397; Lebel and Wilman 2010, Magn Reson Med 64:1005.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InputError

Array = NDArray[np.float64]
PLACES = 48
"""Places across the slice."""
REACH = 1.5
"""Outermost place over half of what the pulses select."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SelectivePulse:
    """A pulse under a constant gradient."""

    signal: NDArray[np.complex128]
    """(sample,) rotation rate, rad/s: 2 pi gamma_bar times B1."""
    dwell: float
    """Length of a sample, s."""
    centre: float
    """Effective centre, s from the first sample."""
    gradient: float
    """Frequency per distance along the slice direction, Hz/m."""

    @property
    def duration(self) -> float:
        """Length, s."""
        return len(self.signal) * self.dwell

    @classmethod
    def from_sheet(cls, entry: Mapping[str, Any]) -> SelectivePulse:
        """Return the pulse of a protocol sheet's entry, which has the names of the fields."""
        return cls(
            signal=np.asarray(entry["signal"], dtype=np.complex128),
            **{name: float(entry[name]) for name in ("dwell", "centre", "gradient")},
        )

    def matrices(self, places: Array, scale: Array) -> tuple[Array, Array]:
        """Return rotation and exposure, (scale, place, 3, 3), at places (m) and relative amplitudes."""
        from ._kernels.pulse_matrix import pulse_matrices

        rotation = np.empty((len(scale), len(places), 3, 3))
        exposure = np.empty_like(rotation)
        offset = 2 * math.pi * self.gradient * places
        pulse_matrices(np.ascontiguousarray(self.signal), self.dwell, offset, scale, rotation, exposure)
        return rotation, exposure


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SelectiveTrain:
    """One repetition: an excitation and a train of crushed refocusing pulses."""

    excitation: SelectivePulse
    refocusing: SelectivePulse
    """With the amplitude of the largest flip."""
    shares: Array
    """(echo,) amplitude of each refocusing pulse over the largest."""
    spacing: float
    """Echo spacing, s."""
    tr: float
    """Time between two excitations of the slice, s."""
    thickness: float
    """Nominal slice thickness, m: the sum over places is over this."""
    saturation: SelectivePulse | None = None
    """Before the excitation, by the delays that `echoes` is given."""

    @classmethod
    def from_sheet(cls, sheet: Mapping[str, Any], tr: float) -> SelectiveTrain:
        """Return the train of a protocol sheet (`Images.encoding`)."""
        flips, pulses = np.asarray(sheet["refocusing_flips"], dtype=np.float64), sheet["pulses"]
        return cls(
            excitation=SelectivePulse.from_sheet(pulses["excitation"]),
            refocusing=SelectivePulse.from_sheet(pulses["refocusing"]),
            shares=flips / flips.max(),
            spacing=float(sheet["echo_spacing"]),
            tr=tr,
            thickness=float(sheet["slice_thickness"]),
            saturation=SelectivePulse.from_sheet(pulses["saturation"]) if "saturation" in pulses else None,
        )

    def places(self) -> tuple[Array, Array]:
        """Return places across the slice, m, and their weights; one place where no pulse selects."""
        if self.excitation.gradient == 0.0:
            return np.zeros(1), np.ones(1)
        nodes, weights = np.polynomial.legendre.leggauss(PLACES)
        half = REACH * self.thickness
        return nodes * half, weights * half / self.thickness

    def echoes(
        self, t1: ArrayLike, t2: ArrayLike, b1: ArrayLike, spread: Spread | None = None, delays: ArrayLike | None = None
    ) -> NDArray[np.complex128]:
        """Return the (atom, echo) echoes over M0 of atoms (t1, t2, b1), s and relative; B1 scales all pulses.

        With `delays`, s, from the centre of the saturation to that of the excitation: (atom, delay, echo), of which
        nothing wound is carried from one repetition to the next.
        `spread(work, count)` may share `work(start, stop)` among threads.
        """
        from ._kernels.selective_train import play, play_wound

        r1, r2 = (1.0 / np.atleast_1d(np.asarray(v, dtype=np.float64)) for v in (t1, t2))
        r1, r2, b1 = np.broadcast_arrays(r1, r2, np.atleast_1d(np.asarray(b1, dtype=np.float64)))
        levels, index = np.unique(b1, return_inverse=True)
        places, weights = self.places()
        flips, which = np.unique(self.shares, return_inverse=True)
        rotation, exposure = self.refocusing.matrices(places, np.outer(levels, flips).ravel())
        shape = (len(levels), len(flips), len(places), 3, 3)
        turned = self.excitation.matrices(places, levels)[0]
        after = 2 * math.pi * self.excitation.gradient * (self.excitation.duration - self.excitation.centre) * places
        transverse = (turned[..., 0, 2] + 1j * turned[..., 1, 2]) * np.exp(1j * after)
        phase = math.pi * self.refocusing.gradient * self.refocusing.duration * places
        since, left = self._saturated(places, levels, delays)
        out = np.empty((len(r1), len(since), len(which)), dtype=np.complex128)
        settings = (
            *(np.ascontiguousarray(r) for r in (r1, r2)), rotation.reshape(shape), exposure.reshape(shape), phase,
            self.refocusing.duration, transverse, np.ascontiguousarray(turned[..., 2, 2]), index.ravel(), which.ravel(),
            self.spacing, self.tr, *(() if delays is None else (left, since)), weights, out,
        )  # fmt: skip
        kernel: Any = play_wound if delays is None else play

        def work(start: int, stop: int) -> None:
            kernel(start, stop, *settings)

        if spread is None:
            work(0, len(r1))
        else:
            spread(work, len(r1))
        return out[:, 0] if delays is None else out

    def _saturated(self, places: Array, levels: Array, delays: ArrayLike | None) -> tuple[Array, Array]:
        """Return the delays, s, and the (B1, place) share of magnetisation that the saturation leaves."""
        if delays is None:
            return np.zeros(1), np.ones((len(levels), len(places)))
        if self.saturation is None:
            raise InputError("the protocol sheet has no saturation pulse, so there are no delays after it", key="td")
        since = np.atleast_1d(np.asarray(delays, dtype=np.float64))
        longest = self.tr - len(self.shares) * self.spacing
        if since.max() > longest:
            raise InputError(
                f"{since.max():g} s after a saturation is beyond the {longest:g} s between trains", key="td"
            )
        return since, np.ascontiguousarray(self.saturation.matrices(places, levels)[0][..., 2, 2])


Spread = Callable[[Callable[[int, int], None], int], None]
"""Calls a function of (start, stop) for all parts of a count."""
