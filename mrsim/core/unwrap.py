"""Phase unwrapping: the multiple of 2 pi that a measured phase has lost, over space or over echoes.

Two ways over space, both for two or three dimensions and masks. ``"reliability"`` joins voxels in the order of their
second differences (Herraez 2002, doi:10.1364/AO.41.007437, and Abdul-Rahman 2007, doi:10.1364/AO.46.006623; by
scikit-image): best in noise. ``"laplacian"`` finds the phase whose differences between neighbours come closest to the
wrapped ones, a Poisson equation solved by cosine transforms (Ghiglia and Romero 1994, doi:10.1364/JOSAA.11.000107;
after Schofield and Zhu 2003, doi:10.1364/OL.28.001194), and adds to each voxel the multiple of 2 pi nearest to it:
smooth and fast, but a phase vortex or a cut of more than pi spreads its error.

Both fail where neighbours in truth differ by more than pi. What a phase is up to a common multiple of 2 pi nothing can
tell: of each connected part of the mask the median comes to lie within (-pi, pi].
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InputError, did_you_mean

Array = NDArray[np.float64]
METHODS = ("reliability", "laplacian")
ACCURACY = 1e-4
"""Of the Poisson equation: its solution is rounded to whole turns."""
MOST_STEPS = 200
"""Of the conjugate gradients that solve it under a mask."""


def wrapped(phase: NDArray[Any]) -> Array:
    """Return phases of any shape, rad, within [-pi, pi)."""
    return np.asarray((np.asarray(phase, np.float64) + np.pi) % (2 * np.pi) - np.pi)


def unwrap(phase: NDArray[Any], mask: NDArray[np.bool_] | None = None, method: str = "reliability") -> Array:
    """Return the unwrapped phase, rad; outside the mask it is NaN.

    Parameters
    ----------
    phase : (z, y, x) or (y, x) array
        rad; or complex, of which the phase is taken.
    mask : array of bool, optional
        Voxels that have a phase; all by default.
    method : str
        ``"reliability"`` or ``"laplacian"``.
    """
    values = np.angle(phase) if np.iscomplexobj(phase) else np.asarray(phase, np.float64)
    if values.ndim not in (2, 3):
        raise InputError(f"has {values.ndim} axes; expected (z, y, x) or (y, x)", key="phase")
    inside = np.ones(values.shape, bool) if mask is None else np.asarray(mask, bool)
    if inside.shape != values.shape:
        raise InputError(f"has shape {inside.shape}; the phase has {values.shape}", key="mask")
    if method not in METHODS:
        raise InputError(f"unknown method '{method}'{did_you_mean(method, METHODS)}", key="method")
    if not np.isfinite(values[inside]).all():
        raise InputError("is not finite everywhere within the mask; leave such voxels out of the mask", key="phase")
    if not inside.any():
        return np.full(values.shape, np.nan)
    flat = wrapped(np.where(inside, values, 0.0))
    thin = tuple(axis for axis, size in enumerate(values.shape) if size == 1)
    plane, held = np.squeeze(flat, thin), np.squeeze(inside, thin)
    work = _reliability if method == "reliability" else _laplacian
    result = np.full(values.shape, np.nan)
    result[inside] = _anchored(work(plane, held), held)[held] if plane.ndim else flat[inside]
    return result


def unwrap_echoes(phase: NDArray[Any], te: NDArray[np.float64]) -> Array:
    """Return the phases of successive echoes without jumps in time.

    The first two echoes are taken to differ by less than half a turn (an offset below 1 / (2 (te2 - te1))); each
    further one by less than half a turn from the straight line through those before it.

    Parameters
    ----------
    phase : (echo, ...) array
        rad; or complex, of which the phase is taken.
    te : (echo,) array
        Ascending echo times, s.
    """
    values = np.angle(phase) if np.iscomplexobj(phase) else np.asarray(phase, np.float64)
    times = np.asarray(te, np.float64)
    if times.shape != values.shape[:1] or len(times) < 2 or np.any(np.diff(times) <= 0):
        raise InputError(f"needs {len(values)} ascending times, two or more; got {times.tolist()}", key="te")
    result = np.array(values)
    result[1] = result[0] + wrapped(values[1] - values[0])
    for echo in range(2, len(times)):
        before = times[:echo] - times[:echo].mean()
        mean = result[:echo].mean(axis=0)
        slope = np.tensordot(before, result[:echo], axes=1) / np.sum(before**2)
        expected = mean + slope * (times[echo] - times[:echo].mean())
        result[echo] = expected + wrapped(values[echo] - expected)
    return result


def _reliability(phase: Array, mask: NDArray[np.bool_]) -> Array:
    from skimage.restoration import unwrap_phase

    work: Any = unwrap_phase
    found = work(np.ma.array(phase, mask=~mask) if phase.ndim > 1 and not mask.all() else phase, rng=0)
    return np.asarray(np.ma.getdata(found), dtype=np.float64)


def _laplacian(phase: Array, mask: NDArray[np.bool_]) -> Array:
    """Return the phase that is congruent with the wrapped one and nearest to the least-squares solution."""
    smooth = _integrated(phase, mask)
    turn = np.mean(np.exp(1j * (phase - smooth))[mask])
    smooth = smooth + np.angle(turn)
    return np.asarray(phase + 2 * np.pi * np.round((smooth - phase) / (2 * np.pi)))


def _integrated(phase: Array, mask: NDArray[np.bool_]) -> Array:
    """Return the phase whose differences between neighbours come closest to the wrapped ones, up to a constant."""
    steps = [wrapped(np.diff(phase, axis=axis)) for axis in range(phase.ndim)]
    joined = [_both(mask, axis) for axis in range(phase.ndim)]
    return _poisson(_divergence([s * j for s, j in zip(steps, joined, strict=True)]), joined, bool(mask.all()))


def integrated_gradient(phase: NDArray[Any], mask: NDArray[np.bool_]) -> Array:
    """Return the smooth phase whose gradient is nearest to Im(exp(-i phi) grad exp(i phi)), rad; 0 outside the mask.

    Unlike that of `unwrap` it is not congruent with the measured phase: where noise or a vortex make steps that do not
    add up, the error is spread. In each connected part the mean of the difference vanishes.

    Parameters
    ----------
    phase : (z, y, x) or (y, x) array
        rad.
    mask : array of bool
    """
    from scipy.ndimage import label

    flat, thin = wrapped(np.where(mask, phase, 0.0)), tuple(a for a, n in enumerate(mask.shape) if n == 1)
    held = np.squeeze(mask, thin)
    smooth = np.zeros(mask.shape)
    smooth[mask] = _integrated(np.squeeze(flat, thin), held)[held]
    parts, count = label(mask)
    for part in range(1, count + 1):
        inside = parts == part
        smooth[inside] += np.angle(np.mean(np.exp(1j * (flat - smooth))[inside]))
    return smooth


def _both(mask: NDArray[np.bool_], axis: int) -> NDArray[np.bool_]:
    """Return where a voxel and its neighbour along an axis both have a phase."""
    low, high = np.delete(mask, -1, axis), np.delete(mask, 0, axis)
    return np.asarray(low & high)


def _divergence(steps: list[Array]) -> Array:
    """Return minus the adjoint of the differences along every axis."""
    total: Array | None = None
    for axis, step in enumerate(steps):
        edge = [(1, 1) if a == axis else (0, 0) for a in range(step.ndim)]
        part = np.diff(np.pad(step, edge), axis=axis)
        total = part if total is None else total + part
    assert total is not None
    return total


def _poisson(source: Array, joined: list[NDArray[np.bool_]], whole: bool) -> Array:
    """Solve the Poisson equation over joined neighbours, by cosine transforms or, under a mask, preconditioned by them.

    The discrete Laplacian with reflecting edges has the eigenvalues sum 2 cos(pi k / n) - 2.
    """
    from scipy.fft import dctn, idctn

    eigen = np.zeros(source.shape)
    for axis, n in enumerate(source.shape):
        part = 2 * np.cos(np.pi * np.arange(n) / n) - 2
        eigen = eigen + part.reshape([-1 if a == axis else 1 for a in range(source.ndim)])
    eigen.flat[0] = 1.0

    def inverse(values: Array) -> Array:
        spectrum = dctn(values, norm="ortho") / eigen
        spectrum.flat[0] = 0.0
        return np.asarray(idctn(spectrum, norm="ortho"))

    if whole:
        return inverse(source)

    def laplace(values: Array) -> Array:
        return _divergence([np.diff(values, axis=axis) * near for axis, near in enumerate(joined)])

    return _conjugate_gradients(laplace, inverse, source)


def _conjugate_gradients(apply: Any, inverse: Any, source: Array) -> Array:
    """Solve apply(x) = source, both negative semidefinite, preconditioned by `inverse`."""
    x, residual = np.zeros_like(source), source.copy()
    search, before = np.zeros_like(source), 1.0
    for step in range(MOST_STEPS):
        if np.abs(residual).max() < ACCURACY:
            break
        better = inverse(residual)
        now = float(np.vdot(residual, better).real)
        search = better + (now / before if step else 0.0) * search
        image = apply(search)
        length = now / float(np.vdot(search, image).real)
        x, residual, before = x + length * search, residual - length * image, now
    return x


def _anchored(phase: Array, mask: NDArray[np.bool_]) -> Array:
    """Return the phase with the median of each connected part brought into (-pi, pi]."""
    from scipy.ndimage import label, median

    parts, count = label(mask)
    medians = np.atleast_1d(median(phase, parts, np.arange(1, count + 1)))
    turns = np.concatenate([[0.0], 2 * np.pi * np.round(medians / (2 * np.pi))])
    return np.asarray(phase - turns[parts])
