"""`mrsim export`: a sequence for a scanner, raw data for other programs."""

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


@click.command("export")
@click.argument("source", metavar="SEQUENCE_OR_RESULT")
@click.option("--to", "kind", type=click.Choice(["seq", "mrd", "bids"]), required=True,
    help="seq: Pulseq; mrd: ISMRMRD; bids: a folder of NIfTI files and sidecars.",
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
    help="The file or, for bids, folder to write [default: SOURCE.KIND].",
)
@json_option
def command(
    source: str, kind: str, field: float | None, scanner: str | None, overrides: dict[str, str], version: str,
    out: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Write SEQUENCE_OR_RESULT in another program's format.

    With --to seq it is a protocol's name, a protocol file or a Pulseq file; with --to mrd a file of mrsim with raw
    data, such as a run's result.h5 or the output of 'mrsim simulate'; with --to bids one with images or raw data.
    """
    target = out if out is not None else Path(f"{Path(source).stem}.{kind}")
    if kind != "bids":
        check_file_writable(target)
    if kind == "seq":
        facts = _write_seq(source, target, version, built_sequence(source, field, scanner, overrides)[1])
    elif kind == "mrd":
        facts = _write_mrd(source, target)
    else:
        facts = _write_bids(source, target)
    if as_json:
        write_json({"source": source, "to": kind, "out": str(target), **facts})
        return
    click.echo(f"{', '.join(f'{value} {key}' for key, value in facts.items())}: {target}")


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


def _write_mrd(source: str, target: Path) -> dict[str, Any]:
    """Write the raw data of a file of mrsim."""
    from ..core.acquisition import Acquisition
    from ..core.errors import InputError
    from ..core.storage import load
    from ..exchange.mrd import write_mrd

    found = [value for value in load(Path(source)).values() if isinstance(value, Acquisition)]
    if not found:
        raise InputError("holds no raw data; give the output of 'mrsim simulate' or a run's result.h5", file=source)
    write_mrd(found[0], target, Path(source).stem)
    readouts, coils, samples = found[0].imaging.data.shape
    return {"readouts": readouts, "coils": coils, "samples": samples}


def _write_bids(source: str, target: Path) -> dict[str, Any]:
    """Write the images of a file of mrsim, and the maps fitted to them, as a BIDS data set."""
    from ..core.maps import Maps
    from ..core.storage import load
    from ..exchange.bids import write_bids
    from .fit import images_of

    contents = load(Path(source))
    fitted = [value for value in contents.values() if isinstance(value, Maps) and value.model != "truth"]
    request = (contents.get("provenance") or {}).get("request", {})
    facts = {"MagneticFieldStrength": request["field"]} if request.get("field") else {}
    made = write_bids(target, images_of(Path(source), contents), fitted[0] if fitted else None, facts=facts)
    return {"NIfTI files": len(made)}
