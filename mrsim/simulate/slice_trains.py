"""Echoes of many tissues at once through the slice profiles of real pulses: extended phase graphs, place by place.

Each place of the slice sees its own rotations (Cayley-Klein parameters of the played waveforms, phases included). The
crushers wind one order per half echo spacing, all orders that arise are carried, and the repetition is in its steady
state, with or without a saturation before it. The pulses turn instantly at their centres: what relaxes while they play
is relaxed between them, an error of the order of pulse length over T2 at places of partial flips. No diffusion, no
off-resonance: for whole objects, imperfect fields and exact pulses there are the engines.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import InputError
from ..sequence.events import NS
from ..sequence.rf.response import Spinors, spinors
from ..sequence.sequence import Block, Sequence

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
PLACES = 24
"""Places across half the slice: pulses of symmetric shape act alike on both sides."""
REACH = 1.6
"""Outermost place over half the slice thickness."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SliceTrain:
    """One slice's repetition of a crushed spin-echo sequence."""

    excitation: Block
    refocusing: tuple[Block, ...]
    spacing: float
    """Echo spacing, s."""
    tr: float
    """s."""
    gamma_bar: float
    """Hz/T."""
    thickness: float
    """m."""
    saturation: Block | None = None
    delay: float = 0.0
    """From the saturation's centre to the excitation's, s."""

    @classmethod
    def of(cls, sequence: Sequence, delay: float = 0.0) -> SliceTrain:
        """Return the train of a sequence's first slice; `delay` of those with a saturation, s."""
        sheet, first = sequence.encoding.sheet, _first(sequence, "excitation")
        if first is None or "echo_spacing" not in sheet:
            raise InputError(f"family '{sheet.get('family', '?')}' is no train of spin echoes")
        trains = [block for block in sequence.blocks if block.rf is not None and block.rf.use == "refocusing"]
        tr = sequence.encoding.contrast["tr"]
        return cls(
            excitation=first,
            refocusing=tuple(trains[: len(sheet["refocusing_flips"])]),
            spacing=float(sheet["echo_spacing"]),
            tr=float(np.asarray(tr).ravel()[0]),
            gamma_bar=sequence.scanner.gamma_bar,
            thickness=float(sheet["slice_thickness"]),
            saturation=_first(sequence, "saturation") if delay else None,
            delay=delay,
        )

    def places(self) -> tuple[Array, Array]:
        """Return places of half the slice, m from its middle, and weights that sum both halves over the thickness."""
        nodes, weights = np.polynomial.legendre.leggauss(2 * PLACES)
        half = REACH * self.thickness / 2
        return nodes[PLACES:] * half, 2 * weights[PLACES:] * half / self.thickness

    def signals(self, t1: ArrayLike, t2: ArrayLike, b1: ArrayLike, delays: ArrayLike | None = None) -> Array:
        """Return the echoes over M0 of atoms of t1, t2 (s) and relative b1: (atom, echo), or (delay, atom, echo).

        Signed, along the direction in which the middle of the slice is excited. Times between pulses are the same
        for all delays but the two that a delay changes.
        """
        t1, t2, b1 = (a.ravel() for a in np.broadcast_arrays(*(np.atleast_1d(v) for v in (t1, t2, b1))))
        z, weights = self.places()
        shape = (len(t1), len(z))
        e1, e2 = (np.exp(-0.5 * self.spacing / t)[:, None] * np.ones(shape) for t in (t1, t2))
        excite = _turns(self.excitation, self.gamma_bar, z, b1)
        refocus = _distinct(self.refocusing, self.gamma_bar, z, b1)
        echoes, kept = _play(excite, refocus, e1, e2, start=1.0, back=0.0)
        middle = excite.transverse[:, :1]
        heard = np.real(echoes * np.conj(middle / np.abs(middle)))
        regained = _play(excite, refocus, e1, e2, start=0.0, back=1.0)[1]
        length = len(self.refocusing) * self.spacing
        if delays is None:
            rest = np.exp(-(self.tr - length) / t1)[:, None]
            mz = (1 - rest + rest * regained) / (1 - rest * kept)
            return np.asarray(np.einsum("ap,eap,p->ae", mz, heard, weights))
        if self.saturation is None:
            raise InputError("has no saturation, so there are no delays after it", key="delays")
        turned = _turns(self.saturation, self.gamma_bar, z, b1).longitudinal
        found = []
        for delay in np.atleast_1d(delays):
            rest, wait = np.exp(-(self.tr - delay - length) / t1)[:, None], np.exp(-delay / t1)[:, None]
            mz = (1 - wait + turned * wait * (1 - rest + rest * regained)) / (1 - turned * wait * rest * kept)
            found.append(np.einsum("ap,eap,p->ae", mz, heard, weights))
        return np.array(found)


