"""Substances: contrast agents, implants, gas, metabolites. Facts without a place in the body."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from ..core.errors import InputError, did_you_mean
from ..core.toml import line_of, read_toml, resource, structure
from .field_laws import STRICT
from .tissue_facts import Fact, FactEntry, Property, at_field, known_at, read_fact

FOLDER = "phantoms/substances"
"""Where shipped substances lie."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SubstanceFile:
    """A substance file."""

    __pydantic_config__ = STRICT
    description: str
    property: dict[str, FactEntry] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Substance:
    """A substance with what is known of it."""

    name: str
    description: str
    facts: dict[str, Fact]

    def property(self, name: str, field: float = 3.0, extrapolate: bool = False) -> Property:
        """Return one value at a field strength, T."""
        if name not in self.facts:
            raise InputError(f"{self.name} has no property '{name}'{did_you_mean(name, list(self.facts))}")
        return at_field(self.name, name, self.facts[name], field, extrapolate)

    def known(self, field: float, extrapolate: bool = False) -> dict[str, Property]:
        """Return everything that is known at a field strength, T."""
        return {name: self.property(name, field, extrapolate) for name in known_at(self.facts, field, extrapolate)}


def load_substance(name: str) -> Substance:
    """Return a substance by its shipped name, e.g. ``"gd_dota"``, or by the path of a TOML file."""
    path = resource(name, FOLDER, "substance")
    content = structure(read_toml(path), SubstanceFile, path)
    facts = {}
    for key, entry in content.property.items():
        try:
            facts[key] = read_fact(key, entry, replaceable=True)
        except ValueError as problem:
            place = ("property", key)
            raise InputError(str(problem), key=".".join(place), file=path, line=line_of(path, place)) from None
    return Substance(name=path.stem, description=content.description, facts=facts)
