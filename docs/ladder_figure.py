"""Draw ``docs/images/lumbar-ladder.png``: one turbo spin echo of five grades at 1.5, 3 and 7 T; print its signals.

``.venv/bin/python docs/ladder_figure.py [FOLDER]`` runs the three protocols into FOLDER (default ``results/ladder``;
10 minutes of processor time) where their results are not there yet, draws the middle slices, each in a window up to
its CSF, and prints the signals of nuclei, marrow and outer annulus over that of CSF.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
from matplotlib.colors import Normalize

from mrsim.core.images import Images
from mrsim.core.storage import load
from mrsim.phantom import load_phantom
from mrsim.report.slices import draw_slice
from mrsim.report.style import png, styled

ROOT = Path(__file__).resolve().parents[1]

FIELDS = ("1.5", "3", "7")
GRADES = (1, 2, 3, 4, 5)
DISCS = ("L1/2", "L2/3", "L3/4", "L4/5", "L5/S1")
VIEW = (-62.0, 48.0, -112.0, 112.0)
"""What is shown, mm in the plane: the column and what lies before it."""


def image(field, folder):
    """Return the middle slice of a run (1, y, x) and its grid; run it first where it is missing."""
    out = folder / f"{field}T"
    if not (out / "result.h5").is_file():
        words = ["run", "sag-t2w-tse", "--phantom", "lumbar-spine", "--grade", ",".join(map(str, GRADES))]
        command = [sys.executable, "-m", "mrsim", *words, "--field", field, "--out", str(out)]
        subprocess.run(command, check=True, cwd=ROOT)
    (found,) = (value for value in load(out / "result.h5").values() if isinstance(value, Images))
    layer = found.grid.shape[0] // 2
    return np.abs(found.data[0, layer : layer + 1]), found.grid.slice(layer)


def signals(values, grid, field):
    """Return the mean signal by region over that of CSF, of voxels that one kind of region fills."""
    phantom = load_phantom("lumbar-spine", float(field), GRADES)
    parts = phantom.region_fractions(grid)

    def mean(start):
        share = sum(part for part, region in zip(parts, phantom.regions, strict=True) if region.name.startswith(start))
        return float(values[share >= 0.999].mean())

    names = [f"nucleus_pulposus_{disc}" for disc in DISCS]
    names += ["marrow", *(f"annulus_fibrosus_outer_{disc}" for disc in DISCS)]
    csf = mean("csf")
    return csf, {name: mean(name) / csf for name in names}


def main():
    """Draw the figure and print the table."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "results" / "ladder")
    with styled(10.7, 4.85) as figure:
        for axes, field in zip(figure.subplots(1, 3), FIELDS, strict=True):
            values, grid = image(field, folder)
            csf, ratios = signals(values, grid, field)
            draw_slice(axes, values, grid, norm=Normalize(0.0, csf), colours="gray", view=VIEW)
            axes.set(title=f"{field} T", xlabel="mm", ylabel="mm")
            print(f"{field} T:", ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items()))
        (ROOT / "docs" / "images" / "lumbar-ladder.png").write_bytes(png(figure))


if __name__ == "__main__":
    main()
