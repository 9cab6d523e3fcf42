"""The shape of a tissue file, and what is refused in it.

A file lists the field strengths that it knows and, per property, one value for each of them: with its
spread (one standard deviation between subjects), source and provenance. Fractions (``pd``,
``fat.fraction``) may have a single value, which then holds at every field strength. Graded tissues hold
their properties under ``grade.I`` to ``grade.V`` (Pfirrmann). Fat has its own table, with a spectrum.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from ..core.errors import InputError
from ..core.toml import line_of, read_toml, structure
from ..core.units import ChemicalShift, ChemicalShifts, Fraction, Fractions, Rate, Time, Times
from .exchange import ExchangePool
from .field_laws import STRICT, FieldLaws
from .tissue_facts import FactEntry, Fields, MaterialSet, Provenance, read_fact

GRADES = ("I", "II", "III", "IV", "V")
"""Pfirrmann grades 1 to 5."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TimeEntry:
    """A relaxation time per field strength."""

    __pydantic_config__ = STRICT
    value: Times
    spread: Times
    source: tuple[str, ...]
    """One for all values, or one each."""
    provenance: tuple[Provenance, ...]
    """One for all values, or one each."""
    law: FieldLaws = ()
    """How to get other field strengths; none: only those between tabulated ones are known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FractionEntry:
    """A pure number per field strength, or one for all."""

    __pydantic_config__ = STRICT
    value: Fractions
    spread: Fractions
    source: tuple[str, ...]
    provenance: tuple[Provenance, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SpectrumEntry:
    """Peaks of fat on the ppm scale."""

    __pydantic_config__ = STRICT
    name: tuple[str, ...]
    shift: ChemicalShifts
    """Pure fractions, on the scale of `core.nuclei.WATER_PPM`."""
    amplitude: Fractions
    source: str
    provenance: Provenance


@dataclass(frozen=True, kw_only=True, slots=True)
class WaterTable:
    """Relaxation and proton density of one grade's water."""

    __pydantic_config__ = STRICT
    t1: TimeEntry
    t2: TimeEntry
    t2_star: TimeEntry
    pd: FractionEntry
    property: dict[str, FactEntry] = dataclasses.field(default_factory=dict)
    """Facts of this grade, by name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FatTable:
    """Relaxation, proton density and spectrum of a fat compartment."""

    __pydantic_config__ = STRICT
    t1: TimeEntry
    t2: TimeEntry
    t2_star: TimeEntry
    pd: FractionEntry
    spectrum: SpectrumEntry
    fraction: FractionEntry | None = None
    """Fat protons over all protons of the tissue; none: the tissue is fat alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExchangeTable:
    """One pool that exchanges with water; its name is the key of the table."""

    __pydantic_config__ = STRICT
    fraction: Fraction
    """Equilibrium magnetisation over that of water."""
    rate: Rate
    """From the pool to water."""
    t1: Time
    t2: Time
    source: str
    provenance: Provenance
    shift: ChemicalShift = 0.0
    """Relative to water."""
    line: Literal["liquid", "super-lorentzian", "gaussian", "lorentzian"] = "liquid"


