"""What becomes of noise-free raw data: the body breathes and its pulse beats, and the receiver adds its noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from ..core.acquisition import Acquisition
from ..core.errors import InputError, did_you_mean
from ..core.toml import structure
from ..simulate import Physiology, add_noise, add_physiology
from .reconstruction import read_reconstruction
from .request import RunRequest, check_effects


def read_physiology(entries: Mapping[str, str]) -> Physiology | None:
    """Return a body's fluctuations from texts with units: ``{"field": "2 Hz", "drift": "1 %"}``; None from none.

    Parameters
    ----------
    entries : mapping
        Field of `mrsim.Physiology` -> text.
    """
    if not entries:
        return None
    known = [entry.name for entry in fields(Physiology)]
    for key in entries:
        if key not in known:
            raise InputError(f"unknown key{did_you_mean(key, known)}", key=f"--physiology {key}")
    try:
        return structure(entries, Physiology, Path())
    except InputError as error:
        raise InputError(error.problem, key=f"--physiology {error.key}") from None


def check_asked(request: RunRequest) -> None:
    """Raise an `InputError` unless the causes, effects and fluctuations of a request are such as there are."""
    check_effects(request)
    read_reconstruction(request.recon)
    read_physiology(request.physiology)


def measured(raw: Acquisition, request: RunRequest) -> Acquisition:
    """Return the raw data of a request: with its body's fluctuations, and noise unless it is left out.

    Parameters
    ----------
    raw : Acquisition
        Noise-free.
    request : RunRequest
        Its seed draws both; the fluctuations are the same with and without noise.
    """
    body = read_physiology(request.physiology)
    if "noise" not in request.without:
        silent = read_reconstruction(request.recon).noise_scan
        return add_noise(raw, rng=request.seed, physiology=body, prescan=silent)
    return raw if body is None else add_physiology(raw, body, request.seed)
