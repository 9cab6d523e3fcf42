"""jMRUI's text: a header and one table of signal and transform for each metabolite; signals are conjugated."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ...core.basis import Basis
from ...core.errors import InputError
from ...core.nuclei import NUCLEI
from ...core.replacing import replacing
from .foreign import foreign_basis, numbers, text_of

NUMBERS = {"1H": 1, "31P": 2, "13C": 3, "19F": 4, "23Na": 5}
"""How jMRUI numbers nuclei."""
_SIGNAL = re.compile(r"^Signal\s+(\d+)\s+out of\s+(\d+)\s+in file.*$", re.MULTILINE)


def write_jmrui(basis: Basis, path: Path) -> None:
    """Write a basis as jMRUI's text."""
    field = basis.frequency / abs(NUCLEI[basis.nucleus].gamma_bar)
    head = (
        f"jMRUI Data Textfile\n\nFilename: {path.name}\n\nPointsInDataset: {basis.fids.shape[1]}\n"
        f"DatasetsInFile: {len(basis.names)}\nSamplingInterval: {basis.dwell * 1e3:.9E}\nZeroOrderPhase: 0E0\n"
        f"BeginTime: 0E0\nTransmitterFrequency: {basis.frequency:.9E}\nMagneticField: {field:.6E}\n"
        f"TypeOfNucleus: {NUMBERS.get(basis.nucleus, 0)}\nNameOfPatient: \nDateOfExperiment: \nSpectrometer: mrsim\n"
        f"AdditionalInfo: \nSignalNames: {';'.join(basis.names)}\n\n\nSignal and FFT\n"
        "sig(real)\tsig(imag)\tfft(real)\tfft(imag)\n"
    )
    with replacing(path) as part, part.open("w", encoding="utf-8") as file:
        file.write(head)
        for number, fid in enumerate(basis.fids.conj(), 1):
            shown = np.fft.fftshift(np.fft.fft(fid))
            file.write(f"Signal {number} out of {len(basis.names)} in file\n")
            for row in np.stack([fid.real, fid.imag, shown.real, shown.imag], axis=-1):
                file.write("\t".join(f"{value:.9E}" for value in row) + "\n")


def read_jmrui(path: Path) -> Basis:
    """Return the basis of a text file of jMRUI."""
    text = text_of(path)
    if "jMRUI" not in text[:200]:
        raise InputError("does not begin with 'jMRUI Data Textfile'", file=path)
    found = list(_SIGNAL.finditer(text))
    header = dict(
        re.findall(r"^(\w+):[ \t]*(.*?)[ \t]*$", text[: found[0].start() if found else len(text)], re.MULTILINE)
    )
    for key in ("PointsInDataset", "SamplingInterval", "TransmitterFrequency"):
        if key not in header:
            raise InputError("is missing in the header", key=key, file=path)
    points, interval, frequency = (
        float(numbers([header[key]], path, key)[0])
        for key in ("PointsInDataset", "SamplingInterval", "TransmitterFrequency")
    )
    names = [name for name in header.get("SignalNames", "").split(";") if name]
    signals = {}
    for number, mark in enumerate(found):
        end = found[number + 1].start() if number + 1 < len(found) else len(text)
        lines = [line.split() for line in text[mark.end() : end].splitlines() if line.strip()]
        name = names[number] if number < len(names) else f"signal {number + 1}"
        if len(lines) != int(points) or any(len(line) not in (2, 4) for line in lines):
            raise InputError(
                f"{name} has {len(lines)} points or damaged lines; the header says {int(points)} points", file=path
            )
        values = numbers([word for line in lines for word in line[:2]], path, name)
        signals[name] = values[::2] - 1j * values[1::2]
    kinds = {str(number): species for species, number in NUMBERS.items()}
    species = kinds.get(header.get("TypeOfNucleus", "1").split(".")[0], "1H")
    return foreign_basis(path, signals, dwell=interval / 1e3, frequency=frequency, program="jMRUI", nucleus=species)
