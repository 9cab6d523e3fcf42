"""Wave images: the displacement phasors in a series of motion-encoded images.

The phase of image n is  phi_n = phi_0 - Re(xi_n . U),  xi the encoding efficiency (rad/m), of which the images' header
tells all (`motion_encoding`). Steps, for each direction of encoding:

1. the difference of both polarities, which cancels static and concomitant phase; or, without reversal, of each image
   and the first;
2. unwrapping along the sequence of offsets (neighbours in time differ by less than half a turn; see `offset_wraps`),
   or in space;
3. least squares of  c - Re(xi_n . U)  over the offsets, which for even offsets is the first harmonic of their Fourier
   transform, 2 / N sum phi_n exp(-i 2 pi n / N);
4. division by the encoding efficiency, all directions together.

N offsets fold harmonic m of the motion onto N - m: a motion with m harmonics needs N >= m + 2. The noise of a phase is
sigma / |image|; it is carried through all steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError, did_you_mean
from ..core.images import Images
from ..core.unwrap import METHODS, integrated_gradient, unwrap, wrapped
from ..core.wave import Waves
from .offset_wraps import HARMONICS, check_count, leaping_parts, left_out

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
Mask = NDArray[np.bool_]
COLUMNS = ("encoding", "vibration_phase", "vibration_offset", "direction_x", "direction_y", "direction_z")
WAYS = ("temporal", *METHODS, "gradient", "none")
MISFIT = 1.3
"""Root mean square residual of a harmonic, rad, above which an image must be a turn off: that leaves 1.6 or more."""
PARALLEL = 1e-9
"""Share of an encoding direction that counts as none."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Group:
    """The images of one direction of encoding."""

    phases: Array
    """(offset, z, y, x) rad, wrapped."""
    variance: Array
    """(offset, z, y, x) rad^2; infinite where there is no signal."""
    turns: Complex
    """(offset,) efficiency over that of the first offset."""
    efficiency: Complex
    """(slice, 3) of the first offset, rad/m."""


def wave_images(
    images: Images,
    *,
    mask: Mask | None = None,
    unwrapping: str = "temporal",
    harmonics: int = HARMONICS,
    least_signal: float = 5.0,
    density: float = 1000.0,
    progress: Callable[[int, int], None] | None = None,
) -> Waves:
    """Return the displacement phasors that elastography images encode.

    Parameters
    ----------
    images : Images
        Complex, of an elastography protocol.
    mask : (z, y, x) array of bool, optional
        Voxels to look at; those with a signal by default.
    unwrapping : str
        ``"temporal"`` along the sequence of offsets; ``"reliability"``, ``"laplacian"`` or ``"gradient"`` in space;
        or ``"none"``.
    harmonics : int
        Highest harmonic of the vibration that the motion may hold.
    least_signal : float
        Mean magnitude over the noise below which a voxel is left out.
    density : float
        Mass density to be assumed, kg/m^3.
    progress : callable, optional
        Called with (done, in all).
    """
    if unwrapping not in WAYS:
        raise InputError(f"unknown way '{unwrapping}'{did_you_mean(unwrapping, WAYS)}", key="unwrapping")
    frequency = _frequency(images)
    groups = _groups(images, harmonics)
    inside = _signal(images, mask, least_signal)
    amplitudes, variances = [], []
    lost = np.zeros(inside.shape, bool)
    for done, group in enumerate(groups):
        phases, slipped = _unwrapped(group.phases, inside, unwrapping)
        amplitude, variance, residual = _harmonic(phases, group)
        lost |= inside & (slipped | (residual > MISFIT) | _jumps(phases, inside))
        if unwrapping == "temporal":
            lost |= leaping_parts(wrapped(np.diff(group.phases, axis=0, append=group.phases[:1])), inside)
        amplitudes.append(amplitude)
        variances.append(variance)
        if progress is not None:
            progress(done + 1, len(groups))
    if (lost | ~inside).all():
        raise InputError(
            f"are wrapped beyond recovery in all {inside.sum()} voxels (neighbours differ by more than half a turn); "
            "lower the amplitude or cycles of the motion-encoding gradient, measure more offsets, or unwrap in space",
            key="phases",
        )
    held = inside & ~lost
    components, u, sigma = _displacement(groups, np.stack(amplitudes), np.stack(variances))
    xi = [group.efficiency for group in groups]
    said = [left_out(lost, inside, images.grid, xi, len(groups[0].turns))] if lost.any() else []
    return Waves(
        grid=images.grid,
        frequencies=np.array([frequency]),
        displacement=np.where(held, u, 0)[None],
        components=components,
        density=density,
        mask=held,
        sigma=np.where(held, sigma, 0)[None],
        noisy=images.noisy,
        encoding={"offsets": len(groups[0].turns), "unwrapping": unwrapping, "wrapped": int(lost.sum())},
        history=images.history | {"warnings": (*images.history.get("warnings", ()), *said)},
    )


