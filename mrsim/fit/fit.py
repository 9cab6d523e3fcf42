"""Fit a signal model to a series of images, voxel by voxel.

Least squares, weighted by the noise of each image. Standard errors come from the covariance
sigma^2 (J^T W J)^-1 at the optimum, with sigma from the images' calibrated noise, from the caller, or, where
neither is known, from the residuals; where the noise is no factor per image times a factor per voxel they follow from
it as it is (`noise`). They are those of Gaussian noise: magnitudes below three standard deviations of the noise are
biased upwards (Rician), which neither the fit nor its errors know. Where the noise is known, two things help: the
Rician likelihood, or `noise_floor="subtract"`, which takes the noise's power off the magnitudes, sqrt(|y^2 - sigma^2|)
(Gudbjartsson 1995), and fits what is left like any magnitudes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.cores import check_threads
from ..core.errors import InputError, check_kind
from ..core.images import Images
from ..core.maps import STATUS, VALUED, Maps
from ..core.spectra import Spectra
from ..core.wave import Waves
from .diffusion_doubts import diffusion_doubts, folded
from .doubts import VISIBLE, doubts, flagged, range_flags, untrusted
from .given import given_values, plausible
from .inversion import Inversion
from .invert import invert
from .method import Likelihood, Method, Scan, Series, Solution
from .model import Description, Model
from .models import find_model
from .noise import Noise, noise_of, uneven_errors
from .noise_floor import MAGNITUDES, NoiseFloor, channels_of, without_floor
from .quantification import Quantification
from .rician import biased_by_channels, judged, maximised
from .selection import Sigma, columns, inside_of, selected
from .signs import best_of, signed
from .slab import within_slab
from .solve import Array, solve
from .table import check_table

OUTSIDE, NOT_GIVEN = 6, 8
"""Status codes of voxels outside the mask, and of those for which a given map has no value."""


def fit(
    images: Images | Waves | Spectra,
    model: str | Description,
    *,
    mask: NDArray[np.bool_] | None = None,
    threads: int | None = None,
    sigma: Sigma = None,
    select: Sequence[int] | slice | None = None,
    likelihood: Likelihood = "gaussian",
    noise_floor: NoiseFloor = "keep",
    **options: Any,
) -> Maps:
    """Return the maps of a model's parameters.

    Parameters
    ----------
    images : Images, Waves or Spectra
        Waves for an inversion, spectra for a quantification, whose own noise counts: of what follows an inversion takes
        `mask` and its options alone, a quantification its options, among them the `basis`.
    model : str, Model, Method or Inversion
        A name from `mrsim.fit.models.MODELS` or `mrsim.fit.inversions.INVERSIONS`.
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
    likelihood : str
        ``"gaussian"`` (least squares) or ``"rician"``, for magnitudes whose noise is known.
    noise_floor : str
        ``"keep"``, or ``"subtract"`` to take the noise's power off magnitudes before they are fitted.
    **options : float, array or Maps
        The model's options, SI units. Those that vary may be a (z, y, x) array, or `Maps` on any grid that hold a
        parameter of the same name, e.g. ``b1=mr.fit(other_images, "b1-dam")``.
    """
    model = _asked(images, model, threads)
    if not isinstance(images, Images) or isinstance(model, Inversion | Quantification):
        return _no_images(images, model, mask, (sigma, select, likelihood), threads, options)
    settings = within_slab(model, given_values(model, options, images), images)
    data, contrast, noise = selected(images, sigma, select)
    check_table(model, contrast, data.shape[0])
    inside = (wanted := inside_of(mask, images)) & plausible(model, settings)
    known = noise_of(noise, inside, len(data))
    weight, spread = known.weight, known.level
    _check_likelihood(model, likelihood, known)
    channels = channels_of(model, images)
    floor = VISIBLE * np.sqrt(channels) * np.nan_to_num(spread) * images.noisy  # noise-free: none
    local = {name: value[inside] if np.ndim(value) else value for name, value in settings.items()}
    scan = Scan(contrast=contrast, options=local, sheet=images.encoding, grid=images.grid, inside=inside)
    values, signs = signed(model.data, contrast, columns(data, inside))
    values = without_floor(values, model, noise_floor, likelihood, spread / np.sqrt(weight)[:, None], channels)
    kind: dict[str, Any] = {"likelihood": likelihood, "threads": threads, "channels": channels}
    whole = Series(data=values, weight=weight, floor=floor, spread=spread, **kind)

    def fitted(changed: Any) -> tuple[Solution, Array]:
        return best_of(lambda sign: _solve(model, scan, replace(whole, data=_turned(changed, sign))), signs)

    solution, margin = fitted(values)
    solution = judged(model, scan, whole, solution) if likelihood == "rician" else solution
    freedom = values.shape[0] * (2 if np.iscomplexobj(values) else 1) - len(model.parameters)
    residual = _residual_sigma(solution, solution.freedom(freedom))
    solution, said = flagged(model, solution, margin, whole)
    status = _everywhere(solution.status, wanted, inside)
    history = {
        "model": model.name, "images": data.shape[0], "noisy": images.noisy, "degrees_of_freedom": freedom,
        "options": {name: "map" if np.ndim(value) else value for name, value in settings.items()},
        "likelihood": likelihood, "noise_floor": noise_floor, "channels": channels,
        "sigma": "residuals" if np.isnan(spread).all() else "images" if sigma is None else "given",
        **_summary(status, solution, residual / spread, weight), **said,
    }  # fmt: skip
    errors = solution.unit_errors * np.where(np.isnan(spread), residual, spread)
    if known.each is not None:
        errors = uneven_errors(model, scan, whole, solution, known.each, lambda changed: fitted(changed)[0])
    history |= _warnings(model, images, solution, errors, history, scan, whole)
    return _maps(model, images, inside, status, solution, errors, (residual / spread) ** 2, settings, history)


def _asked(images: Any, model: Any, threads: Any) -> Description:
    """Return a model that is named or given; refuse what is none, and what is no data to fit."""
    check_kind(images, (Images, Waves, Spectra), "images", "mr.reconstruct(raw), or mr.load('images.h5', 'images')")
    check_threads(threads)
    if isinstance(model, str):
        return find_model(model)
    if not isinstance(model, Description):
        problem = f"is a {type(model).__name__}; it must be a model or the name of one, e.g. 't2-mono'"
        raise InputError(problem, key="model")
    return model


def _no_images(
    data: Images | Waves | Spectra, model: Description, mask: NDArray[np.bool_] | None, asked: tuple[Any, Any, str],
    threads: int | None, options: dict[str, Any],
) -> Maps:  # fmt: skip
    """Return the maps of an inversion of waves or of a quantification of spectra; refuse one without the other."""
    plain = asked[0] is None and asked[1] is None and asked[2] == "gaussian"
    if isinstance(data, Spectra) or isinstance(model, Quantification):
        from .spectral.given import amounts

        return amounts(data, model, plain and mask is None, threads, options)
    waves = data
    if not isinstance(waves, Waves):
        raise InputError(f"'{model.name}' inverts waves: make them with mrsim.wave_images(images)", key="model")
    if not isinstance(model, Inversion):
        raise InputError(f"'{model.name}' fits images; waves need an inversion, e.g. 'mre-direct'", key="model")
    if not plain:
        raise InputError(f"'{model.name}' takes the waves' own noise: no sigma, select, likelihood", key="sigma")
    return invert(waves, model, mask=mask, **options)


def _everywhere(found: NDArray[np.int8], wanted: NDArray[np.bool_], inside: NDArray[np.bool_]) -> NDArray[np.int8]:
    """Return the (z, y, x) status of all voxels from that of the fitted ones."""
    status = np.where(wanted, NOT_GIVEN, OUTSIDE).astype(np.int8)
    status[inside] = found
    return status


def _warnings(
    model: Description, images: Images, solution: Solution, errors: Array, history: Mapping[str, Any], scan: Scan,
    series: Series,
) -> dict[str, tuple[str, ...]]:  # fmt: skip
    """Return what the data, the solver, the signs and the model's assumptions give to warn of."""
    assert scan.inside is not None
    measured = columns(images.data, scan.inside)
    told = (*folded(model, measured), *diffusion_doubts(model, scan.contrast, series, solution))
    doubted = doubts(model, images.encoding, history.get("median_reduced_chi2"))
    doubted += untrusted(model, solution.values, errors) if images.noisy else ()
    doubted += biased_by_channels(series, solution) if images.noisy else ()
    said = (*solution.warnings, *told, *history.get("warnings", ()), *doubted)
    return ({"warnings": said} if said else {}) | ({"flags": flags} if (flags := range_flags(said)) else {})


