"""The scanner: field, gradient and RF limits, rasters, dead times and the SNR calibration.

The calibration is one number: the SNR of 1 mm^3 of proton density 1, fully relaxed and without decay, in one
second of ADC time at 3 T. Other fields follow a power law of B0 whose exponent is a choice with a wide spread in
the literature, so both are fields of the scanner and not constants of the code; see `snr_law`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import ClassVar

from pydantic import ConfigDict

from ..core.errors import InputError
from ..core.nuclei import nucleus
from ..core.shown import Shown
from ..core.toml import available, read_toml, resource, structure
from ..core.units import FieldStrength, GradientStrength, SlewRate, Time
from ..core.written import quantity
from .events import NS
from .imperfect.imperfections import Imperfections
from .snr_law import Pieces, field_factor, law_pieces

FOLDER = "protocols/scanners"
"""Where scanner presets lie."""

_MAY_BE_ZERO = ("rf_dead_time", "rf_ringdown", "adc_dead_time", "snr_exponent", "shim_order")


LIMITED = {"gradient": "T/m", "slew": "T/m/s", "b1": "T"}
"""Limits that a scanner is known by, and their units."""


LONGEST = 1e6
"""Longest time in a sequence, s: eleven days."""


def to_ns(seconds: float) -> int:
    """Return a time in whole nanoseconds; one beyond `LONGEST` is an `InputError`."""
    if not abs(seconds) <= LONGEST:
        raise InputError(f"a time of {seconds:.4g} s is longer than any scan lasts; at most {LONGEST:.0g} s are played")
    return round(seconds * NS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Scanner(Shown):
    """What the hardware can do."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: str
    """What the machine is called, e.g. ``"3T"``."""
    description: str = ""
    """One line: the class of machine, where the numbers come from."""
    b0: FieldStrength
    """Main field, T."""
    nucleus: str = "1H"
    """Nucleus that the coils are tuned to."""
    max_gradient: GradientStrength
    """Largest amplitude of each physical axis, T/m."""
    max_slew: SlewRate
    """Largest slew rate of each physical axis, T/m/s."""
    max_b1: FieldStrength
    """Largest B1+ amplitude, T."""
    gradient_raster: Time = 10e-6
    """Gradient knots lie on multiples of this, s."""
    rf_raster: Time = 1e-6
    """RF samples and the starts of RF and ADC lie on multiples of this, s."""
    adc_raster: Time = 100e-9
    """ADC dwell times are multiples of this, s."""
    block_raster: Time = 10e-6
    """Blocks last multiples of this, s."""
    rf_dead_time: Time = 100e-6
    """From the start of a block to its RF pulse at least, s."""
    rf_ringdown: Time = 30e-6
    """From the end of an RF pulse to the end of its block at least, s."""
    adc_dead_time: Time = 20e-6
    """Before and after an ADC window within its block at least, s."""
    snr_reference: float = 15.0
    """SNR of 1 mm^3 of proton density 1 in 1 s of ADC time at 3 T."""
    snr_exponent: str | float | Pieces = "torso"
    """How SNR grows with b0: a law by name (`snr_law.LAWS`), one exponent, or (from this field on, exponent) pairs."""
    shim_order: int = 2
    """Highest degree of the harmonics that the shim takes out of a field map; 0 sets the centre frequency alone."""
    transmit: str = "uniform"
    """Transmit field: ``"uniform"``, ``"body"`` (a body coil around a torso), or the path of a map."""
    receive: str = "uniform"
    """Receive coils: ``"uniform"`` (one that hears all places alike), ``"volume"`` or an array, e.g. ``"spine-16"``."""
    imperfections: Imperfections = field(default_factory=Imperfections)
    """What the machine plays differently from what it is told; a perfect machine by default."""
    safety: str = "example"
    """Name or path of the file of its safety facts: nerve stimulation, SAR, acoustic resonances, gradient load."""

    def __post_init__(self) -> None:
        """Refuse values that no machine has."""
        for entry in fields(self):
            value = getattr(self, entry.name)
            if not isinstance(value, float | int):
                continue
            least = 0.0 if entry.name in _MAY_BE_ZERO else math.ulp(0.0)
            if not (math.isfinite(value) and value >= least):
                word = "zero or positive" if least == 0.0 else "positive"
                raise InputError(f"is {value}; it must be finite and {word}", key=entry.name)
        nucleus(self.nucleus)
        law_pieces(self.snr_exponent)
        if to_ns(self.rf_raster) < 1 or to_ns(self.adc_raster) < 1:
            raise InputError("rasters must be whole nanoseconds, at least 1 ns", key="rf_raster, adc_raster")
        for name in ("gradient_raster", "block_raster"):
            if to_ns(getattr(self, name)) % to_ns(self.rf_raster):
                raise InputError(f"must be a multiple of rf_raster ({self.rf_raster * 1e6:g} us)", key=name)

    @classmethod
    def preset(cls, name: str) -> Scanner:
        """Return a shipped scanner by its name, e.g. ``"3T"``."""
        return load_scanner(name)

    @property
    def gamma_bar(self) -> float:
        """Gyromagnetic ratio of the nucleus over 2 pi, Hz/T."""
        return nucleus(self.nucleus).gamma_bar

    @property
    def timing_raster(self) -> int:
        """What knots, pulse centres and blocks all lie on, ns."""
        return math.lcm(to_ns(self.gradient_raster), to_ns(self.block_raster))

    @property
    def snr(self) -> float:
        """SNR of 1 mm^3 of proton density 1 in 1 s of ADC time at this scanner's field."""
        return self.snr_reference * field_factor(self.b0, self.snr_exponent)

    @property
    def noise_density(self) -> float:
        """Variance of one quadrature channel times dwell, m^6 s: (1 mm^3 sqrt(1 s) / SNR)^2."""
        return (1e-9 / self.snr) ** 2

    def _facts(self) -> dict[str, str]:
        limits = {name: quantity(getattr(self, f"max_{name}"), unit) for name, unit in LIMITED.items()}
        return {"": self.name, "field": f"{self.b0:g} T", "nucleus": self.nucleus} | limits | {"receive": self.receive}


