"""Joins phantom, wave solver and scan: what shakes a phantom by name, and the phantom that a file of waves moves."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError, did_you_mean
from ..core.grid import Grid
from ..core.storage import load
from ..core.units import parse_quantity
from ..core.wave import Waves
from ..phantom.motion import Vibration
from ..phantom.phantom import Phantom
from ..phantom.stiffness import density_of, law_of
from ..phantom.tissue import Tissue
from ..plan.answer import said
from ..recon.offset_wraps import check_count
from ..sequence.sequence import Sequence
from ..simulate.elastic.body import POINTS
from ..simulate.elastic.in_phantom import moving_tissues, vibrating, waves_in
from .import_phantom import open_phantom
from .request import RunRequest
from .rheology_text import law_in_words
from .run_table import RunTable

ELEMENT = 2e-3
"""Side of the elements of a run, m, unless waves need less or the body is so large that they may be larger."""
UNKNOWNS, EACH = 1.5e5, 25
"""Unknowns of a body above which its elements may be larger, and how many an element has."""
MOST_SHEAR = 0.1
"""Shear by a wave up to which it is linear: half of its square, 5 % of it, is left out."""
STILL = "none"
"""A drive that leaves the phantom at rest."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shaking:
    """What is shaken, and how."""

    phantom: str
    """Name or path."""
    frequencies: tuple[float, ...]
    """Hz."""
    drives: tuple[str, ...]
    """``"SIDE=MOTION"``, e.g. ``"+z=0 8 0 um"``."""
    absorbing: tuple[str, ...] = ()
    element: str = "2 mm"
    """Size of the elements."""
    tissues: tuple[str, ...] = ()
    law: str = "springpot"
    moduli: tuple[str, ...] = ()
    """``"TISSUE=LAW NUMBERS"`` in place of what the tissues' files say; see `rheology_text`."""
    anisotropy: tuple[float, float] | None = None
    """phi and zeta of the fibres in lamellae."""
    field: float = 3.0
    """T."""
    grade: int | None = None
    materials: tuple[str, ...] = ()


def shaken(asked: Shaking, progress: Callable[[int, int], None] | None = None) -> Waves:
    """Return the waves in a phantom that is shaken."""
    phantom = open_phantom(asked.phantom, asked.field, asked.grade, asked.materials)
    drives = dict(_drive(text) for text in asked.drives)
    laws = dict(law_in_words(text, "--modulus") for text in asked.moduli)
    tissues = asked.tissues or tuple(dict.fromkeys((*moving_tissues(phantom), *laws)))
    names = [tissue.name for tissue in phantom.tissues]
    for name in (*tissues, *laws):
        if name not in names:
            key = "--modulus" if name in laws else "--tissue"
            raise InputError(f"{phantom.name} has no tissue '{name}'{did_you_mean(name, names)}", key=key)
    grid = _grid(phantom, tissues, _lengths(asked.element, "--element")[0])
    return waves_in(
        phantom, grid, asked.frequencies, drives, tissues=tissues, law=asked.law, absorbing=asked.absorbing,
        anisotropy=asked.anisotropy, laws=laws, progress=progress,
    )  # fmt: skip


def moved_by(phantom: Phantom, path: str) -> Phantom:
    """Return the phantom as the waves in a file move it."""
    waves = load(Path(path), "waves")
    if not isinstance(waves, Waves):
        raise InputError(f"{path} holds no waves; make them with 'mrsim shake'", key="--waves")
    return vibrating(phantom, waves)


def shaking(request: RunRequest, defaults: RunTable) -> RunRequest:
    """Return a request with its protocol's drive and materials, which belong to the protocol's own phantom."""
    if request.drives == (STILL,):
        return replace(request, drives=())
    if request.phantom not in (None, defaults.phantom):
        return request
    drives = request.drives or (() if request.vibration else defaults.drive)
    return replace(request, drives=drives, materials=request.materials or defaults.materials)


