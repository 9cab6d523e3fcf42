"""The tissues of a phantom file: those of ``phantoms/tissues``, and ideal materials defined on the spot."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import InputError, did_you_mean
from ..core.toml import available, line_of
from ..core.units import ChemicalShift, Fraction, Susceptibility, Time
from .field_laws import STRICT
from .tissue import Tissue, load_tissue, material_sets
from .tissue_facts import Fact, FactEntry, read_fact
from .tissue_file import FractionEntry, TimeEntry, WaterTable


@dataclass(frozen=True, kw_only=True, slots=True)
class Material:
    """An ideal material."""

    __pydantic_config__ = STRICT
    t1: Time
    t2: Time
    pd: Fraction
    t2_star: Time | None = None
    """None: the same as t2."""
    shift: ChemicalShift = 0.0
    """Relative to water."""
    susceptibility: Susceptibility = 0.0
    """Relative to water."""
    description: str = ""
    property: dict[str, FactEntry] = dataclasses.field(default_factory=dict)
    """Facts by name: diffusion, stiffness, metabolites, ..."""


def tissues_of(
    names: tuple[str, ...],
    materials: dict[str, Material],
    path: Path,
    grade: int | None,
    field: float,
    sets: tuple[str, ...],
    extrapolate: bool,
) -> tuple[Tissue, ...]:
    """Return the tissues; a material set that none of them has is an error."""
    tissues = tuple(tissue_of(name, materials, path, grade, field, sets, extrapolate) for name in names)
    check_sets(tissues, path, sets)
    return tissues


def check_sets(tissues: tuple[Tissue, ...], path: Path, sets: tuple[str, ...]) -> None:
    """Refuse material sets that no tissue has."""
    for wanted in sets:
        if not any(wanted in tissue.sets for tissue in tissues):
            names = {Path(tissue.history.get("file", tissue.name)).stem for tissue in tissues}
            known = [name for name, where in material_sets().items() if set(where) & names]
            raise InputError(
                f"no tissue of '{path.stem}' has a material set '{wanted}'{did_you_mean(wanted, known)}; "
                f"it has: {', '.join(known) or 'none'}",
                key="materials",
            )


def tissue_of(
    name: str, materials: dict[str, Material], path: Path, grade: int | None, field: float, sets: tuple[str, ...],
    extrapolate: bool,
) -> Tissue:  # fmt: skip
    """Return a material of the file, or else a tissue of ``phantoms/tissues`` or of a path."""
    if name in materials:
        return _ideal_tissue(name, materials[name], path)
    shipped = available("phantoms/tissues")
    if name not in shipped and not name.endswith(".toml"):
        hint = did_you_mean(name, [*materials, *shipped])
        raise InputError(f"unknown tissue or material '{name}'{hint}", key="tissue", file=path)
    return load_tissue(name, grade, field, sets, extrapolate)


def _ideal_tissue(name: str, material: Material, path: Path) -> Tissue:
    keys = ("material", name)
    t2_star = material.t2 if material.t2_star is None else material.t2_star
    for key, value in (("t1", material.t1), ("t2", material.t2), ("t2_star", t2_star), ("pd", material.pd)):
        if value <= 0:
            raise _refusal(path, (*keys, key), f"{value:g} (SI) is not positive; give a value above 0")
    if material.t2 > 2 * material.t1:
        limit = f"2 x t1 = {2e3 * material.t1:g} ms, which physics forbids; lower t2"
        raise _refusal(path, (*keys, "t2"), f"{material.t2 * 1e3:g} ms exceeds {limit}")
    if t2_star > material.t2:
        limit = f"t2 = {material.t2 * 1e3:g} ms; lower t2_star"
        raise _refusal(path, (*keys, "t2_star"), f"{t2_star * 1e3:g} ms exceeds {limit}")
    origin = {"source": (f"defined in {path.name}",), "provenance": ("chosen by definition",)}

    def time(value: float) -> TimeEntry:
        return TimeEntry(value=(value,), spread=(0.0,), **origin)  # type: ignore[arg-type]

    pd = FractionEntry(value=(material.pd,), spread=(0.0,), **origin)  # type: ignore[arg-type]
    return Tissue(
        name=name,
        description=material.description or f"ideal material of {path.name}",
        grade=None,
        fields=(),
        water=WaterTable(t1=time(material.t1), t2=time(material.t2), t2_star=time(t2_star), pd=pd),
        fat=None,
        shift=material.shift,
        facts={"susceptibility": _susceptibility(material, path), **_facts(name, material, path)},
        history=dataclasses.asdict(material),
    )


def _facts(name: str, material: Material, path: Path) -> dict[str, Fact]:
    found = {}
    for fact, entry in material.property.items():
        try:
            found[fact] = read_fact(fact, entry)
        except ValueError as error:
            raise _refusal(path, ("material", name, "property", fact), str(error)) from None
    return found


def _susceptibility(material: Material, path: Path) -> Fact:
    value = f"{1e6 * material.susceptibility!r} ppm"
    entry = FactEntry(value=value, source=f"defined in {path.name}", provenance="chosen by definition")
    return read_fact("susceptibility", entry)


def _refusal(path: Path, keys: tuple[str, ...], problem: str) -> InputError:
    return InputError(problem, key=".".join(keys), file=path, line=line_of(path, keys))
