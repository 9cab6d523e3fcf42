"""Files of travelling nouns: HDF5, written whole or not at all, read with errors that say what is wrong.

One file holds several named objects::

    save("result.h5", images=images, maps=maps, protocol={"te": "10 ms"})
    maps = load("result.h5", "maps")

A file is written beside its target under a temporary name, flushed to the disk, and then renamed over the
target, so that a reader or a killed process finds the old file or the new one and never a part.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from zlib import crc32

from .bounded import check_file, check_hdf5
from .errors import InputError, StorageError, UserError, did_you_mean
from .hdf5_file import write_hdf5
from .replacing import reason
from .version import __version__

if TYPE_CHECKING:
    import h5py

SCHEMA = 1
"""Version of the file layout; a reader refuses a higher one."""
FORMAT = "mrsim"
"""Root attribute `format` of every file."""
SEAL, BLOCK = b"mrsim crc32 ", 512
"""A file begins with HDF5's block for users, which holds the checksum of all bytes after it: damage is told before
HDF5's library follows it, which may lead it round in circles, and no number that has changed passes for a result."""
DAMAGE = (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError, MemoryError, OverflowError)
"""What h5py and numpy raise over a file whose structure is broken, depending on where."""


def save(path: Path | str, **objects: Any) -> None:
    """Write named objects to one HDF5 file, replacing it atomically.

    Parameters
    ----------
    path : path or str
        The file; its folder must exist.
    **objects
        Nouns (`Acquisition`, `Images`, `Maps`, `Evaluation`, `Grid`, ...) and nests of dict, list, tuple,
        text, numbers, None and numpy arrays. A value of another type is a `TypeError`.
    """
    from .hdf5 import write_node

    def fill(file: h5py.File) -> None:
        file.attrs.update({"format": FORMAT, "schema": SCHEMA, "mrsim_version": __version__})
        for name, value in objects.items():
            write_node(file, name, value, name)

    def seal(file: FileIO) -> None:
        mark = _seal(file)
        file.seek(0)
        file.write(mark)

    write_hdf5(path, fill, seal, track_order=True, userblock_size=BLOCK)


def load(path: Path | str, name: str | None = None) -> Any:
    """Read a file that `save` wrote.

    Parameters
    ----------
    path : path or str
        The file.
    name : str, optional
        The one object to read.

    Returns
    -------
    dict or object
        All objects by name, or the one asked for.
    """
    import h5py

    from .hdf5 import escape, read_node, unescape

    _check_readable(path)
    try:
        with h5py.File(path, "r") as file:
            _check_header(path, file.attrs)
            check_hdf5(file, path)
            if name is None:
                return {unescape(key): read_node(node) for key, node in file.items()}
            if escape(name) not in file:
                raise StorageError(f"{path}: holds no '{name}'{did_you_mean(name, [unescape(k) for k in file])}")
            return read_node(file[escape(name)])
    except DAMAGE as problem:
        raise StorageError(f"{path}: is truncated or damaged: {reason(problem)}; make it again") from None


@contextmanager
def readable_as(what: str, path: Path | str) -> Iterator[None]:
    """Turn whatever a library raises over a file that is damaged, or something else, into one error.

    Readers of foreign formats raise errors of their own, of numpy, struct, json and HDF5 alike.

    Parameters
    ----------
    what : str
        What the file should be, e.g. ``"NIfTI file"``.
    path : path or str
        The file, for the message.
    """
    try:
        check_file(path)
        yield
    except UserError:
        raise
    except FileNotFoundError:
        raise InputError("no such file", file=path) from None
    except Exception as problem:
        raise InputError(f"is no {what} that can be read: {reason(problem)}", file=path) from None


def is_own(path: Path, what: str) -> bool:
    """Return whether an HDF5 file is one of mrsim's.

    Parameters
    ----------
    path : path
    what : str
        What the file should be, for the message where it is no HDF5 file or not there.
    """
    import h5py

    if not path.is_file():
        raise StorageError(f"{path}: no such file")
    with readable_as(what, path), h5py.File(path, "r") as held:
        return held.attrs.get("format") in (FORMAT, FORMAT.encode())


def _check_readable(path: Path | str) -> None:
    import h5py

    check_file(path)
    try:
        with Path(path).open("rb") as file:
            first = file.read(8)
    except FileNotFoundError:
        raise StorageError(f"{path}: no such file") from None
    except IsADirectoryError:
        inside = Path(path, "result.h5")
        raise StorageError(f"{path}: is a folder; name {inside if inside.is_file() else 'a file'}") from None
    except OSError as problem:
        raise StorageError(f"{path}: cannot be read: {reason(problem)}") from None
    if not first:
        raise StorageError(f"{path}: is empty; make it again")
    if not h5py.is_hdf5(path):
        raise StorageError(f"{path}: is not an HDF5 file; mrsim reads the .h5 files that it writes")
    if not sound(path):
        raise StorageError(
            f"{path}: is truncated or damaged, or another program changed it: its checksum does not fit; make it again"
        )


def sound(path: Path | str) -> bool:
    """Say whether a file's content has the checksum that stands before it; a file without one is taken as it is."""
    with Path(path).open("rb") as file:
        first = file.read(len(SEAL) + 8)
        return first.startswith(b"\x89HDF") or first == _seal(file)


def _seal(file: IO[bytes] | FileIO) -> bytes:
    """Return what stands at the beginning of a file: the checksum of what comes after its first block."""
    checksum = 0
    file.seek(BLOCK)
    while part := file.read(1 << 22):
        checksum = crc32(part, checksum)
    return SEAL + f"{checksum:08x}".encode()


def _check_header(path: Path | str, attributes: Any) -> None:
    if attributes.get("format") != FORMAT:
        raise StorageError(f"{path}: is an HDF5 file, but mrsim did not write it")
    schema = int(attributes["schema"])
    if schema > SCHEMA:
        writer = attributes.get("mrsim_version", "unknown")
        raise StorageError(
            f"{path}: has file layout {schema}, written by mrsim {writer}; "
            f"this is mrsim {__version__}, which reads layouts up to {SCHEMA}: update mrsim"
        )
