"""What a file of another program does not say of a basis, filled in openly."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...core.basis import Basis
from ...core.bounded import check_file
from ...core.errors import InputError


def foreign_basis(
    path: Path,
    signals: Mapping[str, NDArray[np.complex128]],
    *,
    dwell: float,
    frequency: float,
    program: str,
    sequence: str = "",
    te: float = 0.0,
    nucleus: str = "1H",
) -> Basis:
    """Return the basis of signals read from a file; kinds from the names, protons unknown (NaN).

    Parameters
    ----------
    path : path
        The file, for messages and provenance.
    signals : mapping
        Name -> (point,) signal.
    dwell, frequency, te : float
        s, Hz, s.
    program, sequence, nucleus : str
    """
    if not signals:
        raise InputError("holds no signal", file=path)
    lengths = {len(signal) for signal in signals.values()}
    if len(lengths) != 1 or lengths == {0}:
        raise InputError(f"holds signals of different lengths: {sorted(lengths)} points", file=path)
    try:
        return Basis(
            names=tuple(signals),
            fids=np.stack(list(signals.values())).astype(np.complex128),
            dwell=dwell,
            frequency=frequency,
            kinds=tuple(_kind(name) for name in signals),
            protons=np.full(len(signals), np.nan),
            widths=np.zeros((len(signals), 2)),
            nucleus=nucleus,
            sequence=sequence,
            te=te,
            history={"file": str(path), "program": program},
        )
    except InputError as problem:
        raise InputError(problem.problem, key=problem.key, file=path) from None


def numbers(words: list[str], path: Path, what: str) -> NDArray[np.float64]:
    """Return words as floats; a word that is none is an error."""
    try:
        values = np.array([float(word.replace("D", "E").replace("d", "e")) for word in words])
    except ValueError as problem:
        raise InputError(f"{what}: {problem}", file=path) from None
    if not np.all(np.isfinite(values)):
        raise InputError(f"{what}: holds values that are not finite", file=path)
    return values


def text_of(path: Path) -> str:
    """Return a text file's content."""
    check_file(path, text=True)
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as problem:
        raise InputError(f"cannot be read: {problem.strerror}", file=path) from None


def _kind(name: str) -> str:
    if name.upper().startswith("MM"):
        return "macromolecule"
    if name.upper().startswith("LIP"):
        return "lipid"
    return "water" if name.upper() in ("H2O", "WATER") else "metabolite"
