"""Fitters that take part in a contest: our models, anybody's Python function, any program that reads NIfTI files."""

from __future__ import annotations

import json
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..core.errors import InputError
from ..core.images import Images
from ..core.maps import Maps
from ..core.units import UNITS, dimension_of, si_unit
from ..exchange.bids import write_bids
from ..exchange.nifti import read_volume, turned_to, write_volume
from ..fit.fit import fit
from ..fit.models import MODELS, find_model

LONGEST = 3600.0
"""Seconds that a program may take."""
SAID = 400
"""Characters of a failed program's last words that are shown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entrant:
    """A fitter with a name."""

    name: str
    fit: Callable[[Images], Maps]
    """Images to maps; it sees what a scanner would give and nothing of the truth."""


def by_model(model: str, name: str = "", **options: Any) -> Entrant:
    """Return one of our signal models as an entrant; `options` go to `mr.fit`."""
    chosen = find_model(model)
    return Entrant(name=name or model, fit=lambda images: fit(images, chosen, **options))


def by_function(
    name: str, function: Callable[[Images], Mapping[str, ArrayLike]], units: Mapping[str, str] | None = None
) -> Entrant:
    """Return a Python function as an entrant.

    Parameters
    ----------
    name : str
    function : callable
        Takes `Images`; returns per parameter a (z, y, x) array, NaN where it has no value. The parameters' names are
        those of the truth: ``t1``, ``t2``, ``md``, ...
    units : mapping, optional
        Units other than SI, e.g. ``{"t2": "ms"}``.
    """
    known = {entry.name: entry.unit for model in MODELS for entry in (*model.parameters, *model.derived)}

    def run(images: Images) -> Maps:
        return maps_of(name, images, function(images), known | dict(units or {}))

    return Entrant(name=name, fit=run)


def by_program(name: str, command: str, outputs: Mapping[str, tuple[str, str]], longest: float = LONGEST) -> Entrant:
    """Return an external program as an entrant.

    Parameters
    ----------
    name : str
    command : str
        With the places of what it reads and writes: ``{images}`` a NIfTI series of magnitudes (x, y, z, image),
        ``{phase}`` of phases, ``{table}`` a JSON file with the contrast table (SI units) and the noise, ``{bids}`` a
        BIDS data set of the images, ``{maps}`` the folder for its maps. No shell is involved.
    outputs : mapping
        Parameter -> (file in the folder for maps, unit).
    longest : float
        s; a program that takes longer is stopped.
    """
    if not outputs:
        raise InputError("says no map that the program writes; give e.g. t2=t2.nii.gz,ms", key=name)

    def run(images: Images) -> Maps:
        with tempfile.TemporaryDirectory(prefix="mrsim-contest-") as made:
            folder = Path(made)
            _called(name, command, _places(folder, images, command), longest)
            read = {parameter: _read(name, folder / "maps" / file, images) for parameter, (file, _) in outputs.items()}
        return maps_of(name, images, read, {parameter: unit for parameter, (_, unit) in outputs.items()})

    return Entrant(name=name, fit=run)


def maps_of(name: str, images: Images, values: Mapping[str, ArrayLike], units: Mapping[str, str]) -> Maps:
    """Return arrays in any unit as maps in SI; what is not finite counts as not fitted."""
    found, si = {}, {}
    for parameter, array in values.items():
        if parameter not in units:
            raise InputError(f"has no unit; say one for '{parameter}', e.g. 's', or '' for a pure number", key=name)
        factor, si[parameter] = _factor(units[parameter], name)
        found[parameter] = np.asarray(array, dtype=np.float64) * factor
        if found[parameter].shape != images.grid.shape:
            problem = f"gives '{parameter}' the shape {found[parameter].shape}, the images have {images.grid.shape}"
            raise InputError(problem, key=name)
    if not found:
        raise InputError("gives no map", key=name)
    finite = np.all([np.isfinite(array) for array in found.values()], axis=0)
    unknown = {parameter: np.full(array.shape, np.nan) for parameter, array in found.items()}
    return Maps(
        grid=images.grid, values=found, errors=unknown, units=si, model=name,
        status=np.where(finite, 0, 4).astype(np.int8),
    )  # fmt: skip


def _factor(unit: str, name: str) -> tuple[float, str]:
    dimension = dimension_of(unit)
    if dimension is None:
        raise InputError(f"has the unknown unit '{unit}'", key=name)
    return UNITS[dimension][unit], si_unit(dimension)


def _places(folder: Path, images: Images, command: str) -> dict[str, str]:
    """Write what the command asks for; return the paths."""
    places = {key: str(folder / file) for key, file in
              {"images": "images.nii.gz", "phase": "phase.nii.gz", "table": "table.json", "bids": "bids",
               "maps": "maps"}.items()}  # fmt: skip
    (folder / "maps").mkdir()
    grid = replace(images.grid, gap=0.0) if images.grid.gap else images.grid
    write_volume(Path(places["images"]), np.abs(images.data), grid)
    if "{phase}" in command:
        write_volume(Path(places["phase"]), np.angle(images.data), grid)
    table = {name: np.asarray(column).tolist() for name, column in images.contrast.items()}
    noise = float(np.mean(images.sigma)) if images.noisy else 0.0
    Path(places["table"]).write_text(json.dumps({"contrast": table, "sigma": noise}, indent=1), encoding="utf-8")
    if "{bids}" in command:
        write_bids(Path(places["bids"]), images)
    return places


def _called(name: str, command: str, places: dict[str, str], longest: float) -> None:
    try:
        words = [word.format_map(places) for word in shlex.split(command)]
    except (KeyError, ValueError, IndexError) as problem:
        raise InputError(
            f"cannot read the command '{command}': {problem}; known: {', '.join(places)}", key=name
        ) from None
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=longest, check=False, errors="replace")
    except FileNotFoundError:
        raise InputError(f"there is no program '{words[0]}'", key=name) from None
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise InputError(f"'{words[0]}' did not finish: {problem}", key=name) from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-SAID:]
        raise InputError(f"'{words[0]}' ended with code {done.returncode}: {said}", key=name)


def _read(name: str, file: Path, images: Images) -> np.ndarray[Any, np.dtype[np.float64]]:
    if not file.is_file():
        raise InputError(f"wrote no '{file.name}'", key=name)
    values, grid = read_volume(file)
    turned = turned_to(values, grid, images.grid)
    if turned is None:
        raise InputError(f"wrote '{file.name}' on another grid than that of the images; keep their affine", key=name)
    return turned
