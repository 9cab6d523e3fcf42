"""A run as a folder: one HDF5 file with everything, figures, and a report. All of it or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..core.errors import StorageError
from ..core.replacing import replacing_folder
from ..core.storage import save
from ..report.html import html_report, pictures
from .request import RunResult


def check_writable(folder: Path) -> None:
    """Raise a `StorageError` unless a result folder can be made at `folder`; leaves nothing behind."""
    if folder.exists() and not folder.is_dir():
        raise StorageError(f"{folder} is a file; give --out a folder")
    if folder.exists() and any(folder.iterdir()) and not (folder / "result.h5").exists():
        raise StorageError(
            f"{folder} holds other files and no result.h5; it will not be replaced. Give --out another folder"
        )
    parent = folder.resolve().parent
    while not parent.exists():
        parent = parent.parent
    try:
        with replacing_folder(parent / "mrsim-trial"):
            raise _TriedError
    except _TriedError:
        return
    except StorageError as problem:
        why = str(problem).rpartition(": ")[2]
        raise StorageError(f"cannot write to {parent}: {why}; give --out a folder that you may write to") from None


class _TriedError(Exception):
    """Leaves `replacing_folder` without a new folder."""


def save_run(result: RunResult, folder: Path) -> Path:
    """Write a run to `folder`, replacing an earlier result there; return the path of its report."""
    check_writable(folder)
    try:
        folder.resolve().parent.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise StorageError(f"{folder}: cannot be made: {problem.strerror}") from None
    with replacing_folder(folder) as work:
        save(work / "result.h5", **contents(result))
        drawn = pictures(result)
        for name, picture in drawn.items():
            (work / f"{name}.png").write_bytes(picture)
        (work / "report.html").write_text(html_report(result, drawn), encoding="utf-8")
    return folder / "report.html"


def contents(result: RunResult) -> dict[str, Any]:
    """Return what a result file holds, by name."""
    held: dict[str, Any] = {
        "raw": result.raw,
        "images": result.images,
        "truth": result.truth,
        "rois": dict(result.rois),
        "provenance": result.provenance,
        "timings": result.timings,
    }
    if result.maps is not None and result.evaluation is not None:
        held |= {"maps": result.maps, "evaluation": result.evaluation}
    if result.waves is not None:
        held["waves"] = result.waves
    if result.quantified is not None:
        held["basis"] = result.quantified.basis
    if result.budget is not None:
        held["budget"] = result.budget
    return held
