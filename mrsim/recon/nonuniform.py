"""Sums over samples anywhere in k-space, by finufft to 1e-9, and the share of k-space that each sample stands for.

    I(x) = sum_i w_i s(k_i) exp(+i 2 pi k_i.x) / thickness

w_i is the area (volume) of k-space that sample i stands for, so that a fully relaxed voxel of proton density 1 reads 1
here as in the Cartesian transform, to which this reduces on a raster. The weights solve sum_j w_j C(k_i - k_j) = 1 by
Pipe's iteration (1999, doi:10.1002/(SICI)1522-2594(199901)41:1<179::AID-MRM25>3.0.CO;2-V) with C = sinc^2 over the
field of view, which is never negative and vanishes at the raster's neighbours. Where k-space has holes the image
aliases, and where it is sampled too sparsely the weights cannot mend it. finufft is imported on first use.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

ITERATIONS = 25
"""Of the density compensation."""
ACCURACY = 1e-9
"""Of the non-uniform transforms."""


def density(turns: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the (n,) share of k-space of each sample; all shares of a raster of N points are 1/N.

    Parameters
    ----------
    turns : (n, axes) array
        k in cycles per voxel, x first.
    shape : tuple of int
        Voxels of the field of view, x last.
    """
    wide = tuple(2 * n for n in shape)
    windows = [np.clip(1 - np.abs(np.arange(n) - n // 2) / (n / 2), 0, None) for n in wide]
    window = windows[0]
    for other in windows[1:]:
        window = np.multiply.outer(window, other)
    weights = np.ones(len(turns)) / math.prod(shape)
    for _ in range(ITERATIONS):
        spread = forward(turns, adjoint(turns, weights.astype(np.complex128), wide) * window).real
        weights = weights / np.maximum(spread, 1e-12)
    return weights


def adjoint(
    turns: NDArray[np.float64], values: NDArray[np.complex128], shape: tuple[int, ...]
) -> NDArray[np.complex128]:
    """Return sum_i values_i exp(+i 2 pi turns_i.n) at the voxels n, zero at n // 2 of every axis, x last."""
    return _transform(1, turns, values, shape)


def forward(turns: NDArray[np.float64], image: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return sum_n image_n exp(-i 2 pi turns_i.n) at the samples."""
    return _transform(2, turns, image, image.shape)


def _transform(
    kind: int, turns: NDArray[np.float64], values: NDArray[np.complex128], shape: tuple[int, ...]
) -> NDArray[np.complex128]:
    plan = _plan(kind, turns, shape, 1)
    return np.asarray(plan.execute(np.ascontiguousarray(values)), dtype=np.complex128)


def _plan(kind: int, turns: NDArray[np.float64], shape: tuple[int, ...], many: int) -> Any:
    import finufft

    points = [np.ascontiguousarray(2 * np.pi * turns[:, len(shape) - 1 - axis]) for axis in range(len(shape))]
    plan: Any = finufft.Plan(
        kind, shape, many, eps=ACCURACY, isign=1 if kind == 1 else -1, dtype="complex128", nthreads=1
    )
    plan.setpts(*points)
    return plan


class Transform:
    """The sums at fixed samples, prepared once for many images: `forward` and its adjoint over (many, ...) arrays."""

    def __init__(self, turns: NDArray[np.float64], shape: tuple[int, ...], many: int) -> None:
        self.shape, self.many, self.samples = shape, many, len(turns)
        self._there, self._back = (_plan(kind, turns, shape, many) for kind in (2, 1))

    def forward(self, images: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """Return the (many, sample) sums of (many, ...) images."""
        found = self._there.execute(np.ascontiguousarray(images.reshape(self._given(self.shape))))
        return np.asarray(found, dtype=np.complex128).reshape(self.many, self.samples)

    def adjoint(self, samples: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """Return the (many, ...) adjoint of (many, sample) values."""
        found = self._back.execute(np.ascontiguousarray(samples.reshape(self._given((self.samples,)))))
        return np.asarray(found, dtype=np.complex128).reshape(self.many, *self.shape)

    def _given(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return shape if self.many == 1 else (self.many, *shape)
