"""What `mrsim fit` does with spectra: amounts by a basis, beside the truth where the file knows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import loudness
from .output import write_json, write_tables
from .simulate import check_file_writable

if TYPE_CHECKING:
    from ..core.basis import Basis
    from ..core.spectra import Spectra
    from ..fit.spectral import SpectralFit
    from ..report.table import Table


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What the command line asks of a fit of spectra."""

    model: str | None
    basis: Path | None
    broad: str | None
    """Names, with commas."""
    figure: Path | None
    given: dict[str, str]
    threads: int | None
    out: Path | None


def fit_spectra(file: Path, contents: Mapping[str, Any], spectra: Spectra, asked: Asked, as_json: bool) -> None:
    """Fit spectra and write what is found.

    Parameters
    ----------
    file : Path
        Where they are from.
    contents : mapping
        What else it holds: a basis, a truth, the options of an earlier fit.
    spectra : Spectra
    asked : Asked
    as_json : bool
    """
    from ..core.storage import save
    from ..report.spectral_fit import amount_table
    from ..study.given import own_given
    from ..study.spectra import quantified

    if asked.figure is not None:
        check_figure(asked.figure)
    basis = _basis(file, contents, asked)
    name = asked.model or "linear-combination"
    found = quantified(spectra, basis, name, own_given(contents, name, asked.given) | asked.given, asked.threads)
    if asked.out is not None:
        save(asked.out, maps=found.maps, basis=basis)
    if asked.figure is not None:
        _draw(asked.figure, found, basis)
    known = _truth(contents, found)
    if as_json:
        from .fit import summary

        rows = summary(found.maps, {})
        write_json({"file": str(file), "model": found.maps.model, "rows": rows, "truth": known, "notes": found.notes,
                    "out": None if asked.out is None else str(asked.out)})  # fmt: skip
        return
    tables = [amount_table(found, known, voxel) for voxel in range(len(found.amplitudes))]
    write_tables(*tables, *_judged(spectra, found, basis))
    loudness.warnings(found.notes)
    for what, path in (("maps", asked.out), ("figure", asked.figure)):
        if path is not None:
            click.echo(f"{what}: {path}")


def _judged(spectra: Spectra, found: SpectralFit, basis: Basis) -> list[Table]:
    """Return the score and the regions of a single voxel, where the basis is of a set that says what counts."""
    from ..report.spectral_fit import score_table
    from ..study.spectra import integrals_of, score_of

    chosen = basis.conditions.get("set")
    if chosen is None or len(found.amplitudes) != 1:
        return []
    table = score_table(score_of(found, str(chosen)), integrals_of(spectra, found, str(chosen)), found.unit)
    return [] if table is None else [table]


def check_figure(path: Path) -> None:
    """Refuse a figure that could not be written, before the work."""
    if path.suffix.lower() != ".png":
        raise click.BadParameter(f"'{path}' does not end in .png", param_hint="--figure")
    check_file_writable(path)


def _basis(file: Path, contents: Mapping[str, Any], asked: Asked) -> Basis:
    """Return the basis that is named, or the file's own, with the broad members that are named."""
    from ..core.basis import Basis
    from ..core.errors import InputError
    from ..exchange.basis_files import read_basis

    own = next((value for value in contents.values() if isinstance(value, Basis)), None)
    basis = own if asked.basis is None else read_basis(asked.basis)
    if basis is None:
        raise InputError(f"{file} holds no basis; make one with 'mrsim basis' and name it", key="--basis")
    return basis if asked.broad is None else basis.broad([name.strip() for name in asked.broad.split(",")])


def _truth(contents: Mapping[str, Any], found: SpectralFit) -> dict[str, float]:
    """Return the true amounts that the file knows."""
    from ..core.maps import Maps

    truth = contents.get("truth")
    if not isinstance(truth, Maps):
        return {}
    return {name: float(truth.values[name].ravel()[0]) for name in found.names if name in truth.values}


def _draw(path: Path, found: SpectralFit, basis: Basis) -> None:
    """Write the figure of the first voxel's fit."""
    from ..core.replacing import replacing
    from ..report.spectral_fit import spectral_fit_figure
    from ..report.style import png

    with replacing(path) as part:
        part.write_bytes(png(spectral_fit_figure(found, dict(zip(basis.names, basis.kinds, strict=True)))))
