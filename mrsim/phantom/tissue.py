"""What a tissue is to a simulator at one field strength: pools of spins, each with its relaxation and shift.

Water is one pool. Fat is one pool per spectral peak, all with the relaxation of the fat compartment. With
a fat proton fraction F and compartments of proton density pd_w and pd_f, the compartments' volumes follow
from F = v pd_f / (v pd_f + (1 - v) pd_w). Dephasing is 1/T2' = 1/T2* - 1/T2.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, replace
from typing import Any

from ..core.errors import InputError, did_you_mean
from ..core.nuclei import WATER_PPM
from ..core.shown import Shown, listing
from ..core.toml import available, resource
from .exchange import ExchangePool
from .field_laws import EXTRAPOLATED
from .other_fields import at_other_field
from .tissue_facts import RELAXATION, Fact, FactEntry, Property, at_field, known_at, read_fact
from .tissue_file import GRADES, FatTable, FractionEntry, TimeEntry, TissueFile, WaterTable, read_tissue_file
from .transfer import bound_pool, water_beside


@dataclass(frozen=True, kw_only=True, slots=True)
class Pool:
    """Spins that precess and relax together."""

    name: str
    pd: float
    """Proton density relative to water, as a share of the whole tissue's volume."""
    t1: float
    """s."""
    t2: float
    """s."""
    t2_prime: float
    """s; infinite where T2* = T2."""
    shift: float
    """Chemical shift relative to water, a pure fraction (-3.4 ppm is -3.4e-6)."""
    exchange: tuple[ExchangePool, ...] = ()
    """Pools that exchange magnetisation with this one."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Tissue(Shown):
    """A tissue (of one grade, where it has grades) with its properties by field strength."""

    name: str
    description: str
    grade: int | None
    """Pfirrmann grade 1 to 5; None for tissues without grades."""
    fields: tuple[float, ...]
    """Tabulated field strengths, T; empty where the properties hold at any field."""
    water: WaterTable | None
    fat: FatTable | None
    shift: float = 0.0
    """Chemical shift of the water pool, a pure fraction."""
    exchange: tuple[ExchangePool, ...] = ()
    """Pools that exchange magnetisation with the water pool, the same at every field strength."""
    transfer: bool = False
    """True puts the bound protons of the facts beside water."""
    history: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Provenance of the file."""
    facts: dict[str, Fact] = dataclasses.field(default_factory=dict)
    """What is known besides relaxation: diffusion, stiffness, susceptibility, ..."""
    replaced: dict[str, Fact] = dataclasses.field(default_factory=dict)
    """Relaxation that a material set puts in place of the file's."""
    sets: tuple[str, ...] = ()
    """Material sets that were chosen."""
    all_sets: tuple[str, ...] = ()
    """Material sets that could be chosen."""
    extrapolate: bool = False
    """True gives values beyond the known field strengths, whose provenance then says so."""

    def names(self) -> tuple[str, ...]:
        """Return the names of the properties that the tissue has."""
        water = ("t1", "t2", "t2_star", "pd") if self.water else ()
        fat = ("fat_t1", "fat_t2", "fat_t2_star", "fat_pd") if self.fat else ()
        return (*water, *fat, *(("fat_fraction",) if self.fat and self.fat.fraction else ()))

    def property(self, name: str, field: float) -> Property:
        """Return one property at a field strength, T, refusing fields that the tissue does not know."""
        if name in self.facts or name in self.replaced:
            name_of_set = f" in the material sets {', '.join(self.sets)}" if name in self.replaced else ""
            return at_field(self.name, name + name_of_set, self.replaced.get(name) or self.facts[name], field,
                            self.extrapolate)  # fmt: skip
        if name == "t2_star" and "t2" in self.replaced:
            return self._following(field)
        if name not in self.names():
            known = (*self.names(), *self.facts)
            raise InputError(f"{self.name} has no property '{name}'{did_you_mean(name, known)}")
        table = self.fat if name.startswith("fat_") else self.water
        entry: TimeEntry | FractionEntry = getattr(table, name.removeprefix("fat_"))
        unit = "s" if isinstance(entry, TimeEntry) else ""
        index = self._index(entry, field)
        if index is not None:
            source = entry.source[min(index, len(entry.source) - 1)]
            provenance: str = entry.provenance[min(index, len(entry.provenance) - 1)]
            return Property(
                value=entry.value[index], unit=unit, sd=entry.spread[index], source=source, provenance=provenance
            )
        return at_other_field(self, name, entry, field)

    def _following(self, field: float) -> Property:
        """Return T2* where a material set replaces T2 alone: the dephasing 1/T2* - 1/T2 stays that of the file."""
        own = replace(self, replaced={})
        t2, old = own.property("t2", field).value, own.property("t2_star", field)
        value = 1 / (1 / self.property("t2", field).value + 1 / old.value - 1 / t2)
        source = f"dephasing of {1e3 * old.value:.4g} ms beside T2 of {1e3 * t2:.4g} ms ({old.source})"
        return replace(old, value=value, sd=old.sd * value / old.value, source=source)

    def properties(self, field: float) -> dict[str, Property]:
        """Return what the signal of a simple image needs, at a field strength, T."""
        return {name: self.property(name, field) for name in self.names()}

    def known(self, field: float) -> dict[str, Property]:
        """Return everything that is known at a field strength, T; facts of other fields are left out."""
        return self.properties(field) | {
            name: self.property(name, field) for name in known_at(self.facts, field, self.extrapolate)
        }

    def with_t1(self, factor: float, field: float) -> Tissue:
        """Return the tissue with the T1 of its water at a field strength, T, times a factor."""
        return self._scaled("t1", factor, field)

    def with_t2(self, factor: float, field: float) -> Tissue:
        """Return the tissue with the T2 of its water at a field strength, T, times a factor."""
        return self._scaled("t2", factor, field)

    def _scaled(self, name: str, factor: float, field: float) -> Tissue:
        if self.water is None:
            return self
        own = self.property(name, field)
        entry = FactEntry(value=f"{factor * own.value!r} s", source=own.source, provenance="chosen by definition")
        fact = Fact(values=(factor * own.value,), spreads=(factor * own.sd,), unit="s", entry=entry)
        return replace(self, replaced={**self.replaced, name: fact})

    def pools(self, field: float) -> tuple[Pool, ...]:
        """Return the pools of spins at a field strength, T; together they have the tissue's proton density."""
        pools: list[Pool] = []
        fat_volume = self._fat_volume(field)
        if self.water:
            pd = (1 - fat_volume) * self.property("pd", field).value
            water = replace(self._pool("water", "", pd, self.shift, field), exchange=self.exchange)
            bound = bound_pool(self, field) if self.transfer else None
            pools.append(water if bound is None else water_beside(water, bound))
        if self.fat:
            spectrum = self.fat.spectrum
            total, pd = sum(spectrum.amplitude), fat_volume * self.property("fat_pd", field).value
            for name, shift, amplitude in zip(spectrum.name, spectrum.shift, spectrum.amplitude, strict=True):
                offset = shift - WATER_PPM * 1e-6
                pools.append(self._pool(f"fat {name}", "fat_", pd * amplitude / total, offset, field))
        return tuple(pools)

    def fat_fraction(self, field: float) -> float:
        """Return the fat protons over all protons."""
        if self.fat is None:
            return 0.0
        return self.property("fat_fraction", field).value if self.fat.fraction else 1.0

    def _fat_volume(self, field: float) -> float:
        share = self.fat_fraction(field)
        if share in (0.0, 1.0):
            return share
        water, fat = self.property("pd", field).value, self.property("fat_pd", field).value
        return share * water / (share * water + (1 - share) * fat)

    def _pool(self, name: str, prefix: str, pd: float, shift: float, field: float) -> Pool:
        t1, t2, t2_star = (self.property(prefix + key, field).value for key in ("t1", "t2", "t2_star"))
        dephasing = 1 / t2_star - 1 / t2
        t2_prime = 1 / dephasing if dephasing > 1e-12 / t2 else math.inf
        if t2 > 2 * t1 * (1 + 1e-9) or dephasing < -1e-6 / t2:
            raise InputError(
                f"{self.name}: at {field:g} T, {name} would have T1 {1e3 * t1:.4g}, T2 {1e3 * t2:.4g} and T2* "
                f"{1e3 * t2_star:.4g} ms, but physics asks for T2* <= T2 <= 2 T1; choose another field or other values"
            )
        return Pool(name=name, pd=pd, t1=t1, t2=t2, t2_prime=t2_prime, shift=shift)

    def _index(self, entry: TimeEntry | FractionEntry, field: float) -> int | None:
        if not (math.isfinite(field) and field > 0):
            raise InputError(f"{self.name}: a field strength of {field:g} T is impossible; give one above 0 T")
        if not self.fields or (isinstance(entry, FractionEntry) and len(entry.value) == 1):
            return 0
        near = [i for i, b in enumerate(self.fields) if math.isclose(b, field, rel_tol=1e-9)]
        return near[0] if near else None

    def extrapolated(self, field: float) -> tuple[str, ...]:
        """Return the names of what lies beyond the known field strengths, T."""
        return tuple(name for name, entry in self.known(field).items() if entry.provenance == EXTRAPOLATED)

    def _facts(self) -> dict[str, str]:
        at = listing(f"{one:g}" for one in self.fields)
        return {"": self.name, "grade": str(self.grade or ""), "known at": f"{at} T" if at else ""} | {
            "properties": listing((*self.names(), *self.facts))
        }


