"""Sums over samples anywhere in k-space, by finufft to 1e-9, and the share of k-space that each sample stands for.

    I(x) = sum_i w_i s(k_i) exp(+i 2 pi k_i.x) / thickness

w_i is the area (volume) of k-space that sample i stands for, so that a fully relaxed voxel of proton density 1 reads 1
here as in the Cartesian transform, to which this reduces on a raster. The weights solve sum_j w_j C(k_i - k_j) = 1 by
Pipe's iteration (1999, doi:10.1002/(SICI)1522-2594(199901)41:1<179::AID-MRM25>3.0.CO;2-V). C is never negative: it is
the squared transform of an ellipse (ellipsoid) that fills the field of view, so that the ellipse's autocorrelation
tells how far an object's points count as neighbours. That vanishes one field of view away in every direction, and with
it the images that a raster at any angle folds there: on a raster all weights are equal, and along the rings of radial
samples they sum to the rings' areas. (A square's autocorrelation, sinc^2, reaches beyond along its diagonals, and takes
8 % off radial images.)

Density jumps where all spokes cross: the sum over |k| g(k) at steps dk from the crossing misses dk^2 g(0) / 12 on each
side of the integral, a share of the image that grows with the object, 12 % of one that covers half of the field of
view. So the innermost cells get what makes objects of all widths read right in the middle; on a raster they have that
already. What is left grows towards the rim: radial images of discs that fill 0.7 of the field of view
read 1 % too high on average and 2 % in the middle, of smaller ones less.

Where k-space has holes the image aliases, and where it is sampled too sparsely the weights cannot mend it. finufft is
imported on first use.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

ITERATIONS = 25
"""Of the density compensation."""
WIDTHS = (1 / 14, 1 / 8, 1 / 5, 1 / 4)
"""Standard deviations, over the field of view, of Gaussians that are to read right in the middle."""
CELLS = 2
"""Steps of a raster from the centre of k-space within which weights are adjusted to that."""
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
    window = _window(shape)
    weights = np.ones(len(turns)) / math.prod(shape)
    for _ in range(ITERATIONS):
        spread = forward(turns, adjoint(turns, weights.astype(np.complex128), wide) * window).real
        weights = weights / np.maximum(spread, 1e-12)
    return _centred(weights, turns, shape)


def _centred(weights: NDArray[np.float64], turns: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the weights, the innermost changed so that wide and narrow Gaussians read what they do on a raster."""
    away = np.linalg.norm(turns * np.array(shape[::-1]), axis=1)
    cells = np.maximum(1 - np.abs(away - np.arange(CELLS)[:, None]), 0.0)
    gaussians = np.exp(-2 * (np.pi * np.array(WIDTHS)[:, None] * away) ** 2)
    wanted = [
        math.prod(np.exp(-2 * (np.pi * width * (np.arange(n) - n // 2)) ** 2).sum() / n for n in shape)
        for width in WIDTHS
    ]
    parts = (weights * gaussians) @ cells.T / np.array(wanted)[:, None]
    change = np.linalg.lstsq(parts, 1 - gaussians @ weights / wanted, rcond=1e-6)[0]
    return np.asarray(weights * np.maximum(1 + change @ cells, 0.0))


def _window(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the autocorrelation of the ellipse that fills the field of view, on twice its voxels: 1 at the middle."""
    axes = [(np.arange(2 * n) - n) / n for n in shape]
    away = np.sqrt(sum(np.ix_(*[a**2 for a in axes])))
    away = np.minimum(away, 1.0)
    if len(shape) == 1:
        return np.asarray(1 - away)
    if len(shape) == 2:
        return np.asarray((np.arccos(away) - away * np.sqrt(1 - away**2)) * 2 / np.pi)
    return np.asarray(1 - 1.5 * away + 0.5 * away**3)


def covered_radius(turns: NDArray[np.float64], shape: tuple[int, ...]) -> float:
    """Return the radius of the largest ball around the centre of k-space without a gap, cycles per voxel; at most 1/2.

    A gap is a place farther from every sample than the points of a raster of the same field of view ever are: half the
    diagonal of its cell.

    Parameters
    ----------
    turns : (n, axes) array
        k in cycles per voxel, x first.
    shape : tuple of int
        Voxels of the field of view, x last.
    """
    from scipy.spatial import KDTree

    axes, width = len(shape), np.array(shape[::-1])
    fine = [np.arange(-n // 2, n // 2 + 0.25, 0.5) for n in shape[::-1]]
    places = np.stack([axis.ravel() for axis in np.meshgrid(*fine, indexing="ij")], axis=1)
    away, _ = KDTree(turns * width).query(places)
    gaps = np.linalg.norm(places / width, axis=1)[away > 0.5 * math.sqrt(axes) * (1 + 1e-6)]
    return float(np.clip(gaps.min(initial=0.5), 1 / width.min(), 0.5))


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
