"""Phantoms from other programs' files, and back: NIfTI labels and maps, HDF5 maps, KomaMRI, JEMRIS.

A phantom file with a ``[voxels]`` table names a label image and the tissue of each label, or a map per parameter;
``.phantom`` files are KomaMRI's, ``.h5`` files hold a sample of JEMRIS or `Maps` of mrsim.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.grid import Grid
from ..core.maps import Maps
from ..core.storage import load, readable_as
from ..core.toml import read_toml, resource, structure
from ..core.units import parse_quantity
from ..exchange.nifti import read_labels, read_volume
from ..exchange.spin_files import SpinTable, read_jemris, read_koma
from ..phantom.phantom import Phantom
from ..phantom.phantom_file import Grade, grade_numbers, load_phantom
from ..phantom.plausible import check_grid, check_maps
from ..phantom.spin_lists import phantom_of_lines
from ..phantom.spins import Spins
from ..phantom.tissue import load_tissue
from ..phantom.tissue_file import GRADES
from ..phantom.voxel_maps import phantom_of_maps
from ..phantom.voxels import Segment, VoxelPhantom, voxel_phantom

Array = NDArray[np.float64]
UNITS = {"t1": "ms", "t2": "ms", "t2_star": "ms", "pd": "1", "offset": "Hz"}
"""Unit of NIfTI maps whose file does not say: relaxation times, proton density as a fraction of water's, offset."""
DIMENSIONS = {"t1": "time", "t2": "time", "t2_star": "time", "pd": "fraction", "offset": "frequency"}
IN_SECONDS = "times are in s and pd is a fraction of water's in such a file; convert the values"


@dataclass(frozen=True, kw_only=True, slots=True)
class VoxelTable:
    """The [voxels] table of a phantom file; paths start at the file's folder."""

    labels: str = ""
    """NIfTI file of whole numbers."""
    tissues: dict[str, str] = dataclasses.field(default_factory=dict)
    """Tissue of each label, e.g. ``1 = "csf"``; 0 is background."""
    grades: dict[str, int] = dataclasses.field(default_factory=dict)
    """Pfirrmann grade of single labels, e.g. ``1203 = 4``; others have that of the run, or their tissue's default."""
    names: dict[str, str] = dataclasses.field(default_factory=dict)
    """Name of single labels, e.g. ``1203 = "nucleus_pulposus_L3/4"``; others have their tissue's."""
    maps: dict[str, str] = dataclasses.field(default_factory=dict)
    """NIfTI file per parameter: t1, t2, t2_star, pd, offset."""
    units: dict[str, str] = dataclasses.field(default_factory=dict)
    """Unit per parameter, e.g. ``t1 = "s"``, ``pd = "%"``; by default ms, fractions and Hz."""
    tolerance: float = 1e-3
    """Values closer than this, relative, become one tissue."""


def open_phantom(
    name: str, field: float, grade: Grade = None, materials: tuple[str, ...] = (), extrapolate: bool = False
) -> Phantom:
    """Return a phantom by name or path, from a file of mrsim or of another program."""
    path = Path(name)
    if name.endswith(".phantom"):
        return phantom_of_spins(path.stem, read_koma(path), field, path)
    if name.endswith((".h5", ".hdf5")):
        return _known_file(_phantom_of_hdf5(path, field), path)
    found = resource(name, "phantoms", "phantom")
    table = read_toml(found)
    if "voxels" not in table:
        return load_phantom(name, field, grade, materials, extrapolate)
    voxels = structure(table["voxels"], VoxelTable, found, ("voxels",))
    extra = [key for key in table if key not in ("description", "voxels", "extrapolate")]
    if extra:
        raise InputError("has no place beside [voxels]", key=extra[0], file=found)
    numbers = grade_numbers(grade)
    if len(numbers) > 1:
        raise InputError(f"{len(numbers)} grades for voxels; give one", key="grade", file=found)
    one = numbers[0] if numbers else None
    allowed = extrapolate or table.get("extrapolate") is True
    made = _labelled(voxels, found, field, one, materials, allowed) if voxels.labels else _mapped(voxels, found, field)
    return _known_file(replace(made, description=str(table.get("description", made.description)), grade=one), found)


