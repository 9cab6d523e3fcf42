"""Waves beside the modulus that carries them; elastograms beside the truth; waves in motion."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..core.maps import VALUED, Maps
from ..core.wave import Waves
from ..fit.validity import ADJOINING
from .style import Drawn, png, styled

FRAMES = 12
"""Of an animation."""
MEASURED = "shear_modulus_magnitude"


def wave_figure(waves: Waves, axis: int = 0, index: int | None = None) -> Drawn:
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
    return Drawn(figure)


def _ends(waves: Waves, axis: int) -> tuple[float, float]:
    centres, half = waves.grid.coordinates(axis) * 1e3, waves.grid.spacing[axis] * 500
    return float(centres[0] - half), float(centres[-1] + half)


def elastogram(waves: Waves, maps: Maps, truth: Maps, index: int | None = None) -> Drawn:
    """Return measured waves, modulus, truth, their ratio and what is usable, mixed with what adjoins or no modulus.

    Parameters
    ----------
    waves, maps, truth : Waves, Maps, Maps
        Wave images, the moduli that an inversion made of them, and the true ones, on one grid.
    index : int, optional
        Which slice; by default the one with most usable voxels, of equals the one with most of known modulus.
    """
    known = np.isfinite(truth.values[MEASURED]) if MEASURED in truth.values else waves.inside
    usable = waves.inside & (maps.values["validity"] == 0)
    place = shown_slice(waves, maps, truth) if index is None else index
    box = _box(known[place] | (known.sum() == 0))
    measured = np.where(np.isin(maps.status, VALUED), maps.values[MEASURED], np.nan)[place][box] / 1e3
    true = np.where(known, truth.values.get(MEASURED, np.nan), np.nan)[place][box] / 1e3
    top = 1.3 * float(np.nanmax(true)) if np.isfinite(true).any() else None
    columns = max(len(waves.components), 4)
    with styled(2.9 * columns, 7.2) as figure:
        told = f"slice {place + 1} of {len(known)}: {usable[place].sum()} of {waves.inside[place].sum()} voxels usable"
        figure.suptitle(told, x=0.01, ha="left", fontsize=9)
        panels = figure.subplots(3, columns, squeeze=False)
        mask = waves.inside[place][box]
        fields = [1e6 * field[place][box] for field in waves.displacement[0]]
        limit = float(np.percentile(np.abs(np.array(fields)[:, mask]), 98)) if mask.any() else 1.0
        for row, (turn, said) in enumerate(((1, "0"), (1j, "T/4"))):
            for panel, name, field in zip(panels[row], waves.components, fields, strict=False):
                drawn = np.where(mask, (field * turn).real, np.nan)
                _panel(figure, panel, drawn, f"{name}, t = {said} (µm)", "RdBu_r", (-limit, limit))
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = measured / true
        validity = maps.values["validity"][place][box]
        codes = np.nan_to_num(validity).astype(int)
        flags = np.where(np.isfinite(validity), np.where(codes & ~ADJOINING, 2.0, np.where(codes, 1.0, 0.0)), np.nan)
        for panel, title, values, colours, ends in zip(
            panels[2], ("measured |G*| (kPa)", "true |G*| (kPa)", "measured / true", "0 usable, 1 mixed, 2 none"),
            (measured, true, ratio, flags), ("viridis", "viridis", "RdBu_r", "RdYlGn_r"),
            ((0, top), (0, top), (0, 2), (0, 2)), strict=False,
        ):  # fmt: skip
            _panel(figure, panel, values, title, colours, ends)
        for panel in [*panels[0, len(waves.components) :], *panels[1, len(waves.components) :], *panels[2, 4:]]:
            panel.remove()
    return Drawn(figure)


def shown_slice(waves: Waves, maps: Maps, truth: Maps) -> int:
    """Return the slice of an elastogram: with most usable voxels, of equals the one with most of known modulus."""
    known = np.isfinite(truth.values[MEASURED]) if MEASURED in truth.values else waves.inside
    usable = waves.inside & (maps.values["validity"] == 0)
    counts = list(zip(usable.sum(axis=(1, 2)), (known & waves.inside).sum(axis=(1, 2)), strict=True))
    return counts.index(max(counts))


def wave_animation(waves: Waves, index: int | None = None) -> bytes:
    """Return the displacement over one period, one panel per component, as an animated PNG that runs for ever.

    Parameters
    ----------
    waves : Waves
    index : int, optional
        Which slice; by default the one with most voxels.
    """
    from PIL import Image

    place = int(np.argmax(waves.inside.sum(axis=(1, 2)))) if index is None else index
    box = _box(waves.inside[place])
    mask = waves.inside[place][box]
    fields = [1e6 * field[place][box] for field in waves.displacement[0]]
    limit = float(np.percentile(np.abs(np.array(fields)[:, mask]), 98)) if mask.any() else 1.0
    frames = []
    for step in range(FRAMES):
        turn = np.exp(2j * np.pi * step / FRAMES)
        with styled(2.9 * len(fields), 2.6) as figure:
            panels = figure.subplots(1, len(fields), squeeze=False)[0]
            for panel, name, field in zip(panels, waves.components, fields, strict=True):
                title = f"{name}, {waves.frequencies[0]:g} Hz, slice {place + 1} (µm)"
                _panel(figure, panel, np.where(mask, (field * turn).real, np.nan), title, "RdBu_r", (-limit, limit))
        frames.append(Image.open(BytesIO(png(figure))).convert("RGB"))
    out = BytesIO()
    frames[0].save(out, format="PNG", save_all=True, append_images=frames[1:], duration=100, loop=0)
    return out.getvalue()


def _panel(
    figure: Figure, panel: Axes, values: NDArray[np.float64], title: str, colours: str, ends: tuple[float, float | None]
) -> None:
    low, high = ends
    drawn = panel.imshow(values, origin="lower", cmap=colours, vmin=low, vmax=high)
    panel.set(title=title, xticks=[], yticks=[])
    figure.colorbar(drawn, ax=panel, shrink=0.8)


def _box(mask: NDArray[np.bool_], margin: int = 3) -> tuple[slice, slice]:
    """Return the rows and columns that hold a (y, x) mask and some around it; all where it is empty."""
    found = []
    for axis in (1, 0):
        held = np.flatnonzero(mask.any(axis=axis))
        found.append(slice(max(held[0] - margin, 0), held[-1] + margin + 1) if held.size else slice(None))
    return found[0], found[1]
