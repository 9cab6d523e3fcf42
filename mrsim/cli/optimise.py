"""`mrsim optimise`: the settings of a protocol that measure best, within the time and the limits."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from . import loudness
from .options import (
    given_option,
    json_option,
    phantom_options,
    positive,
    protocol_argument,
    scanner_option,
    seconds,
    seed_option,
    set_option,
    tesla,
    tissues_option,
)
from .output import write_json, write_tables
from .progress import progress_bar

RESULTS = Path("results")


def whole(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[int, ...]:
    """Return Pfirrmann grades from ``1,2,3``; empty where none were given."""
    words = [word.strip() for word in (text or "").split(",") if word.strip()]
    if any(word not in {"1", "2", "3", "4", "5"} for word in words):
        raise click.BadParameter(f"'{text}' is no list of Pfirrmann grades; write for example 1,2,3,4,5")
    return tuple(dict.fromkeys(int(word) for word in words))


def weights(context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]) -> dict[str, float]:
    """Return parameter -> weight from ``t2`` or ``t2=0.5``."""
    found = {}
    for text in texts:
        name, _, number = (part.strip() for part in text.partition("="))
        try:
            found[name] = float(number or 1)
        except ValueError:
            found[name] = -1.0
        if not 0 < found[name] < float("inf"):
            raise click.BadParameter(f"'{text}': write a parameter, or one with its weight, e.g. t2=0.5")
    return found


@click.command("optimise")
@protocol_argument
@click.option(
    "--free", "free", metavar="SETTING", multiple=True, required=True,
    help="What may change: 'te=10:200 ms', a list 'te[6]=10:200 ms', 'averages=1:8', 'acceleration=1,2,3'; repeatable.",
)  # fmt: skip
@click.option("--time", metavar="TIME", callback=seconds, help="Longest scan time; without: best per √time.")
@click.option("--want", "wanted", metavar="NAME[=WEIGHT]", multiple=True, callback=weights,
    help="Parameter whose relative SD counts [default: all maps of the model]; may be repeated.",
)  # fmt: skip
@click.option("--known", metavar="NAME", multiple=True, help="Parameter that is known beforehand; may be repeated.")
@click.option("--model", metavar="NAME", help="Signal model to fit [default: the protocol's].")
@given_option
@tissues_option
@click.option("--grades", metavar="LIST", callback=whole, help="Range of Pfirrmann grades, e.g. 1,2,3,4,5.")
@click.option("--truth", metavar="NAME=VALUE", multiple=True, help="Parameter instead of the tissues' own.")
@click.option("--snr", type=float, callback=positive, help="M0 over noise in an image as it stands [default: engine].")
@click.option("--rician", is_flag=True, help="Magnitudes near the noise: Rice's information instead of Gauss's.")
@click.option("--field", metavar="TESLA", callback=tesla, help="Field strength; picks the scanner of that field.")
@scanner_option
@set_option
@phantom_options
@click.option("--front", type=click.IntRange(0, 64), default=0, metavar="N", help="Front of N scan times: a figure.")
@click.option("--confirm", type=click.IntRange(3), metavar="N", help="N full simulations of the best protocol.")
@seed_option
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Folder [default: results/optimum-…].")
@json_option
def command(
    free: tuple[str, ...], time: float | None, wanted: dict[str, float], known: tuple[str, ...], model: str | None,
    tissues: tuple[str, ...], grades: tuple[int, ...], truth: tuple[str, ...], snr: float | None, rician: bool,
    front: int, confirm: int | None, seed: int, out: Path | None, as_json: bool, **asked: Any,
) -> None:  # fmt: skip
    """Choose the free settings of PROTOCOL that measure tissues best, by the Cramér-Rao bound.

    Writes the best protocol as TOML, which every command takes, and as .seq. Scan time, hardware, SAR and nerve
    stimulation limit the search.
    """
    from ..study.optimiser import Asked, optimise, save_optimum
    from ..study.optimiser.confirm import confirm as confirmed
    from ..study.optimiser.forecasted import forecast_kind, wanted_of
    from ..study.optimiser.free import read_free
    from ..study.optimiser.targets import Wanted, chosen_model, default_weights, stated
    from ..study.request import RunRequest
    from ..study.run import prepare

    request = RunRequest(**asked, model=model, seed=seed)
    ready = prepare(request)
    kind = forecast_kind(ready)
    name = kind or chosen_model(ready)
    if kind and (confirm or truth or known or snr or rician or grades):
        raise click.UsageError(f"{request.protocol}: candidates are forecast with the phantom's own truth; "
                               "--confirm, --truth, --known, --snr, --rician and --grades do not apply")  # fmt: skip
    aim = Wanted(
        model=name, weights=wanted_of(ready, kind, wanted) if kind else wanted or default_weights(name, known),
        known=known, truth=stated(name, truth) if truth else {},
        tissues=tissues, grades=grades, snr=snr, likelihood="rician" if rician else "gaussian",
    )  # fmt: skip
    folder = out if out is not None else RESULTS / f"optimum-{Path(request.protocol).stem}"
    with progress_bar(wanted=not as_json) as report:
        found = optimise(request, Asked(free=read_free(free), wanted=aim, time=time, front=front), report, ready)
        files = save_optimum(found, folder, f"{Path(request.protocol).stem}-best")
        rows = confirmed(found, confirm, seed, report) if confirm else ()
    if as_json:
        write_json(
            {
                "protocol": request.protocol, "model": name, "best": asdict(found.best), "notes": found.notes,
                "as_it_stands": asdict(found.own) if found.own else None, "front": [asdict(p) for p in found.front],
                "confirmed": [asdict(row) for row in rows], "files": [str(path) for path in files],
            }
        )  # fmt: skip
        return
    _write(found, rows, files)


def _write(found: Any, rows: Any, files: tuple[Path, ...]) -> None:
    from ..report.optimum import confirmed_table, front_table, settings_table, spread_table

    write_tables(settings_table(found), spread_table(found))
    if found.front:
        write_tables(front_table(found))
    if rows:
        write_tables(confirmed_table(rows))
    loudness.notes(found.notes)
    for path in files:
        click.echo(f"written: {path}")
