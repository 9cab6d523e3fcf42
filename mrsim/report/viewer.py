"""A sequence diagram that a reader can zoom, as a piece of HTML that needs nothing from outside itself."""

from __future__ import annotations

import html
import json
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..sequence.sequence import Block, Sequence
from .captions import embedded
from .diagram import rf_phase
from .page import document
from .repetition import Repetition, repetition_bounds, sampled_repetitions, take
from .sequence_views import sequence_views
from .style import BLUE, RED, SERIES, png

KNOTS = 40_000
"""Knots that a page carries at most; as many repetitions as fit are shown."""


def sequence_viewer(sequence: Sequence, knots: int = KNOTS) -> str:
    """Return a figure of the first repetitions with a readout: RF, gradients and ADC, to zoom and to move.

    Parameters
    ----------
    sequence : Sequence
    knots : int
        How many knots of the waveforms the page may carry; at least one repetition is shown.
    """
    part, count = _stretch(sequence, knots)
    total = len(repetition_bounds(sequence))
    shown = "the whole scan" if count == total else f"{count} of {total} repetitions"
    data = {
        "duration": part.duration,
        "view": _view(part),
        "rf": _pulses(part),
        "rows": _rows(part),
        "blocks": [
            [int(start), int(start) + block.duration, block.name]
            for start, block in zip(part.starts, part.blocks, strict=True)
        ],
    }
    script = files("mrsim.report").joinpath("viewer.js").read_text(encoding="utf-8")
    words = f"{html.escape(sequence.name)} on {html.escape(sequence.scanner.name)}: {shown}. "
    return (
        '<figure class="viewer"><canvas tabindex="0" role="img" aria-label="sequence diagram: plus and minus zoom, '
        'arrow keys move, 0 resets"></canvas>\n<output></output>\n'
        f"<figcaption>{words}Wheel or + and − zoom, drag or arrow keys move. "
        "<button type='button'>whole stretch</button></figcaption>\n"
        f'<script type="application/json">{_json(data)}</script>\n<script>{script}</script></figure>'
    )


def viewer_page(sequence: Sequence) -> str:
    """Return a self-contained HTML page: the zoomable diagram of the scan and, below it, its other views."""
    title = html.escape(sequence.name)
    views = "\n".join(embedded(name, png(figure)) for name, figure in sequence_views(sequence).items())
    return document(title, [f"<h1>{title}</h1>", sequence_viewer(sequence, 10 * KNOTS), views])


def _json(data: dict[str, Any]) -> str:
    """Return JSON that may stand inside a script element."""
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")


def _stretch(sequence: Sequence, knots: int) -> tuple[Repetition, int]:
    """Return as many repetitions as fit, from the first with a readout, or from the start if all fit."""
    bounds = repetition_bounds(sequence)
    sizes = [sum(_size(block) for block in sequence.blocks[a:b]) for a, b in bounds]
    first = 0 if sum(sizes) <= knots else _first(sequence)
    within = np.cumsum(sizes[first:]) <= knots
    count = max(int(np.count_nonzero(within)), 1)
    return take(sequence, first, count), count


def _first(sequence: Sequence) -> int:
    """Return the first repetition with a readout, from 0."""
    return next(iter(sampled_repetitions(sequence)), 0)


def _view(part: Repetition) -> tuple[int, int]:
    """Return what is shown first: from the excitation before the first readout to the last readout of that stretch."""
    windows, starts = part.windows(), [int(s) for s, b in zip(part.starts, part.blocks, strict=True) if b.starts_tr]
    if not windows:
        return 0, part.duration
    begin = max((s for s in starts if s <= windows[0][0]), default=0)
    end = min((s for s in starts if s > windows[0][0]), default=part.duration)
    last = max(stop for start, stop, _ in windows if start < end)
    return begin, min(last + (last - begin) // 10, part.duration)


def _size(block: Block) -> int:
    return 3 + sum(len(gradient.times) for gradient in block.gradients if gradient is not None)


def _rows(part: Repetition) -> list[dict[str, Any]]:
    rows = []
    for axis, name in enumerate(("Gx", "Gy", "Gz")):
        times, amplitude = part.gradient(axis)
        rows.append(_row(name, "mT/m", SERIES[(0, 2, 3)[axis]], times, amplitude * 1e3))
    edges, level = [0], [0.0]
    for start, end, _ in part.windows():
        edges += [start, start, end, end]
        level += [0.0, 1.0, 1.0, 0.0]
    rows.append(_row("ADC", "", BLUE, np.array([*edges, part.duration]), np.array([*level, 0.0])))
    return rows


def _pulses(part: Repetition) -> dict[str, Any]:
    """Return the distinct pulses, (dwell ns, uT, deg) each, and where each is played: (start ns, pulse)."""
    known: dict[tuple[Any, ...], int] = {}
    shapes: list[tuple[int, list[float], list[float]]] = []
    plays: list[tuple[int, int]] = []
    for start, _, pulse in part.pulses():
        key = (id(pulse.signal), pulse.dwell, pulse.frequency, pulse.phase)
        if key not in known:
            known[key] = len(shapes)
            size = np.abs(pulse.signal) * 1e6
            angle = rf_phase(pulse.signal, pulse.phase, pulse.frequency, pulse.dwell)
            shown = np.where(size > 1e-3 * size.max(), angle, 0.0)
            shapes.append((pulse.dwell, _short(size), _short(shown)))
        plays.append((start, known[key]))
    return {"shapes": shapes, "plays": plays, "colour": RED}


def _row(name: str, unit: str, colour: str, times: NDArray[Any], values: NDArray[np.float64]) -> dict[str, Any]:
    return {"name": name, "unit": unit, "colour": colour, "t": [int(t) for t in times], "v": _short(values)}


def _short(values: NDArray[np.float64]) -> list[float]:
    """Return the values to five digits, which no screen can tell from all of them."""
    return [float(f"{value:.5g}") for value in values.tolist()]
