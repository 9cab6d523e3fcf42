"""Cartesian k-space of many coils: readouts sorted by their labels, holes and repeats counted, calibration lines found.

Repeats under the label ``average`` are averaged. What was never acquired is zero, and `Raster.count` says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.acquisition import Acquisition, Readouts
from ..core.errors import InputError

PLANE_BYTES = 2**22
"""How much is transformed at a time, so that the shifts stay in the processor's cache."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Raster:
    """k-space on the encoded matrix."""

    data: NDArray[np.complex128]
    """(contrast, coil, z, y, x), m^3: the mean of what was acquired, zero elsewhere."""
    count: NDArray[np.int64]
    """(contrast, z, y) how often each line was acquired."""

    @property
    def averages(self) -> int:
        """How often the acquired lines were acquired; an error unless all were equally often."""
        acquired = self.count[self.count > 0]
        if not len(acquired):
            raise InputError("no line of k-space was acquired")
        if acquired.min() != acquired.max():
            raise InputError(
                f"lines of k-space were acquired between {acquired.min()} and {acquired.max()} times, so that their "
                "noise differs; acquire all lines equally often"
            )
        return int(acquired[0])


def check_finite(raw: Acquisition) -> None:
    """Refuse raw data with NaN or infinity among the samples or their places, in any group."""
    for name, group in raw.groups.items():
        for what, values in (("", group.data), ("k of ", group.k)):
            with np.errstate(over="ignore", invalid="ignore"):
                if np.isfinite(values.sum()):  # then so are all its terms
                    continue
            bad = ~np.isfinite(values)
            if bad.any():
                first = [int(i[0]) for i in np.nonzero(bad)]
                place = zip(("coil", "sample") if not what else ("sample", "axis"), first[1:], strict=True)
                where = ", ".join(f"{along} {i}" for along, i in place)
                raise InputError(
                    f"the raw data hold {np.count_nonzero(bad)} samples that are not finite, the first is {what}{name} "
                    f"readout {first[0]}, {where}; acquire the scan again or drop these readouts"
                )


def nominal(raw: Acquisition) -> dict[str, Any]:
    """Return what the images' `encoding` says of the scan: the protocol sheet, Larmor frequency (Hz) and kind."""
    return {**raw.encoding.sheet, "frequency": raw.encoding.frequency, "kind": raw.encoding.kind}


def unknown_noise(variance: float) -> tuple[str, ...]:
    """Return the warning that is due where the coils' noise is not known, else nothing."""
    said = "the noise of the coils is unknown: they are weighted equally, sigma is zero"
    return () if variance > 0 else (said,)


def stated(raw: Acquisition, warnings: tuple[str, ...]) -> dict[str, Any]:
    """Return the history of images, with warnings added to what the scan's own says."""
    everything = (*raw.history.get("warnings", ()), *warnings)
    return {**raw.history, "warnings": everything} if everything else dict(raw.history)


