"""Safety facts of a scanner: nerve stimulation, absorbed power, acoustic resonances, gradient load.

Makers keep the real numbers confidential. The shipped file is an example whose every table says where its numbers
come from; a user who has the numbers of one machine writes a file of the same form and names it in the scanner
file (`safety = "my-machine.toml"`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import ConfigDict

from ..core.errors import InputError
from ..core.toml import read_toml, resource, structure
from ..core.units import Frequency, GradientStrength, Length, Quantity, SlewRate, Time, Times

FOLDER = "protocols/scanners/safety"
"""Where safety files lie."""

AbsorbedPower = Annotated[float, Quantity("absorbed power")]
"""Specific absorption rate per squared B1, W/kg/T^2."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NerveAxis:
    """One physical axis of the SAFE model: three low-pass filters of the slew rate, added with weights."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    time_constants: Times
    """Of the three filters, s."""
    weights: tuple[float, ...]
    """Of the three filters; their sum is 1."""
    limit: SlewRate
    """Filtered slew rate that is 100 % stimulation, before `scale`, T/m/s."""
    scale: float
    """Efficiency of the coil at the patient, a pure number."""

    def __post_init__(self) -> None:
        """Refuse what is no SAFE model."""
        if len(self.time_constants) != 3 or len(self.weights) != 3:
            raise InputError("needs three time constants and three weights", key="nerves")
        if min(self.time_constants) <= 0 or self.limit <= 0 or self.scale <= 0:
            raise InputError("time constants, limit and scale must be positive", key="nerves")
        if abs(math.fsum(self.weights) - 1) > 1e-3:
            raise InputError(f"weights sum to {math.fsum(self.weights):g}; they must sum to 1", key="nerves")


@dataclass(frozen=True, kw_only=True, slots=True)
class Nerves:
    """Peripheral nerve stimulation: SAFE filters per physical axis and the IEC hyperbola."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    source: str
    x: NerveAxis
    y: NerveAxis
    z: NerveAxis
    rheobase: float = 20.0
    """Of dB/dt for long stimuli, T/s (IEC 60601-2-33)."""
    chronaxie: Time = 0.36e-3
    """Stimulus duration at which twice the rheobase stimulates, s (IEC 60601-2-33)."""
    radius: Length = 0.20
    """Distance from the isocentre at which dB/dt is judged: radius of the compliance volume, m."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Absorption:
    """Specific absorption rate at 3 T per squared rms B1+; other fields follow B0 squared."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    source: str
    whole_body: AbsorbedPower
    """Mean over the body, transmitted by the body coil around the lumbar spine, W/kg/T^2."""
    head: AbsorbedPower
    """Mean over the head, the head in the transmit coil, W/kg/T^2."""
    duty_cycle: float = 1.0
    """Largest share of any 10 s with RF on that the amplifier delivers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Band:
    """Frequencies around a mechanical resonance of the gradient coil."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    centre: Frequency
    """Hz."""
    width: Frequency
    """Full width, Hz."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Acoustics:
    """Forbidden bands of gradient oscillation."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    source: str
    bands: tuple[Band, ...]
    amplitude: GradientStrength
    """Largest sinusoidal gradient allowed inside a band, T/m."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Safety:
    """All safety facts of one machine."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: str
    description: str
    gradient_rms: GradientStrength
    """Largest root-mean-square gradient of one axis over 10 s that the cooling bears, T/m."""
    gradient_source: str
    absorption: Absorption
    acoustics: Acoustics
    nerves: Nerves | None = None
    """None: a machine for specimens, in which nobody lies."""


def load_safety(name: str) -> Safety:
    """Return the safety facts of a shipped name such as ``"example"`` or of the path of a TOML file."""
    path = resource(name, FOLDER, "safety file")
    table = read_toml(path)
    table.setdefault("name", path.stem)
    return structure(table, Safety, path)