def _check_likelihood(model: Description, likelihood: Likelihood, noise: Noise) -> None:
    """Refuse a likelihood that the data do not have."""
    if likelihood not in ("gaussian", "rician"):
        raise InputError(f"'{likelihood}' is neither 'gaussian' nor 'rician'", key="likelihood")
    symbolic = ("gaussian", "rician") if model.data in MAGNITUDES else ("gaussian",)
    allowed = model.likelihoods if isinstance(model, Method) else symbolic
    if likelihood == "rician" and not np.isfinite(noise.level).all():
        raise InputError("the Rician likelihood needs the noise: images with sigma, or sigma", key="likelihood")
    if likelihood == "rician" and noise.each is not None:
        raise InputError(
            "the Rician likelihood takes noise that is a factor per image times a factor per voxel, which that of "
            "these images is not; fit with likelihood 'gaussian', whose errors follow any noise",
            key="likelihood",
        )
    if likelihood not in allowed:
        why = f": {model.instead}" if isinstance(model, Method) and model.instead else ""
        raise InputError(
            f"model '{model.name}' knows no {likelihood} likelihood, only {', '.join(allowed)}{why}", key="likelihood"
        )


def _solve(model: Description, scan: Scan, series: Series) -> Solution:
    """Fit one choice of signs."""
    rician, ready = series.likelihood == "rician", not isinstance(model, Method) or model.maximises
    if rician and (series.channels > 1 or not ready):
        return maximised(model, scan, series, lambda changed: _solve(model, scan, changed))
    if isinstance(model, Method):
        return model.solve(scan, series)
    assert isinstance(model, Model)
    return solve(
        model, scan.contrast, np.asarray(series.data), weight=series.weight, floor=series.floor,
        threads=series.threads, noise=series.spread if rician else None, **scan.options,
    )  # fmt: skip


