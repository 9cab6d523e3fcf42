"""Images and maps as a BIDS data set: NIfTI files with sidecars, times in seconds, angles in degrees.

Raw images have the suffix of their kind of series (MESE, MEGRE, IRT1, VFA, MP2RAGE, MTR, MTS, TB1DAM, TB1AFI) and one
file per image and part; diffusion is one file of all images under ``dwi``, with FSL's tables beside it. Series that
BIDS has no name for (MDME, T1rho, Look-Locker, ...) go with the derivatives, under ``desc-``. What a family's images
are follows from what varies over them: equal flips are no VFA, and an angle and its double are TB1DAM where TR lets T1
recover. Maps are derivatives: T1map, T2map, T2starmap, R1map, M0map, PDmap, TB1map, MTRmap, MTsat, MWFmap, all others
under ``desc-NAME`` with the suffix ``map``. BIDS 1.9, appendix on quantitative MRI.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.images import Images
from ..core.maps import Maps
from ..core.replacing import replacing_folder
from ..core.version import __version__
from .gradient_tables import write_fsl
from .nifti import write_volume

VERSION = "1.9.0"
DIFFUSION = "diffusion-epi"
"""Family whose images are one series of BIDS's ``dwi``."""
SERIES = {
    "multi-echo-spin-echo": ("MESE", "echo"),
    "multi-echo-gradient-echo": ("MEGRE", "echo"),
    "inversion-recovery-spin-echo": ("IRT1", "inv"),
    "spoiled-gradient-echo": ("VFA", "flip"),
    "spoiled-gradient-echo-3d": ("VFA", "flip"),
    "mp-rage": ("MP2RAGE", "inv"),
    "actual-flip": ("TB1AFI", "acq"),
}
"""Family -> suffix of its images, and the entity that numbers them."""
DOUBLE_ANGLE = ("TB1DAM", "flip")
"""Of spoiled gradient echoes at one angle and its double after full recovery."""
RECOVERED = 1.0
"""Repetition time from which two such angles are a measurement of the transmit field and not of T1, s."""
MAPS = {
    "t1": "T1map", "t2": "T2map", "t2_star": "T2starmap", "r1": "R1map", "r2": "R2map", "r2_star": "R2starmap",
    "m0": "M0map", "pd": "PDmap", "b1": "TB1map", "mtr": "MTRmap", "mt_saturation": "MTsat", "mwf": "MWFmap",
}  # fmt: skip
"""Parameter -> suffix of its map."""
COLUMNS = {"te": ("EchoTime", 1.0), "tr": ("RepetitionTimeExcitation", 1.0), "ti": ("InversionTime", 1.0)}
COLUMNS |= {"flip": ("FlipAngle", 180 / np.pi), "tsl": ("SpinLockTime", 1.0)}
"""Contrast column -> field of the sidecar and its factor."""
LISTS = ("te", "flip", "tsl")
"""Columns of which a map may list several values; of others BIDS takes one number, or none where they vary."""
IGNORED = ("_map", "_images")
"""Ends of the names of what BIDS has no name for: its validator is told to leave them out."""


def write_bids(
    folder: Path, images: Images, maps: Maps | None = None, subject: str = "01", facts: Mapping[str, Any] | None = None
) -> list[Path]:
    """Write a data set; return its NIfTI files.

    Parameters
    ----------
    folder : path
        New, or empty.
    images : Images
    maps : Maps, optional
        Fitted to them.
    subject : str
        Letters and digits.
    facts : mapping, optional
        More for the images' sidecars, e.g. ``MagneticFieldStrength``.
    """
    if not re.fullmatch(r"[A-Za-z0-9]+", subject):
        raise InputError(f"'{subject}' must be letters and digits", key="subject")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError("exists and is not an empty folder", file=folder)
    with replacing_folder(folder) as work:
        derived = work / "derivatives" / "mrsim"
        _describe(work, "raw", {})
        made = _write_images(work, derived, images, subject, dict(facts or {}))
        if maps is not None:
            _describe(derived, "derivative", {"GeneratedBy": [{"Name": "mrsim", "Version": __version__}]})
            unnamed = "".join(f"*{end}.nii.gz\n*{end}.json\n" for end in IGNORED)
            (derived / ".bidsignore").write_text(unnamed, encoding="utf-8")
            sources = [f"bids::{path.relative_to(work)}" for path in made]
            made += _write_maps(derived / f"sub-{subject}", maps, images, f"sub-{subject}", sources)
    return [folder / path.relative_to(work) for path in made]


