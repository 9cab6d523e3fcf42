"""Echo-planar families with refocusing pulses: which pulses, and what they select.

With `inner_volume` the refocusing pulses select a slab along the phase axis instead of the slice (Feinberg 1985): only
the inner volume is both excited and refocused, so that the field of view may be as small as the slab without folding.
Neighbouring slices are refocused too, without having been excited: they want a repetition time of several T1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from ...core.units import Angle, Length, Time
from ..scanner import Scanner
from ..selection import Selection, crushed, excite, slice_amplitude
from ..sequence import Block
from .cartesian import Plan, slice_gradient
from .echo_planar import EchoPlanar
from .protocol import at_least, flip_angle, positive, pulse_name, ratio


@dataclass(frozen=True, kw_only=True, slots=True)
class RefocusedEpi(EchoPlanar):
    """Fields of all echo-planar families with refocusing pulses."""

    refocusing_flip: Angle = math.pi
    """Flip angle of every refocusing pulse, rad."""
    refocusing_duration: Time = 4.4e-3
    """Length of a refocusing pulse, s."""
    refocusing_width: float = 1.2
    """Nominal width of the refocused slice over that of the excited one."""
    crusher_cycles: float = 4.0
    """Cycles across the slice from each crusher, on top of the slice gradient itself."""
    inner_volume: Length = 0.0
    """Height of the slab along the phase axis that is refocused, m; 0 refocuses the slice."""

    def __post_init__(self) -> None:
        """Refuse what no pulse could do."""
        EchoPlanar.__post_init__(self)
        flip_angle("refocusing_flip", self.refocusing_flip)
        positive("refocusing_duration", self.refocusing_duration)
        ratio("refocusing_width", self.refocusing_width)
        at_least("crusher_cycles", self.crusher_cycles, 0.0)
        at_least("inner_volume", self.inner_volume, 0.0)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RefocusingParts:
    """The pulses before the train."""

    excitation: Selection
    refocusing: Selection
    inner: bool
    """True if the refocusing pulse selects along the phase axis."""

    def excite(self, position: float) -> Block:
        """Return the excitation of the slice at `position` m."""
        part = self.excitation
        return Block(duration=part.duration, rf=part.at(position), gz=part.gradient, name="excite")

    def refocus(self, position: float, use: str = "refocusing") -> Block:
        """Return a refocusing pulse between its crushers; an inner volume lies in the middle of the grid."""
        part = self.refocusing
        pulse = replace(part.pulse if self.inner else part.at(position), use=use)
        if self.inner:
            return Block(duration=part.duration, rf=pulse, gy=part.gradient, name="refocus")
        return Block(duration=part.duration, rf=pulse, gz=part.gradient, name="refocus")


def refocusing_parts(
    protocol: RefocusedEpi, parts: Plan, scanner: Scanner, flip: float | None = None
) -> RefocusingParts:
    """Return the pulses of a protocol; `flip` (rad) stands in for the refocusing flip."""
    limits = parts.limits
    first = protocol.shaped(scanner, protocol.flip, protocol.excitation_duration)
    if flip is None:
        length = protocol.refocusing_duration
        second = protocol.shaped(scanner, protocol.refocusing_flip, length, "refocusing", 0.0)
    else:
        second = protocol.shaped(scanner, flip, protocol.excitation_duration, "excitation")
    inner = protocol.inner_volume > 0 and protocol.pulse != "hard"
    if inner:
        amplitude = slice_amplitude(scanner, second, protocol.inner_volume, limits)
    else:
        amplitude = slice_gradient(protocol, parts, second, protocol.refocusing_width)
    return RefocusingParts(
        excitation=excite(scanner, limits, first, slice_gradient(protocol, parts, first)),
        refocusing=crushed(scanner, limits, second, amplitude, protocol.crusher_cycles * parts.crossings),
        inner=inner,
    )


def refocused_epi_sheet(protocol: RefocusedEpi) -> dict[str, Any]:
    """Return the nominal facts of the pulses."""
    return {
        "excitation_flip": protocol.flip,
        "refocusing_flip": protocol.refocusing_flip,
        "excitation_profile": pulse_name(protocol),
        "refocusing_profile": pulse_name(protocol),
        "refocusing_width": protocol.refocusing_width,
        "crusher_cycles": protocol.crusher_cycles,
        "inner_volume": protocol.inner_volume,
    }
