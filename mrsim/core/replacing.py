"""Files and folders that are written whole or not at all.

What is new is made beside its target under a temporary name, flushed to the disk, and then put in the target's place in
one step, so that a reader or a killed process finds the old one or the new one and never a part. A temporary name holds
the machine and the process: what a killed process left is removed by the next that writes the same target.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import StorageError, check_kind

_under_way: set[Path] = set()
"""Temporary files and folders of this process."""
_finished: dict[Path, float] = {}
"""Files and folders that this process has put in place, as they were named, and when, s of `time.monotonic`."""


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Give a temporary path beside `path`; when the block ends well it replaces `path`, otherwise it goes.

    Whatever a killed process left of an earlier attempt is removed first.
    """
    check_kind(path, (str, os.PathLike), "path", "that of a file")
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise StorageError(f"{path}: is a folder; name a file")
    if target.exists() and not target.is_file():  # nothing may take the place of /dev/null
        raise StorageError(f"{path}: is a device, a pipe or a socket; name a file")
    with _reasons(path), _temporary(target) as temporary:
        temporary.touch(exist_ok=False)
        yield temporary
        _flush(temporary)
        temporary.replace(target)
        _flush(target.parent)
        _finish(Path(path))


@contextmanager
def replacing_folder(path: Path | str) -> Iterator[Path]:
    """Give a new folder beside `path`; when the block ends well it stands in the place of `path`, otherwise it goes.

    Old and new change places in one step where the system can do that (Linux); elsewhere the old one is renamed first,
    and a process that is killed between the two renames leaves it under its temporary name.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_dir():
        raise StorageError(f"{path}: is a file; name a folder")
    with _reasons(path), _temporary(target) as temporary:
        temporary.mkdir()
        yield temporary
        for entry in temporary.rglob("*"):
            _flush(entry)
        _flush(temporary)
        if target.exists():
            _change_places(temporary, target)
        else:
            temporary.rename(target)
        _flush(target.parent)
        _finish(Path(path))


def made_folder(path: Path) -> Path:
    """Return a folder that is there, or made now with all above it; `StorageError` says why it cannot be."""
    with _reasons(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def finished(since: float) -> list[Path]:
    """Return what this process has put in place since a moment, s of `time.monotonic`, and what is still there."""
    return [path for path, when in _finished.items() if when >= since and path.exists()]


def _finish(path: Path) -> None:
    """Note what is in place; a part of a folder that is not in place itself is not."""
    if _under_way.isdisjoint(Path(os.path.realpath(path)).parents):
        _finished[path] = time.monotonic()


def discard_unfinished() -> None:
    """Remove what this process has begun to write and not finished: it is about to end."""
    for path in list(_under_way):
        _discard(path)


@contextmanager
def _reasons(path: Path | str) -> Iterator[None]:
    """Turn the operating system's refusals into an error that names the target."""
    try:
        yield
    except OSError as problem:
        raise StorageError(f"{path}: cannot be written: {reason(problem)}") from None


@contextmanager
def _temporary(target: Path) -> Iterator[Path]:
    """Give a name beside the target; what has it afterwards is removed."""
    temporary = target.with_name(f".{target.name}.{socket.gethostname()}.{os.getpid()}.{os.urandom(4).hex()}.part")
    _remove_leftovers(target)
    _under_way.add(temporary)
    try:
        yield temporary
    finally:
        _discard(temporary)
        _under_way.discard(temporary)


def _change_places(one: Path, other: Path) -> None:
    """Exchange two folders."""
    call = getattr(ctypes.CDLL(None), "renameat2", None)
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    if call is not None and call(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0:
        return
    between = one.with_name(f"{one.name.removesuffix('.part')}.old")
    other.rename(between)
    one.rename(other)
    _discard(between)


def _remove_leftovers(target: Path) -> None:
    """Remove temporary files and folders of `target` whose process on this machine is gone."""
    head = f".{target.name}.{socket.gethostname()}."
    for entry in os.scandir(target.parent):
        if entry.name.startswith(head) and entry.name.endswith(".part"):
            process = entry.name.removeprefix(head).split(".")[0]
            if process.isdigit() and not _alive(int(process)):
                _discard(Path(entry.path))


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _discard(path: Path) -> None:
    """Remove a file or a folder; one that was renamed already is no more."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
        return
    with suppress(OSError):
        path.unlink()


def _flush(path: Path) -> None:
    """Force a file's data, or a folder's entries, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def reason(problem: BaseException) -> str:
    """Return the operating system's words where it has some, otherwise the first line of the message."""
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror
    lines = str(problem).splitlines()
    return lines[0] if lines else type(problem).__name__