def _describe(folder: Path, kind: str, more: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    content = {"Name": "simulated by mrsim", "BIDSVersion": VERSION, "DatasetType": kind, **more}
    (folder / "dataset_description.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _write_images(folder: Path, derived: Path, images: Images, subject: str, facts: dict[str, Any]) -> list[Path]:
    made: list[Path] = []
    if images.encoding.get("family") == DIFFUSION:
        return [_write_diffusion(folder / f"sub-{subject}" / "dwi", images, subject, facts)]
    suffix, heads = _series(images)
    known = bool(suffix)
    kind = "fmap" if suffix.startswith("TB1") else "anat"
    place = (folder if known else derived) / f"sub-{subject}" / kind
    place.mkdir(parents=True, exist_ok=True)
    label = "" if known else f"_desc-{_word(str(images.encoding.get('family', 'images')))}"
    both = suffix in ("MP2RAGE", "IRT1", "MEGRE")  # whose phase the fits need
    for number, (head, data) in enumerate(zip(heads, images.data, strict=True), 1):
        side = _sidecar(images, number - 1) | facts
        parts = {"mag": np.abs(data), "phase": np.angle(data)} if both else {"": np.abs(data)}
        for part, values in parts.items():
            tag = f"_part-{part}" if part else ""
            name = f"sub-{subject}_{head}{tag}{label}_{suffix or 'images'}"
            units = {"Units": "rad"} if part == "phase" else {}
            made.append(_save(place / name, values, images, side | units))
    return made


def _is_double_angle(family: str, images: Images) -> bool:
    """Return whether a series is two spoiled gradient echoes of one angle and its double after full recovery."""
    flip, tr = (np.sort(images.contrast.get(name, np.zeros(0))) for name in ("flip", "tr"))
    if SERIES.get(family, ("", ""))[0] != "VFA" or len(flip) != 2 or len(tr) != 2:
        return False
    return bool(abs(flip[1] - 2 * flip[0]) < 1e-3 * flip[1] and tr[0] >= RECOVERED)


def _series(images: Images) -> tuple[str, list[str]]:
    """Return the suffix of a series, empty where BIDS has none for it, and each image's entities."""
    count, varies = len(images.data), {name for name, values in images.contrast.items() if np.ptp(values) > 0}
    numbers = [str(number) for number in range(1, count + 1)]
    family = str(images.encoding.get("family", ""))
    suffix, entity = DOUBLE_ANGLE if _is_double_angle(family, images) else SERIES.get(family, ("", "echo"))
    if "mt" in varies:
        on = ["on" if flag > 0.5 else "off" for flag in images.contrast["mt"]]
        if "flip" not in varies:
            return ("MTR", [f"mt-{state}" for state in on]) if count == 2 else ("", [f"echo-{n}" for n in numbers])
        flips = np.unique(images.contrast["flip"], return_inverse=True)[1] + 1
        return "MTS", [f"flip-{flip}_mt-{state}" for flip, state in zip(flips, on, strict=True)]
    if count < 2 or (suffix == "VFA" and "flip" not in varies):
        return "", [f"echo-{number}" for number in numbers]
    if entity == "acq":
        numbers = [f"tr{number}" for number in numbers]
    return suffix, [f"{entity}-{number}" for number in numbers]


def _write_diffusion(place: Path, images: Images, subject: str, facts: dict[str, Any]) -> Path:
    """Write the magnitudes of a diffusion series with its b-values and directions."""
    place.mkdir(parents=True, exist_ok=True)
    stem = place / f"sub-{subject}_dwi"
    write_fsl(stem, images.contrast)
    return _save(stem, np.abs(images.data), images, _sidecar(images, 0) | facts)


def _sidecar(images: Images, index: int) -> dict[str, Any]:
    side: dict[str, Any] = {"Manufacturer": "mrsim", "SliceThickness": 1e3 * images.grid.thickness}
    if "family" in images.encoding:
        side["PulseSequenceType"] = str(images.encoding["family"]).replace("-", " ")
    for column, (name, factor) in COLUMNS.items():
        if column in images.contrast:
            side[name] = float(images.contrast[column][index]) * factor
    if "mt" in images.contrast:
        side["MTState"] = bool(images.contrast["mt"][index] > 0.5)
    if "echo_spacing" in images.encoding and images.encoding.get("family") == "mp-rage":
        side |= {
            "RepetitionTimePreparation": side.pop("RepetitionTimeExcitation"),
            "RepetitionTimeExcitation": float(images.encoding["echo_spacing"]),
            "NumberShots": int(images.encoding["train_length"]),
        }
    return side


def _write_maps(place: Path, maps: Maps, images: Images, head: str, sources: list[str]) -> list[Path]:
    values, units = dict(maps.values), dict(maps.units)
    if "t1" in values and "r1" not in values:
        with np.errstate(divide="ignore", invalid="ignore"):
            values["r1"], units["r1"] = 1 / values["t1"], "1/s"
    side: dict[str, Any] = {
        "EstimationAlgorithm": f"mrsim {__version__}: {maps.model}", "Sources": sources, "SkullStripped": False,
    }  # fmt: skip
    for column, (name, factor) in COLUMNS.items():
        found = factor * np.asarray(images.contrast.get(column, ()))
        if column in LISTS and len(found):
            side[name] = found.tolist()
        elif len(found) and np.ptp(found) == 0:
            side[name] = float(found[0])
    made = []
    for name, volume in values.items():
        suffix, label = MAPS.get(name, "map"), "" if name in MAPS else f"_desc-{_word(name)}"
        folder = place / ("fmap" if suffix == "TB1map" else "anat")
        folder.mkdir(parents=True, exist_ok=True)
        made.append(
            _save(folder / f"{head}{label}_{suffix}", volume, maps, side | {"Units": units[name] or "arbitrary"})
        )
        if np.isfinite(maps.errors.get(name, np.nan)).any():
            error = side | {"Units": units[name] or "arbitrary", "Description": "standard error"}
            made.append(_save(folder / f"{head}_desc-{_word(name)}StandardError_map", maps.errors[name], maps, error))
    if maps.chi2 is not None and np.isfinite(maps.chi2).any():
        (place / "anat").mkdir(parents=True, exist_ok=True)
        told = side | {"Units": "arbitrary", "Description": "residual variance over that of the noise"}
        made.append(_save(place / "anat" / f"{head}_desc-chi2_map", maps.chi2, maps, told))
    return made


def _save(stem: Path, values: NDArray[Any], owner: Images | Maps, side: Mapping[str, Any]) -> Path:
    path = stem.with_name(f"{stem.name}.nii.gz")
    write_volume(path, values, owner.grid)
    stem.with_name(f"{stem.name}.json").write_text(json.dumps(dict(side), indent=2) + "\n", encoding="utf-8")
    return path


def _word(name: str) -> str:
    """Return a name as a BIDS label: letters and digits only."""
    first, *rest = re.split(r"[^A-Za-z0-9]+", name)
    return first + "".join(part.capitalize() for part in rest)
