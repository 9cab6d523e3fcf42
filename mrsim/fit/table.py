"""What a model asks of the contrast table, and what it says when it does not get it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError, did_you_mean
from .method import Method
from .model import Column, Description

WEIGHTINGS = ("te", "tr", "ti", "flip", "b")
"""Columns whose variation changes the signal: a model that does not read one cannot have it vary."""


def check_table(model: Description, contrast: Mapping[str, NDArray[np.float64]], images: int) -> None:
    """Raise an `InputError` for a contrast table of `images` images that the model cannot be fitted to."""
    for column in model.contrast:
        if column.name not in contrast:
            hint = did_you_mean(column.name, list(contrast)) if contrast else ""
            raise InputError(
                f"model '{model.name}' needs the {column.description} of every image; "
                f"the images have no contrast column '{column.name}'{hint}",
                key=column.name,
            )
        _check_column(column, contrast[column.name], images)
    for name, values in contrast.items():
        read = name in {column.name for column in model.contrast} and name not in model.constant
        if name in WEIGHTINGS and not read and np.ptp(values) > 1e-9 * np.abs(values).max():
            raise InputError(
                f"varies over the images ({values.min():g} to {values.max():g}), which model '{model.name}' "
                "does not describe; select images in which it is the same",
                key=name,
            )
    columns = [contrast[column.name] for column in model.contrast]
    distinct = len(np.unique(np.stack(columns, axis=1), axis=0)) if columns else images
    needed = len(model.parameters)
    if isinstance(model, Method) and model.images is not None:
        needed = model.images
    if distinct < needed:
        raise InputError(
            f"model '{model.name}' has {len(model.parameters)} parameters; {distinct} different "
            f"({', '.join(column.name for column in model.contrast)}) cannot determine them, "
            f"it takes at least {needed}"
        )


def _check_column(column: Column, values: NDArray[np.float64], images: int) -> None:
    if values.shape != (images,):
        raise InputError(f"has shape {values.shape}; there are {images} images", key=column.name)
    wrong = ~np.isfinite(values) | ((values < 0.0) & (not column.signed)) | ((values == 0.0) & (not column.zero))
    if wrong.any():
        index = int(np.argmax(wrong))
        limit = "zero or more" if column.zero else "greater than zero"
        raise InputError(
            f"{column.description} of image {index} is {values[index]:g} {column.unit}; it must be finite and {limit}",
            key=column.name,
        )
    if values.max() < column.least:
        raise InputError(
            f"the largest {column.description}, {values.max():g} {column.unit}, looks like {column.smaller}; "
            f"the contrast table is in {column.unit}, and its largest value is at least {column.least:g}",
            key=column.name,
        )
    if values.max() > column.plausible:
        raise InputError(
            f"{column.description} of {values.max():g} {column.unit} looks like {column.mistaken}; "
            f"the contrast table is in {column.unit}, at most {column.plausible:g}",
            key=column.name,
        )
