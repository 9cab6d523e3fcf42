"""Tables of one protocol over several field strengths."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .quantities import duration, label, number, quantity
from .table import Table


def compare_tables(rows: Sequence[Any]) -> list[Table]:
    """Return the tables of a comparison (`study.compare.AtField`): the scan, the tissues, the maps."""
    heads = [f"{row.field:g} T" for row in rows]
    names = list(dict.fromkeys(name for row in rows for name in row.relaxation))
    tables = [Table(title="Scan", columns=("", *heads), rows=_scan(rows), numeric=tuple(range(1, len(heads) + 1)))]
    tables.append(
        Table(title="Tissues", columns=("tissue", "", *heads), rows=_tissues(rows, names),
              numeric=tuple(range(2, len(heads) + 2)))
    )  # fmt: skip
    maps = _maps(rows)
    if maps:
        tables.append(
            Table(title="Maps: expected bias, SD of a voxel in a scan of one minute", columns=("tissue", "", *heads),
                  rows=maps, numeric=tuple(range(2, len(heads) + 2)))
        )  # fmt: skip
    return tables


def _scan(rows: Sequence[Any]) -> tuple[tuple[str, ...], ...]:
    def every(name: str, of: Any) -> tuple[str, ...]:
        return (name, *("–" if row.plan is None else of(row) for row in rows))

    def margin(name: str) -> Any:
        def use(row: Any) -> str:
            found = [m.use for m in row.plan.page.limits.margins if m.limit_name == name]
            return f"{100 * found[0]:.0f} %" if found else "–"

        return use

    def shift(axis: str) -> Any:
        return lambda row: next((number(d.pixels, 3) for d in row.plan.page.distortion if d.axis == axis), "–")

    found = [
        every("scan time", lambda row: duration(row.plan.scan_time)),
        every("voxels per ppm, read", shift("read")),
        every("voxels per ppm, phase", shift("phase")),
        every("SAR whole body", margin("SAR whole body, 6 min")),
        every("RF amplitude", margin("RF amplitude")),
        every("nerve stimulation", margin("nerve stimulation, SAFE")),
        ("least |B1+| within 10 cm / middle", *(number(row.least_b1, 3) for row in rows)),
    ]
    keys = list(dict.fromkeys(key for row in rows for key in row.entries))
    return (*found, *((f"{key}, chosen", *(row.entries.get(key, "–") for row in rows)) for key in keys))


def _tissues(rows: Sequence[Any], names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    found = []
    for name in names:
        for time in ("t1", "t2", "t2_star"):
            cells = (quantity(row.relaxation.get(name, {}).get(time, math.nan), "s") for row in rows)
            found.append((label(name), label(time), *cells))
        found.append((label(name), "SNR / √s", *(number(row.best_snr(name), 3) for row in rows)))
        if any(math.isfinite(row.gag.get(name, math.nan)) for row in rows):
            gag = (number(100 * row.gag.get(name, math.nan), 3) for row in rows)
            found.append((label(name), "gagCEST / %", *gag))
    for first, second in zip(names[:-1], names[1:], strict=True):
        cells = (number(row.contrast(first, second), 3) for row in rows)
        found.append((f"{label(first)} – {label(second)}", "contrast / √s", *cells))
    return tuple(found)


def _maps(rows: Sequence[Any]) -> tuple[tuple[str, ...], ...]:
    plans = [row.plan for row in rows]
    keys = dict.fromkeys(
        (p.tissue, p.parameter) for plan in plans if plan for p in plan.precision if math.isfinite(p.truth)
    )
    found = []
    for tissue, parameter in keys:
        mine = [plan.of(tissue, parameter) if plan else None for plan in plans]
        bias = (f"{100 * p.bias / abs(p.truth):+.1f} %" if p and p.truth else "–" for p in mine)
        found.append((label(tissue), f"{label(parameter)} bias", *bias))
        for words, name in (("SD", "sd"), ("least SD", "bound")):
            cells = (quantity(getattr(p, name) * math.sqrt(p.scan_time / 60), p.unit, 3) if p else "–" for p in mine)
            found.append((label(tissue), f"{label(parameter)} {words}", *cells))
    return tuple(found)
