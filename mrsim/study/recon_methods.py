"""Reconstructions by name: the table of methods, and their options from text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from .. import recon
from ..core.errors import InputError, did_you_mean
from ..core.units import parse_quantity
from ..recon import Method, Spectroscopy

METHODS: dict[str, tuple[type[Any] | None, dict[str, Any]]] = {
    "auto": (None, {}),
    "combine": (recon.Combine, {}),
    "sos": (recon.Combine, {"kind": "sos"}),
    "adaptive": (recon.Combine, {"kind": "adaptive"}),
    "sense": (recon.Sense, {}),
    "grappa": (recon.Grappa, {}),
    "smash": (recon.Smash, {}),
    "slice-grappa": (recon.SliceGrappa, {}),
    "wavelet": (recon.CompressedSensing, {"sparse": "wavelet"}),
    "tv": (recon.CompressedSensing, {"sparse": "tv"}),
    "subspace": (recon.Subspace, {}),
    "adjoint": (recon.NonUniform, {"kind": "adjoint"}),
    "iterative": (recon.NonUniform, {"kind": "iterative"}),
    "spectrum": (recon.Spectroscopy, {}),
}
"""By name: the class in `mrsim.recon`, and what the name fixes of it; ``auto`` takes what suits the sampling."""
QUANTITIES = {"lorentz": "frequency", "gauss": "frequency"}
"""Dimensions of the options that have one."""


def options_of(name: str) -> dict[str, str]:
    """Return the options of a method that a text can give, with the names of their types."""
    kind, fixed = METHODS[name]
    if kind is None:
        return {}
    types = {entry.name: str(entry.type).split(" |")[0] for entry in fields(kind)}
    return {key: one for key, one in types.items() if one in ("int", "float", "bool", "str") and key not in fixed}


def method_of(name: str, options: Mapping[str, str]) -> Method | Spectroscopy | None:
    """Return the method of a name with its options, which are texts; None for ``auto``."""
    if name not in METHODS:
        raise InputError(f"unknown method '{name}'{did_you_mean(name, [*METHODS])}", key="method")
    kind, fixed = METHODS[name]
    if kind is None:
        if options:
            raise InputError("belongs to a method; name one", key=next(iter(options)))
        return None
    known_options = options_of(name)
    values: dict[str, Any] = dict(fixed)
    for key, text in options.items():
        if key not in known_options:
            hint = did_you_mean(key, [*known_options]) if known_options else "; it has none"
            raise InputError(f"is no option of {name}{hint}", key=key)
        values[key] = _value(key, text, known_options[key])
    method: Method | Spectroscopy = kind(**values)
    return method


def _value(key: str, text: str, kind: str) -> Any:
    if kind == "str":
        return text
    try:
        if key in QUANTITIES:
            (quantity,) = parse_quantity(text, QUANTITIES[key])
            return quantity
        if kind == "bool":
            return {"true": True, "false": False}[text.lower()]
        return int(text) if kind == "int" else float(text)
    except (KeyError, ValueError):
        wanted = {"int": "a whole number", "float": "a number", "bool": "true or false"}[kind]
        wanted = f"one {QUANTITIES[key]} with its unit" if key in QUANTITIES else wanted
        raise InputError(f"is '{text}'; expected {wanted}", key=key) from None
