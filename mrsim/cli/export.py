"""`mrsim export`: a result, a sequence or raw data for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import field_option, json_option, scanner_option, set_option
from .output import write_json
from .sequences import built_sequence
from .simulate import check_file_writable

if TYPE_CHECKING:
    from ..sequence.sequence import Sequence

KINDS = {
    "seq": "Pulseq", "mrd": "ISMRMRD", "bids": "a folder of NIfTI", "nifti": "a folder", "dicom": "a folder",
    "csv": "truth against fit", "nifti-mrs": "spectra", "cfl": "BART", "koma": "the phantom",
}  # fmt: skip
"""Formats, and what each is."""


@click.command("export")
@click.argument("source", metavar="SEQUENCE_OR_RESULT")
@click.option(
    "--to", "kind", type=click.Choice([*KINDS]), metavar="FORMAT", required=True,
    help="; ".join(f"{kind}: {words}" for kind, words in KINDS.items()) + ".",
)  # fmt: skip
@field_option
@scanner_option
@set_option
@click.option(
    "--pulseq-version", "version", type=click.Choice(["1.4.1", "1.5.0", "1.5.1"]), default="1.5.0", show_default=True,
    help="Version of the Pulseq format; 1.5.1 keeps rotations as an extension.",
)  # fmt: skip
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The file or folder to write [default: SOURCE.FORMAT].",
)
@json_option
def command(
    source: str, kind: str, field: float | None, scanner: str | None, overrides: dict[str, str], version: str,
    out: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Write SEQUENCE_OR_RESULT in another program's format.

    With --to seq it is a protocol, a Pulseq file or a run's result.h5; else a file of mrsim that holds what the
    format takes: a run's result.h5, or what simulate, recon or fit wrote.
    """
    from ..study.export_result import ENDINGS, FOLDERS, export_result

    target = out if out is not None else Path(f"{Path(source).stem}{ENDINGS.get(kind, f'.{kind}')}")
    if kind not in FOLDERS:
        check_file_writable(target)
    if kind == "seq":
        facts = _write_seq(source, target, version, _sequence(source, field, scanner, overrides))
    else:
        facts = export_result(Path(source), kind, target)
    if as_json:
        write_json({"source": source, "to": kind, "out": str(target), **facts})
        return
    click.echo(f"{', '.join(f'{value} {key}' for key, value in facts.items())}: {target}")


def _sequence(source: str, field: float | None, scanner: str | None, overrides: dict[str, str]) -> Sequence:
    """Return the sequence of a protocol or a Pulseq file, or the one that a run played, from its result."""
    if Path(source).suffix.lower() not in (".h5", ".hdf5"):
        return built_sequence(source, field, scanner, overrides)[1]
    from dataclasses import replace

    from ..study.reproduce import as_stored
    from ..study.run import prepare

    with as_stored(Path(source)) as request:
        request = replace(request, overrides={**request.overrides, **overrides})
        if field is not None or scanner is not None:
            request = replace(request, field=field, scanner=scanner)
        return prepare(request).sequence


def _write_seq(source: str, target: Path, version: str, sequence: Sequence) -> dict[str, Any]:
    """Write a Pulseq file; a protocol that breaks a limit of its scanner is refused."""
    from ..core.errors import InfeasibleError
    from ..core.replacing import replacing
    from ..exchange.pulseq import pulseq_text

    violations = () if source.lower().endswith(".seq") else sequence.check()
    if violations:
        listed = "\n".join(f"  {violation}" for violation in violations[:20])
        raise InfeasibleError(f"{source} breaks {len(violations)} limits of {sequence.scanner.name}:\n{listed}")
    text = pulseq_text(sequence, version)
    with replacing(target) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return {"blocks": len(sequence.blocks), "seconds": round(sequence.duration, 3)}