def load_tissue(
    name: str, grade: int | str | None = None, field: float = 3.0, sets: tuple[str, ...] = (), extrapolate: bool = False
) -> Tissue:
    """Load a tissue by name or path, and make sure that it is known at a field strength.

    Parameters
    ----------
    name : str
        A shipped tissue, e.g. ``"nucleus_pulposus"``, or the path of a TOML file.
    grade : int or str, optional
        Pfirrmann grade, 1 to 5 or I to V; ignored by tissues without grades. Default: the file's.
    field : float
        Field strength, T.
    sets : tuple of str
        Material sets to choose, e.g. ``("stiffness_falls",)``; later ones win, and names that the tissue does not
        have are left to other tissues.
    extrapolate : bool
        True allows fields beyond those that the file knows; the values' provenance says so.
    """
    path = resource(name, "phantoms/tissues", "tissue")
    content = read_tissue_file(path)
    number = grade_number(grade)
    level = None
    if content.grade:
        level = number or content.default_grade
        if level is None or GRADES[level - 1] not in content.grade:
            raise InputError(f"grade {level} has no table; it has {', '.join(content.grade)}", file=path, key="grade")
    roman = GRADES[level - 1] if level else None
    chosen = tuple(name for name in sets if name in content.set)
    beside = GRADES[number - 1] if number else roman
    facts, replaced = facts_of(content, beside, chosen)
    tissue = Tissue(
        name=path.stem,
        description=content.description,
        grade=level,
        fields=content.field,
        water=content.water(roman),
        fat=content.fat,
        exchange=content.pools_beside_water(),
        history={"file": str(path.resolve())},
        facts=facts,
        replaced=replaced,
        sets=chosen,
        all_sets=tuple(content.set),
        extrapolate=extrapolate,
    )
    tissue.pools(field)
    return tissue


