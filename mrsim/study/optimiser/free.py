"""What a user leaves free: ``te=10:200 ms`` (a range), ``te[6]=10:200 ms`` (a list of six in that range),
``averages=1:8`` (whole numbers), ``acceleration=1,2,3`` or ``pulse=sinc,slr`` (choices).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ...core.errors import InputError
from ...core.units import UNITS, dimension_of

FORM = re.compile(r"\s*([a-z_0-9.]+?)\s*(?:\[\s*(\d+)\s*\])?\s*=\s*(.+?)\s*")
RASTER = {"time": 20e-6, "angle": math.radians(0.01), "b-value": 1e6}
"""Steps in which settings are written: half an echo time ends on the usual block raster."""
MOST = 512
"""Values of one list or choices of one setting."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Range:
    """A setting between two bounds, or a list of such values."""

    name: str
    low: float
    high: float
    """SI."""
    unit: str
    factor: float
    """SI over the unit."""
    dimension: str
    count: int = 0
    """Values of the list; 0 for a setting that is one number."""

    @property
    def size(self) -> int:
        """How many numbers are free."""
        return max(self.count, 1)

    def rounded(self, value: float) -> float:
        """Return the nearest value that is written, SI."""
        step = RASTER.get(self.dimension)
        return value if step is None else round(value / step) * step

    def text(self, values: Sequence[float]) -> str:
        """Return the protocol entry of SI values."""
        numbers = " ".join(f"{self.rounded(value) / self.factor:.10g}" for value in values)
        return f"{numbers} {self.unit}".strip()


@dataclass(frozen=True, kw_only=True, slots=True)
class Choices:
    """A setting that takes one of several values."""

    name: str
    values: tuple[str, ...]


Free = Range | Choices


def read_free(texts: Sequence[str]) -> tuple[Free, ...]:
    """Return the free settings of a command line."""
    found = tuple(_read(text) for text in texts)
    names = [entry.name for entry in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"'{twice}' is freed twice", key="--free")
    if not found:
        raise InputError("nothing is free; write for example --free 'te[6]=10:200 ms' or --free averages=1:8",
                         key="--free")  # fmt: skip
    return found


def read_ranges(texts: Sequence[str]) -> tuple[Range, ...]:
    """Return ranges of single numbers, e.g. ``b1=0.9:1.1`` and ``offset=-30:30 Hz``."""
    found = read_free(texts) if texts else ()
    for entry, text in zip(found, texts, strict=True):
        if not isinstance(entry, Range) or entry.count:
            raise InputError(f"'{text}' is no range NAME=LOW:HIGH UNIT", key="--vary")
    return tuple(entry for entry in found if isinstance(entry, Range))


def _read(text: str) -> Free:
    form = FORM.fullmatch(text)
    if form is None:
        raise InputError(f"'{text}' is no NAME=LOW:HIGH UNIT, NAME[COUNT]=LOW:HIGH UNIT or NAME=A,B,C", key="--free")
    name, count, said = form[1], int(form[2] or 0), form[3]
    if ":" not in said:
        values = tuple(dict.fromkeys(word.strip() for word in said.split(",") if word.strip()))
        if len(values) < 2 or count:
            raise InputError(f"'{text}' leaves no choice; give several values or a range LOW:HIGH", key="--free")
        return Choices(name=name, values=values)
    return _range(text, name, count, said)


def _range(text: str, name: str, count: int, said: str) -> Free:
    low, _, rest = said.partition(":")
    high, _, unit = rest.strip().partition(" ")
    try:
        least, most = float(low), float(high)
    except ValueError:
        raise InputError(f"'{text}': {said} is no range; write LOW:HIGH UNIT, e.g. 10:200 ms", key="--free") from None
    if not (math.isfinite(least) and math.isfinite(most) and least < most) or count > MOST:
        raise InputError(f"'{text}': needs a lowest below a highest value, and at most {MOST} values", key="--free")
    unit = unit.strip()
    if not unit and least == int(least) and most == int(most) and not count:
        if most - least >= MOST:
            raise InputError(f"'{text}': more than {MOST} whole numbers", key="--free")
        return Choices(name=name, values=tuple(str(n) for n in range(int(least), int(most) + 1)))
    dimension = dimension_of(unit)
    if dimension is None:
        raise InputError(f"'{text}': unknown unit '{unit}'", key="--free")
    factor = UNITS[dimension][unit]
    return Range(name=name, low=least * factor, high=most * factor, unit=unit, factor=factor, dimension=dimension,
                 count=count)  # fmt: skip