def phantom_of_spins(name: str, spins: SpinTable, field: float, path: Path) -> VoxelPhantom:
    """Return spins on a regular lattice as voxels; others are refused."""
    grid, index = _lattice(spins.position, path)
    check_grid(grid, path)
    values = spins.values | {"t2_star": np.minimum(spins.values["t2_star"], spins.values["t2"])}
    with readable_as("lattice of spins", path):
        place = np.ravel_multi_index(tuple(index), grid.shape)
    if len(np.unique(place)) < len(place):
        check_maps({key: column.reshape(1, 1, -1) for key, column in values.items()}, path, remedy=IN_SECONDS)
        held = values["pd"] > 0
        kept = {key: column[held] for key, column in values.items()}
        return _known_file(phantom_of_lines(name, kept, place[held], grid, field, path.name), path)
    maps = {}
    for key, column in values.items():
        maps[key] = np.zeros(grid.shape)
        maps[key][tuple(index)] = column
    check_maps(maps, path, remedy=IN_SECONDS)
    return _known_file(phantom_of_maps(name, maps, grid, field, source=path.name), path)


def spin_table(spins: Spins, grid: Grid) -> SpinTable:
    """Return sampled spins as a list; pools and what is not water at rest have no place there."""
    if any(len(pools) != 1 or pools[0].exchange for pools in spins.pools) or spins.motion:
        raise InputError("only tissues of one pool, at rest, can be written as a list of spins", key="phantom")
    pool = [spins.pools[i][0] for i in spins.tissue]
    share = spins.volume / grid.voxel_volume
    return SpinTable(
        position=grid.to_world(spins.position),
        values={
            "pd": share * [p.pd for p in pool],
            "t1": np.array([p.t1 for p in pool]),
            "t2": np.array([p.t2 for p in pool]),
            "t2_star": 1 / np.array([1 / p.t2 + 1 / p.t2_prime for p in pool]),
            "offset": spins.offset,
        },
    )


def _labelled(
    table: VoxelTable, path: Path, field: float, grade: int | None, materials: tuple[str, ...], extrapolate: bool
) -> VoxelPhantom:
    values, grid = read_labels(path.parent / table.labels)
    check_grid(grid, path.parent / table.labels)
    found = np.unique(np.concatenate([np.unique(layer) for layer in values]))
    wanted, graded, named = (
        _by_label(entries, f"voxels.{key}", path)
        for key, entries in (("tissues", table.tissues), ("grades", table.grades), ("names", table.names))
    )
    unknown = [int(label) for label in found if label != 0 and int(label) not in wanted]
    if unknown:
        shown = ", ".join(map(str, unknown[:8]))
        raise InputError(
            f"no tissue is named for the labels {shown} of {table.labels}", key="voxels.tissues", file=path
        )
    present = [int(label) for label in found if label != 0]
    kinds = list(dict.fromkeys((wanted[label], graded.get(label)) for label in present))
    tissues = []
    for name, own in kinds:
        tissue = load_tissue(name, own if own is not None else grade, field, materials, extrapolate)
        tissues.append(tissue if own is None else replace(tissue, name=f"{tissue.name}_{GRADES[own - 1]}"))
    labels, segments = np.full(grid.shape, -1, dtype=np.int16), []
    for place, label in enumerate(present):
        kind = kinds.index((wanted[label], graded.get(label)))
        alone = sum(wanted[other] == wanted[label] for other in present) == 1
        name = named.get(label) or (tissues[kind].name if alone else f"{tissues[kind].name}_{label}")
        segments.append(Segment(name=name, label=label, tissue=kind))
        labels[values == label] = place
    return voxel_phantom(path.stem, labels, grid, tuple(tissues), field, segments=tuple(segments))


def _by_label(entries: dict[str, Any], key: str, path: Path) -> dict[int, Any]:
    """Return a table by label."""
    if not all(text.lstrip("-").isdigit() for text in entries):
        raise InputError('needs whole numbers as keys, e.g. 1 = "csf"', key=key, file=path)
    return {int(text): entry for text, entry in entries.items()}


