"""From blocks to a timeline: a flat list of RF, read and free segments with exact gradient moments.

Blocks are cut at the edges of RF samples and ADC windows. Moments are integrals of the piecewise-linear gradients,
in closed form. Everything is worked out in the block's own time and once per distinct block, so that repetitions
that play the same are the same bit for bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError, check_kind
from .events import NS, Adc, Gradient, RfPulse
from .imperfect.distort import imperfect
from .nominal import nominal_k, nominal_time, padded
from .played import collected, sampled, turned
from .sequence import Block, Sequence
from .timeline import FREE, READOUT, RF, Pulse, ReadoutTable, Timeline

MOST_PARTS = 1000
"""Steps that a sample of an offset pulse is cut into at most."""
CARRIER = 2e-4
"""Error of B1 at the edges of an offset pulse's band that holding its carrier over steps may leave, relative."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Cut:
    """The segments of one distinct block."""

    kind: list[int]
    edges: NDArray[np.int64]
    """(segment + 1,) ns from the start of the block."""
    moment: NDArray[np.float64]
    """(segment, 3), 1/m."""
    pulse: int
    """Index of the pulse, -1 if there is none."""
    samples: NDArray[np.float64] | None
    """(sample, 3) moment from the start of the window to each sample, 1/m."""


@dataclass(slots=True)
class _Tables:
    """What grows while the blocks are read."""

    gamma_bar: float
    cuts: dict[tuple[object, ...], _Cut] = field(default_factory=dict)
    pulses: dict[tuple[object, ...], int] = field(default_factory=dict)
    played: list[Pulse] = field(default_factory=list)
    areas: dict[tuple[object, ...], NDArray[np.float64]] = field(default_factory=dict)

    def collected(self, block: Block, at: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return what the gradients of a block collect until some times; see `played.collected`."""
        key = (*map(id, block.gradients), None if block.rotation is None else block.rotation.tobytes(), at.tobytes())
        if key not in self.areas:
            self.areas[key] = collected(block, at)
        return self.areas[key]


def discretize(sequence: Sequence) -> Timeline:
    """Return the timeline of a sequence, as its scanner plays it."""
    check_kind(sequence, Sequence, "sequence", "mr.build(protocol, scanner)")
    return imperfect(nominal_timeline(sequence), sequence.scanner.imperfections)


def nominal_timeline(sequence: Sequence) -> Timeline:
    """Return the timeline of a sequence on a perfect scanner."""
    tables = _Tables(gamma_bar=sequence.scanner.gamma_bar)
    starts = sequence.starts()
    cuts = [_cut(block, tables) for block in sequence.blocks]
    counts = np.array([len(cut.kind) for cut in cuts])
    kind = np.concatenate([np.array(cut.kind, dtype=np.int8) for cut in cuts])
    edges = np.concatenate([cut.edges[:-1] + s for cut, s in zip(cuts, starts, strict=True)])
    duration = np.concatenate([np.diff(cut.edges) for cut in cuts])
    moment = np.concatenate([cut.moment for cut in cuts])
    begins_block = np.concatenate([[0], np.cumsum(counts)[:-1]])
    begins_tr = np.zeros(len(kind), dtype=bool)
    begins_tr[begins_block[[i for i, block in enumerate(sequence.blocks) if block.starts_tr]]] = True
    begins_tr[0] = True
    keep = (kind != FREE) | np.concatenate([[True], kind[:-1] != FREE]) | begins_tr
    first = np.flatnonzero(keep)
    event, phase = _events(sequence.blocks, cuts, kind)
    return Timeline(
        kind=kind[first],
        start=edges[first],
        duration=np.add.reduceat(duration, first),
        moment=np.add.reduceat(moment, first, axis=0),
        event=event[first],
        phase=phase[first],
        pulses=tuple(tables.played),
        readouts=_readouts(sequence, cuts, starts),
        tr_start=np.flatnonzero(begins_tr[first]),
        encoding=sequence.encoding,
        noise_density=sequence.scanner.noise_density,
        b0=sequence.scanner.b0,
        gamma_bar=sequence.scanner.gamma_bar,
        knots=tuple(_knots(sequence, starts, axis) for axis in range(3)),
    )


def _cut(block: Block, tables: _Tables) -> _Cut:
    """Return the segments of a block; blocks with the same events share them."""
    rf, adc = block.rf, block.adc
    key = (
        block.duration,
        (id(rf.signal), rf.dwell, rf.delay, rf.frequency, rf.centre, rf.flip, rf.use) if rf else None,
        (adc.samples, adc.dwell, adc.delay) if adc else None,
        tuple(id(gradient) for gradient in block.gradients),
        None if block.rotation is None else block.rotation.tobytes(),
    )
    if key not in tables.cuts:
        tables.cuts[key] = _new_cut(block, tables)
    return tables.cuts[key]


def _new_cut(block: Block, tables: _Tables) -> _Cut:
    rf, adc = block.rf, block.adc
    special = [(rf.delay, rf.delay + rf.duration, RF)] if rf else []
    special += [(adc.delay, adc.delay + adc.duration, READOUT)] if adc else []
    kind: list[int] = []
    edges = [0]
    for begin, end, what in sorted(special):
        if begin < edges[-1] or end > block.duration:
            raise InputError(f"block '{block.name}': RF and ADC overlap or leave the block; see Sequence.check()")
        if begin > edges[-1]:
            kind.append(FREE)
            edges.append(begin)
        kind.append(what)
        edges.append(end)
    if edges[-1] < block.duration:
        kind.append(FREE)
        edges.append(block.duration)
    at = np.array(edges, dtype=np.int64)
    return _Cut(
        kind=kind,
        edges=at,
        moment=np.diff(tables.collected(block, at), axis=0) * tables.gamma_bar,
        pulse=_pulse(block, rf, tables) if rf else -1,
        samples=_samples(block, adc, tables.gamma_bar) if adc else None,
    )


def _carrier_parts(rf: RfPulse) -> int:
    """Return into how many steps each sample of an offset pulse is cut.

    A carrier that is held for a step of length h plays sin(x) / x of itself at a frequency f, x = pi f h. The middle of
    the band is put right exactly; at its edges, dx away, x dx / 3 is left, which is kept below `CARRIER`.
    """
    x = np.pi * abs(rf.frequency) * rf.dwell / NS
    dx = np.pi * (rf.bandwidth / 2 or abs(rf.frequency)) * rf.dwell / NS
    parts = max(1.0, math.sqrt(x * dx / 3 / CARRIER))
    if not parts <= MOST_PARTS:
        limit = abs(rf.frequency) * MOST_PARTS / parts
        raise InputError(
            f"an RF pulse is {rf.frequency:.4g} Hz off resonance, too far for samples of {rf.dwell / 1e3:g} us; "
            f"use at most {limit:.3g} Hz or shorter samples"
        )
    return math.ceil(parts)


def _on_carrier(rf: RfPulse, parts: int) -> NDArray[np.complex128]:
    """Return the samples of a pulse on its carrier, held for steps, each `parts` times."""
    step = rf.dwell / NS / parts
    since = (np.arange(len(rf.signal) * parts) + 0.5) * step
    carrier = np.exp(-2j * np.pi * rf.frequency * since) / np.sinc(rf.frequency * step)
    return np.asarray(np.repeat(rf.signal, parts) * carrier)


def _pulse(block: Block, rf: RfPulse, tables: _Tables) -> int:
    """Return the index of the pulse with its gradients; equal content is stored once."""
    at = rf.delay + rf.dwell * np.arange(2 * len(rf.signal) + 1) // 2
    halves = np.diff(tables.collected(block, at), axis=0)
    gradient = (halves[::2] + halves[1::2]) / (rf.dwell / NS)
    change = 4 * (halves[1::2] - halves[::2]) / (rf.dwell / NS)
    change[np.abs(change) < 1e-9 * np.abs(gradient).max(initial=0.0)] = 0.0
    parts = _carrier_parts(rf) if rf.frequency else 1
    b1 = _on_carrier(rf, parts) if rf.frequency else rf.signal
    if parts > 1:
        within = (np.tile(np.arange(parts), len(gradient)) + 0.5)[:, None] / parts - 0.5
        gradient = np.repeat(gradient, parts, axis=0) + np.repeat(change, parts, axis=0) * within
        change = np.repeat(change / parts, parts, axis=0)
    key = (rf.dwell, rf.centre, rf.flip, rf.use, rf.frequency, b1.tobytes(), gradient.tobytes(), change.tobytes())
    if key not in tables.pulses:
        tables.pulses[key] = len(tables.played)
        dt = np.full(len(b1), rf.dwell / NS / parts)
        played = Pulse(
            dt=dt,
            b1=b1,
            gradient=gradient,
            change=change if np.any(change) else None,
            flip=rf.flip,
            centre=rf.centre / NS,
            use=rf.use,
            frequency=rf.frequency,
        )
        tables.played.append(played)
    return tables.pulses[key]


def _samples(block: Block, adc: Adc, gamma_bar: float) -> NDArray[np.float64]:
    """Return the (sample, 3) moments from the start of the window to each sample, 1/m."""
    start = collected(block, np.array([adc.delay], dtype=np.int64))
    return np.asarray(sampled(block, adc) - start) * gamma_bar


def _events(
    blocks: tuple[Block, ...], cuts: list[_Cut], kind: NDArray[np.int8]
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return per segment the index of its pulse or readout, and the RF phase."""
    event, phase = np.full(len(kind), -1, dtype=np.int32), np.zeros(len(kind))
    pulses = [(cut.pulse, block.rf.phase) for cut, block in zip(cuts, blocks, strict=True) if block.rf is not None]
    rf = kind == RF
    event[rf] = np.array([index for index, _ in pulses], dtype=np.int32)
    phase[rf] = np.array([value for _, value in pulses])
    reads = kind == READOUT
    event[reads] = np.arange(np.count_nonzero(reads), dtype=np.int32)
    return event, phase


def _readouts(sequence: Sequence, cuts: list[_Cut], starts: NDArray[np.int64]) -> ReadoutTable:
    """Return the table of ADC windows: what is played, and the nominal k and t."""
    rows = [(block, block.adc, cut) for block, cut in zip(sequence.blocks, cuts, strict=True) if block.adc is not None]
    samples = np.array([adc.samples for _, adc, _ in rows], dtype=np.int64)
    names = sorted({name for block, _, _ in rows for name in block.labels})
    labels = {n: np.array([block.labels.get(n, 0) for block, _, _ in rows], dtype=np.int64) for n in names}
    width = int(samples.max(initial=0))
    played = [padded(cut.samples, width) for _, _, cut in rows if cut.samples is not None]
    return ReadoutTable(
        samples=samples,
        purpose=tuple(adc.purpose for _, adc, _ in rows),
        dwell=np.array([adc.dwell for _, adc, _ in rows], dtype=np.int64) / NS,
        phase=np.array([adc.phase for _, adc, _ in rows], dtype=np.float64),
        frequency=np.array([adc.frequency for _, adc, _ in rows], dtype=np.float64),
        moment=np.stack(played) if played else np.zeros((0, width, 3)),
        k=nominal_k(sequence, labels, width),
        t=nominal_time(sequence, starts, width),
        labels=labels,
    )


def _knots(sequence: Sequence, starts: NDArray[np.int64], axis: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return times, ns, and amplitudes, T/m, of one axis over the whole scan, zero at its two ends."""
    played = [(start, turned(block)[axis]) for start, block in zip(starts, sequence.blocks, strict=True)]
    shapes: list[tuple[int, Gradient]] = [(int(start), g) for start, g in played if g is not None]
    total = sum(block.duration for block in sequence.blocks)
    ends = np.array([0, total], dtype=np.int64)
    times = np.concatenate([ends[:1], *[g.times + start for start, g in shapes], ends[1:]])
    amplitudes = np.concatenate([[0.0], *[g.amplitudes for _, g in shapes], [0.0]])
    fresh = np.concatenate([[True], (np.diff(times) > 0) | (np.diff(amplitudes) != 0)])
    return times[fresh], amplitudes[fresh]
