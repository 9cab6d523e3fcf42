"""Echo-planar images put back where the field pushed their voxels from.

An off-resonance f(x, y) moves what lies at y by d = f T n s along the phase encoding, in voxels, where T is the
effective echo spacing, n the lines and s = +-1 the direction of the blips, and changes its brightness:

    D(y + d(y)) (1 + d'(y)) = I(y)

What lies between two places keeps its integral. The cumulative sum C of D is therefore read at the moved edges of each
voxel, I(y) = C(y + 1/2 + d) - C(y - 1/2 + d), which conserves the integral to rounding wherever the field does not
fold the image onto itself (1 + d' > 0). Where it does, what was piled up cannot be parted.

Two images with opposite blips tell the field (Chang and Fitzpatrick 1992, doi:10.1109/42.158935): the share of a
column's signal below y is the same in both, at y + d and at y - d. That start is refined by least squares,

    min_d sum (U(y + d)(1 + d') - V(y - d)(1 - d'))^2 + lambda sum |grad d|^2

from smoothed to sharp images (Andersson 2003, doi:10.1016/S1053-8119(03)00336-7).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.images import Images

Array = NDArray[np.float64]
BLURS = (4.0, 2.0, 1.0, 0.5, 0.0)
"""Standard deviations of the images' smoothing, voxels, step by step."""
TURNS = 12
"""Gauss-Newton iterations at each."""
SMOOTHNESS = 2e-3
"""lambda over the mean square slope of the images."""


def voxel_shift(images: Images, field: Array) -> Array:
    """Return the (contrast, z, y, x) displacement along y, voxels.

    Parameters
    ----------
    images : Images
        Echo-planar: `encoding` has ``effective_echo_spacing``, s; the direction of the blips is ``polarity`` in the
        contrast table, up where there is none.
    field : (z, y, x) array
        Off-resonance, Hz, where the object is.
    """
    spacing = images.encoding.get("effective_echo_spacing")
    if spacing is None:
        raise InputError("the images tell no effective_echo_spacing: they are not echo-planar", key="field")
    wanted = images.data.shape[1:]
    if field.shape != wanted:
        raise InputError(f"has {field.shape} values (z, y, x), the images {wanted}; resample it", key="field")
    if not np.all(np.isfinite(field)):
        raise InputError("holds values that are not finite; fill them in first", key="field")
    polarity = images.contrast.get("polarity", np.ones(len(images.data)))
    return np.asarray(polarity[:, None, None, None] * field * (float(spacing) * wanted[1]))


def unwarped(images: Images, field: Array) -> Images:
    """Return images with the distortion of an off-resonance map undone.

    Parameters
    ----------
    images : Images
        Echo-planar.
    field : (z, y, x) array
        Off-resonance, Hz, on their grid.
    """
    shift = voxel_shift(images, field)
    data = np.empty_like(images.data)
    for contrast in range(len(data)):
        data[contrast] = resampled(images.data[contrast], shift[contrast])
    jacobian = 1 + np.gradient(shift, axis=2)
    folded = int(np.count_nonzero(jacobian <= 0))
    said = f"the field folds {folded} voxels onto others (Jacobian below 0): their signal is not parted"
    history = images.history
    if folded:
        history = {**history, "warnings": (*history.get("warnings", ()), said)}
    sigma = images.sigma * np.sqrt(np.abs(jacobian))
    notes = {**images.encoding, "unwarped": "field map", "jacobian": jacobian}
    return replace(images, data=data, sigma=sigma, encoding=notes, history=history)


def resampled(image: NDArray[Any], shift: Array) -> NDArray[Any]:
    """Return I(y) of the distorted (..., y, x) image D, by its cumulative sum at the moved edges of each voxel."""
    from scipy.interpolate import CubicSpline

    n = image.shape[-2]
    flat = np.moveaxis(image, -2, -1).reshape(-1, n)
    moved = np.moveaxis(np.broadcast_to(shift, image.shape), -2, -1).reshape(-1, n)
    edges = np.arange(n + 1) - 0.5
    inner = 0.5 * (moved[:, 1:] + moved[:, :-1])
    at = edges + np.concatenate([moved[:, :1], inner, moved[:, -1:]], axis=1)
    result = np.empty_like(flat)
    for row in range(len(flat)):
        total = np.concatenate([[0], np.cumsum(flat[row])])
        result[row] = np.diff(CubicSpline(edges, total)(np.clip(at[row], edges[0], edges[-1])))
    return np.asarray(np.moveaxis(result.reshape(*image.shape[:-2], image.shape[-1], n), -1, -2))


def pair_shift(up: Array, down: Array, smoothness: float = SMOOTHNESS) -> Array:
    """Return the (..., y, x) displacement of images with blips up, voxels; blips down move by minus that.

    Parameters
    ----------
    up, down : (..., y, x) arrays
        Magnitude images.
    smoothness : float
        lambda over the mean square slope of the images.
    """
    if up.shape != down.shape:
        raise InputError(f"the images of the pair have the shapes {up.shape} and {down.shape}; they must be equal")
    first = up.reshape(-1, *up.shape[-2:])
    second = down.reshape(-1, *up.shape[-2:])
    found = [_refined(u, v, _by_shares(u, v), smoothness) for u, v in zip(first, second, strict=True)]
    return np.asarray(found).reshape(up.shape)