def _frequency(images: Images) -> float:
    missing = [name for name in COLUMNS if name not in images.contrast]
    if missing or "vibration_frequency" not in images.encoding:
        what = ", ".join(missing) or "vibration_frequency"
        raise InputError(f"the images tell no {what}: they are of no elastography protocol", key="contrast")
    if not np.iscomplexobj(images.data):
        raise InputError("the images are magnitudes: the motion is in their phase", key="data")
    return float(images.encoding["vibration_frequency"])


def _groups(images: Images, harmonics: int) -> list[_Group]:
    """Return the images by direction (and by the blips of an echo-planar train)."""
    table = images.contrast
    count = len(images.data)
    polarity = np.asarray(table.get("motion_polarity", np.ones(count)))
    kinds = np.stack([*(np.asarray(table[f"direction_{a}"]) for a in "xyz"), table.get("polarity", np.ones(count))])
    efficiency = _efficiency(images)
    found = []
    for kind in np.unique(kinds, axis=1).T:
        own = np.flatnonzero((kind == kinds.T).all(axis=1))
        order = own[np.argsort(np.asarray(table["vibration_offset"])[own], kind="stable")]
        plus, minus = order[polarity[order] > 0], order[polarity[order] < 0]
        _check_offsets(images, plus, minus, harmonics)
        found.append(_group(images, efficiency, plus, minus))
    return found


def _efficiency(images: Images) -> Complex:
    """Return the (image, slice, 3) efficiency, rad/m: of all nominal gradients where the sheet tells it."""
    told = images.encoding.get("motion_encoding")
    if told is not None and np.shape(told) == (len(images.data), images.data.shape[1], 3):
        return np.asarray(told, np.complex128)
    table = images.contrast
    own = np.asarray(table["encoding"]) * np.exp(1j * np.asarray(table["vibration_phase"]))
    own = own * np.asarray(table.get("motion_polarity", np.ones(len(own))))
    direction = np.stack([np.asarray(table[f"direction_{axis}"]) for axis in "xyz"], axis=-1)
    return np.repeat((own[:, None] * direction)[:, None], images.data.shape[1], axis=1)


def _check_offsets(images: Images, plus: NDArray[np.int64], minus: NDArray[np.int64], harmonics: int) -> None:
    """Refuse offsets that cannot tell the first harmonic from others."""
    column = np.asarray(images.contrast["vibration_offset"])
    offsets = column[plus]
    if len(minus) and not np.array_equal(offsets, column[minus]):
        raise InputError("differ between the polarities: the phases cannot be subtracted", key="vibration_offset")
    if len(np.unique(offsets)) < len(offsets):
        raise InputError("hold one offset of one direction more than once; average such images", key="images")
    check_count(len(offsets), harmonics)


def _group(images: Images, efficiency: Complex, plus: NDArray[np.int64], minus: NDArray[np.int64]) -> _Group:
    with np.errstate(divide="ignore", invalid="ignore"):
        noise = (np.broadcast_to(images.sigma, images.data.shape) / np.abs(images.data)) ** 2
    noise = np.where(np.isnan(noise), np.inf, noise)
    if len(minus):
        product, variance = images.data[plus] * np.conj(images.data[minus]), noise[plus] + noise[minus]
        xi = efficiency[plus] - efficiency[minus]
    else:
        product, variance, xi = images.data[plus] * np.conj(images.data[plus[0]]), noise[plus], efficiency[plus]
    power = np.sum(np.abs(xi[0]) ** 2)
    if power == 0:
        raise InputError("is zero: these images encode no motion", key="encoding")
    turns = np.sum(xi * np.conj(xi[0]), axis=(1, 2)) / power
    return _Group(phases=np.angle(product), variance=variance, turns=turns, efficiency=xi[0])


def _signal(images: Images, mask: Mask | None, least: float) -> Mask:
    """Return the voxels whose images have a signal."""
    if mask is not None and np.shape(mask) != images.grid.shape:
        raise InputError(f"has shape {np.shape(mask)}; the images have {images.grid.shape}", key="mask")
    finite = np.isfinite(images.data).all(axis=0)
    level = np.mean(np.abs(np.where(finite, images.data, 0)), axis=0)
    floor = least * np.max(np.broadcast_to(images.sigma, images.data.shape), axis=0)
    inside = finite & (level > floor) if images.noisy else finite & (level > 1e-6 * level.max(initial=0.0))
    inside &= np.all(images.data != 0, axis=0)
    if mask is not None:
        inside &= np.asarray(mask, bool)
    if mask is not None and not np.any(mask):
        raise InputError("is empty: it holds no voxel", key="mask")
    if not inside.any():
        raise InputError(f"is empty: no voxel has a signal above {least:g} times the noise", key="mask")
    return np.asarray(inside)


