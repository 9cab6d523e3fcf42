"""How numbers, units and names look to a reader: milliseconds for seconds, T2 for t2."""

from __future__ import annotations

from typing import Any

from ..core.written import SHOWN, chance, number, quantity, scale, signed

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


def label(name: str) -> str:
    """Return a parameter's or column's name for a reader, e.g. ``"T2"`` for ``"t2"``."""
    if name in LABELS:
        return LABELS[name]
    first, _, rest = name.partition("_")
    return f"{first} {LABELS[rest]}" if rest in LABELS else name.replace("_", " ")


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


__all__ = ["LABELS", "SHOWN", "chance", "duration", "fact", "label", "number", "quantity", "scale", "signed"]
