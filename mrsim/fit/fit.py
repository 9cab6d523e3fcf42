"""Fit a signal model to a series of images, voxel by voxel.

Least squares, weighted by the noise of each image. Standard errors come from the covariance
sigma^2 (J^T W J)^-1 at the optimum, with sigma from the images' calibrated noise, from the caller, or, where
neither is known, from the residuals. They are those of Gaussian noise: magnitudes below three standard
deviations of the noise are biased upwards (Rician), which neither the fit nor its errors know.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import InputError
from ..core.images import Images
from ..core.maps import STATUS, Maps
from .model import Model
from .models import find_model
from .signal import resolve_options
from .solve import Array, Solution, solve
from .table import check_table

NO_SIGNAL = 2.0
"""A voxel whose root mean square over the images is below this many standard deviations of the noise holds
no signal: the magnitude of pure noise has 1.41."""
OUTSIDE = 6
USABLE = (0, 3)
"""Status codes whose values are kept: converged, or at a bound."""

Noise = ArrayLike | Literal["residuals"] | None


def fit(
    images: Images,
    model: str | Model,
    *,
    mask: NDArray[np.bool_] | None = None,
    threads: int | None = None,
    sigma: Noise = None,
    select: Sequence[int] | slice | None = None,
    **options: float,
) -> Maps:
    """Return the maps of a model's parameters.

    Parameters
    ----------
    images : Images
    model : str or Model
        A name from `mrsim.fit.models.MODELS`.
    mask : (z, y, x) array of bool, optional
        Voxels to fit; all by default.
    threads : int, optional
        All available cores by default; the result does not depend on it.
    sigma : float, array or "residuals", optional
        Standard deviation of one quadrature channel, broadcastable to the images' data; the images' own by
        default. With ``"residuals"``, or where the images know none, each voxel's is estimated from its
        residuals.
    select : slice or sequence of int, optional
        Which images of the series to fit, e.g. ``slice(1, None)`` to skip the first echo.
    **options : float
        The model's options, SI units.
    """
    model = find_model(model) if isinstance(model, str) else model
    settings = resolve_options(model, options)
    data, contrast, noise = _selected(images, sigma, select)
    check_table(model, contrast, data.shape[0])
    inside = _mask(mask, images)
    series = data[:, inside]
    weight, spread = _noise(noise, inside, data.shape)
    # noise-free images have no noise floor: any signal counts
    floor = NO_SIGNAL * np.nan_to_num(spread) if images.noisy else np.zeros_like(spread)
    solution = _solve(model, contrast, series, weight, floor, threads, settings)
    history = {
        "model": model.name,
        "options": settings,
        "images": data.shape[0],
        "sigma": "residuals" if np.isnan(spread).all() else "images" if sigma is None else "given",
        **_summary(solution, spread, weight, data.shape[0]),
    }
    errors = solution.unit_errors * np.where(np.isnan(spread), _residual_sigma(solution, data.shape[0]), spread)
    return _maps(model, images, inside, solution, errors, history)


def _selected(
    images: Images, sigma: Noise, select: Sequence[int] | slice | None
) -> tuple[NDArray[np.complex128], dict[str, Array], Array | None]:
    """Return data, contrast table and noise of the chosen images."""
    count = images.data.shape[0]
    try:
        chosen = np.arange(count)[slice(None) if select is None else select]
    except IndexError:
        raise InputError(f"selects images beyond the last of the series, {count - 1}", key="select") from None
    if chosen.size == 0:
        raise InputError("selects no image", key="select")
    contrast = {name: np.asarray(column)[chosen] for name, column in images.contrast.items()}
    if isinstance(sigma, str):
        if sigma != "residuals":
            raise InputError(f"'{sigma}' is neither a number nor 'residuals'", key="sigma")
        return images.data[chosen], contrast, None
    try:
        noise = np.broadcast_to(np.asarray(images.sigma if sigma is None else sigma, np.float64), images.data.shape)
    except ValueError:
        raise InputError(
            f"has shape {np.asarray(sigma).shape}, which does not match the images {images.data.shape}", key="sigma"
        ) from None
    if sigma is not None and not (np.isfinite(noise) & (noise > 0)).all():
        raise InputError("must be finite and greater than zero everywhere", key="sigma")
    return images.data[chosen], contrast, noise[chosen]


def _mask(mask: NDArray[np.bool_] | None, images: Images) -> NDArray[np.bool_]:
    shape = images.data.shape[1:]
    if mask is None:
        return np.ones(shape, dtype=bool)
    inside = np.asarray(mask, dtype=bool)
    if inside.shape != shape:
        raise InputError(f"has shape {inside.shape}; the images have {shape}", key="mask")
    return inside


def _noise(noise: Array | None, inside: NDArray[np.bool_], shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Split the noise into (n,) weights of the images and (voxel,) standard deviation; NaN where unknown.

    Sigma must be a factor per image times a factor per voxel, which is what averaging and coil maps make.
    """
    voxels = int(inside.sum())
    if noise is None or voxels == 0:
        return np.ones(shape[0]), np.full(voxels, np.nan)
    sigma = noise[:, inside]
    known = np.isfinite(sigma).all(axis=0) & (sigma > 0).all(axis=0)
    if not known.any():
        return np.ones(shape[0]), np.full(voxels, np.nan)
    spread = np.where(known, sigma.min(axis=0), np.nan)
    factor = (sigma[:, known] / spread[known]).mean(axis=1)
    if np.abs(sigma[:, known] - np.outer(factor, spread[known])).max() > 1e-6 * sigma[:, known].max():
        raise InputError(
            "the noise of the images is not a factor per image times a factor per voxel; "
            "fit regions with a mask, or give sigma",
            key="sigma",
        )
    return 1.0 / factor**2, spread


