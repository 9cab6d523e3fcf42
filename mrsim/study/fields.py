"""The fields of a run: what susceptibility, shim, transmit and receive coils make of space."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from ..core.coils import Coils
from ..core.errors import InputError
from ..core.field_map import FieldMap, field_map_of
from ..core.maps import Maps
from ..core.storage import load
from ..exchange.nifti import read_volume
from ..phantom.offset_map import ACROSS, Surroundings, SusceptibilityTable, field_grid, magnetised, places
from ..phantom.phantom import Phantom
from ..phantom.receive import receive_coils
from ..phantom.shim import shim
from ..phantom.transmit import body_coil, known_torso, torso_dielectric
from ..sequence.scanner import Scanner
from .request import RunRequest

STEP = 4e-3
"""Voxel of the maps of smooth fields, m."""
TORSO_AXIS = (0.0, 0.035)
"""World x and y of the torso's middle, m: the origin is a lumbar disc 75 mm under the skin of the back."""
FILLED = 0.5
"""Volume fraction of tissue from which a voxel counts for the shim."""


def in_fields(phantom: Phantom, scanner: Scanner, request: RunRequest) -> Phantom:
    """Return the phantom with the off-resonance that the shim leaves and the transmit field."""
    if request.offset_map is not None:
        phantom = replace(phantom, offset=_added(phantom.offset, read_field(request.offset_map, "offset_map")))
    if request.surroundings is not None:
        if phantom.history.get("susceptibility"):
            raise InputError(f"phantom '{phantom.name}' has its own [susceptibility] table", key="--susceptibility")
        phantom = magnetised(phantom, SusceptibilityTable(surroundings=cast(Surroundings, request.surroundings)))
    if isinstance(phantom.offset, FieldMap):
        order = scanner.shim_order if request.shim is None else request.shim
        phantom = replace(phantom, offset=shim(phantom.offset, _filled(phantom, phantom.offset), order).left)
    elif request.shim is not None:
        raise InputError("has no map of off-resonance to act on; add --susceptibility or --offset-map", key="--shim")
    return _transmitted(phantom, scanner, request.transmit or scanner.transmit, request.extrapolate)


def coils_of(phantom: Phantom, scanner: Scanner, request: RunRequest) -> Coils | None:
    """Return the receive coils, or None for one that hears all places alike."""
    name = request.receive or scanner.receive
    return None if name == "uniform" else receive_coils(name, field_grid(phantom, STEP, ACROSS))


def read_field(name: str, key: str, parameter: str = "off_resonance") -> FieldMap:
    """Return a map from a NIfTI file or from a file of mrsim with one `FieldMap`, or one fit of a parameter, in it."""
    path = Path(name)
    if name.lower().endswith((".nii", ".nii.gz")):
        values, grid = read_volume(path)
        return FieldMap(values=values, grid=grid)
    held = load(path).values()
    found = [value for value in held if isinstance(value, FieldMap) and not np.iscomplexobj(value.values)]
    fits = [v for v in held if isinstance(v, Maps) and v.model != "truth" and parameter in v.values]
    if not found and len(fits) == 1:
        return field_map_of(fits[0], parameter)
    if len(found) != 1:
        problem = (
            f"{path} holds {len(found)} field maps of real values and {len(fits)} fits of {parameter}; it needs one"
        )
        raise InputError(problem, key=key)
    return found[0]


def extrapolation_notes(phantom: Phantom, shown: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return a warning that names the tissues whose relaxation is extrapolated to the phantom's field; else none.

    Properties that are `shown` count besides relaxation.
    """
    guessed = phantom.extrapolated
    used = {t.name: [what for what in guessed.get(t.name, ()) if what in (*t.names(), *shown)] for t in phantom.tissues}
    named = [f"{name} ({', '.join(what)})" for name, what in used.items() if what]
    if "dielectric" in phantom.history:
        named.append("the torso's dielectric")
    return (f"extrapolated to {phantom.field:g} T, beyond what is known: {'; '.join(named)}",) if named else ()


def _transmitted(phantom: Phantom, scanner: Scanner, name: str, extrapolate: bool) -> Phantom:
    if name == "uniform":
        return phantom
    if name == "body":
        medium = torso_dielectric(scanner.b0, scanner.nucleus, extrapolate)
        b1 = body_coil(field_grid(phantom, STEP, ACROSS), medium, TORSO_AXIS, (0.0, 0.0))
        if not known_torso(scanner.b0):
            phantom = replace(phantom, history=phantom.history | {"dielectric": "extrapolated"})
    else:
        b1 = read_field(name, "transmit", "b1")
    if isinstance(phantom.b1, FieldMap):
        raise InputError(f"phantom '{phantom.name}' has its own map of B1+", key="transmit")
    return replace(phantom, b1=replace(b1, values=np.asarray(b1.values * phantom.b1, dtype=np.float64)))


def _added(before: float | FieldMap, field: FieldMap) -> FieldMap:
    there = before.at(places(field.grid), "offset") if isinstance(before, FieldMap) else before
    return replace(field, values=np.asarray(field.values + there, dtype=np.float64))


def _filled(phantom: Phantom, field: FieldMap) -> NDArray[np.bool_]:
    fractions = phantom.fractions(field.grid)
    return np.asarray(np.sum(list(fractions.values()), axis=0) >= FILLED)
