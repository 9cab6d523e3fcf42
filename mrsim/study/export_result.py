"""A result for other programs: what a file holds is picked, and written in the format that is asked for."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..core.acquisition import Acquisition
from ..core.errors import InputError
from ..core.evaluation import Evaluation
from ..core.images import Images
from ..core.maps import Maps
from ..core.replacing import replacing, replacing_folder
from ..core.spectra import Spectra
from ..core.storage import load
from ..recon import reconstruct
from ..recon.kspace import sort_lines
from .export_phantom import export_phantom
from .reproduce import as_stored
from .run import prepare

Noun = TypeVar("Noun")
Contents = dict[str, Any]


def export_result(source: Path, kind: str, target: Path) -> dict[str, Any]:
    """Write what a file of mrsim holds in another format; return how much of what was written.

    Parameters
    ----------
    source : Path
        A run's result.h5, or another file of mrsim with what the format takes.
    kind : str
        A key of `FORMATS`.
    target : Path
        The file or, for the `FOLDERS`, a folder that is new or empty.
    """
    if kind in FOLDERS:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise InputError("exists and is not an empty folder", file=target)
        if not target.absolute().parent.is_dir():
            raise InputError(f"the folder {target.parent} does not exist; make it first", file=target)
    return FORMATS[kind](source, load(source), target)


def _all(contents: Contents, noun: type[Noun]) -> list[Noun]:
    return [value for value in contents.values() if isinstance(value, noun)]


def _one(source: Path, contents: Contents, noun: type[Noun], words: str, remedy: str) -> Noun:
    found = _all(contents, noun)
    if not found:
        held = ", ".join(contents) or "nothing"
        raise InputError(f"holds {held}, but no {words}; {remedy}", file=source)
    return found[0]


def _images(source: Path, contents: Contents) -> Images:
    """Return the images of a file, reconstructed from raw data if it holds nothing else."""
    if not _all(contents, Images) and (raw := _all(contents, Acquisition)):
        made = reconstruct(raw[0])
        if isinstance(made, Images):
            return made
    return _one(source, contents, Images, "images", "give a run's result.h5 or the output of 'mrsim recon'")


def _fitted(contents: Contents) -> Maps | None:
    return next((maps for maps in _all(contents, Maps) if maps.model != "truth"), None)


def _truth(contents: Contents) -> Maps | None:
    return next((maps for maps in _all(contents, Maps) if maps.model == "truth"), None)


def _request(contents: Contents) -> dict[str, Any]:
    return dict((contents.get("provenance") or {}).get("request", {}))


def _mrd(source: Path, contents: Contents, target: Path) -> dict[str, Any]:
    from ..exchange.mrd import write_mrd

    raw = _one(source, contents, Acquisition, "raw data", "give the output of 'mrsim simulate' or a run's result.h5")
    write_mrd(raw, target, source.stem)
    readouts, coils, samples = raw.imaging.data.shape
    return {"readouts": readouts, "coils": coils, "samples": samples}


def _bids(source: Path, contents: Contents, target: Path) -> dict[str, Any]:
    from ..exchange.bids import write_bids

    field = _request(contents).get("field")
    facts = {"MagneticFieldStrength": field} if field else {}
    return {"NIfTI files": len(write_bids(target, _images(source, contents), _fitted(contents), facts=facts))}


def _nifti(source: Path, contents: Contents, target: Path) -> dict[str, Any]:
    """Write magnitude and phase of the series, every map, its truth and the regions, each a volume."""
    from ..exchange.gradient_tables import write_fsl, write_mrtrix
    from ..exchange.nifti import write_volume

    images, maps, truth = _images(source, contents), _fitted(contents), _truth(contents)
    volumes = {"images": np.abs(images.data), "images_phase": np.angle(images.data)}
    for prefix, held in (("map", maps), ("truth", truth)):
        names = [] if held is None else [name for name in held.values if maps is None or name in maps.values]
        volumes |= {f"{prefix}_{name}": held.values[name] for name in names if held is not None}
    with replacing_folder(target) as work:
        for name, values in volumes.items():
            write_volume(work / f"{name}.nii.gz", values, images.grid)
        if rois := contents.get("rois"):
            numbers = np.zeros(images.grid.shape, dtype=np.int32)
            for number, mask in enumerate(rois.values(), 1):
                numbers[mask] = number
            write_volume(work / "regions.nii.gz", numbers, images.grid)
            rows = "".join(f"{number}\t{name}\n" for number, name in enumerate(rois, 1))
            (work / "regions.tsv").write_text(f"index\tname\n{rows}", encoding="utf-8")
        if "direction_x" in images.contrast:
            write_fsl(work / "images", images.contrast)
            write_mrtrix(work / "images.b", images.contrast, images.grid)
    return {"NIfTI files": len(list(target.glob("*.nii.gz")))}


def _nifti_mrs(source: Path, contents: Contents, target: Path) -> dict[str, Any]:
    from ..exchange.nifti_mrs import write_nifti_mrs

    spectra = _one(source, contents, Spectra, "spectra", "give the result.h5 of a run of spectroscopy")
    write_nifti_mrs(spectra, target)
    count, voxels, points = spectra.data.shape
    return {"spectra": count, "voxels": voxels, "points": points, "water reference": int(spectra.water is not None)}


def _dicom(source: Path, contents: Contents, target: Path) -> dict[str, Any]:
    from ..exchange.dicom import write_dicom

    images, maps, request = _images(source, contents), _fitted(contents), _request(contents)
    made = write_dicom(target, images, maps, str(request.get("protocol") or source.stem), request.get("field"))
    count = sum(path.name.startswith("map_") for path in made)
    return {"images": len(made) - count, "parametric maps": count}


def _csv(source: Path, contents: Contents, target: Path) -> dict[str, Any]:
    """Write the regions' means to the file and every voxel of them to another one beside it."""
    from ..exchange.truth_table import region_table, voxel_table

    evaluation = _one(source, contents, Evaluation, "comparison with a truth", "give the result.h5 of a run with a fit")
    maps, truth = _fitted(contents), _truth(contents)
    texts, facts = {target: region_table(evaluation)}, {"rows": len(evaluation.rows)}
    if maps is not None and truth is not None:
        text = voxel_table(maps, truth, contents.get("rois", {}))
        texts[target.with_name(f"{target.stem}-voxels{target.suffix}")] = text
        facts["voxels in the file beside it"] = text.count("\r\n") - 1
    with ExitStack() as both:  # none takes its place before all are whole
        for path, text in texts.items():
            both.enter_context(replacing(path)).write_text(text, encoding="utf-8", newline="")
    return facts