def _solve(
    model: Model,
    contrast: dict[str, Array],
    series: NDArray[np.complex128],
    weight: Array,
    floor: Array,
    threads: int | None,
    options: dict[str, float],
) -> Solution:
    """Turn complex series into what the model describes and fit it, with every sign that it may have."""
    data, signs = _signed(model, contrast, series)
    best: Solution | None = None
    for sign in signs:
        trial = solve(model, contrast, data * sign[:, None], weight=weight, floor=floor, threads=threads, **options)
        best = trial if best is None else _better(best, trial)
    assert best is not None
    return best


def _signed(model: Model, contrast: dict[str, Array], series: NDArray[np.complex128]) -> tuple[Array, Array]:
    """Return the (n, voxel) data and the (candidate, n) signs to try on them.

    Phase-corrected data are known up to one sign. Magnitudes of a recovery have lost the sign of each image,
    but the signal rises with the inversion time: only the number of negative images is unknown.
    """
    n = series.shape[0]
    if model.data == "phase-corrected":
        return _phase_corrected(series), np.array([np.ones(n), -np.ones(n)])
    if model.data == "polarity-restored":
        rank = np.argsort(np.argsort(contrast["ti"], kind="stable"))
        return np.abs(series), np.where(rank[None, :] < np.arange(n + 1)[:, None], -1.0, 1.0)
    return (np.real(series) if model.data == "real" else np.abs(series)), np.ones((1, n))


def _phase_corrected(series: NDArray[np.complex128]) -> Array:
    """Return the (n, voxel) real part after each voxel's common phase is removed.

    Signed signals A_i exp(i phi) have the squares A_i^2 exp(2 i phi): half the phase of their sum is the
    most likely phi, up to half a turn.
    """
    with np.errstate(invalid="ignore"):
        return np.real(series * np.exp(-0.5j * np.angle(np.sum(series**2, axis=0))))


def _better(first: Solution, second: Solution) -> Solution:
    """Return per voxel whichever fit is usable and has the smaller cost."""
    usable = np.isin(second.status, USABLE)
    take = usable & ((second.cost < first.cost) | ~np.isin(first.status, USABLE))
    return Solution(
        values=np.where(take, second.values, first.values),
        unit_errors=np.where(take, second.unit_errors, first.unit_errors),
        status=np.where(take, second.status, first.status),
        cost=np.where(take, second.cost, first.cost),
        rounds=first.rounds + second.rounds,
    )


def _residual_sigma(solution: Solution, n: int) -> Array:
    """Return the (voxel,) noise that the residuals show, NaN without a degree of freedom."""
    freedom = n - solution.values.shape[0]
    return np.sqrt(solution.cost / freedom) if freedom > 0 else np.full(solution.cost.shape, np.nan)


def _summary(solution: Solution, spread: Array, weight: Array, n: int) -> dict[str, Any]:
    """Return what a reader asks first: how many voxels ended how, after how many rounds, how well."""
    counts = {STATUS[int(k)]: int((solution.status == k).sum()) for k in np.unique(solution.status)}
    fitted = np.isin(solution.status, USABLE)
    summary: dict[str, Any] = {"status": counts, "weights": weight.tolist()}
    if fitted.any():
        summary["mean_rounds"] = float(solution.rounds[fitted].mean())
        chi2 = (_residual_sigma(solution, n)[fitted] / spread[fitted]) ** 2
        if np.isfinite(chi2).any():
            summary["median_reduced_chi2"] = float(np.nanmedian(chi2))
    return summary


def _maps(
    model: Model, images: Images, inside: NDArray[np.bool_], solution: Solution, errors: Array, history: dict[str, Any]
) -> Maps:
    """Spread the fitted voxels over the grid; NaN where there is no value."""
    status = np.full(inside.shape, OUTSIDE, dtype=np.int8)
    status[inside] = solution.status
    usable = np.isin(solution.status, USABLE)

    def spread(row: Array) -> Array:
        volume = np.full(inside.shape, np.nan)
        volume[inside] = np.where(usable, row, np.nan)
        return volume

    index = {p.name: k for k, p in enumerate(model.parameters)}
    return Maps(
        grid=images.grid,
        values={name: spread(solution.values[index[name]]) for name in model.map_names},
        errors={name: spread(errors[index[name]]) for name in model.map_names},
        units={p.name: p.unit for p in model.parameters if p.name in model.map_names},
        status=status,
        model=model.name,
        history=history,
    )