def sort_lines(raw: Acquisition, name: str = "imaging") -> Raster:
    """Return the k-space of a group of readouts on the encoded matrix.

    z counts partitions in three dimensions and slices in two; readouts under the label ``reverse`` run backwards.
    Calibration lines may be shorter than the matrix: they lie around its middle.

    Parameters
    ----------
    raw : Acquisition
        Cartesian, with the labels ``line``, ``contrast`` and, where there are several, ``slice`` or ``partition``.
    name : str
        Of the group.
    """
    group, (nz, ny, nx) = raw.groups[name], raw.encoding.grid.shape
    _, coils, samples = group.data.shape
    shorter = name == "calibration" and samples < nx
    if samples != nx and not shorter:
        raise InputError(f"readouts have {samples} samples, the encoded matrix has {nx} along the readout direction")
    contrasts = len(next(iter(raw.encoding.contrast.values())))
    along = "partition" if raw.encoding.kind == "3d" else "slice"
    z, y, c = (_label(group, n, limit) for n, limit in ((along, nz), ("line", ny), ("contrast", contrasts)))
    data = np.zeros((contrasts, coils, nz, ny, nx), dtype=np.complex128)
    read = slice(nx // 2 - samples // 2, nx // 2 - samples // 2 + samples)
    repeat, count = _repeats((c * nz + z) * ny + y, contrasts * nz * ny)
    backwards = _label(group, "reverse", 2) == 1
    for turn in range(int(count.max(initial=0))):
        for flip in (False, True):
            chosen = np.flatnonzero((repeat == turn) & (backwards == flip))
            if not len(chosen):
                continue
            lines = group.data if len(chosen) == len(group.data) else group.data[chosen]
            lines = lines[..., ::-1] if flip else lines
            if turn == 0:
                data[c[chosen], :, z[chosen], y[chosen], read] = lines
            else:
                data[c[chosen], :, z[chosen], y[chosen], read] += lines
    count = count.reshape(contrasts, nz, ny)
    if count.max(initial=0) > 1:
        data /= np.maximum(count, 1)[:, None, :, :, None]
    return Raster(data=data, count=count)


def _repeats(place: NDArray[np.int64], places: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how often each readout's place occurred before it, and how often each place occurs at all."""
    order = np.argsort(place, kind="stable")
    count = np.bincount(place, minlength=places)
    first = np.cumsum(count) - count
    repeat = np.empty(len(place), dtype=np.int64)
    repeat[order] = np.arange(len(place)) - first[place[order]]
    return repeat, count


def _label(group: Readouts, name: str, limit: int) -> NDArray[np.int64]:
    value: NDArray[np.int64] = np.asarray(group.labels.get(name, np.zeros(len(group.data), dtype=np.int64)))
    if value.min(initial=0) < 0 or value.max(initial=0) >= limit:
        raise InputError(f"label '{name}' runs from {value.min()} to {value.max()}, the encoding has {limit}")
    return value


def calibration_lines(
    raw: Acquisition, raster: Raster | None = None
) -> tuple[NDArray[np.complex128], tuple[slice, slice]]:
    """Return the fully sampled middle of k-space, (coil, z, y, x), and its place along z and y.

    From the group ``calibration`` where there is one, else from the imaging readouts; of several contrasts the one
    with the strongest signal. In two dimensions z counts slices, all of which are there.
    """
    source = sort_lines(raw, "calibration") if "calibration" in raw.groups or raster is None else raster
    coils = raw.imaging.data.shape[1]
    if source.data.shape[1] != coils:
        raise InputError(f"the calibration has {source.data.shape[1]} coils, the image {coils}; they must be the same")
    volume = raw.encoding.kind == "3d"
    strengths = [np.vdot(one, one).real for one in source.data] if len(source.data) > 1 else [1.0]
    best = int(np.argmax(strengths))
    there = source.count[best] > 0
    nz = len(there)
    y = _middle(there[nz // 2] if volume else there.all(axis=0))
    z = _middle(there[:, y].all(axis=1)) if volume else slice(0, nz)
    if y.stop <= y.start or z.stop <= z.start:
        raise InputError(
            "there are no calibration lines: no group 'calibration', and the middle of k-space has holes; acquire "
            "about 24 lines around the middle or hand over coil maps"
        )
    return source.data[best], (z, y)


def _middle(there: NDArray[np.bool_]) -> slice:
    """Return the longest stretch around index n // 2 that is there, as many below as above (one more below)."""
    n = len(there)
    if there.all():
        return slice(0, n)
    half = n // 2
    below = int(np.argmin(there[half - 1 :: -1])) if not there[:half].all() else half
    above = int(np.argmin(there[half:])) if not there[half:].all() else n - half
    width = min(below, above)
    return slice(half - width, half + width)


def to_image(kspace: NDArray[Any], axes: tuple[int, ...], overwrite: bool = False) -> NDArray[np.complex128]:
    """Return the orthonormal transform with exp(+i 2 pi k.x), zero at index n//2 of every axis in both domains.

    overwrite : k-space is not needed any more, its memory may hold the image.
    """
    return _transform(kspace, axes, forward=False, overwrite=overwrite)


def to_kspace(image: NDArray[Any], axes: tuple[int, ...]) -> NDArray[np.complex128]:
    """Return the inverse of `to_image`, which is its adjoint."""
    return _transform(image, axes, forward=True)


def _transform(
    values: NDArray[Any], axes: tuple[int, ...], forward: bool, overwrite: bool = False
) -> NDArray[np.complex128]:
    count = len(axes)
    if tuple(axes) != tuple(range(-count, 0)):
        raise InputError(f"the transform runs over the last axes, not over {axes}")
    if not values.any():  # as where only the noise is wanted, for which nothing is loaded
        return np.zeros(values.shape, dtype=np.complex128)
    from scipy import fft

    shape = values.shape
    reusable = overwrite and values.dtype == np.complex128 and values.flags.c_contiguous and values.flags.writeable
    result = values if reusable else np.empty(shape, dtype=np.complex128)
    source, target = values.reshape(-1, *shape[-count:]), result.reshape(-1, *shape[-count:])
    step = max(1, PLANE_BYTES // (16 * int(np.prod(shape[-count:]))))
    work = fft.fftn if forward else fft.ifftn
    over = tuple(range(1, count + 1))
    before, after = _alternating(shape[-count:])
    for start in range(0, len(target), step):
        part = target[start : start + step]
        if before is None or after is None:  # an odd length: its middle is no whole number of half turns
            moved = fft.ifftshift(np.asarray(source[start : start + step], dtype=np.complex128), axes=over)
            part[:] = fft.fftshift(work(moved, axes=over, norm="ortho", overwrite_x=True), axes=over)
            continue
        np.multiply(source[start : start + step], before, out=part)
        np.multiply(work(part, axes=over, norm="ortho", overwrite_x=True), after, out=part)
    return result


def _alternating(shape: tuple[int, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]] | tuple[None, None]:
    """Return the signs before and after a transform that move zero to index n // 2; None if a length is odd."""
    if any(n % 2 for n in shape):
        return None, None
    signs = np.ones(())
    for n in shape:
        signs = signs[..., None] * (1.0 - 2.0 * (np.arange(n) % 2))
    return signs, signs * (-1.0) ** (sum(shape) // 2)