def check_drives(phantom: Phantom, drives: tuple[str, ...], sequence: Sequence) -> None:
    """Refuse, before anything is solved, offsets that fold harmonics and drives beyond what linear waves hold.

    A wave of amplitude A and wavenumber k shears its tissue by |k| A; what linear strain leaves out is half of its
    square. The softest tissue is taken.

    Parameters
    ----------
    phantom : Phantom
        At rest.
    drives : tuple of str
        ``"SIDE=MOTION"``; nothing is asked of none.
    sequence : Sequence
    """
    if not drives:
        return
    frequency = sequence.encoding.sheet.get("vibration_frequency")
    if frequency is None:
        raise InputError("the protocol encodes no vibration; take one of elastography", key="--drive")
    check_offsets(sequence)
    waves = {t.name: _wave(t, phantom.field, float(frequency)) for t in _moving(phantom, moving_tissues(phantom))}
    softest = min(waves, key=lambda name: waves[name], default=None)
    if softest is None:
        return
    length = waves[softest]
    for text in drives:
        far = amplitude_of(text)
        if (shear := 2 * math.pi * far / length) > MOST_SHEAR:
            most = said(MOST_SHEAR * length / (2 * math.pi), "m")
            raise InputError(
                f"'{text}' moves by {said(far, 'm')}, which shears {softest} by {shear:.2g} in a wave of "
                f"{said(length, 'm')} at {frequency:g} Hz; waves are linear to {MOST_SHEAR:g}: move by {most} or less",
                key="--drive",
            )


def check_offsets(sequence: Sequence) -> None:
    """Refuse a sequence of elastography whose offsets of the vibration fold harmonics."""
    check_count(len(np.unique(sequence.encoding.contrast["vibration_offset"])))


def driven(phantom: Phantom, drives: tuple[str, ...], sequence: Sequence) -> Phantom:
    """Return the phantom as it moves when it is shaken at the vibration that a sequence encodes.

    drives : ``"SIDE=MOTION"``, which `check_drives` allows. The solver's elements have 2 mm, or less where the shortest
    wave needs it.
    """
    frequency, tissues = float(sequence.encoding.sheet["vibration_frequency"]), moving_tissues(phantom)
    grid = _grid(phantom, tissues, _element(phantom, tissues, frequency))
    sides = dict(_drive(text) for text in drives)
    return vibrating(phantom, waves_in(phantom, grid, (frequency,), sides, tissues=tissues))


def _moving(phantom: Phantom, names: tuple[str, ...]) -> list[Tissue]:
    return [tissue for tissue in phantom.tissues if tissue.name in names]


def _wave(tissue: Tissue, field: float, frequency: float) -> float:
    """Return 2 pi / |k| of a tissue's shear waves, m."""
    return math.sqrt(abs(law_of(tissue, field).at(frequency)) / density_of(tissue, field)) / frequency


def _element(phantom: Phantom, tissues: tuple[str, ...], frequency: float) -> float:
    """Return the size of elements, m: `ELEMENT`, more in a large body, never more than the shortest wave allows."""
    waves = [2 / POINTS * _wave(tissue, phantom.field, frequency) for tissue in _moving(phantom, tissues)]
    low, high = phantom.part(np.array([tissue.name in tissues for tissue in phantom.tissues])).box()
    coarse = (EACH * float(np.prod(high - low)) / UNKNOWNS) ** (1 / 3)
    size = min([max(ELEMENT, coarse if math.isfinite(coarse) else ELEMENT), *waves])
    return math.floor(size * 1e5) / 1e5


