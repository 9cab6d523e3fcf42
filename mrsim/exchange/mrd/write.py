"""An `Acquisition` as an MRD file, one acquisition per readout, in the order of the groups."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...core.acquisition import Acquisition, Readouts
from ...core.errors import InputError
from ...core.hdf5_file import write_hdf5
from .header import COUNTERS, extra_labels, mrd_header

if TYPE_CHECKING:
    import h5py

LPS = np.diag([-1.0, -1.0, 1.0])
"""World RAS to LPS and back."""
FLAGS = {"noise": 19, "calibration": 20, "navigator": 23}
"""MRD's flag, counted from 1, of a group."""
REVERSE, LAST = 22, 25
UNUSED = sum(1 << (flag - 1) for flag in (26, 27, 28, 29))
"""Flags of acquisitions that make no image: feedback, dummy scans, surface-coil correction."""
LARGEST = 65535
"""MRD's counters and sample numbers have 16 bits."""


def write_mrd(raw: Acquisition, path: Path | str, name: str = "mrsim") -> None:
    """Write raw data, in single precision, as an MRD file (HDF5, group ``dataset``).

    Parameters
    ----------
    raw : Acquisition
    path : path
        Replaced as a whole or not at all.
    name : str
        What the sequence is called in the header.
    """
    import ismrmrd
    from ismrmrd.file import Container

    header = mrd_header(raw, name)
    rows = [row for index, purpose in enumerate(raw.groups) for row in _rows(raw, purpose, index)]
    table = np.array(rows, dtype=ismrmrd.hdf5.acquisition_dtype)
    table["head"]["scan_counter"] = np.arange(len(table))
    table["head"]["flags"][-1] |= np.uint64(1 << (LAST - 1))

    def fill(file: h5py.File) -> None:
        container = Container(file.create_group("dataset"))
        container.header = header
        container._contents.create_dataset("data", data=table, maxshape=(None,), chunks=True)

    write_hdf5(path, fill)


def _rows(raw: Acquisition, purpose: str, index: int) -> list[tuple[Any, ...]]:
    """Return (head, trajectory, data) of every readout of a group."""
    group = raw.groups[purpose]
    cartesian = raw.encoding.k_from == "labels" and purpose == "imaging"
    heads = _heads(raw, group, purpose, index, 0 if cartesian else 3)
    nz, ny, nx = raw.encoding.grid.shape
    dx, dy, dz = raw.encoding.grid.spacing
    k = np.ascontiguousarray(group.k * np.array([nx * dx, ny * dy, nz * dz]), dtype=np.float32)
    empty = np.zeros(0, dtype=np.float32)
    data = np.ascontiguousarray(group.data, dtype=np.complex64).view(np.float32).reshape(len(group.data), -1)
    return [(heads[i], empty if cartesian else k[i].ravel(), data[i]) for i in range(len(data))]


def _heads(raw: Acquisition, group: Readouts, purpose: str, index: int, dimensions: int) -> NDArray[Any]:
    """Return the (readout,) acquisition headers of a group."""
    import ismrmrd

    readouts, coils, samples = group.data.shape
    _check_sizes(group)
    grid = raw.encoding.grid
    head = np.zeros(readouts, dtype=ismrmrd.hdf5.acquisition_header_dtype)
    head["version"], head["measurement_uid"] = 1, 1
    head["number_of_samples"], head["available_channels"], head["active_channels"] = samples, coils, coils
    head["channel_mask"][:, : (coils + 63) // 64] = _mask(coils)
    head["center_sample"] = np.argmin(np.linalg.norm(group.k, axis=2), axis=1)
    head["trajectory_dimensions"] = dimensions
    step = np.diff(group.t, axis=1)[:, 0] if samples > 1 else raw.encoding.dwell
    head["sample_time_us"] = step * 1e6
    place = group.labels.get("slice", np.zeros(readouts, dtype=np.int64)) if raw.encoding.kind == "2d" else None
    middle = grid.coordinates(2)[place] if place is not None else np.zeros(readouts)
    along = np.stack([np.zeros(readouts), np.zeros(readouts), middle], axis=1)
    head["position"] = 1e3 * grid.to_world(along) @ LPS
    for key, axis in (("read_dir", 0), ("phase_dir", 1), ("slice_dir", 2)):
        head[key] = LPS @ grid.axes[:, axis]
    for label, counter in COUNTERS.items():
        head["idx"][counter] = group.labels.get(label, 0)
    names = extra_labels(name for other in raw.groups.values() for name in other.labels)
    if len(names) > 8:
        raise InputError(f"{len(names)} labels besides MRD's own; it has room for 8", key="labels")
    for i, label in enumerate(names):
        head["idx"]["user"][:, i] = group.labels.get(label, 0)
    head["user_int"][:, 0] = index
    head["user_float"][:, 0] = group.t[:, 0] * 1e3  # ms since the excitation's centre
    kind = purpose.partition("-")[0]
    flags = np.where(group.labels.get("reverse", np.zeros(readouts)) != 0, 1 << (REVERSE - 1), 0).astype(np.uint64)
    head["flags"] = flags | np.uint64((1 << (FLAGS[kind] - 1)) if kind in FLAGS else 0)
    return head


def _check_sizes(group: Readouts) -> None:
    if group.data.shape[2] > LARGEST:
        raise InputError(f"{group.data.shape[2]} samples in a readout; MRD holds at most {LARGEST}", key="samples")
    for name, values in group.labels.items():
        if values.min(initial=0) < 0 or values.max(initial=0) > LARGEST:
            problem = f"label '{name}' runs from {values.min()} to {values.max()}; MRD counts from 0 to {LARGEST}"
            raise InputError(problem, key="labels")


def _mask(coils: int) -> NDArray[np.uint64]:
    """Return the bits of the channels in use, 64 in a word."""
    words = [(1 << min(64, coils - 64 * word)) - 1 for word in range((coils + 63) // 64)]
    return np.array(words, dtype=np.uint64)