def facts_of(content: TissueFile, grade: str | None, sets: tuple[str, ...]) -> tuple[dict[str, Fact], dict[str, Fact]]:
    """Return the facts of a grade (I to V) with the material sets on top, and the relaxation that the sets replace."""
    entries = dict(content.property)
    for level, table in content.grade.items():
        entries |= table.property if level == grade else {}
    for level, beside in content.by_grade.items():
        entries |= beside if level == grade else {}
    for name in sets:
        other = content.set[name]
        entries |= other.property
        for level, opinion in other.grade.items():
            entries |= opinion if level == grade else {}
    read = {name: read_fact(name, entry, replaceable=True) for name, entry in entries.items()}
    replaced = {name: fact for name, fact in read.items() if name in RELAXATION}
    return {name: fact for name, fact in read.items() if name not in RELAXATION}, replaced


def material_sets() -> dict[str, dict[str, str]]:
    """Return every material set of the shipped tissues: set -> tissue -> description."""
    found: dict[str, dict[str, str]] = {}
    for tissue, path in available("phantoms/tissues").items():
        for name, other in read_tissue_file(path).set.items():
            found.setdefault(name, {})[tissue] = other.description
    return found


def grade_number(grade: int | str | None) -> int | None:
    """Return a Pfirrmann grade as 1 to 5 from 1 to 5, ``"1"`` to ``"5"`` or ``"I"`` to ``"V"``."""
    if grade is None:
        return None
    text = str(grade).strip().upper()
    if text in GRADES:
        return GRADES.index(text) + 1
    if text in {"1", "2", "3", "4", "5"} and not isinstance(grade, bool):
        return int(text)
    raise InputError(f"grade {grade!r} is not a Pfirrmann grade; choose 1 to 5 or I to V", key="grade")
