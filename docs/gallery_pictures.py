"""Draw ``docs/images/gallery``: what every protocol shows of its phantom, small, in one look; `gallery.md` lists them.

``.venv/bin/python docs/gallery_pictures.py [NAME ...]`` runs the named protocols, or those without a picture, with a
coarse matrix and one slice (`small`), and draws image and map beside each other. What is predicted to take longer than
`LONGEST` is left out and said; its card shows the sequence instead. A whole new set takes about 10 minutes of
processor time, so the pictures are kept in the repository and not made with the pages.
"""

import sys
import time
from pathlib import Path

import numpy as np
from matplotlib.colors import Normalize

import mrsim as mr
from mrsim.core.errors import UserError
from mrsim.core.spectra import Spectra
from mrsim.core.toml import available
from mrsim.report.maps import fitted_values, shared_window
from mrsim.report.quantities import label, scale
from mrsim.report.slices import draw_slice
from mrsim.report.style import BLUE, styled

FOLDER = Path(__file__).resolve().parent / "images" / "gallery"
LONGEST = "25 s"
"""Of one simulation, as it is predicted."""
COARSE = 64
"""Voxels of the longer side."""


def small(protocol):
    """Return the settings that make a protocol cheap: entries as texts."""
    made = {"dummies": "0"}
    if isinstance(getattr(protocol, "matrix", None), tuple):
        shrink = max(1.0, max(protocol.matrix[:2]) / COARSE)
        sides = [2 * round(side / shrink / 2) for side in protocol.matrix[:2]]
        made["matrix"] = " ".join(map(str, [*sides, *(min(8, side) for side in protocol.matrix[2:])]))
    if hasattr(protocol, "slices"):
        made["slices"] = "1"
    if hasattr(protocol, "acceleration"):
        made["acceleration"] = "1"
    return {key: value for key, value in made.items() if hasattr(protocol, key)}


def ran(name):
    """Return the small run of a protocol."""
    seconds = float(LONGEST.split()[0])
    engine = {"accuracy": 3e-2, "subsamples": 1, "longest": seconds}
    return mr.run(mr.RunRequest(protocol=name, overrides=small(mr.load_protocol(name)), engine=engine))


def _plain(axes, title):
    axes.set(xticks=[], yticks=[], xlabel="", ylabel="")
    axes.set_title(title, fontsize=7.5)


def drawn(result):
    """Return the figure of a run: its first image, and the first of its maps that has a truth."""
    with styled(3.3, 1.65) as figure:
        if isinstance(result.images, Spectra):
            axes = figure.subplots()
            spectra = result.images
            axes.plot(spectra.ppm(), np.abs(spectra.spectrum()[0].mean(axis=0)), color=BLUE, linewidth=0.8)
            axes.set(xlim=(4.4, 0.2), yticks=[], ylim=(0, None))
            axes.set_xlabel("ppm", fontsize=7)
            return figure
        shown = [name for name in (result.maps.values if result.maps else ()) if name in result.truth.values]
        panels = figure.subplots(1, 2 if shown else 1, squeeze=False)[0]
        image, grid = np.abs(result.images.data[0]), result.images.grid
        draw_slice(panels[0], image, grid, norm=Normalize(0, float(np.percentile(image, 98.5)) or 1.0), colours="gray")
        _plain(panels[0], "first image")
        for axes, name in zip(panels[1:], shown, strict=False):
            factor, unit = scale(result.maps.units[name])
            values = factor * fitted_values(result.maps, name)
            draw_slice(axes, values, grid, norm=shared_window(factor * result.truth.values[name]), colours="viridis")
            _plain(axes, f"{label(name)}{f' / {unit}' if unit else ''}")
        return figure


def main():
    """Draw what is asked for, or what is missing."""
    FOLDER.mkdir(exist_ok=True)
    wanted = sys.argv[1:] or [name for name in available("protocols") if not (FOLDER / f"{name}.png").is_file()]
    for name in wanted:
        start = time.process_time()
        try:
            figure = drawn(ran(name))
        except UserError as problem:
            print(f"{name}: left out: {problem}", flush=True)
            continue
        figure.savefig(FOLDER / f"{name}.png", dpi=110, metadata={"Software": None})
        print(f"{name}: {time.process_time() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main()