def load_scanner(name: str) -> Scanner:
    """Return a scanner from a shipped name such as ``"3T"`` or from the path of a TOML file."""
    path = resource(name, FOLDER, "scanner")
    table = read_toml(path)
    table.setdefault("name", path.stem)
    try:
        return structure(table, Scanner, path)
    except InputError as error:
        if error.file is None:
            raise InputError(error.problem, key=error.key, file=path) from None
        raise


def body_scanners() -> dict[str, Scanner]:
    """Return the shipped scanners that stand for their field strength: named by it alone; others are chosen by name."""
    every = {name: load_scanner(name) for name in available(FOLDER)}
    return {name: scanner for name, scanner in every.items() if name == f"{scanner.b0:g}T"}


def choose_scanner(field: float | None, name: str | None, default: str) -> Scanner:
    """Return the named scanner, the preset of a field strength, or the default; a contradiction is an error."""
    if name is not None or field is None:
        scanner = load_scanner(name or default)
        if field is not None and abs(scanner.b0 - field) > 1e-6:
            problem = f"{field:g} T was asked for, but scanner '{name}' has {scanner.b0:g} T; give one of them"
            raise InputError(problem, key="--field")
        return scanner
    presets = body_scanners().values()
    for scanner in presets:
        if abs(scanner.b0 - field) < 1e-6:
            return scanner
    known = ", ".join(f"{scanner.b0:g} T" for scanner in presets)
    problem = f"no scanner preset has {field:g} T; presets: {known}; or name a scanner file with --scanner"
    raise InputError(problem, key="--field")
