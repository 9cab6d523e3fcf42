"""Acquisitions to Images by the methods that look at more than lines: bands, sparse images and contrast series."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.images import Images
from .combine import matched, matched_noise
from .compressed_sensing import compressed_sensing, point_spread
from .convolution import combined_weights
from .g_factor import replica_noise
from .many_coils import Ready
from .methods import CompressedSensing, SliceGrappa, Subspace
from .simultaneous import leakage, move, separate, slice_kernels
from .subspace import subspace_basis, subspace_images

Array = NDArray[np.complex128]
Progress = Callable[[int, int], None]


def reconstruct_bands(ready: Ready, method: SliceGrappa, progress: Progress | None = None) -> Images:
    """Return the images of slices excited together."""
    count, shift = _bands_of(ready, method)
    contrasts, _, nz, ny, nx = ready.raster.data.shape
    groups = nz // count
    if nz % count or ready.volume or "calibration" not in ready.raw.groups:
        raise InputError(
            f"{nz} slices in bands of {count}: needs whole groups of slices, two dimensions and a group "
            "'calibration' with every slice alone",
            key="bands",
        )
    if np.any(ready.raster.count[:, :groups] == 0) or np.any(ready.raster.count[:, groups:] > 0):
        raise InputError(f"imaging readouts need the label 'slice' from 0 to {groups - 1} and every line", key="slice")
    lines, (_, y) = ready.calibration()
    maps = list(ready.maps(method.maps, method.estimate))
    data = np.zeros((contrasts, nz, ny, nx), dtype=np.complex128)
    noise, leaks = np.ones((1, nz, ny, nx)), []
    for group in range(groups):
        members = list(range(group, nz, groups))
        alone = lines[:, members].swapaxes(0, 1)
        middle = (ny // 2 - y.start, nx // 2)
        kernels = slice_kernels(alone[:, :, y], middle, shift, split=method.split, regularisation=method.regularisation)
        own = [maps[m] for m in members]
        for contrast in range(contrasts):
            bands = separate(ready.raster.data[contrast, :, group], kernels, shift)
            for m, image, sensitivity in zip(members, bands, own, strict=True):
                data[contrast, m] = matched(image[:, None], sensitivity)[0]
        for b, (m, sensitivity) in enumerate(zip(members, own, strict=True)):
            there = move(sensitivity, b * shift)
            weights = np.sqrt(np.sum(np.abs(combined_weights([kernels[b]], there)) ** 2, axis=0))
            noise[0, m] = move(weights.astype(np.complex128), -b * shift).real[0]
        leaks.append(leakage(_only(alone, y), kernels, shift))
        if progress:
            progress(group + 1, groups)
    facts = {"bands": count, "shift": shift, "leakage": np.array(leaks)}
    return ready.images(data, noise, "slice-GRAPPA", acceleration=float(count), **facts)


def _bands_of(ready: Ready, method: SliceGrappa) -> tuple[int, float]:
    """Return how many bands there are, and the shift of each against the one before."""
    sheet = ready.raw.encoding.sheet
    count = sheet.get("bands") if method.bands is None else method.bands
    shift = sheet.get("band_shift") if method.shift is None else method.shift
    if count is None or shift is None:
        raise InputError("slice-grappa needs bands and shift, which the raw data do not say", key="method")
    return int(count), float(shift)


def _only(lines: Array, y: slice) -> Array:
    """Return k-space with all lines but the calibration's set to zero."""
    result = np.zeros_like(lines)
    result[:, :, y] = lines[:, :, y]
    return result


