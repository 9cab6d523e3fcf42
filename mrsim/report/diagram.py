"""The sequence diagram: RF magnitude and phase, three gradients and the ADC over one repetition.

Long stretches in which nothing plays are folded to a narrow band that states their length, so that the active part
fills the page; the repetition time is written under the axis.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ..sequence.sequence import Block, Sequence
from .quantities import duration, quantity
from .repetition import (
    Repetition,
    first_slice,
    plays,
    repetition_bounds,
    representative_image,
    sampled_repetitions,
    take,
)
from .style import BLUE, HAIR, INK, QUIET, RED, SERIES, Drawn, styled

Array = NDArray[np.float64]
FOLD = 0.12
"""A silent stretch longer than this part of the repetition is folded ..."""
FOLDED = 0.075
"""... to this part of the active time."""
CROWDED = 8
"""With more windows than this only the navigators and the first and the last echo are named."""
LADDER = 9
"""How many other phase-encoding steps are drawn behind the one that is played."""
ROWS = ("RF\nµT", "RF phase\ndeg", "Gx read\nmT/m", "Gy phase\nmT/m", "Gz slice\nmT/m", "ADC")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FoldedTime:
    """A time axis with its silent stretches folded."""

    real: Array
    """(n,) knots, ms."""
    drawn: Array
    """(n,) where they are drawn, ms."""
    folds: tuple[tuple[float, float], ...]
    """Real start and end of each folded stretch, ms."""

    def __call__(self, time: float | Array) -> Array:
        """Return where times, ms, are drawn."""
        return np.asarray(np.interp(time, self.real, self.drawn))


def fold_time(part: Repetition) -> FoldedTime:
    """Return the time axis of a stretch: silent blocks that take long are folded."""
    silent: list[list[int]] = []
    for start, block in zip(part.starts.tolist(), part.blocks, strict=True):
        if plays(block):
            continue
        if silent and silent[-1][1] == start:
            silent[-1][1] += block.duration
        else:
            silent.append([start, start + block.duration])
    folds = [(start, end) for start, end in silent if end - start > FOLD * part.duration]
    band = FOLDED * (part.duration - sum(end - start for start, end in folds))
    real, drawn = [0.0], [0.0]
    for start, end in folds:
        drawn.append(drawn[-1] + start - real[-1])
        drawn.append(drawn[-1] + band)
        real += [start, end]
    if real[-1] < part.duration:
        drawn.append(drawn[-1] + part.duration - real[-1])
        real.append(part.duration)
    in_ms = tuple((start / 1e6, end / 1e6) for start, end in folds)
    return FoldedTime(real=np.array(real) / 1e6, drawn=np.array(drawn) / 1e6, folds=in_ms)


def sequence_diagram(sequence: Sequence, first_tr: int | None = None, repetitions: int = 1) -> Drawn:
    """Return the diagram of a sequence.

    Parameters
    ----------
    sequence : Sequence
    first_tr : int, optional
        Repetition to begin with, from 0; by default the first slice of the first one that reads the most active
        image (`representative_image`).
    repetitions : int
        How many to draw.
    """
    first = first_tr if first_tr is not None else representative_image(sequence)[0]
    whole = take(sequence, first, repetitions)
    part = first_slice(whole) if first_tr is None and repetitions == 1 else whole
    cut = part.duration < whole.duration
    time = fold_time(part)
    with styled(11.0, 6.6) as figure:
        rows = figure.subplots(6, 1, sharex=True, height_ratios=(1.75, 0.8, 1, 1, 1, 0.95))
        _draw_rf(rows[0], rows[1], part, time)
        _draw_ladder(rows[3], sequence, first, part, time)
        for axis, colour in zip(range(3), (SERIES[0], SERIES[2], SERIES[3]), strict=True):
            _draw_gradient(rows[2 + axis], part, axis, time, colour)
        _draw_adc(rows[5], part, time)
        _draw_brackets(rows[0], rows[5], sequence, part, time, cut)
        _finish(rows, sequence, part, time, first, cut)
    return Drawn(figure)


def _draw_rf(magnitude: Axes, phase: Axes, part: Repetition, time: FoldedTime) -> None:
    pulses = part.pulses()
    peak = max((float(np.abs(pulse.signal).max()) for _, _, pulse in pulses), default=0.0) * 1e6 or 1.0
    crowded = len(pulses) > 11
    for start, block, pulse in pulses:
        edges = (start + pulse.dwell * np.arange(len(pulse.signal) + 1)) / 1e6
        size = np.abs(pulse.signal) * 1e6
        places = time(edges)
        magnitude.stairs(size, places, fill=True, color=RED, alpha=0.25, linewidth=0)
        magnitude.stairs(size, places, color=RED, linewidth=1.0, label=block.name, baseline=0)
        middle = time((start + pulse.centre) / 1e6)
        name = block.name.replace("refocus", "ref.") if crowded else block.name
        words = f"{name}\n{math.degrees(pulse.flip):.4g}°"
        magnitude.text(float(middle), size.max() + 0.06 * peak, words, ha="center", va="bottom", fontsize=7)
        angle = rf_phase(pulse.signal, pulse.phase, pulse.frequency, pulse.dwell)
        angle[size <= 1e-3 * size.max()] = np.nan
        phase.plot(time((edges[:-1] + edges[1:]) / 2), angle, color=RED, linewidth=1.3)
    magnitude.set_ylim(0, 2.2 * peak)
    ticks = MaxNLocator(3, steps=[1, 2, 5, 10]).tick_values(0, peak)
    magnitude.set_yticks([float(tick) for tick in ticks if 0 <= tick <= 1.2 * peak])
    phase.set_ylim(-200, 200)
    phase.set_yticks([-180, 0, 180])


def rf_phase(signal: NDArray[np.complex128], offset: float, frequency: float, dwell: int) -> Array:
    """Return the phase phi of B1 = |B1| exp(-i phi), deg in (-180, 180].

    Parameters
    ----------
    signal : (n,) array
        Samples.
    offset : float
        Phase offset, rad.
    frequency : float
        Hz.
    dwell : int
        ns.
    """
    time = (np.arange(len(signal)) + 0.5) * dwell * 1e-9
    turned = np.angle(np.conj(signal) * np.exp(1j * (2 * np.pi * frequency * time + offset)), deg=True)
    wrapped: Array = np.where(turned < -180 + 1e-6, turned + 360, turned)
    return wrapped


def _draw_gradient(axes: Axes, part: Repetition, axis: int, time: FoldedTime, colour: str) -> None:
    knots, amplitudes = part.gradient(axis)
    places, values = time(knots / 1e6), amplitudes * 1e3
    axes.fill_between(places, values, color=colour, alpha=0.22, linewidth=0)
    axes.plot(places, values, color=colour, linewidth=1.1)
    peak = float(np.abs(values).max()) or 1.0
    axes.set_ylim(-1.2 * peak, 1.2 * peak)
    axes.yaxis.set_major_locator(MaxNLocator(3, symmetric=True, steps=[1, 2, 5, 10]))


def _draw_ladder(axes: Axes, sequence: Sequence, first: int, part: Repetition, time: FoldedTime) -> None:
    """Draw the phase encoding of other repetitions with the same timing faintly behind the played one."""
    count = len(part.blocks)
    lengths = [block.duration for block in part.blocks]
    bounds = repetition_bounds(sequence)
    same = [
        index
        for index in sampled_repetitions(sequence)
        if [block.duration for block in sequence.blocks[slice(*bounds[index])][:count]] == lengths
    ]
    chosen = np.unique(np.linspace(0, len(same) - 1, min(LADDER, len(same))).astype(int))
    for index in (same[i] for i in chosen if same[i] != first):
        other = take(sequence, index)
        same_part = Repetition(blocks=other.blocks[:count], starts=other.starts[:count], gamma_bar=other.gamma_bar)
        knots, amplitudes = same_part.gradient(1)
        axes.plot(time(knots / 1e6), amplitudes * 1e3, color=HAIR, linewidth=0.7, zorder=0)


def _draw_adc(axes: Axes, part: Repetition, time: FoldedTime) -> None:
    windows = part.windows()
    for (start, end, _), words in zip(windows, window_names([block for _, _, block in windows]), strict=True):
        low, high = float(time(start / 1e6)), float(time(end / 1e6))
        axes.fill_between([low, high], 0.0, 0.55, color=BLUE, alpha=0.3, linewidth=0)
        axes.plot([low, low, high, high], [0.0, 0.55, 0.55, 0.0], color=BLUE, linewidth=1.0)
        level = 0.62 if words.startswith("echo") else 0.82  # a navigator's name reaches over the first echo's
        axes.text((low + high) / 2, level, words, ha="center", va="bottom", fontsize=7)
    axes.set_ylim(0, 1.1)
    axes.set_yticks([])


def window_names(blocks: list[Block]) -> list[str]:
    """Return what is written above each ADC window: echoes are counted, every other purpose is named once in a row.

    Of more than `CROWDED` windows only the first and the last echo are named.
    """
    purposes = [block.adc.purpose if block.adc is not None else "" for block in blocks]
    names, echo, imaging = [], 0, purposes.count("imaging")
    for index, purpose in enumerate(purposes):
        echo += purpose == "imaging"
        if purpose != "imaging":
            names.append(purpose if index == 0 or purposes[index - 1] != purpose else "")
        else:
            named = len(blocks) <= CROWDED or echo in (1, imaging)
            names.append(f"echo {echo}" if named else "")
    return names


def echo_times(sequence: Sequence, part: Repetition) -> list[int]:
    """Return when each window's nominal echo lies, ns from the start of `part`."""
    times = sequence.encoding.contrast.get("te")
    excitations = part.centres("excitation")
    if times is None:
        return []
    echoes = []
    for start, _, block in part.windows():
        origin = [centre for centre in excitations if centre <= start]
        if origin:
            echoes.append(origin[-1] + round(float(times[block.labels.get("contrast", 0)]) * 1e9))
    return echoes


