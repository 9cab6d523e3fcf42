"""The measured series of a few regions with the fitted curve, and what the model leaves over.

Points are the mean magnitude over a region's voxels, curves the mean of the fitted signals of the same voxels, so
that both see the same spread. Residuals beyond the noise show what the model does not describe, e.g. stimulated
echoes, which lift the even echoes over the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ..core.hdf5 import CONTRAST_UNITS
from ..core.images import Images
from ..core.maps import VALUED, Maps
from ..fit.method import Method
from ..fit.models import MODELS
from ..fit.signal import signal
from .images import varying
from .quantities import label, scale
from .style import HAIR, QUIET, SERIES, Drawn, styled

Array = NDArray[np.float64]
SHOWN = 6
"""Regions in one figure."""
FINE = 200
"""Points of a fitted curve."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Decay:
    """The series of one region."""

    region: str
    mean: Array
    """(contrast,) mean magnitude, proton density units."""
    error: Array
    """(contrast,) standard error of the mean that the noise gives."""
    fitted: Array
    """(contrast,) mean fitted magnitude at the measured contrasts; NaN without a model."""
    fine: Array
    """(point,) the same along `axis`; NaN without a model."""


def region_decays(
    images: Images, maps: Maps, rois: Mapping[str, NDArray[np.bool_]], along: str, axis: Array
) -> list[Decay]:
    """Return the series of each region that has fitted voxels.

    Parameters
    ----------
    images : Images
    maps : Maps
        Fitted to `images`.
    rois : mapping of str to (z, y, x) array of bool
    along : str
        The contrast column that varies.
    axis : (point,) array
        Values of that column for the fine curve, SI.
    """
    decays = []
    for region, mask in rois.items():
        voxels = mask & np.isin(maps.status, VALUED)
        count = int(voxels.sum())
        if count == 0:
            continue
        sigma = np.broadcast_to(images.sigma, images.data.shape)[:, voxels]
        noise = np.sqrt(np.mean(sigma**2, axis=1) / count) if images.noisy else np.zeros(len(images.data))
        table = {name: np.asarray(column) for name, column in images.contrast.items()}
        fine = {name: np.full(len(axis), column.ravel()[0]) for name, column in table.items()} | {along: axis}
        decays.append(
            Decay(
                region=region,
                mean=np.abs(images.data[:, voxels]).mean(axis=1),
                error=noise,
                fitted=_mean_signal(images, maps, voxels, table),
                fine=_mean_signal(images, maps, voxels, fine),
            )
        )
    return decays


def _mean_signal(images: Images, maps: Maps, voxels: NDArray[np.bool_], contrast: Mapping[str, Array]) -> Array:
    """Return the mean fitted magnitude; NaN without a signal, and between the images for a method, which has none."""
    model = next((model for model in MODELS if model.name == maps.model), None)
    count = len(next(iter(contrast.values())))
    unknown = np.full(count, np.nan)
    if model is None or any(parameter.name not in maps.values for parameter in model.parameters):
        return unknown
    if isinstance(model, Method) and (model.signal is None or count != len(images.data)):
        return unknown
    values = {parameter.name: maps.values[parameter.name][voxels] for parameter in model.parameters}
    options = {name: value for name, value in maps.history.get("options", {}).items() if value != "map"}
    options |= {name: volume[voxels] for name, volume in maps.given.items()}
    fitted = signal(model, values, contrast, sheet=images.encoding, **options)
    return np.asarray(np.abs(fitted).mean(axis=1))


def roi_curves(images: Images, maps: Maps, rois: Mapping[str, NDArray[np.bool_]]) -> Drawn:
    """Return the figure of up to six regions' series over the contrast that varies, with residuals below."""
    along = varying(images)[0]
    factor, unit = scale(CONTRAST_UNITS.get(along, ""))
    points = np.asarray(images.contrast[along], dtype=np.float64)
    places, words = factor * points, f"{label(along)} / {unit}" if unit else label(along)
    if any(model.name == maps.model and "direction_x" in {c.name for c in model.contrast} for model in MODELS):
        places, words = np.arange(1.0, len(points) + 1), "image, by direction of the weighting"
    axis = np.linspace(min(0.0, points.min()) if along == "te" else points.min(), points.max(), FINE)
    decays = region_decays(images, maps, rois, along, axis)[:SHOWN]
    with styled(9.6, 5.2) as figure:
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(2.3, 1))
        for decay, colour in zip(decays, SERIES, strict=False):
            top.errorbar(places, decay.mean, decay.error, fmt="o", ms=4, color=colour, lw=1, capsize=2)
            if np.isfinite(decay.fine).any():
                top.plot(factor * axis, decay.fine, color=colour, lw=1.3, label=label(decay.region))
            else:  # nothing is known between the images
                top.plot(places, decay.fitted, "_", ms=11, mew=1.3, color=colour, label=label(decay.region))
            rest = 100 * (decay.mean - decay.fitted) / decay.mean.max()
            bottom.errorbar(places, rest, 100 * decay.error / decay.mean.max(), fmt="o-", ms=3.5, lw=0.9, color=colour)
        _finish(top, bottom, decays, words, maps.model, along)
    return Drawn(figure)


def _two_and_five(value: float, _: float) -> str:
    """Return the label of a minor tick: only 2 and 5 of every decade have one."""
    leading = round(value / 10 ** np.floor(np.log10(value)))
    return f"{value:g}" if leading in (2, 5) else ""


def _finish(top: Axes, bottom: Axes, decays: list[Decay], words: str, model: str, along: str) -> None:
    if along == "te" and decays:
        top.set_yscale("log")
        least = min(float(decay.mean.min()) for decay in decays)
        most = max(float(np.nanmax([decay.mean.max(), np.nan_to_num(decay.fine).max()])) for decay in decays)
        top.set_ylim(0.7 * max(least, 1e-3 * most), 1.4 * most)
        top.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        top.yaxis.set_minor_formatter(_two_and_five)
        top.tick_params(axis="y", which="minor", labelsize=7.5)
    top.set_title(f"mean magnitude of the regions and the {model} fit")
    top.set_ylabel("magnitude /\nproton density of water")
    top.grid(color=HAIR, linewidth=0.5)
    if decays:
        top.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    else:
        top.text(0.5, 0.5, "no region has a fitted voxel", ha="center", va="center", transform=top.transAxes)
    bottom.axhline(0, color=QUIET, linewidth=0.7)
    bottom.grid(color=HAIR, linewidth=0.5)
    bottom.set_ylabel("mean − fit /\n% of the largest")
    bottom.set_xlabel(words)
