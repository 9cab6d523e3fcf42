"""Arrays on their way into the page: shape and little-endian single precision as text."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


def packed(values: ArrayLike) -> dict[str, Any]:
    """Return {"shape": [...], "f32": text} of an array; NaN stands for no value."""
    array = np.asarray(values, dtype="<f4")
    return {"shape": list(array.shape), "f32": b64encode(array.tobytes()).decode("ascii")}


def counted_runs(labels: ArrayLike) -> list[int]:
    """Return label, length, label, length, ... of a flattened array of small whole numbers."""
    flat = np.asarray(labels).ravel()
    starts = np.concatenate([[0], np.flatnonzero(np.diff(flat)) + 1])
    lengths = np.diff([*starts.tolist(), flat.size])
    return [int(v) for pair in zip(flat[starts].tolist(), lengths.tolist(), strict=True) for v in pair]
