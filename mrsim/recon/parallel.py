"""Acquisitions of many coils to Images: each method's functions on arrays, run over blocks and contrasts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.images import Images
from .combine import adaptive_maps, matched, matched_noise, sum_of_squares
from .convolution import combined_weights
from .g_factor import replica_noise
from .grappa import combine, grappa_kernels, grappa_noise
from .kspace import to_image
from .lattice import Lattice, find_lattice
from .many_coils import Ready
from .methods import Combine, Grappa, Sense, Smash
from .sense import iterate, unfolding
from .smash import composite_sensitivity, harmonics, smash

AXES = (-3, -2, -1)
Array = NDArray[np.complex128]
Progress = Callable[[int, int], None]


def reconstruct_combined(ready: Ready, method: Combine, progress: Progress | None = None) -> Images:
    """Return the images of fully sampled k-space."""
    empty = ready.covered() & (ready.raster.count == 0)
    if empty.any():
        holes = int(np.count_nonzero(empty))
        c, z, y = (int(v[0]) for v in np.nonzero(empty))
        raise InputError(
            f"k-space has {holes} lines that were never acquired, the first is contrast {c}, z {z}, line {y}; acquire "
            "them or use Sense, Grappa or CompressedSensing"
        )
    if method.kind not in ("matched", "adaptive", "sos"):
        raise InputError(f"unknown combination '{method.kind}'; known: matched, adaptive, sos", key="kind")
    contrasts, coils = ready.raster.data.shape[:2]
    data = np.zeros((contrasts, *ready.raw.encoding.grid.shape), dtype=np.complex128)
    noise, facts = np.ones((1, *ready.raw.encoding.grid.shape)), dict[str, Any](_maps_fact(method.maps))
    maps = ready.maps(method.maps, method.estimate) if method.kind == "matched" else None
    for done, block in enumerate(ready.blocks()):
        images = to_image(ready.raster.data[:, :, block], AXES)
        if method.kind == "sos":  # magnitudes have no ends of k-space any more: they are filled coil by coil
            images, share, filled = ready.completed(images, np.ones((1, 1, 1, 1)))
            data[:, block] = [sum_of_squares(image) for image in images]
            facts = {"statistics": "noncentral chi", "channels": coils, "fills_ends": True}
            facts |= {"partial_fourier_method": ready.partial} if filled else {}
            noise = np.broadcast_to(share, data.shape) if filled else noise
        else:
            own = next(maps) if maps else adaptive_maps(images[_strongest(images)])
            data[:, block] = [matched(image, own) for image in images]
            noise[0, block] = matched_noise(own, 1.0)
        _tell(progress, done, ready)
    return ready.images(data, noise, f"{method.kind} combination", acceleration=1.0, **facts)


def reconstruct_sense(ready: Ready, method: Sense, progress: Progress | None = None) -> Images:
    """Return the images by SENSE: in closed form on a lattice, else by conjugate gradients."""
    shape = ready.raw.encoding.grid.shape
    data = np.zeros((len(ready.raster.data), *shape), dtype=np.complex128)
    noise, g = np.ones((1, *shape)), np.ones((1, *shape))
    acceleration, notes, regular = 1.0, set[str](), True
    for done, (block, maps) in enumerate(zip(ready.blocks(), ready.maps(method.maps, method.estimate), strict=True)):
        lattice = find_lattice(ready.pattern(block))
        if lattice is None or lattice.acceleration == 1 < ready.pattern(block).mean() ** -1:
            regular, mask = False, ready.same_mask(block)
            acceleration = mask.size / np.count_nonzero(mask)
            data[:, block], noise[0, block] = _iterated(ready, block, mask, maps, method)
            full = matched_noise(maps, 1.0)
            g[0, block] = noise[0, block] / full / np.sqrt(acceleration)
        else:
            solved = unfolding(maps, lattice, method.regularisation)
            data[:, block] = [solved.apply(one[:, block], lattice) for one in ready.raster.data]
            noise[0, block], g[0, block] = solved.noise, solved.g
            notes |= _lattice_note(lattice, ready, block)
            acceleration = float(lattice.acceleration)
        _tell(progress, done, ready)
    lost = np.count_nonzero(np.isinf(g))
    if lost:
        notes.add(f"all coils hear {lost} voxels as they hear others that fold onto them: zero, sigma infinite")
    facts = {"g_factor": g, "acceleration": acceleration, "regularisation": method.regularisation}
    facts |= {} if regular else {"fills_ends": True}
    return ready.images(data, noise, "SENSE", warnings=tuple(sorted(notes)), **facts, **_maps_fact(method.maps))


def _iterated(
    ready: Ready, block: slice, mask: NDArray[np.bool_], maps: Array, method: Sense
) -> tuple[Array, NDArray[np.float64]]:
    def solve(kspace: Array) -> Array:
        return iterate(kspace, mask, maps, method.regularisation, method.iterations)

    data = np.array([solve(one[:, block]) for one in ready.raster.data])
    noise = replica_noise(solve, mask[..., None], maps.shape, method.replicas, 0)
    return data, np.where(np.any(maps != 0, axis=0), noise, 1.0)


def reconstruct_grappa(ready: Ready, method: Grappa, progress: Progress | None = None) -> Images:
    """Return the images by GRAPPA and the matched combination."""
    shape = ready.raw.encoding.grid.shape
    data = np.zeros((len(ready.raster.data), *shape), dtype=np.complex128)
    noise, g = np.ones((1, *shape)), np.ones((1, *shape))
    lines, (z, y) = ready.calibration()
    lines = lines[..., np.any(lines, axis=(0, 1, 2))]  # a prescan has shorter readouts
    acceleration, notes = 1.0, set[str]()
    for done, (block, maps) in enumerate(zip(ready.blocks(), ready.maps(method.maps, method.estimate), strict=True)):
        lattice = _need_lattice(ready.pattern(block), "GRAPPA")
        box = lines[:, z, y] if ready.volume else lines[:, block, y]
        kernels = grappa_kernels(box, lattice, method.neighbours, method.samples, method.regularisation)
        weights = combined_weights(kernels, maps)
        data[:, block] = [combine(one[:, block], lattice, weights) for one in ready.raster.data]
        noise[0, block], g[0, block] = grappa_noise(weights, maps, lattice)
        acceleration, notes = float(lattice.acceleration), notes | _lattice_note(lattice, ready, block)
        _tell(progress, done, ready)
    facts = {"g_factor": g, "acceleration": acceleration, "regularisation": method.regularisation}
    return ready.images(data, noise, "GRAPPA", warnings=tuple(sorted(notes)), **facts, **_maps_fact(method.maps))


def reconstruct_smash(ready: Ready, method: Smash, progress: Progress | None = None) -> Images:
    """Return the images by SMASH, slice by slice."""
    if ready.volume:
        raise InputError("SMASH makes lines of slices; for an encoded volume use Sense or Grappa")
    shape = ready.raw.encoding.grid.shape
    data = np.zeros((len(ready.raster.data), *shape), dtype=np.complex128)
    noise, worst, acceleration = np.ones((1, *shape)), 0.0, 1.0
    for done, (block, maps) in enumerate(zip(ready.blocks(), ready.maps(method.maps, method.estimate), strict=True)):
        lattice = _need_lattice(ready.pattern(block), "SMASH")
        whole = composite_sensitivity(maps[:, 0])
        found = harmonics(maps[:, 0], lattice.ry, whole)
        share = np.divide(1, whole, out=np.zeros_like(whole), where=whole != 0)
        data[:, block] = [share * smash(one[:, block.start], lattice, found)[None] for one in ready.raster.data]
        turns = (np.arange(shape[1]) - shape[1] // 2)[:, None] * np.arange(lattice.ry) / shape[1]
        weights = np.exp(2j * np.pi * turns) @ found.weights
        spread = np.sqrt(np.sum(np.abs(weights) ** 2, axis=1) / lattice.ry)[:, None]
        noise[0, block] = spread * np.where(whole != 0, np.abs(share), 1.0)
        worst, acceleration = max(worst, float(found.residual.max())), float(lattice.acceleration)
        _tell(progress, done, ready)
    said = f"SMASH: the coils miss a spatial harmonic by {worst:.0%} of the composite sensitivity; expect ghosts"
    warnings = (said,) if worst > method.largest_residual else ()
    facts = {"acceleration": acceleration, "harmonic_residual": worst}
    return ready.images(data, noise, "SMASH", warnings=warnings, **facts, **_maps_fact(method.maps))


def default_method(ready: Ready) -> Combine | Sense:
    """Return what suits the sampling of a scan of many coils: SENSE where lines are missing, else a combination."""
    return Sense() if (ready.covered() & (ready.raster.count == 0)).any() else Combine()


def _need_lattice(mask: NDArray[np.bool_], name: str) -> Lattice:
    lattice = find_lattice(mask)
    if lattice is None or lattice.acceleration == 1 < mask.size / np.count_nonzero(mask):
        raise InputError(
            f"the {np.count_nonzero(mask)} lines acquired of {mask.size} hold no regular lattice, which {name} needs; "
            "use Sense or CompressedSensing"
        )
    return lattice


def _lattice_note(lattice: Lattice, ready: Ready, block: slice) -> set[str]:
    extra = int(np.count_nonzero((ready.raster.count[0, block] > 0) & ~lattice.mask))
    return {f"{extra} lines beyond the regular lattice served the calibration alone"} if extra else set()


def _maps_fact(given: Array | None) -> dict[str, str]:
    return {"intensity": "times the coils' root sum of squares" if given is None else "proton density"}


def _strongest(images: Array) -> int:
    return int(np.argmax(np.sum(np.abs(images) ** 2, axis=(1, 2, 3, 4))))


def _tell(progress: Progress | None, done: int, ready: Ready) -> None:
    if progress:
        progress(done + 1, len(ready.blocks()))
