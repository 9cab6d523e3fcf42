"""From the nominal timeline to the one that an imperfect scanner plays; nominal k, t and labels stay as they are.

A uniform field is carried by the frame: in a frame that turns with it the spins see none, the pulses' phases run
ahead by its phase and the receiver sees it with the opposite sign. Within a pulse the field counts as a constant
frequency, rounded to `IN_PULSE` turns at the pulse's ends, so that like pulses stay alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..events import NS
from ..timeline import READOUT, RF, Pulse, ReadoutTable, Spatial, Timeline
from .axis_wave import Array, AxisWave, Exponential, PiecewiseLinear
from .concomitant import concomitant_integral
from .imperfections import Imperfections
from .impulse_response import read_response, respond

AXES = ("x", "y", "z")
SAME_GRADIENT = 1e-10
"""T/m; gradients of a pulse are rounded to it, so that equal ones in different repetitions are equal bit for bit."""
SAME_MOMENT = 1e-7
"""1/m; the same for moments between pulses: 1e-8 turns at 0.1 m."""
IN_PULSE = 1e-4
"""Turns at the ends of a pulse to which the frequency of a uniform field is rounded."""


def imperfect(timeline: Timeline, imperfections: Imperfections) -> Timeline:
    """Return the timeline that an imperfect scanner plays.

    Parameters
    ----------
    timeline : Timeline
        As discretised from the sequence.
    imperfections : Imperfections
        All off: the timeline is returned as it is.
    """
    if imperfections == Imperfections():
        return timeline
    fields = _Fields.of(timeline, imperfections)
    played = timeline
    if imperfections.bends_gradients:
        played = _bent(timeline, fields)
    if imperfections.rf_amplitude != 1.0:
        pulses = tuple(replace(pulse, b1=pulse.b1 * imperfections.rf_amplitude) for pulse in played.pulses)
        played = replace(played, pulses=pulses)
    if imperfections.shifts_field:
        played = _in_turning_frame(played, fields)
    if imperfections.adc_dead_time:
        played = replace(played, readouts=_deaf(played.readouts, imperfections.adc_dead_time))
    if imperfections.concomitant or any(imperfections.nonlinearity):
        played = _spatial(played, fields, imperfections)
    return played


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Fields:
    """What is played over the whole scan, on the axes of the coils."""

    waves: tuple[AxisWave, AxisWave, AxisWave]
    axes: Array
    """(3, 3) the grid's axes in the world, as columns."""
    uniform: tuple[tuple[float, Exponential], ...]
    """T/(T/m) and exponential of each eddy current that makes a uniform field."""
    drift: float
    """Hz/s."""
    gamma_bar: float

    @classmethod
    def of(cls, timeline: Timeline, imperfections: Imperfections) -> _Fields:
        """Return the fields of a timeline's nominal gradients."""
        axes = timeline.encoding.grid.axes
        coils = _coils(timeline, axes, imperfections)
        currents = [
            (c, Exponential.of(coils[AXES.index(c.axis)], c.time_constant)) for c in imperfections.eddy_currents
        ]
        x, y, z = (
            AxisWave(
                gradient=coil,
                taken=tuple((c.amplitude, e) for c, e in currents if c.amplitude and (c.onto or c.axis) == name),
            )
            for name, coil in zip(AXES, coils, strict=True)
        )
        return cls(
            waves=(x, y, z),
            axes=axes,
            uniform=tuple((c.b0, e) for c, e in currents if c.b0),
            drift=imperfections.b0_drift,
            gamma_bar=timeline.gamma_bar,
        )

    def moment(self, at: Array) -> Array:
        """Return the (n, 3) gamma_bar * integral of G from the start to each time (s), grid axes, 1/m."""
        return np.stack([wave.integral(at) for wave in self.waves], axis=-1) @ self.axes * self.gamma_bar

    def turns(self, at: Array) -> Array:
        """Return the phase of the uniform field at each time (s), turns."""
        total = self.drift * at**2 / 2
        for b0, exponential in self.uniform:
            total = total + self.gamma_bar * b0 * exponential.integral(at.ravel()).reshape(at.shape)
        return total


def _coils(timeline: Timeline, axes: Array, imperfections: Imperfections) -> list[PiecewiseLinear]:
    """Return the gradient of each coil, delayed and after its response."""
    times = np.unique(np.concatenate([t for t, _ in timeline.knots]))
    grid = np.stack([np.interp(times, t, g, left=0.0, right=0.0) for t, g in timeline.knots], axis=1)
    world = grid @ axes.T
    coils = [
        PiecewiseLinear(times=times / NS + delay, values=world[:, axis])
        for axis, delay in enumerate(imperfections.gradient_delay)
    ]
    if imperfections.gradient_response:
        frequency, response = read_response(imperfections.gradient_response)
        coils = [respond(coil, frequency, response[axis]) for axis, coil in enumerate(coils)]
    return coils


def _bent(timeline: Timeline, fields: _Fields) -> Timeline:
    """Return the timeline under the played gradients."""
    edges = np.append(timeline.start, timeline.start[-1] + timeline.duration[-1]) / NS
    pulses, event = _pulses(timeline, fields)
    table = timeline.readouts
    at = _sample_times(timeline)
    begin = _window_starts(timeline)
    moment = fields.moment(at.ravel()).reshape(*at.shape, 3) - fields.moment(begin)[:, None]
    return replace(
        timeline,
        moment=_rounded(np.diff(fields.moment(edges), axis=0), SAME_MOMENT),
        pulses=pulses,
        event=event,
        readouts=replace(table, moment=_rounded(moment, SAME_MOMENT)),
        knots=_knots(fields),
    )


