"""Which engine a run asks for, and what its causes of error switch off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from ..core.errors import InputError, did_you_mean
from ..core.images import Images
from ..core.wave import Waves
from ..simulate import Bloch, Pathways
from ..simulate.spin_systems import SpinSystem
from .request import RunRequest
from .run_table import RunTable

INSTANT = 1e-6
"""By what a pulse that takes no time is shortened."""
ENGINE_NAMES: dict[str, type[Bloch | Pathways]] = {"bloch": Bloch, "pathways": Pathways}


def with_own_engine(request: RunRequest, table: RunTable) -> RunRequest:
    """Return a request with the effects of its protocol's [run] table, and its engine where it names none."""
    including = tuple(dict.fromkeys((*request.including, *table.including)))
    engine = request.engine if table.engine is None else {"name": table.engine, **request.engine}
    return replace(request, including=including, engine=engine)


def engine_of(request: RunRequest, **extra: Any) -> Bloch | Pathways:
    """Return the engine that a request asks for."""
    options: dict[str, Any] = dict(request.engine) | extra
    name = options.pop("name", "bloch")
    if name not in ENGINE_NAMES:
        raise InputError(f"unknown engine '{name}'{did_you_mean(name, list(ENGINE_NAMES))}", key="--engine")
    kind = ENGINE_NAMES[name]
    if kind is Pathways:
        options.pop("longest", None)  # Pathways foretells no time and refuses no run for it
    known = [entry.name for entry in fields(kind)]
    for option in options:
        if option not in known:
            raise InputError(f"the {name} engine has no option '{option}'{did_you_mean(option, known)}", key=option)
    nominal = {"profile": "ideal"} if kind is Pathways else {"ideal_slice": True}
    leave_out = {
        "slice-profile": nominal,
        "t2-prime": {"t2_prime": False},
        "chemical-shift": {"chemical_shift": False},
        "diffusion": {"diffuse": False},
    }
    for cause in request.without:
        options |= leave_out.get(cause, {})
    return kind(**options)


def as_played(images: Images | Waves, request: RunRequest) -> Images | Waves:
    """Return images whose protocol sheet says that slices are ideal, where the run played them so.

    A fit that takes the profile of the sheet's pulses into account would take out what was never there.
    """
    if "slice-profile" not in request.without or not isinstance(images, Images):
        return images
    sheet = dict(images.encoding)
    if "pulses" in sheet:
        sheet["pulses"] = {name: _nominal(pulse) for name, pulse in sheet["pulses"].items()}
    if "excitation_profile" in sheet:
        sheet["excitation_profile"] = "hard: nominal flips in a nominal slice"
    return replace(images, encoding=sheet)


def _nominal(pulse: Mapping[str, Any]) -> dict[str, Any]:
    """Return a sheet's pulse without a gradient and in no time, which turns everything by the nominal flip."""
    return {
        **pulse, "signal": np.asarray(pulse["signal"]) / INSTANT, "dwell": pulse["dwell"] * INSTANT,
        "centre": pulse["centre"] * INSTANT, "gradient": 0.0,
    }  # fmt: skip


def spin_engine_of(request: RunRequest) -> SpinSystem:
    """Return the engine of coupled spins: pulses as they are played, or ideal ones without the slice profile."""
    return SpinSystem(pulses="ideal" if "slice-profile" in request.without else "shaped")
