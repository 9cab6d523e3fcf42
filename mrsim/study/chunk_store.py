"""Where a study keeps its replicates: a checkpoint per chunk while it runs, one HDF5 file with all of them afterwards.

A chunk is written whole or not at all, with a checksum of its numbers. What a killed study leaves is a folder of whole
chunks; what a finished one leaves is `study.h5`. Either is read chunk by chunk, so damage has a name.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.bounded import check_hdf5
from ..core.errors import StorageError
from ..core.hdf5 import escape, read_node
from ..core.replacing import made_folder
from ..core.storage import DAMAGE, save
from .experiment import Arrays

FILE = "study.h5"
PARTS = "chunks"
"""Folder of the checkpoints."""
PART = re.compile(r"[0-9]+-[0-9]+\.h5|\.[0-9]+-[0-9]+\.h5\..*\.part")
"""Names of a checkpoint and of one that was being written."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChunkName:
    """Which replicates of which arm, under which conditions."""

    arm: str
    first: int
    end: int
    fingerprint: str
    """Of the arm."""

    @property
    def key(self) -> str:
        """The chunk's name in files."""
        return f"{self.first}-{self.end - 1}"

    @property
    def mark(self) -> str:
        """What its file says of it: a chunk in another one's place is not taken for that."""
        return f"{self.fingerprint} {self.key}"

    def __str__(self) -> str:
        """Return what a message calls it."""
        return f"chunk {self.key} of arm '{self.arm}'"


class ChunkStore:
    """The chunks of one study in one folder.

    Parameters
    ----------
    folder : path
        Of the study's result.
    repair : bool
        True treats damaged chunks as missing, so that they are made again; False raises an error that names them.
    """

    def __init__(self, folder: Path, repair: bool = False) -> None:
        self.folder, self.repair = folder, repair
        self._checked: set[Path] = set()

    def put(self, name: ChunkName, data: Arrays) -> None:
        """Write one chunk; once this returns it survives a kill."""
        path = self._part(name)
        made_folder(path.parent)
        save(path, chunk=_entry(name, data))

    def get(self, name: ChunkName) -> Arrays | None:
        """Return one chunk; None if it is missing, was made under other conditions, or is damaged and to be made again.

        A damaged chunk is a `StorageError` that names it, unless repair was asked for.
        """
        for path, node in ((self._part(name), "chunk"), (self.folder / FILE, _node(name))):
            found = self._read(path, node, name) if path.exists() else None
            if found is not None:
                return found
        return None

    def finish(self, arms: Mapping[str, list[tuple[ChunkName, Arrays]]], **rest: Any) -> None:
        """Write everything to one file and remove the checkpoints."""
        chunks = {arm: {name.key: _entry(name, data) for name, data in held} for arm, held in arms.items()}
        save(self.folder / FILE, chunks=chunks, **rest)
        self._remove_parts()

    def clear(self) -> None:
        """Remove every chunk."""
        self._remove_parts()
        (self.folder / FILE).unlink(missing_ok=True)

    def _remove_parts(self) -> None:
        """Remove the checkpoints, also half-written ones, and their folders, but nothing that a user put there."""
        parts = self.folder / PARTS
        for path in parts.glob("*/*"):
            if PART.fullmatch(path.name):
                path.unlink(missing_ok=True)
        for folder in (*parts.glob("*"), parts):
            with suppress(OSError):  # what holds anything else stays
                folder.rmdir()

    def _part(self, name: ChunkName) -> Path:
        return self.folder / PARTS / escape(name.arm) / f"{name.key}.h5"

    def _read(self, path: Path, node: str, name: ChunkName) -> Arrays | None:
        import h5py

        try:
            with h5py.File(path, "r") as file:
                if path not in self._checked:  # the finished file holds every chunk: one walk serves them all
                    check_hdf5(file, path)
                    self._checked.add(path)
                if node not in file:
                    return None
                entry = read_node(file[node])
            if entry["fingerprint"] != name.mark:
                return None
            if entry["checksum"] != checksum(entry["data"]):
                raise ValueError("its numbers do not match their checksum")
        except DAMAGE as problem:
            if self.repair:
                return None
            said = (str(problem).splitlines() or [type(problem).__name__])[0]
            raise StorageError(
                f"{path}: {name} is damaged: {said}; give --repair to make it again, --fresh to make all again"
            ) from None
        data: Arrays = entry["data"]
        return data


def checksum(data: Mapping[str, Any]) -> str:
    """Return the SHA-256 of named arrays: names, kinds, shapes and numbers."""
    digest = hashlib.sha256()
    for name in sorted(data):
        array = np.ascontiguousarray(data[name])
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _entry(name: ChunkName, data: Arrays) -> dict[str, Any]:
    return {"fingerprint": name.mark, "checksum": checksum(data), "data": dict(data)}


def _node(name: ChunkName) -> str:
    return f"chunks/{escape(name.arm)}/{escape(name.key)}"
