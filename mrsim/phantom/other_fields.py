"""Relaxation at field strengths that no table has: by a law, between two tabulated fields or, if allowed, beyond."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..core.errors import InputError
from .field_laws import (
    COMPUTED,
    EXTRAPOLATED,
    INTERPOLATED,
    FieldLaw,
    ProportionalDephasing,
    between,
    beyond,
    law_at,
    nearest_law,
)
from .tissue_facts import Property
from .tissue_file import FractionEntry, TimeEntry

if TYPE_CHECKING:
    from .tissue import Tissue


def at_other_field(tissue: Tissue, name: str, entry: TimeEntry | FractionEntry, field: float) -> Property:
    """Return a property of a tissue at a field, T, that its table does not list.

    Parameters
    ----------
    tissue : Tissue
        Its `extrapolate` says whether fields beyond the known ones are allowed.
    name : str
        E.g. ``"t1"``, ``"fat_t2"``.
    entry : TimeEntry or FractionEntry
        What the file says of it.
    field : float
        T.
    """
    laws = entry.law if isinstance(entry, TimeEntry) else ()
    law = law_at(laws, field)
    if law is not None:
        return _by_law(tissue, name, law, field, COMPUTED)
    if min(tissue.fields) < field < max(tissue.fields):
        value, sd = (between(tissue.fields, several, field) for several in (entry.value, entry.spread))
        return _estimate(tissue, entry, value, sd / value, INTERPOLATED)
    if not tissue.extrapolate:
        raise _unknown(tissue, name, laws, field)
    near = min(tissue.fields, key=lambda b: abs(math.log(field / b)))
    law = nearest_law(laws, tissue.fields, field)
    if law is None and name.endswith("t2_star"):
        law = ProportionalDephasing(
            kind="proportional dephasing", reference=near, valid=tissue.fields, source="dephasing grows with the field"
        )
    if law is not None:
        return _by_law(tissue, name, law, field, EXTRAPOLATED)
    guess = beyond(name, tissue.fields, entry.value, field)
    if guess is None:
        raise InputError(
            f"{tissue.name}: {name} is known at {near:g} T alone, from which nothing follows for {field:g} T; "
            "add a law to its file"
        )
    index = tissue.fields.index(near)
    return _estimate(tissue, entry, guess, entry.spread[index] / entry.value[index], EXTRAPOLATED)


def _unknown(tissue: Tissue, name: str, laws: tuple[FieldLaw, ...], field: float) -> InputError:
    known = [*tissue.fields, *(b for law in laws for b in law.valid)]
    low, high = min(known), max(known)
    span = f"between {low:g} and {high:g} T" if low < high else f"only at {low:g} T"
    return InputError(
        f"{tissue.name}: {name} at {field:g} T is unknown; it is known {span}; choose such a field, or allow "
        "extrapolation (--extrapolate, or extrapolate = true in the phantom's file)"
    )


def _by_law(tissue: Tissue, name: str, law: FieldLaw, field: float, provenance: str) -> Property:
    """Return a property by a law, in or out of its range."""
    prefix = "fat_" if name.startswith("fat_") else ""
    if not any(math.isclose(law.reference, b) for b in tissue.fields):
        raise InputError(
            f"{tissue.name}: the law for {name} starts from the value at {law.reference:g} T, where none stands; "
            f"there are values at {', '.join(f'{b:g}' for b in tissue.fields)} T"
        )
    reference = tissue.property(name, law.reference)

    def t2(b: float) -> float:
        return tissue.property(f"{prefix}t2", b).value

    value = law.at(field, reference.value, t2)
    if not (math.isfinite(value) and value > 0):
        raise InputError(
            f"{tissue.name}: the law for {name} gives no positive time at {field:g} T; choose a field nearer to "
            f"{law.valid[0]:g} to {law.valid[1]:g} T"
        )
    source = f"{law.kind} law from the value at {law.reference:g} T ({reference.source}); {law.source}"
    sd = reference.sd * value / reference.value
    return Property(value=value, unit="s", sd=sd, source=source, provenance=provenance)


def _estimate(tissue: Tissue, entry: TimeEntry | FractionEntry, value: float, spread: float, how: str) -> Property:
    """Return a value that follows from the tabulated ones; `spread` is relative."""
    sources = "; ".join(dict.fromkeys(entry.source))
    known = ", ".join(f"{b:g}" for b in tissue.fields)
    unit = "s" if isinstance(entry, TimeEntry) else ""
    source = f"from the values at {known} T ({sources})"
    return Property(value=value, unit=unit, sd=spread * value, source=source, provenance=how)
