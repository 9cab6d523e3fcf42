"""Laws of the shear modulus in words: how a user states what a tissue is made of.

``voigt MU, ETA``, ``springpot MU, ALPHA``, ``zener MU, MU_1, ETA``, ``constant |G*|, ANGLE`` or
``table FREQUENCY |G*| ANGLE, ...`` (`core.rheology.LAWS`), e.g.
``zener 5 kPa, 3 kPa, 4 Pa s`` or ``table 60 Hz 6.5 kPa 1.19 rad, 80 Hz 8.1 kPa 1.19 rad``.
"""

from __future__ import annotations

import cmath
import re

from ..core.errors import InputError, did_you_mean
from ..core.rheology import LAWS, Rheology
from ..core.units import parse_quantity

NUMBER = r"[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?"
ENTRY = re.compile(rf"({NUMBER} ?k?Hz) ({NUMBER} ?k?Pa) ({NUMBER} ?(?:rad|deg))")


def law_in_words(text: str, key: str) -> tuple[str, Rheology]:
    """Return a tissue's name and its law from ``"TISSUE=LAW NUMBERS"``; `key` names the input in errors."""
    name, _, said = text.partition("=")
    kind, _, rest = said.strip().partition(" ")
    parts = [part.strip() for part in rest.split(",") if part.strip()]
    if kind not in LAWS:
        raise InputError(f"'{text}' names no law{did_you_mean(kind, tuple(LAWS))}; write TISSUE=LAW ...", key=key)
    law = LAWS[kind]
    if not law.numbers:
        return name.strip(), law.made(*_table(parts, text, key))
    form = law.numbers
    if len(parts) != len(form):
        wanted = ", ".join(form)
        raise InputError(f"'{text}' has {len(parts)} numbers; {kind} needs {len(form)}: {wanted}", key=key)
    values = [_value(part, dimension, key) for part, dimension in zip(parts, form, strict=True)]
    return name.strip(), law.made(*values)


def _table(parts: list[str], text: str, key: str) -> tuple[tuple[float, ...], tuple[complex, ...]]:
    """Return frequencies, Hz, and moduli, Pa."""
    found = [ENTRY.fullmatch(part) for part in parts]
    rows = [match.groups() for match in found if match is not None]
    if not rows or len(rows) < len(found):
        raise InputError(
            f"'{text}' is no table; write e.g. table 60 Hz 6.5 kPa 1.19 rad, 80 Hz 8.1 kPa 1.19 rad", key=key
        )
    values = [[_value(v, d, key) for v, d in zip(row, ("frequency", "pressure", "angle"), strict=True)] for row in rows]
    return tuple(f for f, _, _ in values), tuple(cmath.rect(size, angle) for _, size, angle in values)


def _value(text: str, dimension: str, key: str) -> float:
    """Return one number in SI units."""
    if dimension == "viscosity":
        if not re.fullmatch(rf"{NUMBER} ?Pa ?s", text):
            raise InputError(f"'{text}' is no viscosity; write e.g. 4 Pa s", key=key)
        return float(text.removesuffix("s").strip().removesuffix("Pa"))
    try:
        (value,) = parse_quantity(text, dimension)
    except ValueError as problem:
        raise InputError(str(problem), key=key) from None
    return value
