"""Everything a scanner or a standard limits, in one table: hardware, nerves, absorbed power, heat, resonance."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..sequence.check import PHYSICAL, Margin, margins
from ..sequence.sequence import Sequence
from . import gradient_load, nerves, power
from .safety import Safety, load_safety
from .waveforms import Waveform, waveform


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """The use of every limit by one sequence."""

    margins: tuple[Margin, ...]
    mode: str
    """IEC operating mode: normal, first level controlled or second level controlled."""
    safety: str
    """Name of the safety facts."""
    sources: tuple[str, ...]
    """Where the safety facts come from."""

    @property
    def broken(self) -> tuple[Margin, ...]:
        """The limits that are exceeded."""
        return tuple(margin for margin in self.margins if margin.use > 1)


def limits(sequence: Sequence, safety: Safety | None = None) -> Limits:
    """Return the use of every limit, with the block where each is tightest.

    Parameters
    ----------
    sequence : Sequence
    safety : Safety, optional
        Safety facts; the scanner's own if not given.
    """
    facts = safety or load_safety(sequence.scanner.safety)
    wave = waveform(sequence)
    stimulation = _stimulation(sequence, wave, facts)
    absorbed = _absorbed(sequence, facts)
    rows = (*margins(sequence), *stimulation, *absorbed, *_load(wave, facts))
    return Limits(
        margins=rows,
        mode=power.operating_mode(
            _dose(absorbed, "whole body"), _dose(absorbed, "head"), max((row.value for row in stimulation), default=0.0)
        ),
        safety=facts.name,
        sources=(
            f"nerve stimulation: {facts.nerves.source if facts.nerves else 'not judged, a machine for specimens'}",
            f"SAR: {facts.absorption.source}",
            f"acoustic bands: {facts.acoustics.source}",
            f"gradient load: {facts.gradient_source}",
        ),
    )


def _dose(absorbed: tuple[Margin, ...], part: str) -> float:
    """Return the SAR of a part of the body that its operating mode follows, W/kg over 6 minutes."""
    found = {row.limit_name: row.value for row in absorbed}
    return max(found[f"SAR {part}, 6 min"], found[f"SAR {part}, 10 s"] / power.SHORT_FACTOR)


def _stimulation(sequence: Sequence, wave: Waveform, facts: Safety) -> tuple[Margin, ...]:
    if facts.nerves is None:
        return ()
    found = {
        "nerve stimulation, SAFE": nerves.safe_peak(wave, facts.nerves, sequence.scanner.gradient_raster),
        "nerve stimulation, IEC": nerves.iec_peak(wave, facts.nerves),
    }
    return tuple(
        Margin(
            limit_name=name,
            value=value,
            limit=1.0,
            unit="",
            block=wave.block(when),
            note="above 0.8 needs the first level controlled mode" if value > nerves.NORMAL else "",
        )
        for name, (value, when) in found.items()
    )


def _absorbed(sequence: Sequence, facts: Safety) -> tuple[Margin, ...]:
    load, b0 = power.rf_load(sequence), sequence.scanner.b0
    beyond = f"the quadratic law holds to {power.QUADRATIC_TO:g} T" if b0 > power.QUADRATIC_TO else ""
    long, long_at = load.worst(load.energy, power.LONG)
    short, short_at = load.worst(load.energy, power.SHORT)
    duty, duty_at = load.worst(load.on, power.SHORT)
    parts = (
        ("whole body", facts.absorption.whole_body, power.BODY_FIRST),
        ("head", facts.absorption.head, power.HEAD),
    )
    rows = []
    for part, coefficient, limit in parts:
        mean = power.specific_absorption(long, coefficient, b0)
        brief = power.specific_absorption(short, coefficient, b0)
        first = part == "whole body" and mean > power.BODY_NORMAL
        note = "; ".join(filter(None, (beyond, "needs the first level controlled mode" if first else "")))
        rows += [
            Margin(limit_name=f"SAR {part}, 6 min", value=mean, limit=limit, unit="W/kg", block=long_at, note=note),
            Margin(
                limit_name=f"SAR {part}, 10 s",
                value=brief,
                limit=limit * power.SHORT_FACTOR,
                unit="W/kg",
                block=short_at,
                note=beyond,
            ),
        ]
    rms = f"B1+ rms {math.sqrt(long) * 1e6:.3g} uT over 6 min"
    return (
        *rows,
        Margin(
            limit_name="RF duty cycle, 10 s",
            value=duty,
            limit=facts.absorption.duty_cycle,
            unit="",
            block=duty_at,
            note=rms,
        ),
    )


def _load(wave: Waveform, facts: Safety) -> tuple[Margin, ...]:
    rms, since = gradient_load.largest_rms(wave)
    heat = [
        Margin(
            limit_name=f"rms gradient {PHYSICAL[axis]}, 10 s",
            value=float(rms[axis]),
            limit=facts.gradient_rms,
            unit="T/m",
            block=wave.block(float(since[axis])),
        )
        for axis in range(3)
    ]
    bands = facts.acoustics.bands
    lines = [
        Margin(
            limit_name=f"acoustic band {band.centre:.0f} Hz",
            value=value,
            limit=facts.acoustics.amplitude,
            unit="T/m",
            block=wave.block(when),
            note=f"strongest at {frequency:.0f} Hz",
        )
        for band, (value, frequency, when) in zip(bands, gradient_load.largest_lines(wave, bands), strict=True)
    ]
    return (*heat, *lines)
