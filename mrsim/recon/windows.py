"""What may follow a reconstruction: windows in k-space, and zeros around it, with what both do to noise.

A window W(k) multiplies the transform of the image; the image is then convolved with its point-spread function p.
Independent noise of variance sigma^2(x) becomes sum_x' |p(x - x')|^2 sigma^2(x'), which for uniform noise is the mean
of W^2. W(0) = 1, so that a uniform region keeps its value. Zeros around k-space interpolate: no information is added,
voxels become correlated, and their variance stays.

    hamming   0.54 + 0.46 cos(pi u)        hann   (1 + cos(pi u)) / 2        u = |k| / k_max
    tukey     1 up to u = 1 - a, then a raised cosine down to zero at u = 1
    fermi     1 / (1 + exp((u - u0) / w)), over its value at u = 0
    gauss     exp(-u^2 / (2 w^2))
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError, did_you_mean
from ..core.grid import Grid
from ..core.images import Images
from ..core.machine_memory import check_room
from .kspace import to_image, to_kspace

Array = NDArray[np.float64]

SHAPES: dict[str, tuple[float, Callable[[Array, float], Array]]] = {
    "hamming": (0.0, lambda u, _: 0.54 + 0.46 * np.cos(np.pi * np.minimum(u, 1))),
    "hann": (0.0, lambda u, _: (1 + np.cos(np.pi * np.minimum(u, 1))) / 2),
    "tukey": (0.5, lambda u, a: (1 + np.cos(np.pi * np.clip((u - (1 - a)) / a, 0, 1))) / 2),
    "fermi": (0.05, lambda u, w: (1 + math.exp(-0.85 / w)) / (1 + np.exp((u - 0.85) / w))),
    "gauss": (0.5, lambda u, w: np.exp(-(u**2) / (2 * w * w))),
}
"""By name: the default of the parameter and W(u, parameter)."""

PER_VOXEL = 40.0
"""Bytes for every voxel of an image that is made finer: k-space, the image and what lies between."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """A window by name."""

    name: str
    parameter: float | None = None
    """Tukey's a (share of k_max that falls), Fermi's and Gauss's width w, shares of k_max; None: the default."""
    radial: bool = False
    """A function of the distance from the centre of k-space, not a product along the axes."""

    def __post_init__(self) -> None:
        """Refuse an unknown name or a width that is not positive."""
        if self.name not in SHAPES:
            known = [*SHAPES]
            raise InputError(f"unknown window '{self.name}'{did_you_mean(self.name, known)}", key="window")
        if self.parameter is not None and not 0 < self.parameter <= (1 if self.name == "tukey" else math.inf):
            limit = "above 0 and at most 1" if self.name == "tukey" else "positive"
            raise InputError(f"has the parameter {self.parameter:g}; it must be {limit}", key="window")

    def values(self, shape: tuple[int, ...]) -> Array:
        """Return W on a raster with k = 0 at index n // 2 of every axis; axes of one point have no window."""
        default, function = SHAPES[self.name]
        parameter = default if self.parameter is None else self.parameter
        axes = [np.abs(np.arange(n) - n // 2) / max(n / 2, 1) for n in shape]
        if self.radial:
            grids = np.meshgrid(*axes, indexing="ij")
            return function(np.sqrt(np.sum(np.square(grids), axis=0)), parameter)
        result = np.ones(shape)
        for axis, u in enumerate(axes):
            result = result * function(u, parameter).reshape([-1 if a == axis else 1 for a in range(len(shape))])
        return result


def filtered(images: Images, window: Window) -> Images:
    """Return images after a window in k-space, with their noise."""
    axes = encoded_axes(images)
    weight = window.values(tuple(images.data.shape[a] for a in axes))
    data = to_image(to_kspace(images.data, axes) * weight, axes)
    spread = np.abs(np.fft.ifftn(np.fft.ifftshift(weight))) ** 2
    variance = np.broadcast_to(images.sigma, images.data.shape) ** 2
    if np.ptp(images.sigma) == 0:
        sigma = images.sigma * math.sqrt(float(spread.sum()))
    else:
        over = tuple(axes)
        blurred = np.fft.ifftn(np.fft.fftn(variance, axes=over) * np.fft.fftn(spread), axes=over).real
        sigma = np.sqrt(np.maximum(blurred, 0.0))
    notes = {**images.encoding, "window": window.name, "noise_correlation": "between neighbours: window"}
    notes["independent_voxels"] = images.independent * float(np.mean(weight**2))
    return replace(images, data=data, sigma=sigma, encoding=notes)


def interpolated(images: Images, shape: tuple[int, ...]) -> Images:
    """Return images on a finer raster of the same field of view, by zeros around k-space.

    Parameters
    ----------
    images : Images
    shape : tuple of int
        New (y, x) voxel counts, or (z, y, x) of an encoded volume; none may be smaller than before.
    """
    axes = encoded_axes(images)
    old = tuple(images.data.shape[a] for a in axes)
    if len(shape) != len(old) or any(new < n for new, n in zip(shape, old, strict=True)):
        names = "(y, x)" if len(old) == 2 else "(z, y, x)"
        raise InputError(f"is {shape}; expected {names} voxels of at least {old}", key="size")
    whole = (*images.data.shape[: 4 - len(old)], *shape)
    check_size(shape, math.prod(whole) // math.prod(shape))
    kspace = np.zeros(whole, dtype=np.complex128)
    middle = tuple(slice(new // 2 - n // 2, new // 2 - n // 2 + n) for new, n in zip(shape, old, strict=True))
    place: tuple[Any, ...] = (..., *middle)
    kspace[place] = to_kspace(images.data, axes)
    data = to_image(kspace, axes) * math.sqrt(math.prod(shape) / math.prod(old))
    grid = _finer(images.grid, whole[1:])
    notes = {**images.encoding, "noise_correlation": "between neighbours: zero filling"}
    notes["independent_voxels"] = images.independent * math.prod(old) / math.prod(shape)
    notes |= {key: _nearest(notes[key], whole[1:]) for key in ("g_factor",) if key in notes}
    return replace(images, data=data, grid=grid, sigma=_nearest(images.sigma, whole[1:]), encoding=notes)


def check_size(shape: tuple[int, ...], images: int = 1) -> None:
    """Raise an `InfeasibleError` where images of (y, x) or (z, y, x) voxels would not fit into memory."""
    size = "x".join(f"{n}" for n in reversed(shape))
    what = f"{images:,} image{'s' * (images > 1)} of {size} voxels"
    check_room(PER_VOXEL * images * math.prod(shape), "size", what, "ask for fewer voxels")


def cropped(images: Images, fov: NDArray[np.float64]) -> Images:
    """Return the middle of images that were encoded with a larger field of view (oversampling) than is wanted.

    Parameters
    ----------
    images : Images
    fov : (3,) array
        Wanted along x, y and, for encoded volumes, z, m. Axes that are not larger stay.
    """
    place: list[slice] = [slice(None)] * 4
    spacing, counts = images.grid.spacing, images.grid.shape[::-1]
    for axis in encoded_axes(images):
        n, step = counts[-1 - axis], spacing[-1 - axis]
        wanted = round(float(fov[-1 - axis]) / step)
        if 0 < wanted < n:
            place[axis] = slice(n // 2 - wanted // 2, n // 2 - wanted // 2 + wanted)
    kept = tuple(place)
    data = images.data[kept]
    if data.shape == images.data.shape:
        return images
    part = tuple(s if m > 1 else slice(None) for s, m in zip(kept, images.sigma.shape, strict=True))
    grid = replace(images.grid, shape=data.shape[1:])
    notes = {**images.encoding}
    if "g_factor" in notes:
        notes["g_factor"] = notes["g_factor"][kept]
    return replace(images, data=data, grid=grid, sigma=images.sigma[part], encoding=notes)


def encoded_axes(images: Images) -> tuple[int, ...]:
    """Return the axes that k-space has."""
    return (-3, -2, -1) if images.encoding.get("kind") == "3d" else (-2, -1)


def _finer(grid: Grid, shape: tuple[int, ...]) -> Grid:
    """Return the grid with other counts over the same field of view; zero stays at index n // 2 of both."""
    x, y, z = (s * o / n for s, o, n in zip(grid.spacing, grid.shape[::-1], shape[::-1], strict=True))
    nz, ny, nx = shape
    return replace(grid, shape=(nz, ny, nx), spacing=(x, y, z))


def _nearest(values: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return (contrast, z, y, x) values at the nearest old voxel; axes of one voxel stay."""
    result = values
    for axis, new in zip((-3, -2, -1), shape, strict=True):
        old = values.shape[axis]
        if old not in (1, new):
            place = np.rint((np.arange(new) - new // 2) * old / new + old // 2).astype(int)
            result = np.take(result, np.clip(place, 0, old - 1), axis=axis)
    return result