def _turned(series: NDArray[Any], sign: Array) -> NDArray[Any]:
    return series if (sign > 0).all() else series * sign[:, None]


def _residual_sigma(solution: Solution, freedom: Array) -> Array:
    """Return the (voxel,) noise that the residuals show, NaN without a degree of freedom."""
    return np.sqrt(np.where(freedom > 0, solution.cost, np.nan) / np.maximum(freedom, 1.0))


def _summary(status: NDArray[np.int8], solution: Solution, ratio: Array, weight: Array) -> dict[str, Any]:
    """Return what a reader asks first: how many voxels ended how, after how many rounds, how well."""
    counts = {STATUS[int(k)]: int((status == k).sum()) for k in np.unique(status) if k != OUTSIDE}
    fitted = np.isin(solution.status, VALUED)
    summary: dict[str, Any] = {"status": counts, "weights": weight.tolist()}
    if fitted.any():
        summary["mean_rounds"] = float(solution.rounds[fitted].mean())
        chi2 = ratio[fitted] ** 2
        if np.isfinite(chi2).any():
            summary["median_reduced_chi2"] = float(np.nanmedian(chi2))
    return summary


def _maps(
    model: Description,
    images: Images,
    inside: NDArray[np.bool_],
    status: NDArray[np.int8],
    solution: Solution,
    errors: Array,
    chi2: Array,
    settings: Mapping[str, Any],
    history: dict[str, Any],
) -> Maps:
    """Spread the fitted voxels over the grid; NaN where there is no value."""
    usable, everywhere = np.isin(solution.status, VALUED), bool(inside.all())

    def spread(row: Array) -> Array:
        if everywhere:
            return np.where(usable, row, np.nan).reshape(inside.shape)
        volume = np.full(inside.shape, np.nan)
        volume[inside] = np.where(usable, row, np.nan)
        return volume

    found = (*model.parameters, *model.derived)
    index = {p.name: k for k, p in enumerate(found)}
    return Maps(
        grid=images.grid,
        values={name: spread(solution.values[index[name]]) for name in model.map_names},
        errors={name: spread(errors[index[name]]) for name in model.map_names},
        units={p.name: p.unit for p in found if p.name in model.map_names},
        status=status,
        chi2=spread(chi2),
        given={name: value for name, value in settings.items() if np.ndim(value)},
        model=model.name,
        history=history | {"independent_voxels": images.independent},
    )
