"""One shot of a timeline as coupled spins see it: from the first pulse that counts to the readout.

Water suppression and what comes before the first other pulse leave no trace on the spins: the metabolites start from
equilibrium. Saturated slabs are kept apart (`Band`); `profiles` knows where they reach into the voxel.
"""

from __future__ import annotations

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
class Band:
    """The saturation of a slab."""

    play: Play
    ahead: float
    """Time from its end to the first pulse that counts, s."""


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
    bands: tuple[Band, ...] = ()
    """Saturated slabs."""


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
    start = int(timeline.tr_start[np.searchsorted(timeline.tr_start, segment, side="right") - 1])
    dwell = float(table.dwell[readout])
    events = [*_events(timeline, start, segment), Wait(duration=dwell / 2, moment=table.moment[readout, 0])]
    spacing = timeline.encoding.grid.spacing
    demodulation = float(table.frequency[readout])
    return Shot(
        events=tuple(_merged(_from_first_pulse(events))),
        dwell=dwell,
        samples=int(table.samples[readout]),
        phase=float(table.phase[readout]) + 2 * np.pi * demodulation * dwell / 2,
        frequency=demodulation,
        gamma_bar=timeline.gamma_bar,
        b0=timeline.b0,
        voxel=(spacing[0], spacing[1], spacing[2]),
        bands=tuple(_bands(timeline, start, segment)),
    )


def unedited(played: Shot) -> Shot:
    """Return a shot as the water reference plays it: without the editing pulses behind the excitation.

    Parameters
    ----------
    played : Shot
    """
    events, excited = list[Wait | Play](), False
    for event in played.events:
        if isinstance(event, Play) and excited and event.pulse.use == "preparation":
            moment = played.gamma_bar * event.pulse.dt @ event.pulse.gradient
            event = Wait(duration=float(event.pulse.dt.sum()), moment=moment)
        excited |= isinstance(event, Play) and event.pulse.use == "excitation"
        events.append(event)
    return replace(played, events=tuple(_merged(events)))


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


def _bands(timeline: Timeline, start: int, end: int) -> list[Band]:
    """Return the saturation of slabs ahead of the first pulse that counts."""
    found: list[tuple[Play, int]] = []
    for i in range(start, end):
        if timeline.kind[i] != RF:
            continue
        pulse = timeline.pulses[timeline.event[i]]
        if pulse.use != "saturation":
            return [Band(play=play, ahead=float(timeline.start[i] - stop) * NS) for play, stop in found]
        if np.any(pulse.gradient):
            play = Play(pulse=pulse, phase=float(timeline.phase[i]))
            found.append((play, int(timeline.start[i] + timeline.duration[i])))
    return []


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


__all__ = ["FREE", "Band", "Play", "Shot", "Wait", "shot", "unedited"]
