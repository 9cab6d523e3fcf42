"""A fitted spectrum as spectroscopists draw it: data, fit, baseline, residual, and what each metabolite adds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ..core.basis import KINDS
from ..fit.spectral import SpectralFit
from ..fit.spectral.score import Score
from .quantities import number
from .style import HAIR, INK, QUIET, RED, SERIES, Drawn, styled
from .table import Table

Array = NDArray[np.float64]
ROW = 0.36
"""Height of a metabolite's row, inch."""


def spectral_fit_figure(found: SpectralFit, kinds: dict[str, str], voxel: int = 0) -> Drawn:
    """Return the figure of one voxel's fit; chemical shift runs leftwards, all curves are real parts over the noise.

    Parameters
    ----------
    found : SpectralFit
    kinds : dict
        Metabolite -> its kind, which colours its row.
    voxel : int
    """
    ppm, data = found.ppm, found.measured[voxel].real
    smooth, parts = found.baseline[voxel].real, found.components[voxel].real
    whole = smooth + parts.sum(axis=0)
    count = len(found.names)
    with styled(8.6, 4.2 + ROW * count) as figure:
        rest, top, rows = figure.subplots(3, 1, sharex=True, height_ratios=(0.9, 3.2, ROW * count))
        rest.plot(ppm, data - whole, color=QUIET, linewidth=0.7)
        rest.set_title(f"residual; its variance is {number(float(found.misfit[voxel]), 3)} times the noise's")
        top.plot(ppm, data, color=QUIET, linewidth=0.7, label="data")
        top.plot(ppm, whole, color=RED, linewidth=1.2, label="fit")
        top.plot(ppm, smooth, color=INK, linewidth=0.9, linestyle="--", label="baseline")
        top.set_ylabel("real part / noise")
        top.legend(loc="upper left", ncols=3)
        _rows(rows, found, kinds, voxel)
        for panel in (rest, top):
            panel.axhline(0, color=HAIR, linewidth=0.6)
        rows.set_xlim(float(ppm[-1]), float(ppm[0]))
        rows.set_xlabel("chemical shift / ppm")
    return Drawn(figure)


def _rows(panel: Axes, found: SpectralFit, kinds: dict[str, str], voxel: int) -> None:
    """Draw what each metabolite adds, scaled to the largest, with its amount beside it."""
    parts, errors = found.components[voxel].real, found.errors[voxel]
    size = float(np.abs(parts).max()) or 1.0
    for k, name in enumerate(found.names):
        base = len(found.names) - 1 - k
        colour = SERIES[KINDS.index(kinds[name])] if found.detected[voxel, k] else QUIET
        panel.axhline(base, color=HAIR, linewidth=0.5)
        panel.plot(found.ppm, base + 0.9 * parts[k] / size, color=colour, linewidth=0.9)
        doubt = "  basis too narrow" if found.narrow[voxel, k] else ""
        said = f"{name}  {number(float(found.amplitudes[voxel, k]), 3)} ± {number(float(errors[k]), 2)}{doubt}"
        panel.annotate(said, (1.01, base), xycoords=("axes fraction", "data"), color=INK, va="center", fontsize=8)
    panel.set_ylim(-0.6, len(found.names) + 0.2)
    panel.set_yticks([])
    panel.spines["left"].set_visible(False)
    panel.set_title(f"what each adds, all on one scale; amounts in {found.unit}; grey: not detected")


def amount_table(found: SpectralFit, truth: dict[str, float], voxel: int = 0) -> Table:
    """Return metabolite, truth, fitted amount, Cramér-Rao bound and bias of one voxel.

    Parameters
    ----------
    found : SpectralFit
    truth : dict
        Metabolite -> true amount, mM, where one is known; left out of a fit without a scale in mM.
    voxel : int
    """
    rows = []
    for k, name in enumerate(found.names):
        amount, error = float(found.amplitudes[voxel, k]), float(found.errors[voxel, k])
        known, bias, percent, sigmas = "–", "–", "–", "–"
        if name in truth and found.unit == "mM":
            off = amount - truth[name]
            known, bias = number(truth[name], 4), number(off, 3)
            percent = number(100 * off / truth[name], 3) if truth[name] else "–"
            sigmas = number(off / error, 2)
        absent = "" if found.detected[voxel, k] else f"not detected; below {number(float(found.limit[voxel, k]), 3)}"
        narrow = "basis narrower than the data: too small" if found.narrow[voxel, k] else ""
        said = "; ".join(part for part in (absent, narrow) if part)
        rows.append((name, known, number(amount, 4), number(error, 3), bias, percent, sigmas, said))
    columns = ("metabolite", "truth", "fitted", "CRLB", "bias", "bias %", "bias / CRLB", "notes")
    return Table(
        title=f"Amounts / {found.unit}", columns=columns, rows=tuple(rows), numeric=tuple(range(1, 7)), prose=(7,)
    )


def score_table(score: Score | None, integrals: Mapping[str, tuple[float, float]], unit: str) -> Table | None:
    """Return the open score and the regions' integrals of one voxel; None where neither was asked for.

    Parameters
    ----------
    score : Score or None
    integrals : mapping
        Region -> signal over that of the unsuppressed water, and its standard error.
    unit : str
        Of the amounts.
    """
    rows: list[tuple[str, str, str, str]] = []
    if score is not None:
        said = "" if score.defined[0] else "acids or structure do not stand three standard errors above zero"
        lipids = "lipids exceed half of the acids: contaminated" if score.contaminated[0] else ""
        value, error = (number(float(x[0]), 3) if score.defined[0] else "–" for x in (score.value, score.error))
        rows.append(("log10(acids / structure)", value, error, "; ".join(part for part in (said, lipids) if part)))
        rows += [(f"{name} / {unit}", number(float(x[0]), 3), "", "") for name, x in (
            ("acids", score.acids), ("structure", score.structure))]  # fmt: skip
    rows += [
        (f"{name}, integral over water", number(value, 3), number(error, 2), "")
        for name, (value, error) in integrals.items()
    ]
    columns = ("quantity", "value", "standard error", "notes")
    table = Table(title="Score and regions", columns=columns, rows=tuple(rows), numeric=(1, 2), prose=(3,))
    return table if rows else None


__all__ = ["amount_table", "score_table", "spectral_fit_figure"]
