"""Questions that a plan answers, from a line of text: one of `FORMS`.

Words may stand in another order and small words may be left out: "tell Pfirrmann III from IV by nucleus T2 with 30
discs per group" asks the same. What is not understood is an error that names it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..core.errors import InputError
from ..core.units import UNITS, dimension_of, parse_quantity

Kind = Literal["tell", "within", "change", "snr", "bound", "time", "volume", "runs"]
ROMAN = {"i": 1, "ii": 2, "iii": 3, "iv": 4, "v": 5}
PARAMETERS = {
    "t2*": "t2_star", "t2star": "t2_star", "t2_star": "t2_star", "t1": "t1", "t2": "t2", "t1rho": "t1_rho",
    "t1_rho": "t1_rho", "pd": "pd", "pdff": "pdff", "adc": "adc", "md": "md", "fa": "fa", "mk": "mk", "mtr": "mtr",
    "f": "f", "d": "d", "d*": "d_star", "stiffness": "stiffness", "b1": "b1", "m0": "m0",
}  # fmt: skip
"""Words for what is measured."""
SMALL = frozenset(
    ("a", "an", "and", "at", "be", "by", "disc", "discs", "each", "from", "grade", "grades", "group", "groups", "in",
     "is", "of", "per", "pfirrmann", "that", "the", "to", "two", "with")
)  # fmt: skip
"""Words that carry no meaning here."""
NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
FORMS = """\
    tell grade 3 from 4 by T2 of the nucleus with 30 discs [in 15 patients] [icc 0.4] [power 90 %]
    T2 in the annulus within 5 % [in a voxel | over 20 voxels] [power 95 %]
    change of 5 ms in T2 of the nucleus [in a voxel | over 20 voxels]
    change of 2 kPa in stiffness of the nucleus
    SNR of the nucleus above 20
    CRLB of T2 in the nucleus below 10 %
    lactate CRLB below 20 %
    time below 5 min
    volume below 100 ms with 40 slices at MB 8
    runs"""
ENTRIES = {
    "power": "Chance of success that is wanted.", "alpha": "Chance of a false alarm, two-sided.",
    "icc": "Correlation of the true values of one patient's discs.",
    "disc_sd": "Spread of true values between subjects of one group, with its unit.",
    "voxels": "Voxels that are averaged for one measurement.",
    "repeat_sd": "Spread of one subject's measurement on repetition besides noise, with its unit.",
    "displacement": "Amplitude of the vibration in the tissue, e.g. '10 um'.",
}  # fmt: skip
"""What a [[question]] may say beside its `ask`."""
POWER = {"tell": 0.8, "within": 0.95, "change": 0.8}
"""Wanted chance of success, where the question names none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """One question, SI."""

    text: str
    kind: Kind
    parameter: str = ""
    where: str = ""
    """Words for the tissue."""
    limit: float = 0.0
    """SI; a share of the true value where `relative`."""
    relative: bool = False
    grades: tuple[int, int] = (0, 0)
    discs: int = 0
    """In each group."""
    patients: int = 0
    """In each group; 0: each disc is another patient's."""
    icc: float | None = None
    """Correlation of true values of discs of one patient."""
    voxels: int = 0
    """Averaged for one measurement; 0: all that the tissue's region has."""
    power: float = 0.8
    alpha: float = 0.05
    disc_sd: float | None = None
    """Spread of true values between subjects of one group; None: what the tissue file states."""
    repeat_sd: float | None = None
    """SD of the measurement of one subject on repetition besides noise; None: what is usual."""
    displacement: float | None = None
    """Amplitude of the vibration in the tissue, m; None: what is usual."""
    slices: int = 0
    bands: int = 1
    """Slices excited at once."""


class _Reader:
    """A text from which understood phrases are taken out one by one."""

    def __init__(self, text: str) -> None:
        self.whole = text
        self.rest = " " + " ".join(text.replace(",", " ").split()) + " "

    def take(self, pattern: str) -> re.Match[str] | None:
        found = re.search(rf"(?<=\s){pattern}(?=[\s?.]|$)", self.rest, re.IGNORECASE)
        if found:
            self.rest = self.rest[: found.start()] + " " + self.rest[found.end() :]
        return found

    def number(self, pattern: str, default: float) -> float:
        found = self.take(pattern)
        return default if found is None else float(found[1])

    def fail(self, problem: str) -> InputError:
        return InputError(f"'{self.whole}' {problem}; forms that are understood:\n{FORMS}", key="--ask")


def read_question(text: str, table: Mapping[str, Any] | None = None) -> Question:
    """Return the question that a line of text asks.

    Parameters
    ----------
    text : str
    table : mapping, optional
        Entries of a ``[[question]]`` beside the text: see `ENTRIES`.
    """
    reader = _Reader(text)
    kind = _kind(reader)
    entries: dict[str, Any] = {"text": text, "kind": kind, "power": POWER.get(kind, 0.8)}
    power = reader.take(rf"(?:with\s+)?(?:power|probability)\s+{NUMBER}\s*(%?)")
    if power:
        entries["power"] = float(power[1]) / (100 if power[2] else 1)
    alpha = reader.take(rf"alpha\s+{NUMBER}")
    if alpha:
        entries["alpha"] = float(alpha[1])
    if kind == "tell":
        entries |= _tell(reader)
    elif kind == "volume":
        entries["slices"] = int(reader.number(rf"(?:with\s+)?{NUMBER}\s+slices", 0))
        entries["bands"] = int(reader.number(rf"(?:at\s+)?mb\s*{NUMBER}", 1))
    if kind in ("within", "change"):
        entries["voxels"] = 1 if reader.take(r"(?:in\s+)?(?:a|one|each)\s+voxel") else 0
        entries["voxels"] = int(reader.number(rf"(?:over\s+)?{NUMBER}\s+voxels", entries["voxels"]))
    entries |= _subject(reader, kind)
    return Question(**(entries | _checked(entries, table or {})))