def _first(sequence: Sequence, use: str) -> Block | None:
    return next((block for block in sequence.blocks if block.rf is not None and block.rf.use == use), None)


def _turns(block: Block, gamma_bar: float, z: Array, b1: Array) -> Spinors:
    """Return the (atom, place) rotations of a selective pulse on the middle slice, seen from its effective centre."""
    rf, gradient = block.rf, block.gz
    assert rf is not None
    middle = rf.delay + rf.centre
    strength = 0.0 if gradient is None else float(np.interp(middle, gradient.times, gradient.amplitudes))
    offset = gamma_bar * strength * z
    turn = spinors(replace(rf, frequency=0.0), gamma_bar, offset[None, :], b1=b1[:, None])
    # the free precession from its start to its centre and from there to its end belongs to the intervals around it
    before, after = (_precession(-offset * span / NS) for span in (rf.centre, len(rf.signal) * rf.dwell - rf.centre))
    return before.then(turn).then(after)


def _precession(turns: Array) -> Spinors:
    return Spinors(a=np.exp(1j * np.pi * turns)[None, :], b=np.zeros((1, len(turns)), np.complex128))


def _distinct(blocks: tuple[Block, ...], gamma_bar: float, z: Array, b1: Array) -> list[Spinors]:
    known: dict[int, Spinors] = {}
    for block in blocks:
        assert block.rf is not None
        known.setdefault(id(block.rf.signal), _turns(block, gamma_bar, z, b1))
    return [known[id(block.rf.signal)] for block in blocks if block.rf is not None]


def _play(
    excite: Spinors, refocus: list[Spinors], e1: Array, e2: Array, start: float, back: float
) -> tuple[Complex, Array]:
    """Return the (echo, atom, place) echoes and the longitudinal magnetisation at the end of the train.

    start : longitudinal magnetisation before the excitation; back : 1 with recovery, 0 without.
    """
    orders = 2 * len(refocus) + 2
    plus, minus, along = (np.zeros((orders, *e1.shape), np.complex128) for _ in range(3))
    plus[0] = excite.transverse * start
    minus[0] = np.conj(plus[0])
    along[0] = excite.longitudinal * start
    heard = []
    for turn in refocus:
        _wind(plus, minus, along, e1, e2, back)
        _rotate(plus, minus, along, turn)
        _wind(plus, minus, along, e1, e2, back)
        heard.append(plus[0].copy())
    return np.array(heard), along[0].real.copy()


def _wind(plus: Complex, minus: Complex, along: Complex, e1: Array, e2: Array, back: float) -> None:
    """Relax for half an echo spacing and shift by one order."""
    plus *= e2
    minus *= e2
    along *= e1
    along[0] += back * (1 - e1)
    plus[1:] = plus[:-1].copy()
    minus[:-1] = minus[1:].copy()
    minus[-1] = 0
    plus[0] = np.conj(minus[0])


def _rotate(plus: Complex, minus: Complex, along: Complex, turn: Spinors) -> None:
    a, b = turn.a, turn.b
    new_plus = np.conj(a) ** 2 * plus - b**2 * minus + 2 * np.conj(a) * b * along
    new_minus = -(np.conj(b) ** 2) * plus + a**2 * minus + 2 * a * np.conj(b) * along
    along[:] = turn.longitudinal * along - np.conj(a * b) * plus - a * b * minus
    plus[:], minus[:] = new_plus, new_minus
