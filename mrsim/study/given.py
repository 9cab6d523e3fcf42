"""Values that a fit is given, from text: a number with its unit, a file with a map, or a protocol that measures it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import InputError, did_you_mean
from ..core.maps import Maps
from ..core.storage import load
from ..core.units import parse_quantity
from ..exchange.nifti import read_volume
from ..fit.model import Description, Option

DIMENSIONS = {
    "": "fraction",
    "s": "time",
    "rad": "angle",
    "Hz": "frequency",
    "m": "length",
    "m^2/s": "diffusivity",
    "s/m^2": "b-value",
    "1/s": "rate",
    "Pa": "pressure",
    "1/m": "fraction",
    "ppm": "chemical shift",
    "mM": "concentration",
}
"""Dimension of an option's SI unit."""

Measure = Callable[[str], Maps | None]
"""Returns the maps that a protocol, given by name or path, measures."""


def given_options(model: Description, texts: Mapping[str, str], measure: Measure | None = None) -> dict[str, Any]:
    """Return a fit's options from their texts.

    Parameters
    ----------
    model : Model or Method
    texts : mapping of option name to text
        ``"0.9"``, ``"170 deg"``, a result file of mrsim, a NIfTI file in SI units, or, with `measure`, a protocol.
    measure : callable, optional
        Scans and fits a protocol.
    """
    check_names(model, texts)
    options = {option.name: option for option in model.options}
    return {name: _value(options[name], text, measure) for name, text in texts.items()}


def own_given(contents: Mapping[str, Any], model: str, asked: Mapping[str, str]) -> dict[str, str]:
    """Return what a result's own fit by this model was given, as text, but for what is asked.

    Parameters
    ----------
    contents : mapping
        Of a result file.
    model : str
    asked : mapping
        Option -> text.
    """
    request = dict(contents.get("provenance") or {}).get("request", {})
    given = request.get("given", {}) if request.get("model") == model else {}
    return {name: text for name, text in given.items() if name not in asked}


def options_again(model: Description, contents: Mapping[str, Any], asked: Mapping[str, str]) -> dict[str, Any]:
    """Return the options of another fit of a result: those asked, else those of its own fit by the same model.

    Parameters
    ----------
    model : Model or Method
    contents : mapping
        Of a result file; maps that another protocol measured for its fit are taken from there.
    asked : mapping
        Option -> text.
    """
    maps = contents.get("maps")
    kept = None
    if isinstance(maps, Maps):
        units = {option.name: option.unit for option in model.options}
        everywhere = np.zeros(maps.grid.shape, np.int8)
        kept = Maps(grid=maps.grid, values=dict(maps.given), errors={}, units=units, status=everywhere)
    own = given_options(model, own_given(contents, model.name, asked), lambda _: kept)
    return own | given_options(model, asked)


def measured(text: str) -> bool:
    """Return whether a text names a protocol that measures the value."""
    number = text[:1].isdigit() or text[:1] in "+-."
    return not number and not text.lower().endswith((".h5", ".hdf5", ".nii", ".nii.gz"))


def check_names(model: Description, names: Iterable[str]) -> None:
    """Raise an `InputError` for a name that is no option of the model."""
    known = [option.name for option in model.options]
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) if known else "; it has none"
            raise InputError(f"is no option of model '{model.name}'{hint}", key=name)


def _value(option: Option, text: str, measure: Measure | None) -> Any:
    lowered = text.lower()
    if lowered.endswith((".h5", ".hdf5")):
        return _holding(option.name, load(Path(text)).values(), text)
    if lowered.endswith((".nii", ".nii.gz")):
        values, grid = read_volume(Path(text))
        return Maps(
            grid=grid, values={option.name: values}, errors={}, units={option.name: option.unit},
            status=np.zeros(grid.shape, np.int8),
        )  # fmt: skip
    if measure is not None and measured(text):
        return _holding(option.name, [measure(text)], text)
    try:
        numbers = parse_quantity(text, DIMENSIONS[option.unit])
    except ValueError as problem:
        raise InputError(f"{problem}; or give a file with a map: .h5 or .nii", key=option.name) from None
    if len(numbers) != 1:
        raise InputError(f"'{text}' is not one value", key=option.name)
    return numbers[0]


def _holding(name: str, found: Any, source: str) -> Maps:
    """Return the fitted maps that hold a parameter of this name; a truth is no measurement."""
    maps = [item for item in found if isinstance(item, Maps) and item.model != "truth"]
    for item in maps:
        if name in item.values:
            return item
    held = sorted({parameter for item in maps for parameter in item.values})
    raise InputError(f"{source} holds no map of it{did_you_mean(name, held) if held else ': it has no maps'}", key=name)
