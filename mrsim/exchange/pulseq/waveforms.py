"""How a piecewise-linear gradient and a rotation are best written in Pulseq's terms."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def trapezoid(times: NDArray[np.int64], values: NDArray[np.float64]) -> tuple[float, int, int, int, int] | None:
    """Return amplitude, rise, flat, fall and delay (ns) if the gradient is a trapezoid or a triangle."""
    if len(times) not in (3, 4) or values[0] != 0 or values[-1] != 0 or values[1] != values[-2]:
        return None
    rise, flat, fall = int(times[1] - times[0]), int(times[-2] - times[1]), int(times[-1] - times[-2])
    return float(values[1]), rise, flat, fall, int(times[0])


def sampled(rasters: NDArray[np.float64], values: NDArray[np.float64]) -> int | None:
    """Return 0 for samples at raster centres between two edges, -1 for half rasters, None for other times."""
    inner = rasters[1:-1]
    n = len(inner)
    if n >= 2 and np.array_equal(inner, np.arange(n) + 0.5) and rasters[-1] == n:
        return 0
    if n >= 3 and n % 2 and np.array_equal(inner, (np.arange(n) + 1) / 2) and rasters[-1] == (n + 1) / 2:
        return -1
    return None


def extrapolates(values: NDArray[np.float64]) -> bool:
    """Return whether a reader of version 1.4 finds the last value from the samples before it."""
    if len(values) < 4:
        return False
    wanted = (3 * values[-2] - values[-3]) / 2
    return bool(abs(values[-1] - wanted) <= 1e-6 * np.abs(values).max())


def quaternion(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the unit quaternion (q0, qx, qy, qz), q0 >= 0, of a (3, 3) rotation."""
    m = matrix
    table = np.array(
        [
            [m[0, 0] + m[1, 1] + m[2, 2], m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]],
            [m[2, 1] - m[1, 2], m[0, 0] - m[1, 1] - m[2, 2], m[0, 1] + m[1, 0], m[0, 2] + m[2, 0]],
            [m[0, 2] - m[2, 0], m[0, 1] + m[1, 0], m[1, 1] - m[0, 0] - m[2, 2], m[1, 2] + m[2, 1]],
            [m[1, 0] - m[0, 1], m[0, 2] + m[2, 0], m[1, 2] + m[2, 1], m[2, 2] - m[0, 0] - m[1, 1]],
        ]
    )
    vector = np.linalg.eigh(table)[1][:, -1]
    return np.asarray((vector if vector[0] >= 0 else -vector) + 0.0)  # no minus zero
