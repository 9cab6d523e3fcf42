"""How a number with its unit looks to a reader: milliseconds for seconds, kilopascals for pascals."""

from __future__ import annotations

import math

SHOWN: dict[str, tuple[float, str]] = {
    "s": (1e3, "ms"),
    "rad": (180.0 / math.pi, "deg"),
    "T": (1e6, "µT"),
    "T/m": (1e3, "mT/m"),
    "m": (1e3, "mm"),
    "m^2/s": (1e9, "µm²/ms"),
    "s/m^2": (1e-6, "s/mm²"),
    "Pa": (1e-3, "kPa"),
    "mol/m^3": (1.0, "mM"),
    "m^3/mol/s": (1.0, "1/(mM s)"),
    "m^3/kg/s": (6e6, "ml/100g/min"),
    "kg/m^3": (1.0, "kg/m³"),
    "ppm": (1e6, "ppm"),
}
"""Per SI unit the factor and the unit that readers expect."""
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


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


def chance(probability: float) -> str:
    """Return a probability to three decimals, never as certain: ``"< 0.001"``, ``"0.83"``, ``"> 0.999"``."""
    if math.isnan(probability):
        return number(probability)
    if probability < 0.001:
        return "< 0.001"
    return "> 0.999" if probability > 0.999 else f"{probability:.3f}".rstrip("0")
