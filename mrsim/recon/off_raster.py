"""Images from samples anywhere in k-space: one coil or many, by one adjoint or iteratively, with off-resonance.

Two ways::

    adjoint     density compensation and one adjoint transform of each coil, then the matched combination
    iterative   min_x sum_i w_i |sum_l b_l (F S c_l x)_i - d_i|^2 + lambda |x|^2 by conjugate gradients
                (Pruessmann 2001, doi:10.1002/mrm.1241), w the density compensation: few steps suffice

Images are in units of the adjoint, so that a fully relaxed voxel of proton density 1 reads 1. Coil maps come from the
middle of k-space of the coils' own adjoint images, whose samples count by a Gaussian of the ball within which k-space
has no gaps: 1/e where spokes are one step apart, 1/e^2 at its surface.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.acquisition import Acquisition
from ..core.errors import InputError
from ..core.images import Images
from .coil_maps import estimate_maps
from .combine import matched, matched_noise, mix, whitening
from .g_factor import replica_noise
from .kspace import calibration_lines, nominal, stated, to_kspace, unknown_noise
from .methods import NonUniform
from .nonuniform import Transform, covered_radius, density
from .off_resonance import segments

Array = NDArray[np.complex128]
Progress = Callable[[int, int], None]


MOST_GAP = 2
"""How many steps of the raster samples at the edge of k-space may lie apart before one coil's image is warned of."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Samples:
    """What was acquired of one image (of one slice, in two dimensions)."""

    data: Array
    """(coil, sample), whitened, m^3."""
    turns: NDArray[np.float64]
    """(sample, axes) k in cycles per voxel, x first."""
    time: NDArray[np.float64]
    """(sample,) since the echo time, s."""
    weights: NDArray[np.float64]
    """(sample,) share of k-space over the voxel's volume, 1/m^3."""
    volume: float
    """Of a voxel, m^3."""


def reconstruct_off_raster(raw: Acquisition, method: NonUniform, progress: Progress | None = None) -> Images:
    """Return the images of an acquisition from its nominal k, image by image and slice by slice."""
    grid, volume = raw.encoding.grid, raw.encoding.kind == "3d"
    whitener, variance = whitening(raw.noise_density)
    contrasts = len(next(iter(raw.encoding.contrast.values())))
    slices = 1 if volume else grid.shape[0]
    sample = math.sqrt(variance / (raw.imaging.dwell or raw.encoding.dwell))
    _check(raw, method)
    data = np.zeros((contrasts, *grid.shape), dtype=np.complex128)
    noise = np.zeros((contrasts, *grid.shape))
    warnings = unknown_noise(variance)
    for z in range(slices):
        block = slice(None) if volume else slice(z, z + 1)
        maps = None
        for c in range(contrasts):
            one = _samples(raw, whitener, c, z)
            shape = grid.shape if volume else (1, *grid.shape[1:])
            warnings += _gaps(one, shape) if z == c == 0 else ()
            maps = _maps(raw, one, method, whitener, shape, block) if maps is None else maps
            field = np.zeros(shape) if method.field is None else method.field[block]
            data[c, block], noise[c, block] = _image(one, maps, field, method, sample)
            if progress:
                progress(z * contrasts + c + 1, slices * contrasts)
    sigma = noise * sample
    facts = {"reconstruction": f"non-uniform {method.kind}", "kind": raw.encoding.kind}
    facts |= {} if method.field is None else {"off_resonance": "corrected"}
    uniform = sigma[..., :1, :1] if np.allclose(sigma, sigma[..., :1, :1], rtol=1e-12) else sigma
    return Images(
        data=data, grid=grid, contrast=raw.encoding.contrast, sigma=uniform, noisy=raw.noisy,
        encoding=nominal(raw) | facts, history=stated(raw, warnings),
    )  # fmt: skip


def sensitivities(raw: Acquisition, estimate: str) -> Array:
    """Return the (coil, z, y, x) maps of an acquisition off the raster, not whitened."""
    grid, volume = raw.encoding.grid, raw.encoding.kind == "3d"
    whitener, _ = whitening(raw.noise_density)
    method, shape = NonUniform(estimate=estimate), grid.shape if volume else (1, *grid.shape[1:])
    parts = [slice(None)] if volume else [slice(z, z + 1) for z in range(grid.shape[0])]
    white = [_maps(raw, _samples(raw, whitener, 0, z), method, whitener, shape, part) for z, part in enumerate(parts)]
    return mix(np.asarray(np.linalg.inv(whitener)), np.concatenate(white, axis=1))


def _gaps(one: Samples, shape: tuple[int, ...]) -> tuple[str, ...]:
    """Return a warning where a plane of k-space has wider gaps than its coils can fill."""
    if one.turns.shape[1] != 2:  # of volumes too long a search
        return ()
    reach = float(np.linalg.norm(one.turns, axis=1).max())
    covered = covered_radius(one.turns, shape[1:])
    if reach <= covered * max(MOST_GAP, len(one.data)):
        return ()
    said = f"k-space has gaps beyond {covered / reach:.0%} of its radius, more than {len(one.data)} coils fill"
    return (f"{said}: the image streaks; acquire more spokes or arms",)


def _check(raw: Acquisition, method: NonUniform) -> None:
    shape, coils = raw.encoding.grid.shape, raw.imaging.data.shape[1]
    if method.kind not in ("adjoint", "iterative"):
        raise InputError(f"unknown kind '{method.kind}'; known: adjoint, iterative", key="kind")
    if method.field is not None and (method.field.shape != shape or not np.all(np.isfinite(method.field))):
        problem = f"has the shape {method.field.shape} or values that are not finite; needs {shape} (z, y, x), Hz"
        raise InputError(problem, key="field")
    if method.maps is not None and method.maps.shape != (coils, *shape):
        raise InputError(f"have the shape {method.maps.shape}, the scan needs {(coils, *shape)}", key="maps")


