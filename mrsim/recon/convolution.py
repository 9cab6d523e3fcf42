"""Kernels in k-space: each sample of every coil as a weighted sum of its neighbours in all coils.

    K'_j(t) = sum_l sum_d w_jl(d) K_l(t + d),    I'_j(x) = sum_l W_jl(x) I_l(x),
    W_jl(x) = sum_d w_jl(d) exp(-i 2 pi d.x / N)

The second line is the same convolution seen in the image, where it costs a product and shows what it does to noise
(Breuer 2009, doi:10.1002/mrm.22066).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError

Array = NDArray[np.complex128]
Offset = tuple[int, int, int]

COLUMNS = 32
"""How many columns of x are unfolded at a time: W is as large as coils^2 images."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Kernel:
    """Weights and where their sources lie relative to the target."""

    offsets: tuple[Offset, ...]
    """(z, y, x) steps of k-space from target to source."""
    weights: Array
    """(target coil, source coil, offset)."""


def sources(kspace: Array, offsets: Sequence[Offset]) -> tuple[Array, tuple[slice, slice, slice]]:
    """Return the (position, coil * offset) neighbours of all places whose neighbours exist, and these places.

    Parameters
    ----------
    kspace : (coil, z, y, x) array
        Fully sampled.
    offsets : sequence of (z, y, x)
        Where the neighbours lie.
    """
    low = [max(0, -min(d[a] for d in offsets)) for a in range(3)]
    high = [kspace.shape[1 + a] - max(0, max(d[a] for d in offsets)) for a in range(3)]
    if any(h <= b for b, h in zip(low, high, strict=True)):
        need = [b + kspace.shape[1 + a] - h + 1 for a, (b, h) in enumerate(zip(low, high, strict=True))]
        raise InputError(
            f"the calibration has {kspace.shape[1:]} lines and samples (z, y, x), the kernel needs {tuple(need)}; "
            "acquire more calibration lines or use a smaller kernel"
        )
    places = tuple(slice(b, h) for b, h in zip(low, high, strict=True))
    columns = [
        kspace[:, low[0] + d[0] : high[0] + d[0], low[1] + d[1] : high[1] + d[1], low[2] + d[2] : high[2] + d[2]]
        for d in offsets
    ]
    table = np.stack([c.reshape(len(kspace), -1) for c in columns], axis=1)
    return table.reshape(-1, table.shape[-1]).T, (places[0], places[1], places[2])


def fit_kernel(pairs: Sequence[tuple[Array, Array]], offsets: Sequence[Offset], regularisation: float) -> Kernel:
    """Return the kernel that maps sources to targets best in the least-squares sense.

    Parameters
    ----------
    pairs : sequence of ((position, coil * offset), (position, target coil)) arrays
        Sources and targets; all together make the equations.
    offsets : sequence of (z, y, x)
        Of the sources.
    regularisation : float
        Tikhonov's parameter over the mean diagonal element of the normal matrix.
    """
    unknowns = pairs[0][0].shape[1]
    equations = sum(len(s) for s, _ in pairs)
    if equations < unknowns and regularisation == 0:
        raise InputError(
            f"the calibration gives {equations} equations for {unknowns} kernel weights; acquire more calibration "
            "lines, use a smaller kernel or regularise"
        )
    normal = sum(s.conj().T @ s for s, _ in pairs)
    right = sum(s.conj().T @ t for s, t in pairs)
    normal = normal + regularisation * float(np.trace(normal).real) / unknowns * np.eye(unknowns)
    solved = np.asarray(np.linalg.lstsq(normal, right, rcond=1e-14)[0], dtype=np.complex128)
    coils = unknowns // len(offsets)
    return Kernel(offsets=tuple(offsets), weights=solved.T.reshape(-1, coils, len(offsets)))


def image_weights(kernels: Sequence[Kernel], shape: tuple[int, int, int]) -> Iterator[tuple[slice, int, Array]]:
    """Yield, some columns x at a time and target coil by target coil, W_j of the sum of kernels, (coil, z, y, x)."""
    nz, ny, nx = shape
    lines = sorted({d[:2] for k in kernels for d in k.offsets})
    steps = sorted({d[2] for k in kernels for d in k.offsets})
    coils = kernels[0].weights.shape[:2]
    table = np.zeros((*coils, len(lines), len(steps)), dtype=np.complex128)
    for kernel in kernels:
        for i, d in enumerate(kernel.offsets):
            table[:, :, lines.index(d[:2]), steps.index(d[2])] += kernel.weights[:, :, i]
    z, y, x = (np.arange(n) - n // 2 for n in shape)
    turns = np.array(lines, dtype=float)
    along = np.exp(-2j * np.pi * (turns[:, 0, None, None] * z[:, None] / nz + turns[:, 1, None, None] * y / ny))
    along = along.reshape(len(lines), nz * ny).T
    across = np.exp(-2j * np.pi * np.outer(steps, x) / nx)
    for start in range(0, nx, COLUMNS):
        chosen = slice(start, min(start + COLUMNS, nx))
        part = table @ across[:, chosen]
        for j in range(coils[0]):
            flat = part[j].transpose(1, 0, 2).reshape(len(lines), -1)
            weights = (along @ flat).reshape(nz, ny, coils[1], -1).transpose(2, 0, 1, 3)
            yield chosen, j, weights


def combined_weights(kernels: Sequence[Kernel], maps: Array) -> Array:
    """Return U (coil, z, y, x), so that the matched combination of the filled coil images is sum_l U_l I_l.

    Parameters
    ----------
    kernels : sequence of Kernel
        All act at once; their sum is the convolution.
    maps : (coil, z, y, x) array
        Whitened sensitivities; zero outside the object.
    """
    _, nz, ny, nx = maps.shape
    power = np.sum(np.abs(maps) ** 2, axis=0)
    share = np.divide(maps.conj(), power, out=np.zeros_like(maps), where=power > 0)
    result = np.zeros((kernels[0].weights.shape[1], nz, ny, nx), dtype=np.complex128)
    for chosen, j, weights in image_weights(kernels, (nz, ny, nx)):
        result[..., chosen] += share[j, ..., chosen] * weights
    return result


def convolve(kernels: Sequence[Kernel], images: Array) -> Array:
    """Return the (target coil, z, y, x) images after the convolution of (coil, z, y, x) images' k-space."""
    shape = (images.shape[1], images.shape[2], images.shape[3])
    result = np.zeros((kernels[0].weights.shape[0], *shape), dtype=np.complex128)
    for chosen, j, weights in image_weights(kernels, shape):
        result[j, ..., chosen] = np.sum(weights * images[..., chosen], axis=0)
    return result