def _pulses(timeline: Timeline, fields: _Fields) -> tuple[tuple[Pulse, ...], NDArray[np.int32]]:
    """Return the distinct pulses under the played gradients, and each segment's event."""
    played: list[Pulse] = []
    known: dict[tuple[int, bytes], int] = {}
    event = timeline.event.copy()
    for segment in np.flatnonzero(timeline.kind == RF):
        index = int(timeline.event[segment])
        pulse = timeline.pulses[index]
        edges = timeline.start[segment] / NS + np.concatenate([[0.0], np.cumsum(np.repeat(pulse.dt / 2, 2))])
        halves = np.diff(fields.moment(edges), axis=0) / (np.repeat(pulse.dt, 2)[:, None] * fields.gamma_bar)
        gradient = _rounded(halves[::2] + halves[1::2], SAME_GRADIENT)
        change = _rounded(4 * (halves[1::2] - halves[::2]), SAME_GRADIENT)
        key = (index, gradient.tobytes() + change.tobytes())
        if key not in known:
            known[key] = len(played)
            played.append(replace(pulse, gradient=gradient, change=change if np.any(change) else None))
        event[segment] = known[key]
    return tuple(played), event


def _in_turning_frame(timeline: Timeline, fields: _Fields) -> Timeline:
    """Return the timeline in the frame that turns with the uniform field."""
    played: list[Pulse] = []
    known: dict[tuple[int, int], int] = {}
    event, phase = timeline.event.copy(), timeline.phase.copy()
    for segment in np.flatnonzero(timeline.kind == RF):
        index = int(timeline.event[segment])
        pulse = timeline.pulses[index]
        start, length = timeline.start[segment] / NS, float(pulse.dt.sum())
        centre = start + pulse.centre
        first, middle, last = fields.turns(np.array([start, centre, start + length]))
        unit = IN_PULSE / length
        frequency = round((last - first) / length / unit)
        key = (index, frequency)
        if key not in known:
            known[key] = len(played)
            since = np.cumsum(pulse.dt) - pulse.dt / 2 - pulse.centre
            played.append(replace(pulse, b1=pulse.b1 * np.exp(2j * np.pi * frequency * unit * since)))
        event[segment] = known[key]
        phase[segment] = np.fmod(phase[segment] - 2 * np.pi * np.fmod(middle, 1.0), 2 * np.pi)
    received = np.exp(-2j * np.pi * fields.turns(_sample_times(timeline)))
    readouts = replace(timeline.readouts, received=_combined(timeline.readouts, received))
    return replace(timeline, pulses=tuple(played), event=event, phase=phase, readouts=readouts)


def _deaf(table: ReadoutTable, dead: float) -> ReadoutTable:
    """Return the table with nothing received during the first `dead` seconds of each window."""
    since = (np.arange(table.k.shape[1]) + 0.5) * table.dwell[:, None]
    return replace(table, received=_combined(table, (since >= dead).astype(np.complex128)))


def _combined(table: ReadoutTable, factor: NDArray[np.complex128]) -> NDArray[np.complex128]:
    return factor if table.received is None else table.received * factor


def _spatial(timeline: Timeline, fields: _Fields, imperfections: Imperfections) -> Timeline:
    """Return the timeline with the terms that are not linear in position."""
    if not imperfections.concomitant:
        return replace(timeline, spatial=Spatial(nonlinearity=imperfections.nonlinearity))
    times = np.unique(np.concatenate([wave.knots() for wave in fields.waves]))
    gradient = np.stack([wave.at(times) for wave in fields.waves], axis=1)
    edges = np.append(timeline.start, timeline.start[-1] + timeline.duration[-1]) / NS
    samples, begin = _sample_times(timeline), _window_starts(timeline)
    at = np.concatenate([edges, begin, samples.ravel()])
    order = np.argsort(at, kind="stable")
    integral = np.empty((len(at), 3, 3))
    integral[order] = concomitant_integral(times, gradient, at[order], timeline.gamma_bar, timeline.b0)
    at_edges, at_begin, at_samples = np.split(integral, [len(edges), len(edges) + len(begin)])
    sampled = at_samples.reshape(*samples.shape, 3, 3) - at_begin[:, None]
    return replace(
        timeline,
        spatial=Spatial(nonlinearity=imperfections.nonlinearity, quadratic=np.diff(at_edges, axis=0)),
        readouts=replace(timeline.readouts, quadratic=sampled),
    )


def _window_starts(timeline: Timeline) -> Array:
    """Return the (readout,) start of each window, s."""
    segment = np.flatnonzero(timeline.kind == READOUT)
    return np.asarray(timeline.start[segment[np.argsort(timeline.event[segment], kind="stable")]] / NS)


def _sample_times(timeline: Timeline) -> Array:
    """Return the (readout, sample) time of each sample, s; behind a window's last sample the last one's."""
    table = timeline.readouts
    index = np.minimum(np.arange(table.k.shape[1]), table.samples[:, None] - 1)
    return np.asarray(_window_starts(timeline)[:, None] + (index + 0.5) * table.dwell[:, None])


def _knots(fields: _Fields) -> tuple[tuple[NDArray[np.int64], Array], ...]:
    times = np.unique(np.concatenate([wave.knots() for wave in fields.waves]))
    nanoseconds = np.unique(np.round(times * NS).astype(np.int64))
    values = np.stack([wave.at(nanoseconds / NS) for wave in fields.waves], axis=-1) @ fields.axes
    return tuple((nanoseconds, values[:, axis]) for axis in range(3))


def _rounded(values: Array, unit: float) -> Array:
    return np.asarray(np.round(values / unit) * unit + 0.0)