def _samples(raw: Acquisition, whitener: Array, contrast: int, z: int) -> Samples:
    """Return the samples of one image."""
    group, grid = raw.imaging, raw.encoding.grid
    volume, zero = raw.encoding.kind == "3d", np.zeros(len(group.data), dtype=np.int64)
    place = zero if volume else group.labels.get("slice", zero)
    chosen = np.flatnonzero((group.labels.get("contrast", zero) == contrast) & (place == z))
    if not len(chosen):
        raise InputError(f"no readout belongs to contrast {contrast}, slice {z}")
    axes = 3 if volume else 2
    turns = group.k[chosen].reshape(-1, 3)[:, :axes] * np.array(grid.spacing[:axes])
    shape = grid.shape[3 - axes :]
    if np.abs(turns).max(initial=0.0) > 0.5 + 1e-6 + 1.0 / min(shape):
        problem = f"k reaches {np.abs(turns).max():.3g} cycles per voxel, more than one half: the matrix is too coarse"
        raise InputError(f"{problem}; enlarge the matrix", key="matrix")
    echo = raw.encoding.contrast.get("te", np.zeros(contrast + 1))[contrast]
    return Samples(
        data=mix(whitener, np.moveaxis(group.data[chosen], 1, 0).reshape(group.data.shape[1], -1)),
        turns=turns,
        time=group.t[chosen].ravel() - echo,
        weights=density(turns, shape) / grid.voxel_volume,
        volume=grid.voxel_volume,
    )


def _maps(
    raw: Acquisition, one: Samples, method: NonUniform, whitener: Array, shape: tuple[int, ...], block: slice
) -> Array:
    """Return the whitened (coil, z, y, x) maps of a block; one coil hears everything alike."""
    coils = len(one.data)
    if method.maps is not None:
        return mix(whitener, method.maps[:, block])
    if coils == 1:
        return np.ones((1, *shape), dtype=np.complex128)
    if "calibration" in raw.groups:
        lines, (z, y) = calibration_lines(raw)
        box = (z, y) if raw.encoding.kind == "3d" else (slice(0, 1), y)
        return estimate_maps(mix(whitener, lines[:, block]), box, method.estimate)
    own = Transform(one.turns, shape[3 - one.turns.shape[1] :], coils)
    # where samples are too far apart their images streak, and the streaks would pass for sensitivity
    smooth = np.exp(-2 * np.sum((one.turns / covered_radius(one.turns, own.shape)) ** 2, axis=1))
    images = own.adjoint(smooth * one.weights * one.data).reshape(coils, *shape)
    box = (slice(0, shape[0]), slice(0, shape[1]))
    return estimate_maps(to_kspace(images, (-3, -2, -1)), box, method.estimate)


def _image(
    one: Samples, maps: Array, field: NDArray[np.float64], method: NonUniform, sigma: float
) -> tuple[Array, NDArray[np.float64]]:
    """Return the (z, y, x) image and its noise over that of a sample."""
    coils, shape = len(maps), maps.shape[1:]
    inner = shape[3 - one.turns.shape[1] :]
    there = Transform(one.turns, inner, coils)
    b, c = segments(one.time, field)

    def back(samples: Array) -> Array:
        parts = [there.adjoint(bl.conj() * one.weights * samples).reshape(maps.shape) for bl in b]
        return np.asarray(sum(cl.conj() * part for cl, part in zip(c, parts, strict=True)))

    if method.kind == "adjoint":
        gain = float(np.linalg.norm(one.weights))
        return matched(back(one.data), maps), np.asarray(matched_noise(maps, gain))

    def normal(image: Array) -> Array:
        sums = (one.volume * bl * there.forward(maps * (cl * image)) for bl, cl in zip(b, c, strict=True))
        return np.asarray(np.sum(maps.conj() * back(np.asarray(sum(sums))), axis=0))

    def solve(samples: Array) -> Array:
        return _conjugate_gradients(normal, np.sum(maps.conj() * back(samples), axis=0), maps, method)

    image = solve(one.data)
    size = sigma or 1e-3 * float(np.sqrt(np.mean(np.abs(one.data) ** 2))) or 1.0

    def deviation(noise: Array) -> Array:
        """Return what noise adds: few steps of conjugate gradients depend on the data, too."""
        return (solve(one.data + size * noise) - image) / size

    noise = replica_noise(deviation, np.ones(1, dtype=bool), one.data.shape, method.replicas, 0)
    return image, np.where(np.any(maps != 0, axis=0), noise, matched_noise(maps, 1.0))


def _conjugate_gradients(normal: Callable[[Array], Array], right: Array, maps: Array, method: NonUniform) -> Array:
    """Return x of (E^H W E + lambda) x = right, lambda relative to the response to a uniform image."""
    power = np.sum(np.abs(maps) ** 2, axis=0)
    flat = (power > 0).astype(np.complex128)
    middle = normal(flat)
    size = float(np.linalg.norm(middle) / max(float(np.linalg.norm(flat)), 1e-300))
    penalty = method.regularisation * size
    found: Array = np.zeros_like(right)
    rest = right.copy()
    step, energy = rest.copy(), float(np.vdot(rest, rest).real)
    first = energy
    for _ in range(method.iterations):
        if energy <= 1e-20 * first or energy == 0:
            break
        image = normal(step) + penalty * step
        share = energy / float(np.vdot(step, image).real)
        found, rest = found + share * step, rest - share * image
        new = float(np.vdot(rest, rest).real)
        step, energy = rest + new / energy * step, new
    return found
