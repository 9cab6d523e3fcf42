"""`mrsim shake`: the motion of a shaken phantom, without a scan."""

from __future__ import annotations

import math
from pathlib import Path

import click

from .options import json_option, shipped, tesla
from .output import write_json
from .progress import progress_bar


def quantities(context: click.Context, parameter: click.Parameter, text: str) -> tuple[float, ...]:
    """Return frequencies, Hz, from ``"60 80 Hz"``."""
    from ..core.errors import InputError
    from ..core.units import parse_quantity

    try:
        found = parse_quantity(text, "frequency")
    except ValueError as problem:
        raise InputError(str(problem), key="--frequency") from None
    if not all(0 < each < math.inf for each in found):
        raise InputError(f"is '{text}'; frequencies are positive and finite", key="--frequency")
    return found


@click.command("shake")
@click.argument("phantom", shell_complete=shipped("phantoms"))
@click.option(
    "--frequency",
    "frequencies",
    default="80 Hz",
    show_default=True,
    metavar="QUANTITIES",
    callback=quantities,
    help='One or several: "60 80 Hz".',
)
@click.option(
    "--drive",
    "drives",
    multiple=True,
    required=True,
    metavar="SIDE=MOTION",
    help='What shakes: "skin", or a side that looks along an axis, and its motion: +z="0 8 0 um".',
)
@click.option("--absorb", multiple=True, metavar="SIDE", help="Sides through which waves leave.")
@click.option("--element", default="2 mm", show_default=True, metavar="QUANTITY", help="Size of the elements.")
@click.option(
    "--tissue", "tissues", multiple=True, metavar="NAME", help="What moves [default: all of known stiffness]."
)
@click.option(
    "--law",
    default="springpot",
    show_default=True,
    metavar="LAW",
    help="How moduli go on from the frequency at which they are known: springpot, voigt or constant.",
)
@click.option(
    "--modulus",
    "moduli",
    multiple=True,
    metavar="TISSUE=LAW",
    help='Another law of a tissue: "nucleus_pulposus=zener 5 kPa, 3 kPa, 4 Pa s" (voigt, springpot, zener, table).',
)
@click.option("--fibres", type=float, nargs=2, metavar="PHI ZETA", help="Anisotropy of the fibres in lamellae.")
@click.option("--field", default=3.0, callback=tesla, show_default="3", metavar="TESLA", help="Field strength.")
@click.option("--grade", type=click.IntRange(1, 5), help="Pfirrmann grade.")
@click.option("--material", "materials", multiple=True, metavar="SET", help="Material sets of the tissues.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("waves.h5"),
    show_default=True,
    help="File of the result; a figure goes beside it.",
)
@json_option
def command(
    phantom: str, frequencies: tuple[float, ...], drives: tuple[str, ...], absorb: tuple[str, ...], element: str,
    tissues: tuple[str, ...], law: str, moduli: tuple[str, ...], fibres: tuple[float, float] | None, field: float,
    grade: int | None, materials: tuple[str, ...], out: Path, as_json: bool,
) -> None:  # fmt: skip
    """Solve for the waves in PHANTOM, shaken at one or several frequencies; draw them beside the true modulus."""
    from ..core.replacing import replacing
    from ..core.storage import save
    from ..report.style import png
    from ..report.waves import wave_figure
    from ..study.vibration import Shaking, shaken

    asked = Shaking(
        phantom=phantom, frequencies=frequencies, drives=drives, absorbing=absorb, element=element, tissues=tissues,
        law=law, moduli=moduli, anisotropy=fibres, field=field, grade=grade, materials=materials,
    )  # fmt: skip
    with progress_bar(wanted=not as_json) as report:
        tell = (lambda done, total: report("waves", done, total)) if report else None
        waves = shaken(asked, tell)
    save(out, waves=waves)
    picture = out.with_suffix(".png")
    with replacing(picture) as part:
        part.write_bytes(png(wave_figure(waves, axis=2)))
    if as_json:
        write_json({"file": str(out), "figure": str(picture), "solver": waves.history["solver"]})
        return
    click.echo(f"{out}\n{picture}")
