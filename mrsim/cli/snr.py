"""`mrsim snr`: what SNR a protocol will give each tissue, and where it goes."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from . import loudness
from .options import (
    engine_settings,
    field_options,
    json_option,
    phantom_options,
    protocol_argument,
    recon_option,
    scanner_option,
    set_option,
    tesla,
    tissues_option,
)
from .output import write_json, write_tables
from .progress import progress_bar

if TYPE_CHECKING:
    from ..plan.snr import SnrPrediction


def fields(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[float, ...]:
    """Return field strengths, T, from ``3`` or ``1.5,3,7``."""
    words = [] if text is None else text.split(",")
    return tuple(value for word in words if (value := tesla(context, parameter, word.strip())) is not None)


def law(context: click.Context, parameter: click.Parameter, text: str | None) -> str | float | None:
    """Return a field law's name, or an exponent."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


@click.command("snr")
@protocol_argument
@click.option("--field", "wanted", metavar="TESLA", callback=fields, help="One field strength or several: 1.5,3,7.")
@scanner_option
@set_option
@phantom_options
@field_options
@recon_option
@tissues_option
@click.option("--image", type=click.IntRange(0), default=0, show_default=True, help="Whose budget to print.")
@click.option("--exponent", metavar="LAW", callback=law, help="How SNR grows with the field: a law's name or a number.")
@click.option(
    "--engine",
    type=click.Choice(["bloch", "pathways"]),
    help="Engine of the probe [default: the protocol's, else bloch].",
)
@click.option("--threads", type=click.IntRange(1), help="Worker threads; the result does not depend on it.")
@json_option
def command(
    wanted: tuple[float, ...], tissues: tuple[str, ...], image: int, exponent: str | float | None, engine: str | None,
    as_json: bool, **asked: Any,
) -> None:  # fmt: skip
    """Predict the SNR that PROTOCOL gives every tissue of a phantom, and say where it comes from and where it goes.

    With several fields the last table compares SNR per root of the scan time.
    """
    from ..report.snr import comparison_table, snr_budget_table, snr_table
    from ..study.request import RunRequest
    from ..study.snr import predicted_snr

    requests = [
        RunRequest(**asked, field=field, snr_exponent=exponent, engine=engine_settings({"engine": engine}))
        for field in wanted or (None,)
    ]
    with progress_bar(wanted=not as_json) as report:
        count = len(requests)
        tell = (lambda done, total: report("snr", done, total)) if report and count == 1 else None
        found = []
        for done, request in enumerate(requests):
            found.append(predicted_snr(request, tissues, tell))
            if report and count > 1:
                report("snr", done + 1, count)
    if as_json:
        write_json([summary(prediction) for prediction in found])
        return
    for prediction in found:
        write_tables(snr_table(prediction), snr_budget_table(prediction, image))
        loudness.notes(prediction.notes)
    if len(found) > 1:
        write_tables(comparison_table(found, image))


def summary(prediction: SnrPrediction) -> dict[str, Any]:
    """Return what ``--json`` writes of one field, SI units."""
    rows = [asdict(row) | {"snr_per_root_second": prediction.per_root_second(row)} for row in prediction.rows]
    return {
        "scanner": prediction.scanner,
        "field": prediction.field,
        "law": prediction.law,
        "scan_time": prediction.scan_time,
        "rows": rows,
        "notes": list(prediction.notes),
    }
