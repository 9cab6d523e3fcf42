"""A run as a folder: one HDF5 file with everything, figures, and a report. All of it or nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from ..core.errors import StorageError
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
        with tempfile.TemporaryDirectory(dir=parent, prefix=".mrsim-"):
            pass
    except OSError as error:
        raise StorageError(
            f"cannot write to {parent}: {error.strerror}; give --out a folder that you may write to"
        ) from None


def save_run(result: RunResult, folder: Path) -> Path:
    """Write a run to `folder`, replacing an earlier result there; return the path of its report."""
    check_writable(folder)
    folder.resolve().parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=folder.resolve().parent, prefix=f".{folder.name}-"))
    try:
        contents = {
            "raw": result.raw,
            "images": result.images,
            "truth": result.truth,
            "rois": dict(result.rois),
            "provenance": result.provenance,
            "timings": result.timings,
        }
        if result.maps is not None and result.evaluation is not None:
            contents |= {"maps": result.maps, "evaluation": result.evaluation}
        if result.waves is not None:
            contents["waves"] = result.waves
        if result.quantified is not None:
            contents["basis"] = result.quantified.basis
        if result.budget is not None:
            contents["budget"] = result.budget
        save(work / "result.h5", **contents)
        drawn = pictures(result)
        for name, picture in drawn.items():
            (work / f"{name}.png").write_bytes(picture)
        (work / "report.html").write_text(html_report(result, drawn), encoding="utf-8")
        work.chmod(0o755)
        _replace(work, folder)
    except OSError as error:
        raise StorageError(f"cannot write {folder}: {error.strerror}") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return folder / "report.html"


def _replace(work: Path, folder: Path) -> None:
    """Put the finished folder in place; an interrupted process leaves the old result or the new one."""
    if not folder.exists():
        os.rename(work, folder)
        return
    old = work.with_name(work.name + "-old")
    os.rename(folder, old)
    os.rename(work, folder)
    shutil.rmtree(old, ignore_errors=True)