def _cfl(source: Path, contents: Contents, target: Path) -> dict[str, Any]:
    """Write the images, and raw data beside them: BART's arrays have one array a file."""
    from ..exchange.cfl import write_images, write_kspace

    stem = target.with_name(re.sub(r"\.(cfl|hdr)$", "", target.name))
    with ExitStack() as together:
        made = [path for images in _all(contents, Images)[:1] for path in write_images(stem, images, together)]
        for raw in _all(contents, Acquisition)[:1]:
            on_raster = raw.encoding.k_from == "labels" and raw.encoding.kind != "spectrum"
            made += write_kspace(stem, raw, sort_lines(raw).data if on_raster else None, together)
    if not made:
        _one(source, contents, Images, "images or raw data", "give a run's result.h5")
    return {"arrays": len(made)}


def _koma(source: Path, contents: Contents, target: Path) -> dict[str, Any]:
    """Write the phantom that the run measured, in cubes as wide as its narrowest voxel."""
    with as_stored(source) as request:
        phantom = prepare(request).phantom
    grid = _images(source, contents).grid
    path = target if target.suffix == ".phantom" else target.with_name(f"{target.name}.phantom")
    said = export_phantom(phantom, path, min(grid.spacing[:2]))
    if path != target:
        path.replace(target)
    return {"spins": int(said.split()[0].replace(",", ""))}


FORMATS: dict[str, Callable[[Path, Contents, Path], dict[str, Any]]] = {
    "mrd": _mrd, "bids": _bids, "nifti": _nifti, "dicom": _dicom, "csv": _csv, "nifti-mrs": _nifti_mrs, "cfl": _cfl,
    "koma": _koma,
}  # fmt: skip
"""How each format is written."""
FOLDERS = ("bids", "nifti", "dicom")
"""Formats that are many files."""
ENDINGS = {"nifti-mrs": ".nii.gz", "koma": ".phantom"}
"""Of the formats whose files do not end in the format's name."""
