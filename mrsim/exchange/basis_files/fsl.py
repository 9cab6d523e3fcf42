"""FSL-MRS: a folder with one JSON file per metabolite."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ...core.basis import Basis
from ...core.errors import InputError
from ...core.hdf5 import escape
from ...core.nuclei import nucleus
from ...core.replacing import replacing_folder
from .foreign import foreign_basis, numbers, text_of


def write_fsl(basis: Basis, folder: Path) -> None:
    """Write a basis as a folder of JSON files, whole or not at all; it replaces a folder that holds a basis only."""
    if folder.is_dir():
        for file in folder.iterdir():
            _check_replaceable(file, folder)
    with replacing_folder(folder) as work:
        for number, name in enumerate(basis.names):
            content = json.dumps(_entry(basis, number))
            (work / f"{escape(name)}.json").write_text(content, encoding="utf-8")


def _check_replaceable(file: Path, folder: Path) -> None:
    """Raise an `InputError` where a file is not part of a basis: it would be lost."""
    try:
        if file.suffix != ".json":
            raise InputError("is no JSON file", file=file)
        _content(file)
    except InputError as problem:
        text = f"holds more than a basis and is not replaced; name another ({problem})"
        raise InputError(text, file=folder) from None


def _entry(basis: Basis, number: int) -> dict[str, Any]:
    """Return the content of one metabolite's file."""
    fid = basis.fids[number]
    return {
        "basis": {
            "basis_re": fid.real.tolist(),
            "basis_im": fid.imag.tolist(),
            "basis_dwell": basis.dwell,
            "basis_centre": basis.frequency / 1e6,
            "basis_width": float(1 / (np.pi * fid.size * basis.dwell)),
            "basis_name": basis.names[number],
            "basis_nucleus": basis.nucleus,
        },
        "meta": {"SimVersion": "mrsim", "TE": basis.te * 1e3, "sequence": basis.sequence},
        "MM": basis.kinds[number] in ("macromolecule", "lipid"),
    }


def read_fsl(folder: Path) -> Basis:
    """Return the basis of a folder of JSON files; files of another dwell or field are refused."""
    files = sorted(folder.glob("*.json")) if folder.is_dir() else []
    if not files:
        raise InputError("holds no JSON file: no basis of FSL-MRS", file=folder)
    signals, facts = {}, list[tuple[float, float, str]]()
    te = 0.0
    for file in files:
        content = _content(file)
        part = content["basis"]
        try:
            real, imaginary = (numbers([str(v) for v in part[key]], file, key) for key in ("basis_re", "basis_im"))
            facts.append((float(part["basis_dwell"]), float(part["basis_centre"]), part.get("basis_nucleus", "1H")))
            name = str(part.get("basis_name") or file.stem)
            te = float((content.get("meta") or {}).get("TE") or 0.0) / 1e3
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise InputError(f"has no usable entry {problem}", file=file) from None
        if len(real) != len(imaginary):
            raise InputError(f"has {len(real)} real and {len(imaginary)} imaginary values", file=file)
        if facts[-1] != facts[0]:
            raise InputError(f"dwell, centre and nucleus {facts[-1]} differ from {facts[0]} in {files[0]}", file=file)
        signals[name] = real + 1j * imaginary
    dwell, centre, species = facts[0]
    nucleus(species)
    return foreign_basis(
        folder, signals, dwell=dwell, frequency=centre * 1e6, program="FSL-MRS", te=te, nucleus=species
    )


def _content(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(text_of(file))
    except json.JSONDecodeError as problem:
        raise InputError(f"is no JSON: {problem}", file=file) from None
    if not isinstance(content, dict) or not isinstance(content.get("basis"), dict):
        raise InputError("has no entry 'basis': no basis of FSL-MRS", file=file)
    return content