def _kind(reader: _Reader) -> Kind:
    for pattern, kind in (
        (r"(?:tell|distinguish|separate)", "tell"), (r"within", "within"), (r"changes?", "change"), (r"crlb", "bound"),
        (r"(?:runs|plays)", "runs"), (r"snr", "snr"), (r"(?:scan\s+)?time", "time"),
        (r"(?:whole\s+brain|volume)", "volume"),
    ):  # fmt: skip
        found = re.search(rf"\s{pattern}[\s?.]", reader.rest, re.IGNORECASE)
        if found:
            if kind != "within":
                reader.take(pattern)
            return kind  # type: ignore[return-value]
    raise reader.fail("asks nothing that is known")


def _tell(reader: _Reader) -> dict[str, Any]:
    level = r"(?:grade\s+|pfirrmann\s+(?:grade\s+)?)?(i{1,3}|iv|v|[1-5])"
    found = reader.take(rf"{level}\s+from\s+{level}")
    if not found:
        raise reader.fail("names no two grades")
    grades = tuple(ROMAN.get(word.lower()) or int(word) for word in found.groups())
    if grades[0] == grades[1]:
        raise reader.fail(f"asks to tell grade {grades[0]} from itself")
    discs = reader.take(r"(?:with\s+)?(\d+)\s+(?:discs?|subjects?)")
    patients = reader.take(r"(?:in|of|with)?\s*(\d+)\s+patients?")
    if not (discs or patients):
        raise reader.fail("does not say how many discs or patients each group has")
    icc = reader.take(rf"(?:with\s+)?icc\s+{NUMBER}")
    persons = int(patients[1]) if patients else 0
    return {
        "grades": grades, "discs": int(discs[1]) if discs else persons, "patients": persons,
        "icc": float(icc[1]) if icc else None,
    }  # fmt: skip


def _subject(reader: _Reader, kind: Kind) -> dict[str, Any]:
    """Return limit, parameter and tissue words."""
    entries: dict[str, Any] = {}
    if kind not in ("tell", "runs"):
        sign = {"within": r"within\s+", "change": r"(?:of\s+)?", "snr": r"(?:above|over)\s+"}.get(
            kind, r"(?:below|under)\s+"
        )
        found = reader.take(rf"{sign}{NUMBER}\s*([%A-Za-z/*^0-9µ]*)")
        if not found:
            raise reader.fail("names no limit")
        value, unit = float(found[1]), found[2]
        if not value > 0:
            raise reader.fail(f"has a limit of {value:g}; it must be above zero")
        if reader.take(rf"{sign}{NUMBER}") and kind != "change":
            raise reader.fail("names two limits; ask about each by itself")
        if kind == "snr" and unit:
            reader.rest += f" {unit} "
            unit = ""
        entries |= {"limit": value * _factor(reader, unit, kind), "relative": unit == "%"}
    words = [word.strip("?.").lower() for word in reader.rest.split()]
    named = [word for word in words if word in PARAMETERS]
    if kind in ("tell", "within", "change", "bound"):
        others = [word for word in words if word not in PARAMETERS and word not in SMALL]
        if not named and kind == "bound" and others:
            return entries | {"parameter": others[0], "where": " ".join(others[1:])}
        if not named:
            raise reader.fail(f"names nothing that can be measured ({', '.join(PARAMETERS)})")
        return entries | {"parameter": PARAMETERS[named[0]], "where": " ".join(others)}
    where = " ".join(word for word in words if word not in SMALL)
    if where and kind in ("time", "volume", "runs"):
        raise reader.fail(f"holds '{where}', which is not understood")
    return entries | {"where": where}


def _factor(reader: _Reader, unit: str, kind: Kind) -> float:
    if unit == "%":
        return 0.01
    dimension = dimension_of(unit) if unit else None
    if dimension is not None and (kind not in ("time", "volume") or dimension == "time"):
        return UNITS[dimension][unit]
    if kind in ("snr", "change", "within") and not unit:
        return 1.0
    raise reader.fail(f"has a limit without a known unit ('{unit}')" if unit else "has a limit without a unit")


def _checked(entries: Mapping[str, Any], table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of a table as they belong into a question, and refuse what cannot be."""
    found = dict(table)
    for name in found:
        if name not in ENTRIES:
            raise InputError(f"unknown key; known: ask, {', '.join(ENTRIES)}", key=f"question.{name}")
        if isinstance(found[name], str):
            unit = str(found[name]).split()[-1]
            found[name] = parse_quantity(found[name], dimension_of(unit) or "fraction")[0]
    both = {**entries, **found}
    for name in ("power", "alpha"):
        if name in both and not 0 < both[name] < 1:
            raise InputError(f"is {both[name]:g}; it must lie between 0 and 1", key=name)
    if both.get("icc") is not None and not 0 <= both["icc"] < 1:
        raise InputError(f"is {both['icc']:g}; a correlation of discs lies from 0 to 1", key="icc")
    return found