def offset_steps(sequence: Sequence, u: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Return the (direction, z, ...) largest steps of phase, rad, between neighbouring offsets of a vibration.

    u : (z, ..., axis) displacement in the axes of the sequence's grid, m; z of one is alike in all slices.
    """
    table, told = sequence.encoding.contrast, np.asarray(sequence.encoding.sheet["motion_encoding"])
    ones = np.ones(len(told))
    xi = told * np.asarray(table.get("motion_polarity", ones))[:, None, None]
    keys = np.stack([*(np.asarray(table[f"direction_{a}"]) for a in "xyz"), table.get("polarity", ones)])
    found = []
    for key in np.unique(keys, axis=1).T:
        own = (key == keys.T).all(axis=1)
        offset = np.asarray(table["vibration_offset"])[own]
        turns = np.array([xi[own][offset == n].sum(axis=0) for n in np.unique(offset)])  # both polarities: difference
        steps = np.einsum("nzc,z...c->nz...", np.roll(turns, -1, axis=0) - turns, u).real
        found.append(np.abs(steps).max(axis=0))
    return np.array(found)


def _solved_steps(phantom: Phantom, sequence: Sequence) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return (direction, voxel) steps of the moving voxels, rad, and their amplitudes, m; None where none moves."""
    sheet, grid = sequence.encoding.sheet, sequence.encoding.grid
    frequency = sheet.get("vibration_frequency")
    moves = [m for m in phantom.motion if isinstance(m, Vibration) and m.frequency == frequency]
    if "motion_encoding" not in sheet or not moves:
        return None
    z, y, x = np.meshgrid(*(grid.coordinates(axis) for axis in (2, 1, 0)), indexing="ij")
    places = grid.to_world(np.stack([x, y, z], axis=-1).reshape(-1, 3))
    u = np.sum([move.field(places) for move in moves], axis=0, dtype=np.complex128) @ grid.axes
    far = np.linalg.norm(np.abs(u), axis=-1)
    steps = offset_steps(sequence, u.reshape(*grid.shape, 3)).reshape(-1, len(far))
    return (steps[:, far > 0], far[far > 0]) if far.any() else None


def check_wraps(phantom: Phantom, sequence: Sequence) -> None:
    """Refuse a solved motion by which every moving voxel's phase steps by more than half a turn between offsets."""
    found = _solved_steps(phantom, sequence)
    if found is None or (least := float(found[0].min(axis=1).max())) <= np.pi:
        return
    steps, far = found
    most = far.max() * np.pi / steps.max()
    raise InputError(
        f"the solved motion of {far.min() * 1e6:.3g} to {far.max() * 1e6:.3g} um turns the phase of every voxel that "
        f"moves by {least:.3g} rad or more between neighbouring offsets, which wraps beyond recovery above "
        f"{np.pi:.3g} rad: shake by {most * 1e6:.2g} um or less, encode less, or at more offsets",
        key="--drive",
    )


def wrap_notes(phantom: Phantom, sequence: Sequence) -> tuple[str, ...]:
    """Return a warning if the phase of the solved motion steps by more than half a turn between offsets."""
    found = _solved_steps(phantom, sequence)
    if found is None or (step := float(found[0].max())) <= np.pi:
        return ()
    most = float(found[1].max()) * 1e6
    said_so = (
        f"the motion of up to {most:.3g} um turns phases by up to {step:.3g} rad between neighbouring offsets, which "
        f"wraps above {np.pi:.3g} rad: shake by {most * np.pi / step:.2g} um or less, encode less, or at more offsets"
    )
    return (said_so,)


def drive_of(text: str) -> NDArray[np.complex128]:
    """Return the (3,) motion, m, along the world's axes, of ``"SIDE=MOTION"``."""
    return np.array(_drive(text)[1])


def amplitude_of(text: str) -> float:
    """Return the amplitude, m, of ``"SIDE=MOTION"``."""
    return float(np.linalg.norm(_drive(text)[1]))


def _drive(text: str) -> tuple[str, tuple[complex, ...]]:
    side, _, motion = text.partition("=")
    parts = _lengths(motion, "--drive") if motion else ()
    if len(parts) != 3:
        raise InputError(f"'{text}' names no motion of three components; write e.g. +z=0 8 0 um", key="--drive")
    return side.strip(), tuple(complex(part) for part in parts)


def _lengths(text: str, key: str) -> tuple[float, ...]:
    """Return lengths, m, from text with a unit."""
    try:
        return parse_quantity(text, "length")
    except ValueError as problem:
        raise InputError(str(problem), key=key) from None


def _grid(phantom: Phantom, tissues: tuple[str, ...], spacing: float) -> Grid:
    """Return the voxels of a size that hold some tissues, in world axes."""
    if not spacing > 0:
        raise InputError(f"{spacing:g} m is no size of an element", key="--element")
    low, high = phantom.part(np.array([tissue.name in tissues for tissue in phantom.tissues])).box()
    if not np.all(np.isfinite([low, high])):
        raise InputError(f"{phantom.name} does not end along some axis, so that waves in it have no end", key="phantom")
    counts = np.maximum(np.ceil((high - low) / spacing - 1e-9).astype(int), 1)
    first = (low + high) / 2 - (counts - 1) / 2 * spacing
    centre = first + counts // 2 * spacing
    x, y, z = (float(v) for v in centre)
    return Grid(shape=(int(counts[2]), int(counts[1]), int(counts[0])), spacing=(spacing,) * 3, centre=(x, y, z))