def reconstruct_sparse(ready: Ready, method: CompressedSensing, progress: Progress | None = None) -> Images:
    """Return the images by compressed sensing; their sigma is that of g = 1 without any denoising, as a scale."""
    contrasts, _, nz, ny, nx = ready.raster.data.shape
    data = np.zeros((contrasts, nz, ny, nx), dtype=np.complex128)
    noise = np.ones((contrasts, nz, ny, nx))
    blocks, lobe, fewest = ready.blocks(), 0.0, 1.0
    for done, (block, maps) in enumerate(zip(blocks, _maps(ready, method.maps, method.estimate), strict=True)):
        for c in range(contrasts):
            mask = ready.mask(block, c)
            share = float(np.count_nonzero(mask) / mask.size)
            if share == 0:
                raise InputError(f"no line was acquired of contrast {c}, z {block.start}")
            data[c, block] = compressed_sensing(
                ready.raster.data[c][:, block], mask, maps, method.sparse, method.weight, method.iterations,
                sigma=ready.sigma if ready.raw.noisy else 0.0,
                progress=_inner(progress, done * contrasts + c, len(blocks) * contrasts),
            )  # fmt: skip
            noise[c, block] = matched_noise(maps, 1 / np.sqrt(share))
            lobe, fewest = max(lobe, point_spread(mask)[1]), min(fewest, share)
    return ready.images(
        data, noise, f"compressed sensing, {method.sparse}", acceleration=1 / fewest, side_lobe=lobe,
        warnings=("compressed sensing is not linear: sigma is that of the samples, without g and denoising",),
    )  # fmt: skip


def reconstruct_subspace(ready: Ready, method: Subspace, progress: Progress | None = None) -> Images:
    """Return the images of a contrast series in a subspace; their noise by replicas."""
    contrasts, coils, nz, ny, nx = ready.raster.data.shape
    signals = _calibration_signals(ready) if method.dictionary is None else method.dictionary
    if signals.shape[1] != contrasts:
        raise InputError(f"has {signals.shape[1]} contrasts, the series {contrasts}", key="dictionary")
    basis, left = subspace_basis(signals, method.rank)
    data = np.zeros((contrasts, nz, ny, nx), dtype=np.complex128)
    noise = np.ones((contrasts, nz, ny, nx))
    blocks = ready.blocks()
    for done, (block, maps) in enumerate(zip(blocks, _maps(ready, method.maps, method.estimate), strict=True)):
        mask = ready.raster.count[:, block] > 0

        def solve(kspace: Array, mask: NDArray[np.bool_] = mask, maps: Array = maps) -> Array:
            return subspace_images(kspace, mask, maps, basis, method.regularisation, method.iterations)

        data[:, block] = solve(ready.raster.data[:, :, block])
        shape = (contrasts, coils, *maps.shape[1:])
        found = replica_noise(
            solve, mask[:, None, :, :, None], shape, method.replicas, 0, _inner(progress, done, len(blocks))
        )
        noise[:, block] = np.where(np.any(maps != 0, axis=0), found, 1.0)
    share = float(np.count_nonzero(ready.raster.count) / ready.raster.count.size)
    facts = {"acceleration": 1 / share, "rank": method.rank, "left_out": left}
    return ready.images(data, noise, "subspace", **facts)


def _calibration_signals(ready: Ready) -> Array:
    """Return the (signal, contrast) samples of the lines around the middle that every contrast acquired."""
    there = np.all(ready.raster.count > 0, axis=0)
    if not there.any():
        raise InputError("no line was acquired in all contrasts: hand over a dictionary", key="dictionary")
    samples = np.moveaxis(ready.raster.data, 1, 3)[:, there]
    return np.asarray(samples.reshape(len(samples), -1).T)


def _maps(ready: Ready, given: Array | None, estimate: str) -> list[Array]:
    """Return the maps of every block; a single coil hears everything equally."""
    if given is None and ready.raster.data.shape[1] == 1:
        shape = ready.raw.encoding.grid.shape
        return [np.ones((1, *shape), dtype=np.complex128)[:, block] for block in ready.blocks()]
    return list(ready.maps(given, estimate))


def _inner(progress: Progress | None, part: int, parts: int) -> Progress | None:
    """Return a callback for one part of several."""
    if progress is None:
        return None
    report = progress
    return lambda done, total: report(part * total + done, parts * total)
