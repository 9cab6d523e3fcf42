"""The roots of all families: `Protocol`, and `Placed` for those that excite a place in the body with shaped pulses."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Literal, Self, get_args, get_type_hints

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict

from ...core.errors import InputError
from ...core.grid import ORIENTATIONS, orientation_axes
from ...core.shown import Shown, listing
from ...core.units import Angle, Lengths, Measured, Quantity, SlewRate, Time, si_unit
from ...core.written import quantity
from .. import rf
from ..events import RfPulse
from ..preparations.preparation import Preparation, Preparations
from ..scanner import Scanner
from ..sequence import Sequence

EXCITATION_PHASE = math.pi / 2
"""With B1 = b exp(-i phase) this excitation leaves the magnetisation along +x: real and positive."""

MOST_AVERAGES, MOST_DUMMIES, MOST_ECHOES, MOST_TIMES = 4096, 10_000, 4096, 1_000_000
"""What no scan needs more of: a slip of the keys is refused instead of built for hours."""
LONGEST, WIDEST = 10.0, 1000.0
"""What no scanner sees across, m, and no ratio of two widths exceeds either way."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Protocol(Shown, ABC):
    """A family with its settings; frozen, and complete: the scanner is all that `build` needs besides."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: ClassVar[str] = ""
    """How protocol files call the family."""

    @abstractmethod
    def build(self, scanner: Scanner) -> Sequence:
        """Return the sequence on this scanner."""

    def _facts(self) -> dict[str, str]:
        """Return the settings that are not the family's defaults, in the units that readers expect."""
        own = {one.name: getattr(self, one.name) for one in fields(self) if getattr(self, one.name) != one.default}
        hints = get_type_hints(type(self), include_extras=True)
        return {"": self.name} | {name: _setting(value, hints[name]) for name, value in own.items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed(Protocol):
    """Fields of all families that excite a slice, a slab or a voxel somewhere in the body."""

    orientation: str = "sagittal"
    """sagittal, coronal or axial."""
    tilt: Angle = 0.0
    """Rotation about the readout direction, rad."""
    in_plane: Angle = 0.0
    """Rotation about the slice direction, rad."""
    centre: Lengths = (0.0, 0.0, 0.0)
    """World position of the grid's origin, RAS, m. Gradients are taken to vanish there, as they seem to on a
    scanner that offsets its RF and receiver frequencies: positions in a timeline are grid coordinates."""
    pulse: Literal["sinc", "slr", "hard"] = "sinc"
    """Shape of all pulses."""
    window: Literal["hamming", "hann"] = "hamming"
    """Window of sinc pulses."""
    excitation_duration: Time = 3e-3
    """Length of the excitation, s."""
    time_bandwidth: float = 4.0
    """Duration times bandwidth of all shaped pulses."""
    max_slew: SlewRate = 70.0
    """Largest slew rate to play, T/m/s, where the scanner allows as much: three axes at a scanner's own limit would
    stimulate nerves."""
    preparation: Preparations = ()
    """Modules played before every excitation (or every shot), in their order."""
    averages: int = 1
    """How often everything is measured."""
    dummies: int = 0
    """Repetitions without readout before the first one of each image series."""

    def __post_init__(self) -> None:
        """Refuse what no scanner could play."""
        if len(self.centre) != 3:
            raise InputError(f"has {len(self.centre)} values; expected 3", key="centre")
        for key in ("excitation_duration", "time_bandwidth", "max_slew"):
            positive(key, getattr(self, key))
        within("averages", self.averages, 1, MOST_AVERAGES)
        within("dummies", self.dummies, 0, MOST_DUMMIES)
        if self.orientation not in ORIENTATIONS:
            known = ", ".join(ORIENTATIONS)
            raise InputError(f"unknown orientation '{self.orientation}'; known: {known}", key="orientation")

    def with_preparation(self, modules: tuple[Preparation, ...]) -> Self:
        """Return the protocol with other preparations."""
        return replace(self, preparation=modules)

    def axes(self) -> NDArray[np.float64]:
        """Return the (3, 3) rotation whose columns are the grid's x, y and z in world RAS."""
        return orientation_axes(self.orientation, self.tilt, self.in_plane)

    def origin(self) -> tuple[float, float, float]:
        """Return the world position of the grid's origin, m."""
        x, y, z = self.centre
        return x, y, z

    def shaped(
        self, scanner: Scanner, flip: float, duration: float, use: str = "excitation", phase: float = EXCITATION_PHASE
    ) -> RfPulse:
        """Return a pulse of the protocol's shape; flip in rad, duration in s."""
        if self.pulse == "hard":
            pulse = rf.hard(scanner, flip, duration, use=use, phase=phase)
        elif self.pulse == "sinc":
            pulse = rf.sinc(scanner, flip, duration, self.time_bandwidth, window=self.window, use=use, phase=phase)
        else:
            small = "st" if flip < math.radians(30) else "ex"
            kind = {"excitation": small, "refocusing": "se", "inversion": "inv"}[use]
            pulse = rf.slr(scanner, flip, duration, self.time_bandwidth, kind=kind, use=use, phase=phase)
        return pulse


def pulse_name(protocol: Placed) -> str:
    """Return a pulse's nominal profile in words, e.g. ``"sinc hamming, time-bandwidth 4"``."""
    if protocol.pulse == "hard":
        return "hard"
    shape = f"sinc {protocol.window}" if protocol.pulse == "sinc" else "slr least squares"
    return f"{shape}, time-bandwidth {protocol.time_bandwidth:g}"


def positive(key: str, value: float) -> None:
    """Refuse a value that is not positive and finite."""
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"is {value:g}; it must be positive and finite", key=key)


