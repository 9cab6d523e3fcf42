"""Quantities at the edges: text with a unit in, SI floats inside.

``"10 20 40 ms"`` is a list, ``"90 deg"`` a number. A bare number for a dimensional quantity is refused,
because 10 may be seconds or milliseconds and only the author knows. `Quantity` is the pydantic annotation
that does this for the fields of protocol, phantom and scanner classes::

    te: Time            # = Annotated[float, Quantity("time")]
    delays: Times       # = Annotated[tuple[float, ...], Quantity("time")]
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Annotated, Any, get_origin

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import core_schema

UNITS: dict[str, dict[str, float]] = {
    "time": {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9, "min": 60.0},
    "length": {"m": 1.0, "cm": 1e-2, "mm": 1e-3, "um": 1e-6, "µm": 1e-6},
    "angle": {"rad": 1.0, "deg": math.pi / 180.0, "°": math.pi / 180.0},
    "frequency": {"Hz": 1.0, "kHz": 1e3, "MHz": 1e6},
    "rate": {"1/s": 1.0, "1/ms": 1e3, "1/min": 1.0 / 60.0},
    "magnetic field": {"T": 1.0, "mT": 1e-3, "uT": 1e-6, "µT": 1e-6},
    "gradient": {"T/m": 1.0, "mT/m": 1e-3},
    "slew rate": {"T/m/s": 1.0, "mT/m/ms": 1.0},
    "area per length": {"1/m": 1.0, "1/mm": 1e3},
    "diffusivity": {"m^2/s": 1.0, "mm^2/s": 1e-6, "um^2/ms": 1e-9, "µm^2/ms": 1e-9},
    "permeability": {"m/s": 1.0, "um/s": 1e-6, "µm/s": 1e-6},
    "velocity": {"m/s": 1.0, "cm/s": 1e-2, "mm/s": 1e-3},
    "squared diffusivity": {"m^4/s^2": 1.0, "mm^4/s^2": 1e-12, "um^4/ms^2": 1e-18, "µm^4/ms^2": 1e-18},
    "b-value": {"s/m^2": 1.0, "s/mm^2": 1e6},
    "pressure": {"Pa": 1.0, "kPa": 1e3},
    "concentration": {"mol/m^3": 1.0, "mM": 1.0, "mmol/l": 1.0},
    "chemical shift": {"ppm": 1e-6},
    "susceptibility": {"ppm": 1e-6},
    "density": {"kg/m^3": 1.0, "g/cm^3": 1e3},
    "perfusion": {"m^3/kg/s": 1.0, "ml/100g/min": 1e-6 / 0.1 / 60},
    "charge density": {"mol/kg": 1.0, "mEq/g": 1.0},
    "relaxivity": {"m^3/mol/s": 1.0, "1/mM/s": 1.0},
    "absorbed power": {"W/kg/T^2": 1.0, "W/kg/uT^2": 1e12},
    "frequency drift": {"Hz/s": 1.0, "Hz/min": 1.0 / 60.0},
    "curvature": {"1/m^2": 1.0},
    "memory": {"B": 1.0, "MB": 1e6, "GB": 1e9, "MiB": 2.0**20, "GiB": 2.0**30},
    "fraction": {"": 1.0, "%": 1e-2},
}
"""Per dimension the accepted units and their SI factor; the first is the SI unit. Chemical shifts and
susceptibilities are kept as pure fractions (1 ppm = 1e-6)."""


def dimension_of(unit: str) -> str | None:
    """Return the dimension that a unit belongs to, the first where there are several; None for an unknown unit."""
    return next((dimension for dimension, units in UNITS.items() if unit in units), None)


def si_unit(dimension: str) -> str:
    """Return the SI unit of `dimension`, e.g. ``"s"`` for ``"time"``."""
    return next(iter(UNITS[dimension]))


LARGEST = 1e60
"""Of any quantity, and one over the smallest: far beyond all that is measured, and its fourth power is a number."""


def parse_quantity(text: Any, dimension: str) -> tuple[float, ...]:
    """Turn ``"10 20 40 ms"`` into SI floats.

    Parameters
    ----------
    text : str, int or float
        Numbers, then a unit. Bare numbers are accepted for the dimension ``"fraction"`` only.
    dimension : str
        A key of `UNITS`.

    Returns
    -------
    tuple of float
        SI values, at least one.
    """
    units = UNITS[dimension]
    if isinstance(text, bool) or not isinstance(text, (str, int, float)):
        raise ValueError(f"expected a text with a unit such as '{_example(dimension)}', got {text!r}")
    words = str(text).replace(",", " ").split()
    split = next((i for i, word in enumerate(words) if not _is_number(word)), len(words))
    numbers, unit = words[:split], " ".join(words[split:])
    if len(numbers) == 0:
        joined = _split_joined(unit)
        if joined is None:
            raise ValueError(f"'{text}' is not a number with a unit such as '{_example(dimension)}'")
        numbers, unit = [joined[0]], joined[1]
    if unit == "" and "" not in units:
        finite = all(math.isfinite(float(number)) for number in numbers)
        example = f"{text} {_unit_hint(units)}" if finite else _example(dimension)
        raise ValueError(f"'{text}' has no unit; write for example '{example}'")
    if unit not in units:
        owner = dimension_of(unit)
        what = f"is a {owner}" if owner else f"has the unknown unit '{unit}'"
        raise ValueError(f"'{text}' {what}; expected a {dimension} in {', '.join(u or 'no unit' for u in units)}")
    values = tuple(float(n) * units[unit] for n in numbers)
    if not all(math.isfinite(v) for v in values):
        raise ValueError(f"'{text}' is not finite")
    if any(v and not 1 / LARGEST <= abs(v) <= LARGEST for v in values):
        raise ValueError(f"'{text}' is no {dimension} that can be: none lies beyond 1e±{math.log10(LARGEST):.0f} in SI")
    return values


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _split_joined(word: str) -> tuple[str, str] | None:
    """Split ``"10ms"`` into its number and its unit."""
    for cut in range(len(word) - 1, 0, -1):
        if _is_number(word[:cut]):
            return word[:cut], word[cut:].strip()
    return None


def _unit_hint(units: dict[str, float]) -> str:
    return next((unit for unit in ("ms", "mm", "deg", "GiB") if unit in units), next(iter(units)))


def _example(dimension: str) -> str:
    return f"10 {_unit_hint(UNITS[dimension])}".strip()


@dataclass(frozen=True)
class Measured:
    """Says of an annotated field what it measures, where another validator reads its text."""

    dimension: str


@dataclass(frozen=True)
class Quantity:
    """pydantic annotation of a float or a tuple of floats with a dimension."""

    dimension: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        several = get_origin(source) is tuple

        def read(value: Any) -> Any:
            values = parse_quantity(value, self.dimension)
            if several:
                return values
            if len(values) != 1:
                raise ValueError(f"expected one value, got {len(values)}: '{value}'")
            return values[0]

        return core_schema.no_info_before_validator_function(read, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return quantity_schema(self.dimension)


_NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"


def quantity_schema(dimension: str) -> dict[str, Any]:
    """Return the JSON Schema of a text with numbers and a unit of `dimension`."""
    units = "|".join(re.escape(unit).replace("\\-", "-") for unit in UNITS[dimension] if unit)
    unit = f"({units})?" if "" in UNITS[dimension] else f"({units})"
    pattern = rf"^\s*{_NUMBER}([\s,]+{_NUMBER})*\s*{unit}\s*$"
    kinds = ["string", "number"] if dimension == "fraction" else ["string"]
    return {"type": kinds, "description": dimension, "examples": [_example(dimension)], "pattern": pattern}


Time = Annotated[float, Quantity("time")]
Times = Annotated[tuple[float, ...], Quantity("time")]
Length = Annotated[float, Quantity("length")]
Lengths = Annotated[tuple[float, ...], Quantity("length")]
Angle = Annotated[float, Quantity("angle")]
Angles = Annotated[tuple[float, ...], Quantity("angle")]
Frequency = Annotated[float, Quantity("frequency")]
Rate = Annotated[float, Quantity("rate")]
FieldStrength = Annotated[float, Quantity("magnetic field")]
GradientStrength = Annotated[float, Quantity("gradient")]
SlewRate = Annotated[float, Quantity("slew rate")]
BValues = Annotated[tuple[float, ...], Quantity("b-value")]
FrequencyDrift = Annotated[float, Quantity("frequency drift")]
Curvatures = Annotated[tuple[float, ...], Quantity("curvature")]
ChemicalShift = Annotated[float, Quantity("chemical shift")]
ChemicalShifts = Annotated[tuple[float, ...], Quantity("chemical shift")]
Susceptibility = Annotated[float, Quantity("susceptibility")]
Fraction = Annotated[float, Quantity("fraction")]
Fractions = Annotated[tuple[float, ...], Quantity("fraction")]
