"""`mrsim simulate`: raw data and nothing more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import loudness
from .options import (
    causes,
    engine_options,
    engine_settings,
    field_options,
    json_option,
    noise_free_option,
    phantom_options,
    recon_option,
    seed_option,
    sequence_options,
)
from .output import write_json
from .progress import progress_bar

if TYPE_CHECKING:
    from ..core.acquisition import Acquisition
    from ..core.images import Images


@click.command("simulate")
@sequence_options
@phantom_options
@field_options
@recon_option
@seed_option
@noise_free_option
@engine_options
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE.h5", required=True, help="The file to write.")
@json_option
def command(noise_free: bool, without: tuple[str, ...], out: Path, as_json: bool, **asked: Any) -> None:
    """Simulate PROTOCOL and write its raw data, for 'mrsim fit' or another program.

    PROTOCOL may be a Pulseq file (.seq): its images are reconstructed and written, too. There --set places the field
    of view: orientation, tilt, in_plane, centre, fov, matrix.
    """
    from ..core.storage import save
    from ..study.request import RunRequest
    from ..study.run import simulate_only

    check_file_writable(out)
    engine = engine_settings(asked)
    request = RunRequest(**asked, without=causes(without, noise_free), engine=engine)
    with progress_bar(wanted=not as_json) as report:
        sequence, phantom, raw = simulate_only(request, report)
    images = {"images": _images(raw)} if request.protocol.lower().endswith(".seq") else {}
    save(out, raw=raw, **images)
    readouts, coils, samples = raw.imaging.data.shape
    facts = {
        "protocol": request.protocol, "field": sequence.scanner.b0, "grade": phantom.grade, "phantom": phantom.name,
        "readouts": readouts, "coils": coils, "samples": samples, "noisy": raw.noisy, "history": raw.history,
        "warnings": list(raw.history.get("warnings", ())), "out": str(out),
    }  # fmt: skip
    if as_json:
        write_json(facts)
        return
    loudness.warnings(raw.history.get("warnings", ()))
    click.echo(f"{readouts:,} readouts of {samples} samples: {out}")


def _images(raw: Acquisition) -> Images:
    """Return the images of a foreign file; where one coil lacks lines, by the adjoint, which leaves the aliases in."""
    from ..recon import reconstruct
    from ..recon.kspace import sort_lines

    if raw.encoding.k_from == "labels" and raw.imaging.data.shape[1] == 1:
        count = sort_lines(raw).count
        if count.min() != count.max():
            raw = replace(raw, encoding=replace(raw.encoding, k_from="trajectory"))
    return reconstruct(raw)


def check_file_writable(path: Path) -> None:
    """Raise a `StorageError` unless `path` can be written, before any work is done; leaves nothing behind."""
    from ..core.errors import StorageError
    from ..core.replacing import replacing

    if not path.absolute().parent.is_dir():
        raise StorageError(f"{path}: the folder {path.parent} does not exist; make it first")
    try:
        with replacing(path):
            raise _TriedError
    except _TriedError:
        return


class _TriedError(Exception):
    """Leaves `replacing` without touching the target."""