def length(key: str, value: float) -> None:
    """Refuse what is no length, m, that a scanner can see."""
    if not 0 < value <= LONGEST:
        raise InputError(f"is {value * 1e3:g} mm; it must be positive and at most {LONGEST:g} m", key=key)


def ratio(key: str, value: float) -> None:
    """Refuse a ratio of two widths that no pulse or gradient reaches."""
    if not 1 / WIDEST <= value <= WIDEST:
        raise InputError(f"is {value:g}; it must lie between {1 / WIDEST:g} and {WIDEST:g}", key=key)


def at_least(key: str, value: float, least: float) -> None:
    """Refuse a value below `least` or not finite, and a count that no scan reaches."""
    if not (math.isfinite(value) and value >= least):
        raise InputError(f"is {value:g}; it must be at least {least:g}", key=key)
    if isinstance(value, int) and value > MOST_TIMES:
        raise InputError(f"is {value}; nothing in a scan is played more than {MOST_TIMES} times", key=key)


def within(key: str, value: int, least: int, most: int) -> None:
    """Refuse a count outside [least, most]."""
    if not least <= value <= most:
        raise InputError(f"is {value}; it must lie between {least} and {most}", key=key)


def flip_angle(key: str, value: float) -> None:
    """Refuse a flip angle outside (0, 180] degrees."""
    if not 0 < value <= math.pi * (1 + 1e-12):
        raise InputError(f"is {math.degrees(value):g} deg; it must lie between 0 and 180 deg", key=key)


def positive_lengths(key: str, values: tuple[float, ...], count: int) -> None:
    """Refuse anything but `count` positive lengths, m."""
    if len(values) != count:
        raise InputError(f"has {len(values)} values; expected {count}", key=key)
    if not all(0 < value <= LONGEST for value in values):
        said = ", ".join(f"{value * 1e3:g} mm" for value in values)
        raise InputError(f"is {said}; it must be positive and at most {LONGEST:g} m", key=key)


def _setting(value: Any, hint: Any) -> str:
    """Return a setting in words; its annotation tells the unit."""
    dimension = next((one.dimension for one in _annotations(hint) if isinstance(one, Quantity | Measured)), None)
    if isinstance(value, tuple):
        return listing(_setting(one, hint) for one in value)
    numeric = dimension is not None and isinstance(value, int | float)
    return quantity(value, si_unit(str(dimension))) if numeric else str(value)


def _annotations(hint: Any) -> list[Any]:
    """Return what a type carries besides itself, at any depth."""
    return [found for one in get_args(hint) for found in (one, *_annotations(one))]