def _unwrapped(phases: Array, inside: Mask, way: str) -> tuple[Array, Mask]:
    """Return (offset, z, y, x) phases without lost turns, and the voxels that do not come back to where they began.

    What is common to all offsets stays unknown. Along time the period closes: steps that add up to a turn slipped.
    """
    from scipy.ndimage import label

    slipped = np.zeros(inside.shape, bool)
    if way == "none":
        return phases, slipped
    if way == "temporal":
        steps = wrapped(np.diff(phases, axis=0, append=phases[:1]))
        return phases[:1] + np.concatenate([0 * steps[:1], np.cumsum(steps[:-1], axis=0)]), np.abs(
            steps.sum(axis=0)
        ) > 1
    found = np.stack([_in_space(phase, inside, way) for phase in phases])
    parts, count = label(inside)
    for part in range(1, count + 1):  # in each part an image is right up to one multiple of 2 pi
        middle = np.median(found[:, parts == part], axis=1)
        found[:, parts == part] += (np.unwrap(middle) - middle)[:, None]
    return found, slipped


def _in_space(phase: Array, inside: Mask, way: str) -> Array:
    """Return one (z, y, x) phase unwrapped over its neighbours, 0 outside the mask."""
    return integrated_gradient(phase, inside) if way == "gradient" else np.where(inside, unwrap(phase, inside, way), 0)


def _harmonic(phases: Array, group: _Group) -> tuple[Complex, Array, Array]:
    """Return the (z, y, x) first harmonic  xi_0 . U,  the variance of its parts, and the rms residual, rad."""
    turns = group.turns
    design = np.stack([np.ones(len(turns)), -turns.real, turns.imag], axis=1)
    inverse = np.linalg.pinv(design)
    found = np.tensordot(inverse, phases, axes=1)
    residual = phases - np.tensordot(design, found, axes=1)
    with np.errstate(invalid="ignore"):  # without signal the variance is infinite
        variance = np.tensordot((inverse[1] ** 2 + inverse[2] ** 2) / 2, group.variance, axes=1)
    return found[1] + 1j * found[2], variance, np.sqrt(np.mean(residual**2, axis=0))


def _jumps(phases: Array, inside: Mask) -> Mask:
    """Return the voxels at which a phase, less the mean over the offsets, leaps by more than half a turn in space."""
    moving = phases - phases.mean(axis=0)
    found = np.zeros(inside.shape, bool)
    for axis in range(3):
        low, high = (np.delete(inside, at, axis) for at in (-1, 0))
        leap = (np.abs(np.diff(moving, axis=axis + 1)) > np.pi).any(axis=0) & low & high
        pads = [(0, 0)] * 3
        for side in ((0, 1), (1, 0)):
            pads[axis] = side
            found |= np.pad(leap, pads)
    return found


def _displacement(
    groups: list[_Group], amplitudes: Complex, variances: Array
) -> tuple[tuple[str, ...], Complex, Array]:
    """Solve the efficiencies of all directions for the components that they encode, slice by slice."""
    xi = np.stack([group.efficiency for group in groups])  # (direction, slice, 3)
    size = np.abs(xi).max(axis=(0, 1))
    axes = np.flatnonzero(size > 0.5 * size.max()) if len(groups) < 3 else np.arange(3)
    axes = axes[size[axes] > PARALLEL * size.max()]
    if len(axes) > len(groups):
        raise InputError(f"{len(groups)} directions cannot tell {len(axes)} components apart", key="encoding")
    shape = (len(axes), *amplitudes.shape[1:])
    u, sigma = np.zeros(shape, complex), np.zeros(shape)
    for z in range(xi.shape[1]):
        inverse = np.linalg.pinv(xi[:, z, axes])
        u[:, z] = np.tensordot(inverse, amplitudes[:, z], axes=1)
        sigma[:, z] = np.sqrt(np.tensordot(np.abs(inverse) ** 2, variances[:, z], axes=1))
    return tuple("xyz"[a] for a in axes), u, sigma


def processed(waves: Waves, name: str, u: Complex, sigma: Any, **facts: Any) -> Waves:
    """Return waves after a step of processing, which their `encoding` lists."""
    steps = [*waves.encoding.get("processing", []), {"step": name, **facts}]
    return Waves(
        grid=waves.grid, frequencies=waves.frequencies, displacement=u, components=waves.components,
        density=waves.density, mask=waves.mask, sigma=np.asarray(sigma, np.float64), noisy=waves.noisy,
        modulus=waves.modulus, encoding=waves.encoding | {"processing": steps}, history=waves.history,
    )  # fmt: skip
