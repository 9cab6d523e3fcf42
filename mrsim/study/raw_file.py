"""Raw data from a file, ours or another program's."""

from __future__ import annotations

from pathlib import Path

from ..core.acquisition import Acquisition
from ..core.errors import StorageError
from ..core.storage import is_own, load


def raw_of(file: Path) -> Acquisition:
    """Return the raw data of a file of mrsim, or of an MRD file, whatever its name ends in."""
    if not is_own(file, "HDF5 file with raw data of mrsim, nor an MRD file,"):
        from ..exchange.mrd import read_mrd

        return read_mrd(file)
    found = [value for value in load(file).values() if isinstance(value, Acquisition)]
    if not found:
        raise StorageError(f"{file}: holds no raw data; give the output of 'mrsim simulate' or a run's result.h5")
    return found[0]
