"""K-space: the way through it in one repetition, and the order in which all of it is sampled."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..sequence.sequence import Sequence
from .repetition import (
    Repetition,
    first_slice,
    repetition_bounds,
    representative_image,
    sampled_repetitions,
    take,
)
from .style import INK, QUIET, Drawn, styled

STEPS = 4000
"""Points along the drawn path."""
COLOURS = "plasma"
AFAR = 3.0
"""A path that leads this many times farther than any sample is cut off at the margin ..."""
MARGIN = 1.5
"""... of this many times the farthest sample."""


def sampled_k(sequence: Sequence, contrast: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return k (n, 3), 1/m, and the time in the scan (n,), s, of every sample of one image of the series."""
    bounds, starts = repetition_bounds(sequence), sequence.starts()
    points, times = [], []
    for index in sampled_repetitions(sequence):
        part = take(sequence, index)
        wanted = [
            start + block.adc.dwell * np.arange(block.adc.samples) + block.adc.dwell // 2
            for start, _, block in part.windows()
            if block.adc is not None and block.labels.get("contrast", 0) == contrast
        ]
        if wanted:
            when = np.concatenate(wanted).astype(np.int64)
            points.append(part.path(when))
            times.append((starts[bounds[index][0]] + when) * 1e-9)
    if not points:
        return np.empty((0, 3)), np.empty(0)
    return np.concatenate(points), np.concatenate(times)


def kspace_figure(sequence: Sequence, repetition: int | None = None) -> Drawn:
    """Return the k-space figure: left the path of one repetition, right all samples of the first image.

    Parameters
    ----------
    sequence : Sequence
    repetition : int, optional
        The repetition whose path is drawn, from 0; by default one an eighth through those of the most
        active image.
    """
    shown = representative_image(sequence)
    chosen = repetition if repetition is not None else shown[len(shown) // 8]
    with styled(9.6, 4.3) as figure:
        left, right = figure.subplots(1, 2, sharex=True, sharey=True)
        _draw_path(figure, left, first_slice(take(sequence, chosen)), chosen)
        k, time = sampled_k(sequence)
        dots = right.scatter(k[:, 0], k[:, 1], c=time, s=1.2, cmap=COLOURS, linewidths=0)
        right.set_title(f"all {len(k):,} samples of image 1")
        bar = figure.colorbar(dots, ax=right, shrink=0.9, aspect=30)
        bar.set_label("time in the scan / s")
        _keep_to_samples(left, k)
        for axes in (left, right):
            axes.set_xlabel("kx (readout) / m⁻¹")
            axes.set_aspect("equal")
            axes.axhline(0, color=QUIET, linewidth=0.5, zorder=0)
            axes.axvline(0, color=QUIET, linewidth=0.5, zorder=0)
        left.set_ylabel("ky (phase) / m⁻¹")
    return Drawn(figure)


def _keep_to_samples(axes: Axes, k: NDArray[np.float64]) -> None:
    """Show the sampled part alone where the path leads far beyond it, as diffusion lobes do, and say so."""
    reach = float(np.abs(k[:, :2]).max()) if len(k) else 0.0
    farthest = max((abs(edge) for edge in (*axes.dataLim.intervalx, *axes.dataLim.intervaly)), default=0.0)
    if reach and farthest > AFAR * reach:
        axes.set_xlim(-MARGIN * reach, MARGIN * reach)
        axes.set_ylim(-MARGIN * reach, MARGIN * reach)
        axes.set_title(f"{axes.get_title(loc='left')} (leads to {farthest:,.0f} m⁻¹)")


def distinct_windows(part: Repetition) -> int:
    """Return how many ADC windows must be drawn: 1 if all sample the same places, otherwise all."""
    windows = part.windows()
    places = [
        np.sort(part.path(start + block.adc.dwell * np.arange(block.adc.samples) + block.adc.dwell // 2), axis=0)
        for start, _, block in windows
        if block.adc is not None
    ]
    same = all(p.shape == places[0].shape and np.allclose(p, places[0], atol=1e-3 * np.abs(p).max()) for p in places)
    return 1 if places and same else len(places)


def _draw_path(figure: Figure, axes: Axes, part: Repetition, index: int) -> None:
    """Draw the path from the excitation to the last distinct sample, coloured by time, and the samples on it."""
    windows, drawn = part.windows(), distinct_windows(part)
    excitations = part.centres("excitation")
    if not windows or not excitations:
        axes.set_title(f"repetition {index + 1} samples nothing")
        return
    echoes = "" if len(windows) == 1 else f", echo 1 of {len(windows)}" if drawn == 1 else f", {drawn} readouts"
    axes.set_title(f"path of repetition {index + 1}{echoes}")
    samples = part.sample_times()
    samples = samples[samples < windows[drawn - 1][1]]
    times = np.unique(np.concatenate([np.linspace(excitations[0], samples[-1], STEPS).astype(np.int64), samples]))
    path = part.path(times)[:, :2]
    pieces = np.stack([path[:-1], path[1:]], axis=1)
    since = (times - excitations[0]) / 1e6
    jump = np.hypot(*(path[1:] - path[:-1]).T) > 0.25 * np.ptp(path, axis=0).max()
    turns = LineCollection(list(pieces[jump]), colors=QUIET, linewidths=0.9, linestyles="dotted")
    line = LineCollection(list(pieces[~jump]), array=since[1:][~jump], cmap=COLOURS, linewidths=1.6)
    axes.add_collection(turns)
    axes.add_collection(line)
    k = part.path(samples)
    axes.plot(k[::4, 0], k[::4, 1], ".", color=INK, markersize=2.2, label="samples (every 4th)")
    axes.plot([], [], ":", color=QUIET, label="refocusing pulse")
    axes.plot(0, 0, marker="+", color=QUIET, markersize=9, linestyle="none", label="excitation")
    axes.legend(loc="upper center", ncols=3, fontsize=7, handletextpad=0.3, columnspacing=0.9)
    bar = figure.colorbar(line, ax=axes, shrink=0.9, aspect=30)
    bar.set_label("time since the excitation / ms")
