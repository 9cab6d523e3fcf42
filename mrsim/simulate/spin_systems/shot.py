"""One shot of a timeline as coupled spins see it: from the first pulse that counts to the readout.

Water suppression and saturated slabs ahead of the first other pulse are no events: coupled spins start from
equilibrium. What a repetition's pulses, these among them, leave of it is kept apart (`Turn`) for `recovery`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...sequence.timeline import FREE, READOUT, RF, Pulse, Timeline

NS = 1e-9


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Wait:
    """An interval without pulses."""

    duration: float
    """s."""
    moment: NDArray[np.float64]
    """(3,) gamma_bar * integral of G, grid axes, 1/m."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Play:
    """A pulse."""

    pulse: Pulse
    phase: float
    """Phase offset, rad."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Turn:
    """What a pulse of a repetition does to longitudinal magnetisation, at its centre."""

    play: Play
    at: float
    """Time of the pulse's centre behind that of the first one that counts, s, from 0 to the repetition time."""
    ideal: bool = False
    """Whether all spins are turned by the nominal angle."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Shot:
    """Events up to the first sample, and the samples."""

    events: tuple[Wait | Play, ...]
    dwell: float
    """s."""
    samples: int
    phase: float
    """Receiver phase at the first sample, rad."""
    frequency: float
    """Demodulation offset, Hz."""
    gamma_bar: float
    """Hz/T."""
    b0: float
    """T."""
    voxel: tuple[float, float, float]
    """Size of the selected box, m."""
    cycle: tuple[Turn, ...] = ()
    """All pulses of a repetition, in the order of time from the first one that counts."""
    tr: float = math.inf
    """Repetition time, s."""


def shot(timeline: Timeline, contrast: int = 0) -> Shot:
    """Return the shot of a timeline whose readout is the first imaging one of a contrast.

    Parameters
    ----------
    timeline : Timeline
        Of a spectroscopy sequence.
    contrast : int
        Which spectrum of the series: the carriers of an edited sequence.
    """
    if timeline.spatial is not None:
        raise InputError("coupled spins play linear gradients only; leave out nonlinearity and concomitant fields")
    readout = _readout(timeline, contrast)
    table = timeline.readouts
    segment = int(np.flatnonzero((timeline.kind == READOUT) & (timeline.event == readout))[0])
    repetition = int(np.searchsorted(timeline.tr_start, segment, side="right"))
    start, stop = int(timeline.tr_start[repetition - 1]), len(timeline.kind)
    if repetition < len(timeline.tr_start):
        stop = int(timeline.tr_start[repetition])
    dwell = float(table.dwell[readout])
    events = [*_events(timeline, start, segment), Wait(duration=dwell / 2, moment=table.moment[readout, 0])]
    spacing = timeline.encoding.grid.spacing
    demodulation = float(table.frequency[readout])
    cycle, tr = _cycle(timeline, start, segment, stop)
    return Shot(
        events=tuple(_merged(_from_first_pulse(events))),
        dwell=dwell,
        samples=int(table.samples[readout]),
        phase=float(table.phase[readout]) + 2 * np.pi * demodulation * dwell / 2,
        frequency=demodulation,
        gamma_bar=timeline.gamma_bar,
        b0=timeline.b0,
        voxel=(spacing[0], spacing[1], spacing[2]),
        cycle=cycle,
        tr=tr,
    )


def unedited(played: Shot) -> Shot:
    """Return a shot without the editing pulses behind the excitation.

    Parameters
    ----------
    played : Shot
    """
    events, excited, left_out = list[Wait | Play](), False, set[int]()
    for event in played.events:
        if isinstance(event, Play) and excited and event.pulse.use == "preparation":
            left_out.add(id(event.pulse))
            moment = played.gamma_bar * event.pulse.dt @ event.pulse.gradient
            event = Wait(duration=float(event.pulse.dt.sum()), moment=moment)
        excited |= isinstance(event, Play) and event.pulse.use == "excitation"
        events.append(event)
    cycle = tuple(turn for turn in played.cycle if id(turn.play.pulse) not in left_out)
    return replace(played, events=tuple(_merged(events)), cycle=cycle)


def reference(played: Shot) -> Shot:
    """Return a shot as the water reference plays it: without suppression and editing pulses.

    Parameters
    ----------
    played : Shot
    """
    bare = unedited(played)
    return replace(bare, cycle=tuple(turn for turn in bare.cycle if not _suppresses(turn.play)))


def without_slices(played: Shot) -> Shot:
    """Return a shot whose pulses select nothing and turn all spins by their nominal angles; slabs are not played.

    Parameters
    ----------
    played : Shot
    """
    kept = (turn for turn in played.cycle if turn.play.pulse.use != "saturation")
    cycle = tuple(replace(turn, ideal=turn.play.pulse.use != "preparation") for turn in kept)
    return replace(played, events=(), cycle=cycle)


def _suppresses(play: Play) -> bool:
    """Return whether a pulse saturates a line, not a slab."""
    return play.pulse.use == "saturation" and not np.any(play.pulse.gradient)


def _readout(timeline: Timeline, contrast: int) -> int:
    table = timeline.readouts
    purpose = np.array([name == "imaging" for name in table.purpose])
    labels = table.labels.get("contrast", np.zeros(len(purpose), np.int64))
    found = np.flatnonzero(purpose & (labels == contrast))
    if timeline.encoding.kind != "spectrum" or not len(found):
        known = "none" if timeline.encoding.kind != "spectrum" else f"contrasts 0 to {labels.max(initial=0)}"
        raise InputError(
            f"the sequence has no spectrum of contrast {contrast} (it has: {known}); coupled spins are simulated for "
            "pulse-acquire, press, steam and semi-laser"
        )
    return int(found[0])


def _events(timeline: Timeline, start: int, end: int) -> list[Wait | Play]:
    """Return what is played from a segment to another, saturation pulses as waits."""
    events: list[Wait | Play] = []
    for i in range(start, end):
        pulse = timeline.pulses[timeline.event[i]] if timeline.kind[i] == RF else None
        if pulse is not None and pulse.use != "saturation":
            events.append(Play(pulse=pulse, phase=float(timeline.phase[i])))
        else:
            events.append(Wait(duration=timeline.duration[i] * NS, moment=timeline.moment[i]))
    return events


def _cycle(timeline: Timeline, start: int, readout: int, stop: int) -> tuple[tuple[Turn, ...], float]:
    """Return the pulses of the repetition from one segment to another, from the first that counts on, and its length.

    Pulses ahead of that one are those of the next repetition.
    """
    ends = timeline.start[start:stop] + timeline.duration[start:stop]
    tr = float(ends.max() - timeline.start[start]) * NS
    rows = [i for i in range(start, stop) if timeline.kind[i] == RF]
    plays = [Play(pulse=timeline.pulses[timeline.event[i]], phase=float(timeline.phase[i])) for i in rows]
    centres = [float(timeline.start[i]) * NS + play.pulse.centre for i, play in zip(rows, plays, strict=True)]
    counting = [
        at for i, at, play in zip(rows, centres, plays, strict=True) if i < readout and play.pulse.use != "saturation"
    ]
    if not counting:
        return (), tr
    turns = [
        Turn(play=play, at=at - counting[0] + (0.0 if at >= counting[0] else tr))
        for at, play in zip(centres, plays, strict=True)
    ]
    return tuple(sorted(turns, key=lambda turn: turn.at)), tr


def _from_first_pulse(events: list[Wait | Play]) -> list[Wait | Play]:
    first = next((i for i, event in enumerate(events) if isinstance(event, Play)), None)
    if first is None:
        raise InputError("the sequence has no pulse before its readout")
    return events[first:]


def _merged(events: list[Wait | Play]) -> list[Wait | Play]:
    """Return the events with waits that follow each other as one."""
    merged: list[Wait | Play] = []
    for event in events:
        last = merged[-1] if merged else None
        if isinstance(event, Wait) and isinstance(last, Wait):
            merged[-1] = Wait(duration=last.duration + event.duration, moment=last.moment + event.moment)
        else:
            merged.append(event)
    return merged


__all__ = ["FREE", "Play", "Shot", "Turn", "Wait", "reference", "shot", "unedited", "without_slices"]
