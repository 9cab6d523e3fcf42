"""Metabolites: chemical shifts and couplings of their spins, and lines of broad substances, each with its source.

A metabolite is a list of parts that are not coupled with each other. A part is either a set of coupled spins or a set
of lines, each of so many equivalent protons, with a width of its own where the molecule is large.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..core.errors import InputError, did_you_mean
from ..core.nuclei import nucleus
from ..core.toml import available, read_toml, resource, structure
from ..core.units import ChemicalShift, ChemicalShifts, Frequency, Times, parse_quantity

FOLDER, SETS = "phantoms/metabolites", "phantoms/basis-sets"
MOST_COUPLING = {True: 50.0, False: 2000.0}
"""Largest |J| of two protons (True) and of any other pair (False), Hz: beyond lies no molecule in a body."""
MOST_SHIFT = 1000e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class CoupledSpins:
    """Spins of one molecule that may be coupled with each other."""

    shifts: ChemicalShifts
    """(spin,) fraction, DSS at zero; that of a spin of another nucleus than the observed one is not used."""
    couplings: tuple[str, ...] = ()
    """Each ``"1-2 6.933 Hz"``: numbers of two spins, counted from 1, and J."""
    nuclei: tuple[str, ...] = ()
    """(spin,) all protons if empty."""
    t1: Times = ()
    """(spin,) or one for all, s; no relaxation if empty."""
    t2: Times = ()
    """(spin,) or one for all, s."""
    label: str = ""
    source: str = ""
    provenance: str = ""

    def __post_init__(self) -> None:
        """Refuse what no molecule has."""
        count = len(self.shifts)
        _check_shifts(self.shifts)
        if self.nuclei and len(self.nuclei) != count:
            raise InputError(f"has {len(self.nuclei)} entries for {count} spins", key="nuclei")
        for name in self.nuclei:
            nucleus(name)
        _check_relaxation(self.t1, self.t2, count)
        self.pairs()

    def pairs(self) -> dict[tuple[int, int], float]:
        """Return J in Hz of each coupled pair of spins, counted from 0, the smaller number first."""
        found: dict[tuple[int, int], float] = {}
        for text in self.couplings:
            i, j, value = _coupling(text, len(self.shifts))
            if (i, j) in found:
                raise InputError(f"couples spins {i + 1} and {j + 1} twice", key="couplings")
            protons = not self.nuclei or self.nuclei[i] == self.nuclei[j] == "1H"
            if not abs(value) <= MOST_COUPLING[protons]:
                kind = "two protons" if protons else "two nuclei"
                raise InputError(
                    f"'{text}' is unphysical: the coupling of {kind} of a molecule stays below "
                    f"{MOST_COUPLING[protons]:g} Hz",
                    key="couplings",
                )
            found[i, j] = value
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Lines:
    """Lines without coupling, each of so many protons, and their shape."""

    shifts: ChemicalShifts
    """(line,) fraction."""
    protons: tuple[float, ...]
    """(line,) number of protons of each."""
    lorentz: Frequency = 0.0
    """Full width at half maximum, Hz, at every field."""
    gauss: ChemicalShift = 0.0
    """Full width at half maximum of a spread of shifts, fraction: its width in Hz grows with the field."""
    t1: Times = ()
    t2: Times = ()
    """(line,) or one for all, s; as for coupled spins."""
    label: str = ""
    source: str = ""
    provenance: str = ""

    def __post_init__(self) -> None:
        """Refuse what no molecule has."""
        _check_shifts(self.shifts)
        if len(self.protons) != len(self.shifts):
            raise InputError(f"has {len(self.protons)} entries for {len(self.shifts)} shifts", key="protons")
        if not all(math.isfinite(n) and n > 0 for n in self.protons):
            raise InputError(f"must be positive, got {list(self.protons)}", key="protons")
        for key in ("lorentz", "gauss"):
            if not (math.isfinite(getattr(self, key)) and getattr(self, key) >= 0):
                raise InputError(f"is {getattr(self, key):g}; it must be at least 0", key=key)
        _check_relaxation(self.t1, self.t2, len(self.shifts))


@dataclass(frozen=True, kw_only=True, slots=True)
class Metabolite:
    """A substance with a spectrum."""

    name: str = ""
    description: str = ""
    kind: str = "metabolite"
    """metabolite, macromolecule, lipid or water."""
    tags: tuple[str, ...] = ()
    spins: tuple[CoupledSpins, ...] = ()
    lines: tuple[Lines, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a substance without a spectrum."""
        from ..core.basis import KINDS

        if not self.spins and not self.lines:
            raise InputError("has neither [[spins]] nor [[lines]]", key=self.name or None)
        if self.kind not in KINDS:
            raise InputError(f"unknown kind '{self.kind}'{did_you_mean(self.kind, KINDS)}", key="kind")

    @property
    def sources(self) -> tuple[str, ...]:
        """What its numbers were taken from, each once."""
        named = (*(part.source for part in self.spins), *(part.source for part in self.lines))
        return tuple(dict.fromkeys(source for source in named if source))

    def relaxing(self, t1: float, t2: float) -> Metabolite:
        """Return the substance with one T1 and one T2, s, for all its spins."""
        return replace(
            self,
            spins=tuple(replace(part, t1=(t1,), t2=(t2,)) for part in self.spins),
            lines=tuple(replace(part, t1=(t1,), t2=(t2,)) for part in self.lines),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class BasisSet:
    """Which metabolites belong in the basis of a tissue."""

    metabolites: tuple[str, ...]
    description: str = ""
    notes: tuple[str, ...] = field(default=())
    acids: tuple[str, ...] = ()
    """``"Lac 1"``: what counts as acid in an open score, and its weight; no score if empty."""
    structure: tuple[str, ...] = ()
    """The same of what counts as structure."""
    lipids: tuple[str, ...] = ()
    """Whose signal contaminates the acids."""
    regions: tuple[str, ...] = ()
    """``"N-acetyl 1.9 2.15 ppm"``: regions that are integrated without a fit."""

    def weights(self, part: str) -> dict[str, float]:
        """Return metabolite -> weight of ``"acids"`` or ``"structure"``."""
        found: dict[str, float] = {}
        for text in getattr(self, part):
            name, _, weight = text.partition(" ")
            try:
                found[name] = float(weight or 1)
            except ValueError:
                raise InputError(f"'{text}' is no weight; write for example 'Lac 1'", key=part) from None
            if name not in self.metabolites:
                raise InputError(f"'{name}' is not in the set{did_you_mean(name, self.metabolites)}", key=part)
        return found

    def limits(self) -> dict[str, tuple[float, float]]:
        """Return region -> lowest and highest chemical shift, ppm."""
        found: dict[str, tuple[float, float]] = {}
        for text in self.regions:
            words = text.split()
            try:
                low, high = float(words[-3]), float(words[-2])
            except (ValueError, IndexError):
                low = high = 0.0
            if len(words) < 4 or words[-1] != "ppm" or not low < high:
                raise InputError(f"'{text}' is no region; write for example 'N-acetyl 1.9 2.15 ppm'", key="regions")
            found[" ".join(words[:-3])] = (low, high)
        return found


def load_metabolite(name: str) -> Metabolite:
    """Return a metabolite from a shipped name, e.g. ``"Lac"``, or the path of a TOML file."""
    path = resource(name, FOLDER, "metabolite")
    return replace(structure(_parts(read_toml(path), path), Metabolite, path), name=path.stem)


def load_basis_set(name: str) -> BasisSet | None:
    """Return a basis set from a shipped name or the path of a file; None for names of metabolites."""
    if name not in available(SETS) and not name.endswith(".toml"):
        return None
    path = resource(name, SETS, "basis set")
    table = read_toml(path)
    return structure(table, BasisSet, path) if "metabolites" in table else None


def load_metabolites(name: str) -> tuple[Metabolite, ...]:
    """Return the metabolites of a basis set (``"disc"``, a path), or of names with commas (``"Lac,Ala"``)."""
    if (chosen := load_basis_set(name)) is not None:
        return tuple(load_metabolite(each) for each in chosen.metabolites)
    known = available(FOLDER)
    words = [word.strip() for word in name.split(",") if word.strip()]
    for word in words:
        if word not in known and not word.endswith(".toml"):
            sets = ", ".join(available(SETS))
            near = did_you_mean(word, [*known])
            raise InputError(f"unknown metabolite or basis set '{word}'{near} (basis sets: {sets})")
    if len(set(words)) != len(words) or not words:
        raise InputError(f"'{name}' must name each metabolite once")
    return tuple(load_metabolite(word) for word in words)


def basis_files(name: str) -> dict[str, list[Path]]:
    """Return the files that `load_metabolites` and `load_basis_set` read, by the folder where shipped ones lie."""
    chosen = load_basis_set(name)
    names = name.split(",") if chosen is None else chosen.metabolites
    found = {FOLDER: [resource(each.strip(), FOLDER, "metabolite") for each in names if each.strip()]}
    return found if chosen is None else found | {SETS: [resource(name, SETS, "basis set")]}


def _parts(table: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return the table with its parts made, so that their errors name the part."""
    made = dict(table)
    for key, kind in (("spins", CoupledSpins), ("lines", Lines)):
        entries = table.get(key, [])
        if not isinstance(entries, list):
            raise InputError(f"is not a list of tables; write [[{key}]]", key=key, file=path)
        made[key] = tuple(_part(entry, kind, path, key) for entry in entries)
    return made


def _part(entry: dict[str, Any], kind: type[CoupledSpins] | type[Lines], path: Path, key: str) -> Any:
    try:
        return structure(entry, kind, path, prefix=(key,))
    except InputError as error:
        if error.file is not None:
            raise
        raise InputError(error.problem, key=f"{key}.{error.key}", file=path) from None


def _coupling(text: str, count: int) -> tuple[int, int, float]:
    """Return two spins, counted from 0, and J in Hz from ``"1-2 6.933 Hz"``."""
    pair, _, value = text.strip().partition(" ")
    numbers = pair.split("-")
    if len(numbers) != 2 or not all(number.isdigit() for number in numbers):
        raise InputError(f"'{text}' is no coupling; write for example '1-2 6.933 Hz'", key="couplings")
    i, j = sorted(int(number) - 1 for number in numbers)
    if i < 0 or j >= count:
        raise InputError(f"'{text}' names a spin outside 1 to {count}", key="couplings")
    if i == j:
        raise InputError(f"'{text}' couples a spin with itself", key="couplings")
    try:
        (hertz,) = parse_quantity(value, "frequency")
    except ValueError as problem:
        raise InputError(str(problem), key="couplings") from None
    return i, j, hertz


def _check_shifts(shifts: tuple[float, ...]) -> None:
    if not shifts:
        raise InputError("is empty; a part has at least one spin", key="shifts")
    for shift in shifts:
        if not abs(shift) <= MOST_SHIFT:
            raise InputError(f"{shift * 1e6:g} ppm is no chemical shift; use at most 1000 ppm", key="shifts")


def _check_relaxation(t1: tuple[float, ...], t2: tuple[float, ...], count: int) -> None:
    if bool(t1) != bool(t2):
        raise InputError("t1 and t2 must be given together", key="t1" if t2 else "t2")
    for key, values in (("t1", t1), ("t2", t2)):
        if values and len(values) not in (1, count):
            raise InputError(f"has {len(values)} entries for {count} spins", key=key)
        if any(not value > 0 for value in values):
            raise InputError("must be positive", key=key)
    if t1 and any(b > 2 * a * (1 + 1e-12) for a, b in zip(_full(t1, count), _full(t2, count), strict=True)):
        raise InputError("exceeds twice t1, which no relaxation does", key="t2")


def _full(values: tuple[float, ...], count: int) -> tuple[float, ...]:
    return values if len(values) == count else values * count
