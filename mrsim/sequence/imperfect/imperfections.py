"""The imperfections of a scanner, each a switch that is off by default.

They change what an engine plays: gradients, pulses, a uniform field, what the receiver takes in. The `Sequence` and
the nominal k and t stay as they are. Axes are those of the gradient coils: x, y, z of the world (RAS).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import ConfigDict

from ...core.errors import InputError
from ...core.units import Curvatures, FrequencyDrift, Length, Time, Times


@dataclass(frozen=True, kw_only=True, slots=True)
class EddyCurrent:
    """One exponential that every change of a coil's gradient leaves behind.

    A step of the gradient G at t = 0 makes -amplitude G exp(-t / time_constant) along `onto`, and a uniform field
    b0 G exp(-t / time_constant).
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    axis: Literal["x", "y", "z"]
    """Coil that is switched."""
    onto: Literal["x", "y", "z", ""] = ""
    """Axis of the gradient that results; empty: the coil's own."""
    amplitude: float = 0.0
    """Share of the gradient step that it takes away at first."""
    b0: Length = 0.0
    """Uniform field per gradient step, T / (T/m) = m."""
    time_constant: Time

    def __post_init__(self) -> None:
        """Refuse what would grow without bound."""
        if not (math.isfinite(self.time_constant) and self.time_constant > 0):
            raise InputError(f"is {self.time_constant:g} s; use a positive time", key="time_constant")
        if not (math.isfinite(self.amplitude) and abs(self.amplitude) < 1 and math.isfinite(self.b0)):
            raise InputError(f"is {self.amplitude:g}; use a share between -1 and 1", key="amplitude")


@dataclass(frozen=True, kw_only=True, slots=True)
class Imperfections:
    """All of them; the defaults are a perfect scanner."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    gradient_delay: Times = (0.0, 0.0, 0.0)
    """By how much each coil's gradient lags, s; x, y, z."""
    eddy_currents: tuple[EddyCurrent, ...] = ()
    gradient_response: str = ""
    """Path of a file with the gradient system's transfer function; see `impulse_response`. Empty: none."""
    concomitant: bool = False
    """The transverse fields that Maxwell's equations tie to a gradient (Bernstein 1998, doi:10.1002/mrm.1910390218)."""
    nonlinearity: Curvatures = (0.0, 0.0, 0.0)
    """Third-order coefficient of each coil's field, 1/m^2; see `nonlinearity`."""
    b0_drift: FrequencyDrift = 0.0
    """Drift of the resonance from the start of the scan on, Hz/s."""
    rf_amplitude: float = 1.0
    """Played over nominal B1."""
    adc_dead_time: Time = 0.0
    """The receiver takes in nothing during this time after each window opens, s."""

    def __post_init__(self) -> None:
        """Refuse what no scanner does."""
        for key in ("gradient_delay", "nonlinearity"):
            values = getattr(self, key)
            if len(values) != 3 or not all(math.isfinite(v) for v in values):
                raise InputError(f"has {len(values)} values; expected 3 finite ones, x y z", key=key)
        if not (math.isfinite(self.rf_amplitude) and self.rf_amplitude >= 0):
            raise InputError(f"is {self.rf_amplitude:g}; use a factor of at least 0", key="rf_amplitude")
        if not (math.isfinite(self.adc_dead_time) and self.adc_dead_time >= 0):
            raise InputError(f"is {self.adc_dead_time:g} s; use at least 0 s", key="adc_dead_time")
        if not math.isfinite(self.b0_drift):
            raise InputError("is not finite; use 0 Hz/s for none", key="b0_drift")

    @property
    def bends_gradients(self) -> bool:
        """Whether the gradients differ from the nominal ones."""
        bent = any(current.amplitude for current in self.eddy_currents)
        return bent or any(self.gradient_delay) or bool(self.gradient_response)

    @property
    def shifts_field(self) -> bool:
        """Whether a uniform field is added."""
        return bool(self.b0_drift) or any(current.b0 for current in self.eddy_currents)
