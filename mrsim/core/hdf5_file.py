"""HDF5 files that are written whole or not at all, also where the disk is full or the user stops the command.

HDF5's library does not take a refusal well: it meets the same one again when it closes the file, reports it in many
ways, and prints errors of its own. It is therefore never refused anything here. What the system refuses first is kept,
all that the library writes afterwards goes nowhere, and once it has closed the file the refusal is raised. Nothing is
held in memory, and the space needed must not be known before.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import StorageError
from .replacing import reason, replacing

if TYPE_CHECKING:
    import h5py
    from _typeshed import ReadableBuffer


class PatientFile(io.FileIO):
    """A file that keeps what was refused first, and lets everything after it go nowhere."""

    refused: BaseException | None = None

    def write(self, data: ReadableBuffer, /) -> int:
        """Write all of some bytes."""
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while self.refused is None and len(rest):
                rest = rest[super().write(rest) :]
        except OSError as problem:
            self.refused = problem
        return size

    def truncate(self, size: int | None = None, /) -> int:
        """Give the file a size in bytes."""
        try:
            return super().truncate(size) if self.refused is None else size or 0
        except OSError as problem:
            self.refused = problem
            return size or 0


def write_hdf5(
    path: Path | str,
    fill: Callable[[h5py.File], None],
    finish: Callable[[io.FileIO], None] | None = None,
    **layout: Any,
) -> None:
    """Write an HDF5 file, replacing `path` in one step.

    The library is called from a thread of its own: Python hands signals to the main thread alone, so that Ctrl-C is
    heard while the library writes, and never raised inside of a call that the library makes, where it would be lost.

    Parameters
    ----------
    path : path or str
        The file; its folder must exist.
    fill : callable
        Writes to the open file.
    finish : callable, optional
        Changes bytes of the file once it is closed.
    **layout
        What `h5py.File` takes, e.g. ``userblock_size``.
    """
    with replacing(path) as temporary, PatientFile(temporary, "w+b") as disk:
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="hdf5") as thread:
            work = thread.submit(_filled, disk, fill, layout)
            try:
                problem = work.exception()
            except BaseException as stopped:
                disk.refused = stopped
                raise
        if disk.refused is not None:
            raise disk.refused
        if isinstance(problem, (OSError, RuntimeError)):
            raise StorageError(f"{path}: cannot be written: {reason(problem)}") from None
        if problem is not None:
            raise problem
        if finish is not None:
            finish(disk)
        if disk.refused is not None:
            raise disk.refused


def _filled(disk: PatientFile, fill: Callable[[h5py.File], None], layout: dict[str, Any]) -> None:
    import h5py

    with h5py.File(disk, "w", **layout) as file:
        fill(file)
