"""`mrsim bench`: how fast the engines are here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from . import loudness
from .options import json_option
from .output import write_json, write_tables

if TYPE_CHECKING:
    from ..report.table import Table


@click.command("bench")
@click.option("--quick", is_flag=True, help="Less work per timing and no cold compilation: below a minute.")
@json_option
def command(quick: bool, as_json: bool) -> None:
    """Time the engines, the dictionaries and the fit on this machine, beside a plain loop and other programs."""
    from ..study.bench import bench

    found = bench(quick, None if as_json else lambda name: loudness.step(f"timing {name}"))
    if as_json:
        write_json(found)
        return
    write_tables(rate_table(found), peer_table(found))
    for line in facts(found):
        click.echo(line)


def rate_table(found: dict[str, Any]) -> Table:
    """Return the speeds, one row per task and precision."""
    from ..report.table import Table

    rows = tuple(
        (
            rate["name"], rate["precision"], f"{rate['per_second']:.3g}", f"{rate['unit']}/s", _or_dash(rate["goal"]),
            f"{rate['operations']:g}" if rate["operations"] else "–",
            f"{100 * rate['per_second'] / rate['limit']:.0f}" if rate["limit"] else "–",
            f"{rate['per_second'] / rate['baseline']:.1f}" if rate["baseline"] else "–", f"{rate['two_threads']:.2f}",
        )
        for rate in found["rates"]
    )  # fmt: skip
    columns = (
        "task", "precision", "one core", "unit", "goal", "instructions", "% of limit", "× scalar loop", "two threads ×"
    )  # fmt: skip
    return Table(title="Speed", columns=columns, rows=rows, numeric=(2, 4, 5, 6, 7, 8))


def peer_table(found: dict[str, Any]) -> Table:
    """Return other programs' speeds."""
    from ..report.table import Table

    rows = tuple(
        (peer["name"], f"{peer['per_second']:.3g}" if peer["per_second"] else "not installed", f"{peer['unit']}/s",
         peer["work"])
        for peer in found["peers"]
    )  # fmt: skip
    return Table(title="Other programs", columns=("program", "one core", "unit", "work"), rows=rows, numeric=(1,))


def facts(found: dict[str, Any]) -> list[str]:
    """Return lines about the machine, the start and the memory."""
    on, start = found["machine"], found["start"]
    busy = f"load {on['load']:.1f} before and {on['load_after']:.1f} after"
    versions = ", ".join(f"{name} {on[name.lower()]}" for name in ("Python", "numpy", "numba", "mrsim"))
    held = f"{found['peak_memory_bytes'] / 1e6:.0f} MB"
    limits = " and ".join(f"{rate:.3g} in {name}" for name, rate in found["multiply_adds_per_second"].items())
    lines = [
        f"{on['processor']}, {on['cores']} cores, {busy}; {versions}; {on['date']}",
        f"multiply-adds per second of one core: {limits} precision; the limit of a task is this over its instructions",
        f"import mrsim {1e3 * start['import_seconds']:.0f} ms; most memory held {held}",
    ]
    if "compile_seconds" in start:
        lines.append(
            f"first call of the engine {start['compile_seconds']:.1f} s with nothing compiled, "
            f"{start['first_call_seconds']:.2f} s from the cache on disk"
        )
    if on["load_after"] > 1.5:
        lines.append("other programs were running: speeds per core are of processor time, gains by threads are too low")
    return lines


def _or_dash(value: float | None) -> str:
    return "–" if value is None else f"{value:.2g}"
