"""Bases in the formats of other programs.

A signal of ours at a shift above the reference goes as exp(-i 2 pi f t). LCModel and FSL-MRS have the same sign; jMRUI
has the other, so that its files hold conjugates.
"""

from __future__ import annotations

from pathlib import Path

from ...core.basis import Basis
from ...core.errors import StorageError
from ...core.storage import load
from .fsl import read_fsl, write_fsl
from .jmrui import read_jmrui, write_jmrui
from .lcmodel import read_lcmodel, write_lcmodel, write_raw

__all__ = [
    "read_basis",
    "read_fsl",
    "read_jmrui",
    "read_lcmodel",
    "write_fsl",
    "write_jmrui",
    "write_lcmodel",
    "write_raw",
]


def read_basis(path: Path) -> Basis:
    """Return the basis in a file, by its ending: .h5, .basis (LCModel), .txt (jMRUI) or a folder (FSL-MRS)."""
    kind = path.suffix.lower()
    if kind == ".h5":
        for value in load(path).values():
            if isinstance(value, Basis):
                return value
        raise StorageError(f"{path} holds no basis; make one with 'mrsim basis'")
    readers = {".basis": read_lcmodel, ".txt": read_jmrui, "": read_fsl}
    if kind not in readers:
        raise StorageError(f"{path}: a basis is read from .h5, .basis (LCModel), .txt (jMRUI) or a folder (FSL-MRS)")
    return readers[kind](path)
