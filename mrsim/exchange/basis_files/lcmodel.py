"""LCModel's .basis (all metabolites, frequency domain) and .raw (one, time domain).

A .basis holds the transform of each signal, not shifted: ppm = 4.65 - f / HZPPPM for f from numpy's fftfreq. Values are
separated by blanks or commas, keys stand in any case, with or without blanks around the sign of equality.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...core.basis import Basis
from ...core.errors import InputError
from ...core.replacing import replacing
from .foreign import foreign_basis, numbers, text_of

PER_LINE = 6
_NAMELIST = re.compile(r"\$(\w+)\b(.*?)\$END\b", re.DOTALL | re.IGNORECASE)
_ENTRY = re.compile(r"(\w+)\s*(?:\([^)]*\))?\s*=\s*('[^']*'|\"[^\"]*\"|[^,\s$]+)")


def write_lcmodel(basis: Basis, path: Path) -> None:
    """Write a basis as LCModel's .basis."""
    hertz_per_ppm = basis.frequency / 1e6
    points = basis.fids.shape[1]
    head = (
        f" $SEQPAR\n FWHMBA = 0.0050,\n HZPPPM = {hertz_per_ppm:.6f},\n ECHOT = {basis.te * 1e3:.4f},\n"
        f" SEQ = '{basis.sequence[:12]}'\n $END\n"
        f" $BASIS1\n IDBASI = 'mrsim {basis.sequence}',\n FMTBAS = '(6E15.6)',\n BADELT = {basis.dwell:.9E},\n"
        f" NDATAB = {points}\n $END\n"
    )
    with replacing(path) as part, part.open("w", encoding="ascii", errors="replace") as file:
        file.write(head)
        for name, fid in zip(basis.names, basis.fids, strict=True):
            file.write(
                f" $NMUSED\n FILERAW = '{name}.raw',\n METABO_CONTAM = ' ',\n METABO_SINGLET = ' ',\n AUTOPH = F,\n"
                " AUTOSC = F,\n DO_CONTAM = F,\n FLATEN = F,\n CONCSC = -1.,\n DEGZER = 0.,\n DEGPAP = 0.,\n"
                f" DEGPPM = 0.,\n HWDPHA = 0.100,\n HWDSCA = 0.100,\n PPMAPP = 0.5 -0.5,\n PPMAPP_CONTAM = 0. 0.,\n"
                f" PPMBAS = 0.010,\n PPMPK = 0.01,\n PPMPK_CONTAM = 0.,\n PPMPHA = 0.0,\n PPMSCA = 0.,\n PPM_SINGLET ="
                f" 0.,\n RINTEG = 0.,\n SDPNTS = 1.,\n XTRASH = 0.\n $END\n $BASIS\n ID = '{name}',\n"
                f" METABO = '{name}',\n CONC = 1.,\n TRAMP = 1.,\n VOLUME = 1.,\n ISHIFT = 0\n $END\n"
            )
            file.write(_columns(np.fft.fft(fid)))


def write_raw(basis: Basis, name: str, path: Path) -> None:
    """Write one metabolite's signal as LCModel's .raw."""
    head = (
        f" $SEQPAR\n ECHOT = {basis.te * 1e3:.4f}\n HZPPPM = {basis.frequency / 1e6:.6f}\n SEQ ="
        f" '{basis.sequence[:12]}'\n $END\n $NMID\n ID = '{name}', FMTDAT = '(6E15.6)'\n"
        " TRAMP = 1.0, VOLUME = 1.0\n $END\n"
    )
    with replacing(path) as part:
        part.write_text(head + _columns(basis.fid(name)), encoding="ascii", errors="replace")


def read_lcmodel(path: Path) -> Basis:
    """Return the basis of a .basis file."""
    text = text_of(path)
    blocks = list(_NAMELIST.finditer(text))
    entries: dict[str, str] = {}
    for block in blocks:
        if block[1].upper() in ("SEQPAR", "BASIS1"):
            entries |= _entries(block[2])
    dwell, hertz = (_number(entries, key, path) for key in ("BADELT", "HZPPPM"))
    points = int(_number(entries, "NDATAB", path))
    signals: dict[str, NDArray[np.complex128]] = {}
    for number, block in enumerate(blocks):
        if block[1].upper() != "BASIS":
            continue
        own = _entries(block[2])
        name = own.get("METABO", own.get("ID", "")).strip()
        if not name or name in signals:
            raise InputError(f"metabolite {len(signals) + 1} has no name of its own", key="METABO", file=path)
        end = blocks[number + 1].start() if number + 1 < len(blocks) else len(text)
        values = numbers(text[block.end() : end].replace(",", " ").split(), path, name)
        if len(values) != 2 * points:
            raise InputError(f"{name} has {len(values)} values; NDATAB = {points} asks for {2 * points}", file=path)
        scale, shift = numbers([own.get("CONC", "1").rstrip(","), own.get("ISHIFT", "0").rstrip(",")], path, name)
        spectrum = np.roll(values[::2] + 1j * values[1::2], int(shift) % points)
        signals[name] = np.fft.ifft(spectrum) / (scale or 1.0)
    return foreign_basis(
        path,
        signals,
        dwell=abs(dwell),
        frequency=hertz * 1e6,
        program="LCModel",
        sequence=entries.get("SEQ", "").strip(),
        te=_number({"ECHOT": "0"} | entries, "ECHOT", path) / 1e3,
    )


def _entries(text: str) -> dict[str, str]:
    return {key.upper(): value.strip("'\" ") for key, value in _ENTRY.findall(text)}


def _number(entries: dict[str, str], key: str, path: Path) -> float:
    if key not in entries:
        raise InputError("is missing: no basis of LCModel, or a damaged one", key=key, file=path)
    return float(numbers([entries[key]], path, key)[0])


def _columns(values: NDArray[np.complex128]) -> str:
    flat = np.stack([values.real, values.imag], axis=-1).ravel()
    rows = [flat[i : i + PER_LINE] for i in range(0, len(flat), PER_LINE)]
    return "".join("".join(f"{value:15.6E}" for value in row) + "\n" for row in rows)
