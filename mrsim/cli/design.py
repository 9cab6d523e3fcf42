"""`mrsim design`: the b-values of a diffusion protocol that tell a tissue best in the time there is."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from .options import (
    json_option,
    phantom_options,
    protocol_argument,
    scanner_option,
    seconds,
    set_option,
    shipped,
    single,
    tesla,
)
from .output import write_json, write_tables
from .progress import progress_bar


@click.command("design")
@protocol_argument
@click.option("--field", metavar="TESLA", callback=tesla, help="Field strength; picks the scanner of that field.")
@scanner_option
@set_option
@phantom_options
@click.option(
    "--tissue", metavar="NAME", required=True, shell_complete=shipped("phantoms/tissues"),
    help="Tissue that is to be measured.",
)  # fmt: skip
@click.option(
    "--model", type=click.Choice(["adc", "kurtosis", "ivim", "ivim-segmented", "stretched"]), required=True,
    help="What is to be fitted.",
)  # fmt: skip
@click.option("--want", "wanted", metavar="NAME", multiple=True, help="Parameter that counts; may be repeated.")
@click.option("--truth", "truth", metavar="NAME=VALUE", multiple=True, help="Parameter instead of the tissue's own.")
@click.option("--time", metavar="TIME", callback=seconds, help="Scan time with its unit [default: the protocol's].")
@click.option("--snr", type=float, help="SNR of one image without weighting [default: predicted].")
@click.option(
    "--b-max", "largest", metavar="B", callback=single("b-value", "1200 s/mm^2"),
    help="Largest b to look at, with its unit [default: 1.5 times].",
)  # fmt: skip
@click.option(
    "--threshold", metavar="B", callback=single("b-value", "200 s/mm^2"), default="200 s/mm^2", show_default=True,
    help="b from which perfusion has decayed, of ivim-segmented.",
)  # fmt: skip
@json_option
def command(
    tissue: str, model: str, wanted: tuple[str, ...], truth: tuple[str, ...], time: float | None, snr: float | None,
    largest: float | None, threshold: float, as_json: bool, **asked: Any,
) -> None:  # fmt: skip
    """Choose the b-values of PROTOCOL for a tissue: weighting against echo time, by the Cramér-Rao bound."""
    from ..report.design import design_table
    from ..study.diffusion_design import design_diffusion, stated_truth
    from ..study.request import RunRequest

    with progress_bar(wanted=not as_json) as progress:
        found = design_diffusion(
            RunRequest(**asked), tissue, model, wanted=wanted, snr=snr, truth=stated_truth(model, truth),
            time=time, largest=largest, threshold=threshold, progress=progress,
        )  # fmt: skip
    if as_json:
        write_json(asdict(found) | {"best": asdict(found.best)})
        return
    write_tables(design_table(found))
    chosen = ", ".join(f"{1e-6 * b:.0f} ({n})" for b, n in zip(found.best.b, found.best.images, strict=True))
    click.echo(f"best: b {chosen} s/mm^2 (images), TE {1e3 * found.best.te:.1f} ms")
