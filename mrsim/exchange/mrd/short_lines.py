"""Cartesian readouts of an MRD file that do not span the matrix: asymmetric echoes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.acquisition import Encoding, Readouts
from ...core.errors import InputError
from ...sequence.nominal import cartesian_k


def padded(
    data: NDArray[np.complex128], heads: NDArray[Any], labels: dict[str, NDArray[np.int64]], encoding: Encoding,
    path: Path,
) -> Readouts:  # fmt: skip
    """Return readouts as long as the matrix, with zeros where nothing was sampled.

    `center_sample` lies at k = 0; in readouts that run backwards the raster is counted from its other end.

    Parameters
    ----------
    data : (readout, coil, sample) array
        Without the samples that the header discards.
    heads : (readout,) structured array
        Acquisition headers.
    labels : dict
        With ``reverse``.
    encoding : Encoding
    path : Path
        For messages.
    """
    nx, samples = encoding.grid.shape[2], data.shape[2]
    centre = heads["center_sample"].astype(np.int64) - heads["discard_pre"]
    first = np.where(labels["reverse"] == 0, nx // 2, nx - 1 - nx // 2) - centre
    if first.min() < 0 or (first + samples).max() > nx:
        problem = f"{samples} samples with k = 0 at sample {int(centre[0])} do not lie in a matrix of {nx}"
        raise InputError(problem, file=path, key="dataset/data")
    whole = np.zeros((*data.shape[:2], nx), dtype=np.complex128)
    for row, start in enumerate(first.tolist()):
        whole[row, :, start : start + samples] = data[row]
    dwell = heads["sample_time_us"][:, None].astype(np.float64) * 1e-6
    t = heads["user_float"][:, :1].astype(np.float64) * 1e-3 + (np.arange(nx) - first[:, None]) * dwell
    return Readouts(data=whole, k=cartesian_k(encoding.grid, labels, len(data), encoding.kind), t=t, labels=labels)
