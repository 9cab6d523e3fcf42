"""Tables of a predicted SNR: by tissue and image, its budget factor by factor, and over fields."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.errors import InputError
from ..plan.snr import SnrPrediction, SnrRow
from .quantities import label
from .table import Table

MOST_IMAGES = 8
"""Columns of images at most; of longer series evenly spread ones are shown."""
HEADS = {
    "reference": "reference", "field": "field", "volume": "mm³", "time": "√s", "coils": "coils",
    "reconstruction": "recon", "proton density": "PD", "T1, flip, preparation": "T1, flip", "T2": "T2", "T2'": "T2'",
    "slice profile": "profile",
}  # fmt: skip
"""Factors of the budget as heads of columns."""
FAINT = 0.01
"""An SNR below this is nothing, and its factors mean nothing."""


def snr_table(prediction: SnrPrediction) -> Table:
    """Return the SNR of every tissue in the images of the series."""
    by_tissue = _by_tissue(prediction)
    count = len(next(iter(by_tissue.values())))
    last = min(count, MOST_IMAGES) - 1
    shown = sorted({round(i * (count - 1) / last) for i in range(last + 1)}) if last > 0 else [0]
    heads = [_image_name(next(iter(by_tissue.values()))[i]) for i in shown]
    rows = tuple((label(name), *(_number(rows[i].snr) for i in shown)) for name, rows in by_tissue.items())
    title = f"SNR at {prediction.field:g} T ({prediction.scanner}), scan time {prediction.scan_time:.4g} s"
    return Table(title=title, columns=("tissue", *heads), rows=rows, numeric=tuple(range(1, len(heads) + 1)))


def snr_budget_table(prediction: SnrPrediction, image: int = 0) -> Table:
    """Return where the SNR of one image comes from: a row for each tissue, whose factors' product is its SNR."""
    chosen = [_image(rows, image) for rows in _by_tissue(prediction).values()]
    heads = [HEADS.get(name, name) for name in chosen[0].factors]
    rows = []
    for row in chosen:
        values = [_number(value) if row.snr >= FAINT else "–" for value in row.factors.values()]
        rows.append((label(row.tissue), *values, _number(row.snr), _number(prediction.per_root_second(row))))
    title = f"Budget of image {image} ({_image_name(chosen[0])}): SNR is the product; field law '{prediction.law}'"
    columns = ("tissue", *heads, "SNR", "SNR / √s")
    return Table(title=title, columns=columns, rows=tuple(rows), numeric=tuple(range(1, len(columns))))


def comparison_table(predictions: Sequence[SnrPrediction], image: int = 0) -> Table:
    """Return SNR per root second of scan time of every tissue over the fields, and its ratio to the first."""
    heads = [f"{p.field:g} T" for p in predictions]
    ratios = [f"{head} / {heads[0]}" for head in heads[1:]]
    rows = []
    for tissue in _by_tissue(predictions[0]):
        values = [p.per_root_second(_image(_by_tissue(p)[tissue], image)) for p in predictions]
        gains = [_number(value / values[0]) if values[0] > 1e-6 else "–" for value in values[1:]]
        rows.append((label(tissue), *(_number(value) for value in values), *gains))
    columns = ("tissue", *heads, *ratios)
    title = f"SNR per √s of scan time, image {image}"
    return Table(title=title, columns=columns, rows=tuple(rows), numeric=tuple(range(1, len(columns))))


def _by_tissue(prediction: SnrPrediction) -> dict[str, list[SnrRow]]:
    found: dict[str, list[SnrRow]] = {}
    for row in prediction.rows:
        found.setdefault(row.tissue, []).append(row)
    return found


def _image(rows: list[SnrRow], image: int) -> SnrRow:
    if image >= len(rows):
        raise InputError(f"is {image}; the series has the images 0 to {len(rows) - 1}", key="--image")
    return rows[image]


def _image_name(row: SnrRow) -> str:
    """Return what tells an image from the others of its series, e.g. ``TE 12.6 ms``."""
    for key, name in (("ti", "TI"), ("te", "TE"), ("tr", "TR")):
        if row.contrast.get(key):
            return f"{name} {1e3 * row.contrast[key]:.4g} ms"
    return f"image {row.image}"


def _number(value: float) -> str:
    if 0 < value < 1e-3:
        return "< 0.001"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
