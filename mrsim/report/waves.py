"""Waves beside the modulus that carries them: one row per frequency, one panel per component."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from ..core.wave import Waves
from .style import styled


def wave_figure(waves: Waves, axis: int = 0, index: int | None = None) -> Figure:
    """Return the real part of each component at every frequency, in um, and the true |G*|, in kPa, of one slice.

    Parameters
    ----------
    waves : Waves
    axis : int
        Array axis that is cut: 0 for a slice in x and y, 1 in x and z, 2 in y and z.
    index : int, optional
        Which slice; the middle one by default.
    """
    place = waves.grid.shape[axis] // 2 if index is None else index
    across, up = (name for name in "xyz" if name != "zyx"[axis])
    extent = [float(v) for name in (across, up) for v in _ends(waves, "xyz".index(name))]
    columns, rows = len(waves.components) + (waves.modulus is not None), len(waves.frequencies)
    with styled(3.2 * columns, 2.8 * rows) as figure:
        panels = figure.subplots(rows, columns, squeeze=False)
        mask = np.take(waves.inside, place, axis=axis)
        for row, (frequency, field) in enumerate(zip(waves.frequencies, waves.displacement, strict=True)):
            shown = [(f"{name}, {frequency:g} Hz (µm)", field[i].real * 1e6) for i, name in enumerate(waves.components)]
            limit = max(float(np.abs(values).max()) for _, values in shown) or 1.0
            for panel, (title, values) in zip(panels[row], shown, strict=False):
                picture = np.where(mask, np.take(values, place, axis=axis), np.nan)
                drawn = panel.imshow(picture, origin="lower", extent=extent, cmap="RdBu_r", vmin=-limit, vmax=limit)
                panel.set(title=title, xlabel=f"{across} (mm)", ylabel=f"{up} (mm)")
                figure.colorbar(drawn, ax=panel, shrink=0.7)
            if waves.modulus is not None:
                stiff = np.abs(np.take(waves.modulus[row], place, axis=axis)) / 1e3
                drawn = panels[row, -1].imshow(stiff, origin="lower", extent=extent, cmap="viridis", vmin=0)
                panels[row, -1].set(title="true |G*| (kPa)", xlabel=f"{across} (mm)", ylabel=f"{up} (mm)")
                figure.colorbar(drawn, ax=panels[row, -1], shrink=0.7)
    return figure


def _ends(waves: Waves, axis: int) -> tuple[float, float]:
    centres, half = waves.grid.coordinates(axis) * 1e3, waves.grid.spacing[axis] * 500
    return float(centres[0] - half), float(centres[-1] + half)