@dataclass(frozen=True, kw_only=True, slots=True)
class TissueFile:
    """A tissue file."""

    __pydantic_config__ = STRICT
    description: str
    field: Fields
    default_grade: Literal[1, 2, 3, 4, 5] | None = None
    t1: TimeEntry | None = None
    t2: TimeEntry | None = None
    t2_star: TimeEntry | None = None
    pd: FractionEntry | None = None
    grade: dict[Literal["I", "II", "III", "IV", "V"], WaterTable] = dataclasses.field(default_factory=dict)
    fat: FatTable | None = None
    exchange: dict[str, ExchangeTable] = dataclasses.field(default_factory=dict)
    """Pools that exchange with water, by name."""

    def pools_beside_water(self) -> tuple[ExchangePool, ...]:
        """Return the pools that exchange with water."""
        own = ("fraction", "rate", "t1", "t2", "shift", "line")
        return tuple(
            ExchangePool(name=name, **{key: getattr(table, key) for key in own})
            for name, table in self.exchange.items()
        )

    property: dict[str, FactEntry] = dataclasses.field(default_factory=dict)
    """Facts of all grades, by name."""
    by_grade: dict[Literal["I", "II", "III", "IV", "V"], dict[str, FactEntry]] = dataclasses.field(default_factory=dict)
    """Facts that follow the grade of the adjacent disc, of a tissue that has no grades itself."""
    set: dict[str, MaterialSet] = dataclasses.field(default_factory=dict)
    """Material sets, by name."""

    def water(self, grade: str | None) -> WaterTable | None:
        """Return the water of a grade (or of an ungraded tissue); none where the tissue is fat alone."""
        if grade is not None:
            return self.grade[grade]  # type: ignore[index]
        if self.t1 is None or self.t2 is None or self.t2_star is None or self.pd is None:
            return None
        return WaterTable(t1=self.t1, t2=self.t2, t2_star=self.t2_star, pd=self.pd)


def read_tissue_file(path: Path) -> TissueFile:
    """Return the checked content of a tissue file; a file that has not changed is read once."""
    try:
        state = path.stat()
    except OSError:
        return _read(path, 0, 0)
    return _read(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=256)
def _read(path: Path, changed: int, size: int) -> TissueFile:
    """Return the content of a file that was `changed` then, ns, and has that size."""
    content = structure(read_toml(path), TissueFile, path)
    _check_layout(content, path)
    if any(not b > 0 for b in content.field):
        _refuse(path, ("field",), "field strengths must be positive")
    for grade in content.grade:
        _check_compartment(content.grade[grade], content, path, ("grade", grade))
    water = content.water(None)
    if water:
        _check_compartment(water, content, path, ())
    if content.fat:
        _check_compartment(content.fat, content, path, ("fat",))
        _check_fat(content.fat, water, content, path)
    _check_facts(content, path)
    return content


def _check_facts(content: TissueFile, path: Path) -> None:
    tables: list[tuple[tuple[str, ...], dict[str, FactEntry], bool]] = [(("property",), content.property, False)]
    tables += [(("grade", g, "property"), content.grade[g].property, False) for g in content.grade]
    tables += [(("by_grade", g), content.by_grade[g], False) for g in content.by_grade]
    for name, other in content.set.items():
        tables.append((("set", name, "property"), other.property, True))
        tables += [(("set", name, "grade", g), other.grade[g], True) for g in other.grade]
        for grade in other.grade:
            if grade not in {**content.grade, **content.by_grade}:
                _refuse(path, ("set", name, "grade", grade), f"the tissue has no grade {grade}")
    for keys, table, replaceable in tables:
        for name, entry in table.items():
            try:
                read_fact(name, entry, replaceable)
            except ValueError as error:
                _refuse(path, (*keys, name), str(error))


def _refuse(path: Path, keys: tuple[str, ...], problem: str) -> None:
    raise InputError(problem, key=".".join(keys), file=path, line=line_of(path, keys))


def _check_layout(content: TissueFile, path: Path) -> None:
    given = [name for name in ("t1", "t2", "t2_star", "pd") if getattr(content, name) is not None]
    if content.grade and (given or content.fat):
        _refuse(path, (given[0] if given else "fat",), "stands beside grades; put every property under a grade")
    if content.grade and content.default_grade is None:
        _refuse(path, ("default_grade",), "is missing; a graded tissue needs one, e.g. default_grade = 3")
    if content.default_grade and GRADES[content.default_grade - 1] not in content.grade:
        _refuse(path, ("default_grade",), f"has no table; add [grade.{GRADES[content.default_grade - 1]}.t1] ...")
    if 0 < len(given) < 4:
        missing = next(name for name in ("t1", "t2", "t2_star", "pd") if name not in given)
        _refuse(path, (missing,), "is missing; a tissue needs t1, t2, t2_star and pd")
    if not (given or content.grade or content.fat):
        _refuse(path, ("t1",), "is missing; a tissue needs t1, t2, t2_star and pd, grades, or fat")


