"""NIfTI-MRS in and out (Clarke 2022, doi:10.1002/mrm.29418): spectra as FSL-MRS, Osprey and others read them.

The standard's signals turn as ours do: a higher shift is exp(-i 2 pi f t), a negative frequency in the sense of Levitt.
What lies in the file is therefore what stands here; the nifti-mrs library hands out, and by default takes, conjugates.
Our voxel axes (z, y, x) become (x, y, z), the series the fifth dimension, and the water reference a file of its own.
Times in the header extension are in seconds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError, StorageError
from ..core.grid import Grid
from ..core.nuclei import WATER_PPM
from ..core.spectra import Spectra
from ..core.storage import readable_as
from ..core.version import __version__
from .nifti import check_size, grid_of

ONES = {"te": "EchoTime", "tr": "RepetitionTime", "ti": "InversionTime", "tm": "MixingTime"}
"""Column of the contrast table -> the standard's field, s."""


def write_nifti_mrs(spectra: Spectra, path: Path) -> Path:
    """Write spectra to a NIfTI-MRS file; the water reference, if any, to one beside it. Return the latter's path.

    Parameters
    ----------
    spectra : Spectra
    path : Path
        Ends in .nii or .nii.gz.
    """
    beside = _beside(path)
    _write(spectra, spectra.data, path)
    if spectra.water is not None:
        _write(spectra, spectra.water, beside)
    return beside


def _beside(path: Path) -> Path:
    """Return the path of the water reference of a file: name_water.nii."""
    for ending in (".nii.gz", ".nii"):
        if path.name.endswith(ending):
            return path.with_name(f"{path.name.removesuffix(ending)}_water{ending}")
    raise InputError("a NIfTI-MRS file ends in .nii or .nii.gz", file=path)


def _write(spectra: Spectra, data: NDArray[np.complex128], path: Path) -> None:
    from nifti_mrs.create_nmrs import gen_nifti_mrs  # type: ignore[import-untyped]

    z, y, x = spectra.grid.shape
    voxels = data.reshape(len(data), z, y, x, -1).transpose(3, 2, 1, 4, 0)  # (x, y, z, point, contrast)
    tags = ["DIM_USER_0", None, None] if len(data) > 1 else [None, None, None]
    image = gen_nifti_mrs(
        voxels if len(data) > 1 else voxels[..., 0],
        spectra.dwell,
        spectra.frequency * 1e-6,
        nucleus=spectra.nucleus,
        affine=_millimetres(spectra.grid),
        dim_tags=tags,
        no_conj=True,
    )
    for column, name in ONES.items():
        values = np.unique(spectra.contrast.get(column, np.zeros(0)))
        if len(values) == 1:
            image.add_hdr_field(name, float(values[0]))
    image.add_hdr_field("SpectrometerFrequencyReference", spectra.reference_ppm, doc="ppm at frequency zero")
    image.add_hdr_field("NoiseStandardDeviation", np.ravel(spectra.sigma).tolist(), doc="one quadrature channel")
    for name, values in spectra.contrast.items():
        image.add_hdr_field(f"Contrast_{name}", np.ravel(values).tolist(), doc="per spectrum, SI units")
    image.add_hdr_field("ConversionMethod", f"mrsim {__version__}")
    try:
        image.save(path)
    except OSError as problem:
        raise StorageError(f"{path}: cannot be written: {problem.strerror}") from None


def read_nifti_mrs(path: Path) -> Spectra:
    """Return the spectra of a NIfTI-MRS file, with the water reference in the file ``name_water`` beside it.

    Parameters
    ----------
    path : Path
        A file without coil dimension: combine and average first, or reconstruct raw data.
    """
    with readable_as("NIfTI-MRS file", path):
        check_size(path)
        return _spectra(path)


def _spectra(path: Path) -> Spectra:
    image = _opened(path)
    data, grid, header = _signals(image, path), _grid(image, path), image.hdr_ext
    count = len(data)
    contrast = {
        column: np.full(count, float(header[name]))
        for column, name in ONES.items()
        if name in header and np.ndim(header[name]) == 0
    }
    contrast |= _columns(header, count)
    beside = _beside(path)
    sigma = _field(header, "NoiseStandardDeviation")
    return Spectra(
        data=data,
        dwell=float(image.dwelltime),
        frequency=float(image.spectrometer_frequency[0]) * 1e6,
        grid=grid,
        contrast=contrast,
        sigma=_noise(data) if sigma is None else np.asarray(sigma, np.float64).reshape(-1, 1, 1),
        reference_ppm=float(_field(header, "SpectrometerFrequencyReference") or WATER_PPM),
        nucleus=str(image.nucleus[0]),
        water=_signals(_opened(beside), beside) if beside.is_file() else None,
        history={"file": path.name},
    )


def _opened(path: Path) -> Any:
    from nifti_mrs.nifti_mrs import NIFTI_MRS  # type: ignore[import-untyped]

    if not path.is_file():
        raise InputError("no such file", file=path)
    with readable_as("NIfTI-MRS file", path):
        return NIFTI_MRS(path)


def _signals(image: Any, path: Path) -> NDArray[np.complex128]:
    """Return the (contrast, voxel, point) signals in our sense of turning."""
    tags = [tag for tag in image.dim_tags if tag]
    if "DIM_COIL" in tags:
        raise InputError("holds single coils; combine them first", file=path)
    values = np.conj(np.asarray(image[:], dtype=np.complex128))  # the library hands out the standard's sense
    values = values.reshape(*values.shape[:4], -1)
    found = values.transpose(4, 2, 1, 0, 3)
    return np.asarray(found.reshape(len(found), -1, found.shape[-1]))


def _millimetres(grid: Grid) -> NDArray[np.float64]:
    affine = np.array(grid.affine())
    affine[:3] *= 1e3
    return affine


def _grid(image: Any, path: Path) -> Grid:
    """Return the grid of a file's voxels."""
    x, y, z = image.shape[:3]
    affine = np.array(image.getAffine("voxel", "world"), dtype=np.float64)
    affine[:3] *= 1e-3
    return grid_of(affine, (x, y, z), path)


def _columns(header: Any, count: int) -> dict[str, NDArray[np.float64]]:
    """Return the contrast table that this program wrote."""
    found = {}
    for name in header:
        if str(name).startswith("Contrast_"):
            values = np.atleast_1d(np.asarray(_field(header, name), np.float64))
            if len(values) == count:
                found[str(name).removeprefix("Contrast_")] = values
    return found


def _field(header: Any, name: str) -> Any:
    """Return a field of the header extension; a user's field stands in a dictionary with its description."""
    if name not in header:
        return None
    value = header[name]
    return value["Value"] if isinstance(value, dict) and "Value" in value else value


def _noise(data: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Return the (contrast, 1, 1) noise of the last tenth of the points, where nothing else is left."""
    tail = data[..., -max(8, data.shape[-1] // 10) :]
    tail = tail - tail.mean(axis=-1, keepdims=True)
    return np.asarray(np.sqrt(np.mean(np.abs(tail) ** 2, axis=(1, 2)) / 2))[:, None, None]
