"""Spin objects of other simulators: KomaMRI's ``.phantom`` and JEMRIS's sample, both HDF5.

KomaMRI lists spins: ``position/x, y, z`` in m, ``contrast/ρ, T1, T2, T2s`` in s and
``Δw`` in rad/s, which precess as exp(-i Δw t), as here. JEMRIS fills a grid: ``sample/data`` in the order
(z, y, x, kind) of HDF5, its kinds M0, 1/T1, 1/T2, 1/T2* in 1/ms and the offset in rad/s; ``sample/resolution`` and
``sample/offset`` in mm. The offset has KomaMRI's sign, as KomaMRI reads such files.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..core.bounded import check_hdf5
from ..core.errors import InputError
from ..core.grid import Grid
from ..core.hdf5_file import write_hdf5
from ..core.storage import readable_as

if TYPE_CHECKING:
    import h5py

Array = NDArray[np.float64]
CONTRAST = {"ρ": "pd", "T1": "t1", "T2": "t2", "T2s": "t2_star", "Δw": "offset"}
"""KomaMRI's names and ours."""
DEFAULT = {"ρ": 1.0, "T1": 1e6, "T2": 1e6, "T2s": 1e6, "Δw": 0.0}
"""What KomaMRI takes for what a file does not say; its T1, T2 and T2s are 10^6 s."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SpinTable:
    """A list of spins."""

    position: Array
    """(n, 3) world, m."""
    values: dict[str, Array]
    """(n,) ``pd``, ``t1``, ``t2``, ``t2_star`` (s) and ``offset`` (Hz)."""


def read_koma(path: Path) -> SpinTable:
    """Return the spins of a KomaMRI file; a file with motion is refused."""
    with _opened(path) as file:
        count = int(file.attrs.get("Ns", -1))
        if "motion" in file and (
            len(file["motion"]) or _text(file["motion"].attrs.get("model", "")) not in ("", "NoMotion")
        ):
            raise InputError("holds spins that move; only objects at rest can be imported", file=path)
        places = [_koma(file["position"], axis, 0.0, count) for axis in "xyz"]
        values = {ours: _koma(file["contrast"], name, DEFAULT[name], count) for name, ours in CONTRAST.items()}
    values["offset"] = values["offset"] / (2 * math.pi)
    return SpinTable(position=np.stack(places, axis=1), values=values)


def write_koma(path: Path, spins: SpinTable, name: str) -> None:
    """Write spins as a KomaMRI file."""

    def fill(file: h5py.File) -> None:
        file.attrs["Version"], file.attrs["Name"] = "0.9.0", name
        file.attrs["Ns"] = len(spins.position)
        file.attrs["Dims"] = max(1, int(np.count_nonzero(np.ptp(spins.position, axis=0) > 0)))
        for axis, column in zip("xyz", spins.position.T, strict=True):
            file[f"position/{axis}"] = column
        for theirs, ours in CONTRAST.items():
            file[f"contrast/{theirs}"] = spins.values[ours] * (2 * math.pi if ours == "offset" else 1.0)

    write_hdf5(path, fill)


def read_jemris(path: Path) -> tuple[dict[str, Array], Grid]:
    """Return the (z, y, x) maps of a JEMRIS sample and their grid."""
    with _opened(path) as file:
        data = np.asarray(file["sample/data"][()], dtype=np.float64)
        step, shift = (
            np.ravel(file[f"sample/{key}"][()]).astype(np.float64) * 1e-3 for key in ("resolution", "offset")
        )
    if data.ndim == 3:
        data = data[None]
    if data.ndim != 4 or data.shape[-1] != 5 or len(step) != 3 or len(shift) != 3:
        raise InputError(f"has data of the shape {data.shape}; a sample has (z, y, x, 5)", file=path)
    pd, r1, r2, r2_star, offset = np.moveaxis(data, -1, 0)
    with np.errstate(divide="ignore"):
        times = {
            key: np.where(rate > 0, 1e-3 / rate, np.inf) for key, rate in (("t1", r1), ("t2", r2), ("t2_star", r2_star))
        }
    counts = np.array(pd.shape[::-1])
    centre = shift + (counts // 2 - (counts - 1) / 2) * step
    grid = Grid(
        shape=(pd.shape[0], pd.shape[1], pd.shape[2]),
        spacing=(float(step[0]), float(step[1]), float(step[2])),
        centre=(float(centre[0]), float(centre[1]), float(centre[2])),
    )
    return {"pd": pd, **times, "offset": offset / (2 * math.pi)}, grid


def write_jemris(path: Path, maps: dict[str, Array], grid: Grid) -> None:
    """Write (z, y, x) maps ``pd, t1, t2, t2_star`` (s), ``offset`` (Hz) on a grid along the world's axes."""
    if not np.allclose(grid.axes, np.eye(3), atol=1e-9):
        raise InputError("a JEMRIS sample lies along the world's axes; resample the grid", key="grid")
    held = maps["pd"] > 0
    rates = [np.where(held, 1e-3 / np.where(held, maps[key], 1.0), 0.0) for key in ("t1", "t2", "t2_star")]
    data = np.stack([maps["pd"], *rates, maps["offset"] * 2 * math.pi], axis=-1)
    step, counts = np.asarray(grid.spacing), np.array(grid.shape[::-1])
    shift = np.asarray(grid.centre) - (counts // 2 - (counts - 1) / 2) * step

    def fill(file: h5py.File) -> None:
        file["sample/data"] = data
        file["sample/resolution"], file["sample/offset"] = 1e3 * step[None], 1e3 * shift[None]

    write_hdf5(path, fill)


def _koma(group: Any, name: str, default: float, count: int) -> Array:
    """Return one column; older files hold it in a group, perhaps as an index into a table."""
    if name not in group:
        return np.full(count, default)
    node = group[name]
    if hasattr(node, "keys"):
        if "values" not in node:
            return np.full(count, default)
        values = np.asarray(node["values"][()], dtype=np.float64)
        if "table" in node:
            values = np.asarray(node["table"][()], dtype=np.float64)[values.astype(np.int64) - 1]
    else:
        values = np.asarray(node[()], dtype=np.float64)
    if values.shape != (count,):
        raise InputError(f"'{name}' has the shape {values.shape}; {count} spins need ({count},)", key=name)
    return values


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open an HDF5 file; what is missing in it becomes an `InputError`."""
    import h5py

    with readable_as("HDF5 file with spins", path), h5py.File(path, "r") as file:
        check_hdf5(file, path)
        try:
            yield file
        except KeyError as missing:
            raise InputError(f"is not laid out as expected: {missing.args[0]}", file=path) from None


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
