"""The best protocol beside the one that it came from, and the front of scan time against precision."""

from __future__ import annotations

from typing import Any

import numpy as np

from .quantities import duration, label, number
from .style import BLUE, HAIR, INK, RED, Drawn, styled
from .table import Table


def settings_table(found: Any) -> Table:
    """Return the settings, scan time and precision of the best protocol and of the one that it came from."""
    free = [entry.name for entry in found.asked.free]
    rows = [(label(name), found.stood[name], found.best.entries[name]) for name in free]
    own = found.own
    rows += [
        ("scan time", duration(own.time) if own else "–", duration(found.best.time)),
        ("relative SD (rms)", _percent(own.precision) if own else "–", _percent(found.best.precision)),
        ("SD × √minute", _rooted(own) if own else "–", _rooted(found.best)),
    ]
    title = f"{found.request.protocol}: best for {', '.join(label(n) for n in found.asked.wanted.weights)}"
    return Table(title=title, columns=("", "as it stands", "best"), rows=tuple(rows))


def spread_table(found: Any) -> Table:
    """Return the least standard deviations of every tissue, in one voxel."""
    names = list(next(iter(found.best.spread.values())))
    rows = []
    for tissue, spread in found.best.spread.items():
        before = found.own.spread[tissue] if found.own else {}
        cells = [f"{_percent(before.get(n, np.nan))} → {_percent(spread[n])}" for n in names]
        rows.append((label(tissue), *cells))
    columns = ("tissue", *(f"SD of {label(name)}" for name in names))
    return Table(title="Least standard deviation of one voxel: as it stands → best", columns=columns, rows=tuple(rows))


def front_table(found: Any) -> Table:
    """Return the front, one row per scan time."""
    free = [entry.name for entry in found.asked.free]
    rows = tuple((duration(p.time), _percent(p.precision), *(p.entries[n] for n in free)) for p in found.front)
    return Table(title="Scan time against precision", columns=("time", "SD (rms)", *map(label, free)), rows=rows)


def confirmed_table(rows: Any) -> Table:
    """Return what scans of the full simulator gave beside what was predicted."""
    cells = tuple(
        (label(r.tissue), label(r.parameter), _percent(r.predicted), _percent(r.sd), f"{r.sd / r.predicted:.3f}",
         _percent(r.bias), f"{r.replicates} × {r.voxels}")
        for r in rows
    )  # fmt: skip
    columns = ("tissue", "parameter", "predicted SD", "SD", "ratio", "bias", "scans × voxels")
    return Table(title="Full simulation, reconstruction and fit", columns=columns, rows=cells, numeric=(2, 3, 4, 5))


def front_figure(found: Any) -> Drawn:
    """Return scan time against precision: the front, the best protocol, and the one that it came from."""
    time = np.array([point.time for point in found.front]) / 60
    spread = 100 * np.array([point.precision for point in found.front])
    with styled(6.2, 3.8) as figure:
        axes = figure.subplots()
        root = spread[0] * np.sqrt(time[0] / time)
        axes.plot(time, root, color=HAIR, linestyle="--", label="1 / √time from the shortest")
        axes.step(time, spread, where="post", color=BLUE, marker="o", markersize=4, label="best protocols")
        axes.plot(found.best.time / 60, 100 * found.best.precision, "o", markersize=9, markerfacecolor="none",
                  color=INK, label="chosen")  # fmt: skip
        if found.own is not None:
            axes.plot(found.own.time / 60, 100 * found.own.precision, "x", color=RED, label="as it stands")
        axes.set(xscale="log", yscale="log", xlabel="scan time / min", ylabel="relative SD of one voxel / %")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, _: f"{value:g}")
            axis.set_minor_formatter(lambda value, _: f"{value:g}")
        axes.tick_params(which="minor", labelsize=6)
        wanted = ", ".join(label(name) for name in found.asked.wanted.weights)
        axes.set_title(f"{found.request.protocol}: {wanted}")
        axes.legend()
    return Drawn(figure)


def _percent(value: float) -> str:
    return f"{number(100 * value, 3)} %"


def _rooted(point: Any) -> str:
    return _percent(point.precision * (point.time / 60) ** 0.5)