def _check_compartment(table: WaterTable | FatTable, content: TissueFile, path: Path, prefix: tuple[str, ...]) -> None:
    fields = len(content.field)
    for name in ("t1", "t2", "t2_star", "pd"):
        _check_entry(getattr(table, name), fields, path, (*prefix, name))
    for i, b in enumerate(content.field):
        t1, t2, t2_star = table.t1.value[i], table.t2.value[i], table.t2_star.value[i]
        if t2 > 2 * t1:
            problem = f"{t2 * 1e3:g} ms at {b:g} T exceeds 2 x t1 = {2e3 * t1:g} ms, which physics forbids; lower t2"
            _refuse(path, (*prefix, "t2", "value"), problem)
        if t2_star > t2:
            problem = f"{t2_star * 1e3:g} ms at {b:g} T exceeds t2 = {t2 * 1e3:g} ms; lower t2_star"
            _refuse(path, (*prefix, "t2_star", "value"), problem)


def _check_entry(entry: TimeEntry | FractionEntry, fields: int, path: Path, keys: tuple[str, ...]) -> None:
    allowed = {fields} if isinstance(entry, TimeEntry) else {1, fields}
    wanted = f"one value for each of the {fields} field strengths in 'field'"
    if len(entry.value) not in allowed:
        _refuse(path, (*keys, "value"), f"has {len(entry.value)} values; give {wanted}")
    if len(entry.spread) != len(entry.value):
        _refuse(path, (*keys, "spread"), f"has {len(entry.spread)} values for {len(entry.value)} in 'value'")
    for name in ("source", "provenance"):
        count = len(getattr(entry, name))
        if count not in {1, len(entry.value)}:
            _refuse(path, (*keys, name), f"has {count} entries; give one, or {wanted}")
    if any(not text.strip() for text in entry.source):
        _refuse(path, (*keys, "source"), "is empty; say where the value comes from")
    if any(not v > 0 for v in entry.value):
        _refuse(path, (*keys, "value"), f"{min(entry.value):g} (SI) is not positive; give a value above 0")
    if any(v < 0 for v in entry.spread):
        _refuse(
            path, (*keys, "spread"), f"{min(entry.spread):g} (SI) is negative; give a standard deviation of 0 or more"
        )
    if isinstance(entry, FractionEntry) and any(v > 1.5 for v in entry.value):
        _refuse(path, (*keys, "value"), f"{max(entry.value):g} is too large; water has 1")
    for law in entry.law if isinstance(entry, TimeEntry) else ():
        if len(law.valid) != 2 or not 0 < law.valid[0] < law.valid[1]:
            _refuse(path, (*keys, "law", "valid"), "needs the lowest and the highest field, e.g. '1.5 7 T'")


def _check_fat(fat: FatTable, water: WaterTable | None, content: TissueFile, path: Path) -> None:
    if water and fat.fraction is None:
        _refuse(path, ("fat", "fraction"), "is missing; a tissue with water and fat needs the share of fat protons")
    if fat.fraction:
        if water is None:
            _refuse(path, ("fat", "fraction"), "needs water beside the fat; give t1, t2, t2_star and pd, or drop it")
        _check_entry(fat.fraction, len(content.field), path, ("fat", "fraction"))
        if any(v > 1 for v in fat.fraction.value):
            _refuse(path, ("fat", "fraction", "value"), f"{max(fat.fraction.value):g} exceeds 1; write 40 % as '40 %'")
    peaks = {len(fat.spectrum.name), len(fat.spectrum.shift), len(fat.spectrum.amplitude)}
    if len(peaks) != 1:
        _refuse(
            path, ("fat", "spectrum"), f"name, shift and amplitude have {sorted(peaks)} entries; give as many of each"
        )
    if any(not a > 0 for a in fat.spectrum.amplitude):
        _refuse(path, ("fat", "spectrum", "amplitude"), "must be positive")
