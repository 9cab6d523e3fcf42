"""A pulse that was designed together with its slice gradient: VERSE, GOIA, spectral-spatial pulses."""

from __future__ import annotations

from dataclasses import dataclass

from ..events import Gradient, RfPulse


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class GradientPulse:
    """An RF pulse and the gradient that must play under it."""

    pulse: RfPulse
    """With a delay of zero."""
    gradient: Gradient
    """T/m, slice axis; knots from the pulse's first sample to the end of its last, where it need not be zero."""
    thickness: float
    """Width of the slice that it selects, m."""
