"""Series of images of relaxometry as BIDS keeps them: one NIfTI file per image, or one of four dimensions.

Any file of a series stands for all: those beside it whose names differ only in the entities that number images (echo,
inv, flip, mt, part and the repetition times of AFI). Their sidecars hold the times, s, and the flip angles, degrees; of
a file with four dimensions they hold one value for all of its volumes or a list. The noise is not known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.bounded import check_file
from ..core.errors import InputError
from ..core.grid import Grid
from ..core.images import Images
from ..core.storage import readable_as
from .bids import COLUMNS
from .diffusion_series import stem_of
from .nifti import read_series, read_volume, turned_to

NUMBERING = re.compile(r"_(?:echo-\d+|inv-\d+|flip-\d+|mt-(?:on|off)|acq-tr\d+)")
PART = re.compile(r"_part-(mag|phase)")
FIELDS = {field: (column, factor) for column, (field, factor) in COLUMNS.items()}
FIELDS["RepetitionTime"] = ("tr", 1.0)


def read_images(path: Path) -> Images:
    """Return the series that a file belongs to; complex where it has magnitudes and phases.

    Raises an `InputError` for a file without a sidecar, and for images that lie elsewhere or know less than others.
    """
    files = [file for file in _siblings(path) if "_part-phase" not in file.name] or [path]
    read = [_read(file) for file in files]
    grid = read[0][1]
    data = np.concatenate(
        [_on(values, where, grid, file) for file, (values, where, _) in zip(files, read, strict=True)]
    )
    columns = {name for _, _, table in read for name in table}
    for file, (_, _, table) in zip(files, read, strict=True):
        for name in sorted(columns - set(table)):
            raise InputError(f"does not say {_field(name)}, as the sidecars of other images of the series do",
                             file=_sidecar(file))  # fmt: skip
    contrast = {name: np.concatenate([table[name] for _, _, table in read]) for name in sorted(columns)}
    unknown: NDArray[np.float64] = np.full((1, 1, 1, 1), np.nan)
    return Images(data=data, grid=grid, contrast=contrast, sigma=unknown)


def holds_images(path: Path) -> bool:
    """Return whether a NIfTI file holds real numbers, as images do; spectra are complex."""
    import nibabel

    with readable_as("NIfTI file", path):
        image: Any = nibabel.load(path)
        return bool(np.dtype(image.get_data_dtype()).kind in "iuf")


def _siblings(path: Path) -> list[Path]:
    """Return the files of a series in the order of their numbers."""
    series = _series(path)
    found = [file for file in path.parent.iterdir()
             if file.name.lower().endswith((".nii", ".nii.gz")) and _series(file) == series]  # fmt: skip
    return sorted(found, key=lambda file: [(len(word), word) for word in re.split(r"[_-]", stem_of(file).name)])


def _series(path: Path) -> str:
    return PART.sub("", NUMBERING.sub("", stem_of(path).name))


def _read(path: Path) -> tuple[NDArray[np.complex128], Grid, dict[str, NDArray[np.float64]]]:
    """Return the (n, z, y, x) images of a file, their grid and the columns of their sidecar."""
    import nibabel

    with readable_as("NIfTI file", path):
        image: Any = nibabel.load(path)
        several = len(image.shape) > 3 and np.prod(image.shape[3:]) > 1
    values, grid = read_series(path) if several else read_volume(path)
    data = values.astype(np.complex128) if several else values.astype(np.complex128)[None]
    phase = path.with_name(path.name.replace("_part-mag", "_part-phase"))
    if phase != path and phase.exists():
        turn, where = read_series(phase) if several else read_volume(phase)
        data = data * np.exp(1j * _on(turn if several else turn[None], where, grid, phase).real)
    return data, grid, _table(_sidecar(path), len(data))


def _on(values: NDArray[Any], grid: Grid, wanted: Grid, path: Path) -> NDArray[np.complex128]:
    """Return images in the order of the voxels of the series' grid."""
    turned = [turned_to(volume, grid, wanted) for volume in values]
    if any(volume is None for volume in turned):
        raise InputError(f"has {grid.shape} voxels (z, y, x) that are not those of the other images, {wanted.shape}: "
                         "another matrix, or another place", file=path)  # fmt: skip
    return np.asarray(turned, dtype=np.complex128)


def _sidecar(path: Path) -> Path:
    return path.with_name(f"{stem_of(path).name}.json")


def _field(column: str) -> str:
    return "MTState" if column == "mt" else COLUMNS[column][0]


def _table(path: Path, count: int) -> dict[str, NDArray[np.float64]]:
    """Return the (n,) columns that a sidecar knows, SI."""
    if not path.exists():
        raise InputError("is missing: a series needs a sidecar that says EchoTime, InversionTime, FlipAngle, "
                         "RepetitionTime or SpinLockTime (s, degrees)", file=path)  # fmt: skip
    check_file(path, text=True)
    try:
        side = json.loads(path.read_text(encoding="utf-8"))
        found = {column: factor * _column(side[field], count) for field, (column, factor) in FIELDS.items()
                 if field in side}  # fmt: skip
        found |= {"mt": _column(side["MTState"], count)} if "MTState" in side else {}
    except (OSError, ValueError, TypeError) as problem:
        raise InputError(f"is no sidecar that can be read: {problem}", file=path) from None
    return {**found, **_preparation(side, count)}


def _column(value: Any, count: int) -> NDArray[np.float64]:
    values = np.asarray(value, dtype=np.float64)
    if values.shape not in ((), (count,)):
        raise ValueError(f"{values.size} values for {count} volumes")
    if not np.all(np.isfinite(values)):
        raise ValueError("it holds numbers that are not finite")
    return np.broadcast_to(values, (count,)).copy()


def _preparation(side: Mapping[str, Any], count: int) -> dict[str, NDArray[np.float64]]:
    """Return the repetition time of prepared trains, where that of the excitations is another one."""
    return {"tr": _column(side["RepetitionTimePreparation"], count)} if "RepetitionTimePreparation" in side else {}
