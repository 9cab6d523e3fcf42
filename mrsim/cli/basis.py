"""`mrsim basis`: the signals of metabolites in a sequence, for a fit, as a figure and for other programs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import loudness
from .options import entries, json_option, seconds, single, tesla
from .output import write_json, write_tables

if TYPE_CHECKING:
    from ..core.basis import Basis
    from ..sequence.timeline import Timeline

FAMILIES = ("press", "steam", "semi-laser", "pulse-acquire")


@click.command("basis")
@click.argument("name", metavar="NAME")
@click.option("--field", metavar="TESLA", callback=tesla, default="3", show_default=True, help="Field strength.")
@click.option("--scanner", metavar="NAME", help="Scanner preset or path of a scanner file.")
@click.option(
    "--sequence", metavar="FAMILY|PROTOCOL", default="press", show_default=True,
    help=f"{', '.join(FAMILIES)}, or a protocol of one of them, e.g. svs-press-np.",
)  # fmt: skip
@click.option("--te", metavar="TIME", callback=seconds, help='Echo time, e.g. "35 ms".')
@click.option("--set", "overrides", metavar="KEY=VALUE", multiple=True, callback=entries, help="Another entry.")
@click.option(
    "--pulses", type=click.Choice(["ideal", "shaped"]), default="ideal", show_default=True,
    help="Rotations in no time, or the waveforms as played over the voxel.",
)  # fmt: skip
@click.option("--spectrum", "contrast", type=click.IntRange(0), default=0, help="Which of an edited series.")
@click.option(
    "--temperature", metavar="CELSIUS", callback=single("fraction", "37"), default="37", show_default=True,
    help="Of water, degrees Celsius.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(path_type=Path), multiple=True,
    metavar="FILE.png|.h5|.basis|.txt|FOLDER",
    help="Write a figure, a basis of mrsim, of LCModel, of jMRUI, or a folder for FSL-MRS.",
)  # fmt: skip
@json_option
def command(
    name: str, field: float, scanner: str | None, sequence: str, te: float | None, overrides: dict[str, str],
    pulses: str, contrast: int, temperature: float, out: tuple[Path, ...], as_json: bool,
) -> None:  # fmt: skip
    """Simulate the signals of NAME: a basis set (disc, disc-small, brain), or metabolites with commas."""
    from ..simulate.spin_systems import SpinSystem, basis
    from .progress import progress_bar

    timeline = _timeline(sequence, field, scanner, te, overrides)
    engine = SpinSystem(pulses=pulses, temperature=temperature + 273.15)
    with progress_bar(wanted=not as_json) as report:
        follow = None if report is None else partial(report, "metabolites")
        made = basis(name, timeline, engine, contrast=contrast, progress=follow)
    written = [_write(made, path) for path in out]
    facts = _facts(made, written)
    if as_json:
        write_json(facts)
        return
    write_tables(_table(made))
    for path in written:
        click.echo(f"written: {path}")
    if not written:
        loudness.hint("draw it: --out FILE.png; keep it for a fit: --out FILE.h5")


def _timeline(
    sequence: str, field: float, scanner: str | None, te: float | None, overrides: dict[str, str]
) -> Timeline:
    from ..sequence.discretize import discretize
    from ..sequence.protocol import family_protocol, load_protocol
    from ..sequence.scanner import choose_scanner

    changed = overrides | ({} if te is None else {"te": f"{te!r} s"})
    protocol = family_protocol(sequence, changed) if sequence in FAMILIES else load_protocol(sequence, changed)
    chosen = choose_scanner(None if scanner else field, scanner, "3T")
    return discretize(protocol.build(chosen))


def _write(made: Basis, path: Path) -> Path:
    """Write a basis in the format that the path's ending asks for."""
    from ..core.errors import StorageError
    from ..core.replacing import replacing
    from ..core.storage import save
    from ..exchange.basis_files import write_fsl, write_jmrui, write_lcmodel
    from ..report.basis import basis_figure
    from ..report.style import png

    if not path.absolute().parent.is_dir():
        raise StorageError(f"{path}: the folder {path.parent} does not exist")
    kind = path.suffix.lower()
    if kind == ".png":
        with replacing(path) as temporary:
            temporary.write_bytes(png(basis_figure(made)))
    elif kind == ".h5":
        save(path, basis=made)
    elif kind == ".basis":
        write_lcmodel(made, path)
    elif kind == ".txt":
        write_jmrui(made, path)
    elif not kind:
        write_fsl(made, path)
    else:
        raise StorageError(f"{path}: a basis is written as .png, .h5, .basis (LCModel), .txt (jMRUI) or a folder (FSL)")
    return path


def _table(made: Basis) -> Any:
    from ..report.table import Table

    rows = tuple(
        (name, kind, f"{protons:.4g}", f"{abs(fid[0]):.4g}", f"{lorentz:.3g}", f"{gauss:.3g}")
        for name, kind, protons, fid, (lorentz, gauss) in zip(
            made.names, made.kinds, made.protons, made.fids, made.widths, strict=True
        )
    )
    title = f"{made.sequence}, TE {made.te * 1e3:g} ms, {made.frequency / 1e6:.2f} MHz, {made.fids.shape[1]} points"
    columns = ("metabolite", "kind", "protons", "first point", "Lorentz / Hz", "Gauss / Hz")
    return Table(title=title, columns=columns, rows=rows, numeric=(2, 3, 4, 5))


def _facts(made: Basis, written: list[Path]) -> dict[str, Any]:
    return {
        "sequence": made.sequence,
        "te": made.te,
        "frequency": made.frequency,
        "dwell": made.dwell,
        "points": made.fids.shape[1],
        "conditions": made.conditions,
        "metabolites": [
            {"name": n, "kind": k, "protons": p, "first_point": [f[0].real, f[0].imag], "widths": list(w)}
            for n, k, p, f, w in zip(made.names, made.kinds, made.protons, made.fids, made.widths, strict=True)
        ],
        "written": [str(path) for path in written],
    }
