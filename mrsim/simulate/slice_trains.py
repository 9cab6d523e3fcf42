"""Echoes of many tissues at once through the slice profiles of real pulses: extended phase graphs, place by place.

Each place of the slice sees its own rotations (Cayley-Klein parameters of the played waveforms, phases included). The
crushers wind one order per half echo spacing, all orders that arise are carried, and the repetition is in its steady
state, with or without a saturation before it. Refocusing pulses relax while they play: they are cut into pieces, each a
rotation between two halves of its relaxation. Excitation and saturation turn at their centres. No diffusion, no
off-resonance: for whole objects and imperfect fields there are the engines.
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
PIECES = 12
"""Of a refocusing pulse. Twice as many change no echo by 1e-4."""


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
    instant: bool = False
    """Whether refocusing pulses turn at their centres too, as in tables that leave out relaxation during pulses."""

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
        half = 0.5 * self.spacing
        excite = _turns(self.excitation, self.gamma_bar, z, b1)
        refocus = _distinct(self.refocusing, self.gamma_bar, z, b1, 1 / t1, 1 / t2, self.instant)
        echoes, kept = _play(excite, refocus, half, start=1.0, back=0.0)
        middle = excite.transverse[:, :1]
        heard = np.real(echoes * np.conj(middle / np.abs(middle)))
        regained = _play(excite, refocus, half, start=0.0, back=1.0)[1]
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


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RelaxingTurn:
    """A pulse as it turns and relaxes orders of (F+, F-, Z)."""

    matrix: Complex
    """(3, 3, atom, place): to, from."""
    gained: Complex
    """(3, atom, place): what recovers towards equilibrium while it plays, of order zero."""
    before: float
    """From its start to its centre, s."""
    after: float
    """From its centre to its end, s."""
    r1: Array
    """(atom, 1), 1/s."""
    r2: Array
    """(atom, 1), 1/s."""


def _offset(block: Block, gamma_bar: float, z: Array) -> Array:
    """Return the (place,) offsets, Hz, under the pulse's slice gradient."""
    rf, gradient = block.rf, block.gz
    assert rf is not None
    strength = 0.0 if gradient is None else float(np.interp(rf.delay + rf.centre, gradient.times, gradient.amplitudes))
    return np.asarray(gamma_bar * strength * z)


def _turns(block: Block, gamma_bar: float, z: Array, b1: Array) -> Spinors:
    """Return the (atom, place) rotations of a selective pulse on the middle slice, seen from its effective centre."""
    rf, offset = block.rf, _offset(block, gamma_bar, z)
    assert rf is not None
    turn = spinors(replace(rf, frequency=0.0), gamma_bar, offset[None, :], b1=b1[:, None])
    # the free precession from its start to its centre and from there to its end belongs to the intervals around it
    before, after = (_precession(-offset * span / NS) for span in (rf.centre, len(rf.signal) * rf.dwell - rf.centre))
    return before.then(turn).then(after)


def _precession(turns: Array) -> Spinors:
    return Spinors(a=np.exp(1j * np.pi * turns)[None, :], b=np.zeros((1, len(turns)), np.complex128))


def _relaxing(block: Block, gamma_bar: float, z: Array, b1: Array, r1: Array, r2: Array, instant: bool) -> RelaxingTurn:
    """Return the (atom, place) turns of a refocusing pulse of the middle slice, with the relaxation of its length."""
    rf, offset = block.rf, _offset(block, gamma_bar, z)
    assert rf is not None
    before, after = rf.centre / NS, (len(rf.signal) * rf.dwell - rf.centre) / NS
    r1, r2 = r1[:, None], r2[:, None]
    plus, minus, along = (np.zeros((4, len(b1), len(z)), np.complex128) for _ in range(3))
    plus[0], minus[1], along[2] = 1.0, 1.0, 1.0  # the last of four is what recovers
    _rotate(plus, minus, along, _precession(-offset * before))
    for piece in np.array_split(rf.signal, PIECES):
        half = 0.0 if instant else 0.5 * len(piece) * rf.dwell / NS
        e1, e2 = np.exp(-half * r1), np.exp(-half * r2)
        turn = spinors(replace(rf, signal=piece, frequency=0.0), gamma_bar, offset[None, :], b1=b1[:, None])
        _decay(plus, minus, along, e1, e2, along[3])
        _rotate(plus, minus, along, turn)
        _decay(plus, minus, along, e1, e2, along[3])
    _rotate(plus, minus, along, _precession(-offset * after))
    whole = np.array([plus, minus, along])
    if instant:
        before = after = 0.0
    return RelaxingTurn(matrix=whole[:, :3], gained=whole[:, 3], before=before, after=after, r1=r1, r2=r2)


