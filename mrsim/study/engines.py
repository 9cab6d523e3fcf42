"""Which engine a run asks for, and what its causes of error switch off."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from ..core.errors import InputError, did_you_mean
from ..simulate import Bloch, Pathways
from ..simulate.spin_systems import SpinSystem
from .request import RunRequest

ENGINE_NAMES: dict[str, type[Bloch | Pathways]] = {"bloch": Bloch, "pathways": Pathways}


def engine_of(request: RunRequest, **extra: Any) -> Bloch | Pathways:
    """Return the engine that a request asks for."""
    options: dict[str, Any] = dict(request.engine) | extra
    name = options.pop("name", "bloch")
    if name not in ENGINE_NAMES:
        raise InputError(f"unknown engine '{name}'{did_you_mean(name, list(ENGINE_NAMES))}", key="--engine")
    kind = ENGINE_NAMES[name]
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


def spin_engine_of(request: RunRequest) -> SpinSystem:
    """Return the engine of coupled spins: pulses as they are played, or ideal ones without the slice profile."""
    return SpinSystem(pulses="ideal" if "slice-profile" in request.without else "shaped")
