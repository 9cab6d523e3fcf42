"""Truth against fit as CSV: one row per region and parameter, and one per voxel. Numbers are in SI units."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from ..core.evaluation import Evaluation
from ..core.maps import STATUS, Maps

REGIONS = (
    "region", "parameter", "unit", "truth", "fit", "bias", "bias_percent", "sd", "se", "fit_se", "voxels", "rejected",
    "notes",
)  # fmt: skip
VOXELS = (
    "region", "parameter", "unit", "i_x", "i_y", "i_z", "right_m", "anterior_m", "superior_m", "truth", "fit",
    "fit_se", "status",
)  # fmt: skip


def region_table(evaluation: Evaluation) -> str:
    """Return the comparison with the truth, one row per region and parameter."""
    rows = []
    for row in evaluation.rows:
        percent = 100 * row.bias / row.truth if row.truth else float("nan")
        rows.append(
            (row.region, row.parameter, row.unit, row.truth, row.mean, row.bias, percent, row.sd, row.se, row.fit_se,
             row.n, row.rejected, "; ".join(row.flags))
        )  # fmt: skip
    return _text(REGIONS, rows)


def voxel_table(maps: Maps, truth: Maps, rois: Mapping[str, NDArray[np.bool_]]) -> str:
    """Return every voxel of the regions with its true and its fitted value; empty where there is none.

    Parameters
    ----------
    maps, truth : Maps
        On the same grid.
    rois : mapping of str to (z, y, x) array of bool
    """
    affine, rows = maps.grid.affine(), []
    for name in (name for name in maps.values if name in truth.values):
        fit, true = maps.values[name], truth.values[name]
        errors = maps.errors.get(name, np.full(maps.grid.shape, np.nan))
        for region, mask in rois.items():
            for z, y, x in np.argwhere(mask).tolist():
                place = affine @ (x, y, z, 1.0)
                status = int(maps.status[z, y, x])
                rows.append(
                    (region, name, maps.units[name], x, y, z, *map(float, place[:3]), float(true[z, y, x]),
                     float(fit[z, y, x]), float(errors[z, y, x]), STATUS.get(status, str(status)))
                )  # fmt: skip
    return _text(VOXELS, rows)


def _text(columns: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    """Return rows as RFC 4180 writes them; numbers keep all their digits, NaN is empty."""
    made = io.StringIO()
    writer = csv.writer(made)
    writer.writerow(columns)
    for row in rows:
        writer.writerow(["" if isinstance(cell, float) and np.isnan(cell) else cell for cell in row])
    return made.getvalue()
