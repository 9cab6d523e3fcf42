"""How much a file may ask for: a small file that unpacks to more than a machine holds is refused before it is read.

Compressed files of images shrink some tenfold, maps of labels perhaps a hundredfold; what promises more than
`MOST_PER_BYTE` and is large besides is made to do harm. An HDF5 file may also point to other
files, or to itself again and again.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from .errors import InputError, check_kind

FREE = 1 << 30
"""Bytes that any file may unpack to."""
MOST_PER_BYTE = 200
"""Unpacked bytes per byte of a file beyond that."""
MOST_NODES = 200_000
"""Groups and datasets of an HDF5 file, counted by every way that leads to them."""


def check_file(path: Path | str, text: bool = False) -> None:
    """Raise an `InputError` for what no reader comes to the end of: a pipe, a device, a text larger than `FREE`.

    A path that leads nowhere, or to a folder, passes: whoever opens it says so.
    """
    check_kind(path, (str, os.PathLike), "path", "that of a file")
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        raise InputError("is a pipe or a device; name a file", file=path)
    if text and found.st_size > FREE:
        raise InputError(f"has {found.st_size / 1e9:.3g} GB; a text of at most {FREE / 1e9:.3g} is read", file=path)


def check_unpacked(wanted: int, stored: int, path: Path | str) -> None:
    """Raise an `InputError` where a file asks for more memory than its size can mean.

    Parameters
    ----------
    wanted : int
        Bytes that its content takes in memory.
    stored : int
        Bytes on disk.
    path : path or str
        The file, for the message.
    """
    if wanted > max(FREE, MOST_PER_BYTE * stored):
        raise InputError(
            f"unpacks to {wanted / 1e9:.3g} GB from {stored:,} bytes, more than {MOST_PER_BYTE}-fold; it is not read. "
            "Write it again without compression if it is what it says", file=path,
        )  # fmt: skip


def check_hdf5(file: Any, path: Path | str) -> None:
    """Raise an `InputError` where an open HDF5 file unpacks to too much, or leads elsewhere or round in circles."""
    import h5py

    wanted, nodes, open_groups = 0, 0, [file["/"]]
    while open_groups:
        group = open_groups.pop()
        for name in group:
            nodes += 1
            if nodes > MOST_NODES:
                raise InputError(f"holds more than {MOST_NODES:,} groups and datasets, or goes in circles", file=path)
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise InputError("is a link to elsewhere, which is not followed", file=path, key=f"{group.name}/{name}")
            node = group[name]
            if isinstance(node, h5py.Group):
                open_groups.append(node)
            elif isinstance(node, h5py.Dataset):
                if node.external or node.is_virtual:
                    raise InputError("lies in another file, which is not followed", file=path, key=node.name)
                wanted += int(node.nbytes or 0)
    check_unpacked(wanted, Path(path).stat().st_size, path)
