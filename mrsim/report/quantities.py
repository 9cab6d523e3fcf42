"""How numbers, units and names look to a reader: milliseconds for seconds, T2 for t2."""

from __future__ import annotations

import math
from typing import Any

SHOWN: dict[str, tuple[float, str]] = {
    "s": (1e3, "ms"),
    "rad": (180.0 / math.pi, "deg"),
    "T": (1e6, "µT"),
    "T/m": (1e3, "mT/m"),
    "m": (1e3, "mm"),
    "m^2/s": (1e9, "µm²/ms"),
    "Pa": (1e-3, "kPa"),
    "mol/m^3": (1.0, "mM"),
    "m^3/mol/s": (1.0, "1/(mM s)"),
    "m^3/kg/s": (6e6, "ml/100g/min"),
    "kg/m^3": (1.0, "kg/m³"),
    "ppm": (1e6, "ppm"),
}
"""Per SI unit the factor and the unit that readers expect."""

LABELS = {
    "t1": "T1",
    "t2": "T2",
    "t2_star": "T2*",
    "m0": "M0",
    "pd": "PD",
    "pdff": "PDFF",
    "b1": "B1",
    "off_resonance": "off-resonance",
    "r2_star": "R2*",
    "te": "TE",
    "tr": "TR",
    "ti": "TI",
    "csf": "CSF",
}
"""How parameters and contrast columns are written."""

UNITS_OF_FACTS = {
    "bandwidth": "Hz",
    "pixel_bandwidth": "Hz",
    "spectral_width": "Hz",
    "vibration_frequency": "Hz",
    "flip": "rad",
    "lobe_amplitude": "T/m",
    "motion_gradient": "T/m",
    "slices": "",
    "concatenations": "",
    "samples_per_line": "",
}
"""SI unit of a sequence's definitions that are no times."""


RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def label(name: str) -> str:
    """Return a parameter's or column's name for a reader, e.g. ``"T2"`` for ``"t2"``."""
    if name in LABELS:
        return LABELS[name]
    first, _, rest = name.partition("_")
    return f"{first} {LABELS[rest]}" if rest in LABELS else name.replace("_", " ")


def scale(unit: str) -> tuple[float, str]:
    """Return the factor from an SI unit to the shown unit, and the shown unit."""
    return SHOWN.get(unit, (1.0, unit))


def number(value: float, digits: int = 4) -> str:
    """Return a number with `digits` significant digits, in powers of ten only where it helps; a dash for NaN."""
    if not math.isfinite(value):
        return "–" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if not -4 <= size < 7:
        mantissa, power = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa} × 10{str(int(power)).translate(RAISED)}".replace("-", "−")
    return f"{value:.{max(0, digits - 1 - size)}f}".replace("-", "−")


def signed(value: float, decimals: int = 1) -> str:
    """Return a number with its sign, with a true minus."""
    return "–" if math.isnan(value) else f"{value:+.{decimals}f}".replace("-", "−")


def quantity(value: float, unit: str, digits: int = 4) -> str:
    """Return an SI value in the shown unit, e.g. ``"12.6 ms"``; trailing zeros go."""
    if math.isnan(value):
        return number(value)
    factor, shown = scale(unit)
    text = number(value * factor, digits)
    if "." in text and "×" not in text:
        text = text.rstrip("0").rstrip(".")
    return f"{text} {shown}".strip()


def duration(seconds: float) -> str:
    """Return a scan or computing time in words that fit its size, e.g. ``"3 min 12 s"``."""
    if seconds < 1:
        return f"{seconds * 1e3:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def fact(name: str, value: float | str | Any) -> str:
    """Return one of a sequence's definitions for a reader; numbers are times unless `UNITS_OF_FACTS` knows better."""
    if isinstance(value, str):
        return value
    if name == "scan_time":
        return duration(float(value))
    return quantity(float(value), UNITS_OF_FACTS.get(name, "s"), 6)