def field_of_pair(images: Images, up: int, down: int, smoothness: float = SMOOTHNESS) -> Array:
    """Return the (z, y, x) off-resonance, Hz, from two images of a series with opposite blips.

    Parameters
    ----------
    images : Images
        Echo-planar, with ``polarity`` in the contrast table.
    up, down : int
        Indices of the two images, which must otherwise be alike.
    smoothness : float
        As in `pair_shift`.
    """
    polarity = images.contrast.get("polarity", np.ones(len(images.data)))
    if polarity[up] * polarity[down] >= 0:
        raise InputError(
            f"images {up} and {down} have the polarities {polarity[up]:g} and {polarity[down]:g}; a pair needs "
            "opposite ones: measure with blips = 'both'",
            key="blips",
        )
    one = voxel_shift(images, np.ones(images.data.shape[1:]))[up]
    shift = pair_shift(np.abs(images.data[up]), np.abs(images.data[down]), smoothness)
    return np.asarray(shift / one)


def _by_shares(up: Array, down: Array) -> Array:
    """Return the (y, x) start: where both columns have the same share of their signal below."""
    n, width = up.shape
    edges, levels = np.arange(n + 1) - 0.5, (np.arange(4 * n) + 0.5) / (4 * n)
    shift, weight = np.zeros((n, width)), np.zeros(width)
    for x in range(width):
        sums = [np.concatenate([[0.0], np.cumsum(side[:, x])]) for side in (up, down)]
        weight[x] = min(total[-1] for total in sums)
        if weight[x] <= 1e-3 * max(float(up.sum(axis=0).max()), 1e-300):
            continue
        a, b = (np.interp(levels * total[-1], total + 1e-12 * total[-1] * np.arange(n + 1), edges) for total in sums)
        place = (a + b) / 2
        shift[:, x] = np.interp(np.arange(n), np.maximum.accumulate(place), (a - b) / 2)
    return shift


def _refined(up: Array, down: Array, start: Array, smoothness: float) -> Array:
    """Run Gauss-Newton from blurred to sharp images."""
    from scipy.ndimage import gaussian_filter

    scale = max(float(np.abs(up).max()), float(np.abs(down).max()), 1e-300)
    shift: Array = gaussian_filter(start, 1.0)
    for blur in BLURS:
        u, v = (gaussian_filter(side / scale, blur) if blur else side / scale for side in (up, down))
        shift = _gauss_newton(u, v, shift, smoothness)
    return shift


def _gauss_newton(up: Array, down: Array, shift: Array, smoothness: float) -> Array:
    """Return the displacement of the least misfit near `shift`; steps that do not lower it are halved, then end it."""
    from scipy.sparse import diags
    from scipy.sparse.linalg import spsolve

    n, width = shift.shape
    along, across = _differences(n, width)
    slopes = np.gradient(up, axis=0) ** 2 + np.gradient(down, axis=0) ** 2
    penalty = smoothness * max(float(np.mean(slopes)), 1e-12)
    rough = (along.T @ along + across.T @ across) * penalty
    central = _central(n, width)
    misfit, cost = _misfit(up, down, shift, rough)
    for _ in range(TURNS):
        u, v, du, dv = _moved(up, down, shift)
        stretch = np.gradient(shift, axis=0)
        jacobian = diags((du * (1 + stretch) + dv * (1 - stretch)).ravel()) + diags((u + v).ravel()) @ central
        right = jacobian.T @ misfit.ravel() + rough @ shift.ravel()
        normal = (jacobian.T @ jacobian + rough + 1e-9 * diags(np.ones(n * width))).tocsc()
        step = spsolve(normal, -right).reshape(n, width)
        step *= min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        for _ in range(5):
            new, less = _misfit(up, down, shift + step, rough)
            if less < cost:
                break
            step = step / 2
        else:
            break
        done = cost - less < 1e-9 * cost
        shift, misfit, cost = shift + step, new, less
        if done:
            break
    return shift


def _moved(up: Array, down: Array, shift: Array) -> tuple[Array, Array, Array, Array]:
    """Return U(y + d), V(y - d) and their slopes there, by cubic splines."""
    from scipy.ndimage import map_coordinates

    y, x = np.indices(shift.shape, dtype=float)
    sides = []
    for image, sign in ((up, 1.0), (down, -1.0)):
        sides.append([
            map_coordinates(image, [y + sign * shift + e, x], order=3, mode="nearest") for e in (0.0, 1e-3, -1e-3)
        ])  # fmt: skip
    (u, ua, ub), (v, va, vb) = sides
    return u, v, (ua - ub) / 2e-3, (va - vb) / 2e-3


def _misfit(up: Array, down: Array, shift: Array, rough: Any) -> tuple[Array, float]:
    u, v, _, _ = _moved(up, down, shift)
    stretch = np.gradient(shift, axis=0)
    misfit = u * (1 + stretch) - v * (1 - stretch)
    flat = shift.ravel()
    return misfit, float(np.sum(misfit**2) + flat @ (rough @ flat))


def _differences(n: int, width: int) -> tuple[Any, Any]:
    """Return the forward differences along y and x of a raveled (y, x) array."""
    from scipy.sparse import diags, identity, kron

    def step(m: int) -> Any:
        return diags([-np.ones(m - 1), np.ones(m - 1)], [0, 1], shape=(m - 1, m))

    return kron(step(n), identity(width), format="csr"), kron(identity(n), step(width), format="csr")


def _central(n: int, width: int) -> Any:
    """Return the derivative along y as np.gradient takes it."""
    from scipy.sparse import diags, identity, kron

    line = diags([-0.5 * np.ones(n - 1), 0.5 * np.ones(n - 1)], [-1, 1]).tolil()
    line[0, :2], line[-1, -2:] = [-1.0, 1.0], [-1.0, 1.0]
    return kron(line, identity(width), format="csr")