def _draw_brackets(top: Axes, bottom: Axes, sequence: Sequence, part: Repetition, time: FoldedTime, cut: bool) -> None:
    excitations, echoes = part.centres("excitation"), echo_times(sequence, part)
    if excitations and echoes:
        _bracket(top, time, excitations[0], echoes[0], "TE", 0.73)
        if len(echoes) > 1 and len(excitations) == 1 and echoes[-1] != echoes[-2]:
            _bracket(top, time, echoes[-2], echoes[-1], "ΔTE", 0.73)
    starts = [int(s) for s, block in zip(part.starts, part.blocks, strict=True) if block.starts_tr] or [0]
    if cut:
        starts = []
    for start, end in pairwise([*starts, part.duration]):
        _bracket(top, time, start, end, "TR", 0.9)
    inversions = part.centres("inversion")
    if excitations and inversions and inversions[0] < excitations[0]:
        _bracket(top, time, inversions[0], excitations[0], "TI", 0.73)
    for echo in echoes:
        bottom.axvline(float(time(echo / 1e6)), 0, 0.55, color=BLUE, linewidth=0.7, linestyle=(0, (3, 2)))


def _bracket(axes: Axes, time: FoldedTime, start: int, end: int, name: str, height: float) -> None:
    low, high = float(time(start / 1e6)), float(time(end / 1e6))
    level = height * axes.get_ylim()[1]
    arrow = {"arrowstyle": "<->", "color": INK, "linewidth": 0.8, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", (low, level), (high, level), arrowprops=arrow)
    words = f"{name} {quantity((end - start) / 1e9, 's', 6)}"
    axes.text((low + high) / 2, level * 1.015, words, ha="center", va="bottom", fontsize=7.5, fontweight="bold")


def _finish(
    rows: NDArray[np.object_], sequence: Sequence, part: Repetition, time: FoldedTime, first: int, cut: bool
) -> None:
    for axes, words in zip(rows, ROWS, strict=True):
        axes.set_ylabel(words, rotation=0, ha="right", va="center", labelpad=6)
        axes.axhline(0, color=QUIET, linewidth=0.5, zorder=0)
        axes.spines["bottom"].set_visible(axes is rows[-1])
        axes.tick_params(axis="x", bottom=axes is rows[-1])
        for start, end in time.folds:
            axes.axvspan(float(time(start)), float(time(end)), color="#f1f3f5", linewidth=0, zorder=-1)
    for start, end in time.folds:
        middle = float(time((start + end) / 2))
        words = f"wait\n{quantity((end - start) / 1e3, 's', 4)}"
        rows[3].text(middle, 0, words, ha="center", va="center", fontsize=7.5)
    ticks = _ticks(time)
    rows[-1].set_xticks(time(np.array(ticks)), [f"{tick:g}" for tick in ticks])
    width = float(time.drawn[-1])
    rows[-1].set_xlim(-0.012 * width, 1.004 * width)
    bounds = len(repetition_bounds(sequence))
    rows[-1].set_xlabel("time from the start of the repetition / ms")
    title = f"{sequence.name} on {sequence.scanner.name}: repetition {first + 1} of {bounds}"
    if cut:
        title += f", one slice of TR {quantity(take(sequence, first).duration / 1e9, 's', 6)}"
    rows[0].set_title(f"{title}, scan time {duration(sequence.duration)}")


def _ticks(time: FoldedTime) -> list[float]:
    """Return round times outside the folded stretches, and the end."""
    edges = [0.0, *(edge for fold in time.folds for edge in fold), float(time.real[-1])]
    active = [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a > 1e-9]
    span = sum(b - a for a, b in active)
    step = _round_step(span / 12)
    ticks = [round(n * step, 6) for a, b in active for n in range(math.ceil(a / step), math.floor(b / step) + 1)]
    end = float(time.real[-1])
    return [tick for tick in ticks if float(time(end) - time(tick)) > 0.04 * float(time.drawn[-1])] + [round(end, 3)]


def _round_step(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * nice for nice in (1, 2, 5, 10) if power * nice >= step)