def _distinct(
    blocks: tuple[Block, ...], gamma_bar: float, z: Array, b1: Array, r1: Array, r2: Array, instant: bool
) -> list[RelaxingTurn]:
    known: dict[int, RelaxingTurn] = {}
    for block in blocks:
        assert block.rf is not None
        if id(block.rf.signal) not in known:
            known[id(block.rf.signal)] = _relaxing(block, gamma_bar, z, b1, r1, r2, instant)
    return [known[id(block.rf.signal)] for block in blocks if block.rf is not None]


def _play(
    excite: Spinors, refocus: list[RelaxingTurn], half: float, start: float, back: float
) -> tuple[Complex, Array]:
    """Return the (echo, atom, place) echoes and the longitudinal magnetisation at the end of the train.

    half : of the echo spacing, s; start : longitudinal magnetisation before the excitation; back : 1 with recovery,
    0 without.
    """
    orders = 2 * len(refocus) + 2
    plus, minus, along = (np.zeros((orders, *excite.a.shape), np.complex128) for _ in range(3))
    plus[0] = excite.transverse * start
    minus[0] = np.conj(plus[0])
    along[0] = excite.longitudinal * start
    heard = []
    for turn in refocus:
        _wind(plus, minus, along, turn, half - turn.before, back)
        _mix(plus, minus, along, turn, back)
        _wind(plus, minus, along, turn, half - turn.after, back)
        heard.append(plus[0].copy())
    return np.array(heard), along[0].real.copy()


def _wind(plus: Complex, minus: Complex, along: Complex, turn: RelaxingTurn, time: float, back: float) -> None:
    """Relax for a time, s, and shift by one order."""
    e1, e2 = np.exp(-time * turn.r1), np.exp(-time * turn.r2)
    _decay(plus, minus, along, e1, e2, along[0], back)
    plus[1:] = plus[:-1].copy()
    minus[:-1] = minus[1:].copy()
    minus[-1] = 0
    plus[0] = np.conj(minus[0])


def _decay(
    plus: Complex, minus: Complex, along: Complex, e1: Array, e2: Array, recovering: Complex, back: float = 1.0
) -> None:
    """Relax all; `recovering`, a part of `along`, goes back towards equilibrium."""
    plus *= e2
    minus *= e2
    along *= e1
    recovering += back * (1 - e1)


def _mix(plus: Complex, minus: Complex, along: Complex, turn: RelaxingTurn, back: float) -> None:
    """Turn and relax all orders by a pulse."""
    old = (plus, minus, along)
    new = [sum(part * state for part, state in zip(row, old, strict=True)) for row in turn.matrix]
    for state, value, gained in zip(old, new, turn.gained, strict=True):
        state[:] = value
        state[0] += back * gained


def _rotate(plus: Complex, minus: Complex, along: Complex, turn: Spinors) -> None:
    a, b = turn.a, turn.b
    new_plus = np.conj(a) ** 2 * plus - b**2 * minus + 2 * np.conj(a) * b * along
    new_minus = -(np.conj(b) ** 2) * plus + a**2 * minus + 2 * a * np.conj(b) * along
    along[:] = turn.longitudinal * along - np.conj(a * b) * plus - a * b * minus
    plus[:], minus[:] = new_plus, new_minus