def _mapped(table: VoxelTable, path: Path, field: float) -> VoxelPhantom:
    unknown = [key for key in table.maps if key not in UNITS]
    if unknown or not table.maps:
        raise InputError(f"give labels, or maps of {', '.join(UNITS)}", key="voxels.maps", file=path)
    maps, grids, factors = {}, [], _factors(table, path)
    for key, name in table.maps.items():
        values, grid = read_volume(path.parent / name)
        check_grid(grid, path.parent / name)
        maps[key] = values * factors[key]
        grids.append(grid)
    for name, grid in zip(table.maps.values(), grids, strict=True):
        if grid.shape != grids[0].shape or not np.allclose(grid.affine(), grids[0].affine(), atol=1e-6):
            raise InputError(f"{name} does not lie on the grid of the other maps", key="voxels.maps", file=path)
    remedy = 'state the map\'s unit if it is another, e.g. [voxels.units] t1 = "s", t2 = "s", pd = "%"'
    check_maps(maps, path, "voxels.maps.", remedy, tuple(table.units))
    return phantom_of_maps(path.stem, maps, grids[0], field, table.tolerance, path.name)


def _factors(table: VoxelTable, path: Path) -> dict[str, float]:
    """Return the SI factor of every map."""
    factors = {}
    for key, unit in (UNITS | table.units).items():
        place = f"voxels.units.{key}"
        if key not in UNITS:
            raise InputError(f"is none of {', '.join(UNITS)}", key=place, file=path)
        try:
            (factors[key],) = parse_quantity("1" if unit == "1" else f"1 {unit}", DIMENSIONS[key])
        except ValueError as problem:
            raise InputError(str(problem), key=place, file=path) from None
    return factors


def _phantom_of_hdf5(path: Path, field: float) -> VoxelPhantom:
    import h5py

    if not path.is_file():
        raise InputError("no such file", file=path)
    if h5py.is_hdf5(path):
        with readable_as("HDF5 file with a phantom", path), h5py.File(path, "r") as file:
            jemris = "sample/data" in file
        if jemris:
            return _checked(path, *read_jemris(path), field)
    found: list[Any] = [value for value in load(path).values() if isinstance(value, Maps)]
    if len(found) != 1:
        raise InputError(f"holds {len(found)} sets of maps; it needs one, or a JEMRIS sample", file=path)
    values = {key: np.nan_to_num(value) for key, value in found[0].values.items() if key in UNITS}
    return _checked(path, values, found[0].grid, field)


def _checked(path: Path, maps: dict[str, Array], grid: Grid, field: float) -> VoxelPhantom:
    check_grid(grid, path)
    check_maps(maps, path, remedy=IN_SECONDS)
    return phantom_of_maps(path.stem, maps, grid, field, source=path.name)


def _lattice(position: Array, path: Path) -> tuple[Grid, NDArray[np.int64]]:
    """Return the grid whose voxels' centres are the spins, and the (3, n) indices z, y, x."""
    if len(position) == 0:
        raise InputError("holds no spins", file=path)
    firsts, steps, index = [], [], []
    for column in position.T:
        gaps = np.diff(np.unique(column))
        gaps = gaps[gaps > 1e-7]  # positions in single precision differ by less
        steps.append(float(np.median(gaps[gaps < 1.5 * gaps.min()])) if len(gaps) else 0.0)
        firsts.append(float(column.min()))
    fallback = max(steps) or 1e-3
    steps = [step or fallback for step in steps]
    for column, first, step in zip(position.T, firsts, steps, strict=True):
        at = (column - first) / step
        if np.abs(at - np.rint(at)).max() > 0.05:
            raise InputError("holds spins that do not lie on a regular lattice; resample them", file=path)
        index.append(np.rint(at).astype(np.int64))
    counts = [int(axis.max()) + 1 for axis in index]
    x, y, z = (first + n // 2 * step for first, n, step in zip(firsts, counts, steps, strict=True))
    grid = Grid(shape=(counts[2], counts[1], counts[0]), spacing=(steps[0], steps[1], steps[2]), centre=(x, y, z))
    return grid, np.array(index[::-1])


def _known_file(phantom: VoxelPhantom, path: Path) -> VoxelPhantom:
    if not np.any(phantom.labels >= 0):
        raise InputError("holds no voxel with a tissue; nothing could be seen of it", file=path)
    return replace(phantom, history=phantom.history | {"file": str(path.resolve())})
