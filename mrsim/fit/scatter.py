"""Scatter of real fits against the bound: many voxels of one truth, each with noise of its own, fitted.

The signal is the model's own, so that what is seen is what the fit does with noise: how far its standard deviation
lies above the Cramér-Rao bound, and how much bias noise makes. What a wrong model makes is another question, which
data from an engine answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import InputError
from ..core.grid import Grid
from ..core.images import Images
from ..core.machine_memory import check_room
from ..core.maps import VALUED
from .crlb import crlb
from .fit import fit
from .method import Likelihood, Method
from .model import Description
from .signal import Contrast, described, signal

FEWEST = 100
"""Replicates below which a standard deviation says little: its own is 7 % there."""
PER_FIT, PER_SIGNAL = 150.0, 64.0
"""Bytes that a fit takes, and each of its signals: measured for two to 32 images, Gaussian and Rician, 0.6 to 0.9 of
it."""
RELATIVE = 0.1
"""A bound below this share of the true value is in the range where fits are nearly linear, so that they should reach
it."""
EFFICIENT = (0.95, 1.1)
"""Standard deviation over the bound of a fit that reaches it."""
UNBIASED = 0.1
"""Bias over the standard deviation of a fit that has none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scatter:
    """What many fits of one truth gave for one parameter, its own unit."""

    truth: float
    bound: float
    """Least standard deviation; NaN for a method that assumes no signal, infinite where images cannot tell."""
    mean: float
    sd: float
    error: float
    """Root mean square of the standard errors that the fits state; NaN where they state none."""
    replicates: int
    """Fits that gave a value."""
    share: float
    """Of all fits."""

    @property
    def efficiency(self) -> float:
        """Standard deviation over the bound."""
        return self.sd / self.bound

    @property
    def bias(self) -> float:
        """Mean less truth, in standard deviations."""
        return (self.mean - self.truth) / self.sd

    @property
    def judged(self) -> bool:
        """Whether the bound is small enough for the fit to be expected to reach it."""
        return bool(self.bound < RELATIVE * abs(self.truth))

    @property
    def reached(self) -> bool:
        """Whether the fit reaches the bound without bias, within three standard errors of the replicates' own."""
        low, high = EFFICIENT
        slack = 3 / np.sqrt(2 * self.replicates)
        return bool(
            low - slack < self.efficiency < high + slack and abs(self.bias) < UNBIASED + 3 / np.sqrt(self.replicates)
        )


def scatter(
    model: Description | str,
    parameters: Mapping[str, float],
    contrast: Contrast,
    sigma: ArrayLike,
    *,
    replicates: int = 2000,
    rng: int | np.random.Generator = 0,
    sheet: Mapping[str, Any] | None = None,
    likelihood: Likelihood = "gaussian",
    data: ArrayLike | None = None,
    threads: int | None = None,
    **options: float,
) -> dict[str, Scatter]:
    """Return how fits of one truth scatter, by parameter.

    Parameters
    ----------
    model, parameters, contrast, sigma, sheet, likelihood, options
        As in `crlb`.
    replicates : int
        Fits; the standard deviation is known to 1 / sqrt(2 replicates) of itself.
    rng : int or Generator
        Of the noise.
    data : (n,) array, optional
        The signal, for methods that assume none, and to see what a wrong model makes of another's.
    threads : int, optional
        All available cores by default.
    """
    if replicates < FEWEST:
        raise InputError(f"is {replicates}; it takes at least {FEWEST}", key="replicates")
    found = described(model)
    known = isinstance(found, Method) and found.signal is None
    clean = signal(found, parameters, contrast, sheet=sheet, **options) if data is None else np.asarray(data)
    images = _replicas(clean, contrast, np.asarray(sigma, np.float64), sheet, replicates, np.random.default_rng(rng))
    every: dict[str, Any] = dict(options)
    maps = fit(images, found, likelihood=likelihood, threads=threads, **every)
    bound = (
        dict.fromkeys(parameters, float("nan"))
        if known
        else crlb(found, parameters, contrast, sigma, sheet=sheet, likelihood=likelihood, **every)
    )
    usable = np.isin(maps.status, VALUED)
    if usable.sum() < FEWEST:
        raise InputError(f"only {usable.sum()} of {replicates} fits of '{found.name}' gave a value")
    return {
        name: _seen(maps, name, parameters[name], bound[name], usable) for name in maps.values if name in parameters
    }


def _seen(maps: Any, name: str, truth: float, bound: float, usable: NDArray[np.bool_]) -> Scatter:
    values, errors = maps.values[name][usable], maps.errors[name][usable]
    stated = errors[np.isfinite(errors)]
    return Scatter(
        truth=truth, bound=bound, mean=float(values.mean()), sd=float(values.std(ddof=1)),
        error=float(np.sqrt(np.mean(stated**2))) if stated.size else float("nan"), replicates=int(usable.sum()),
        share=float(usable.mean()),
    )  # fmt: skip


def _replicas(
    clean: NDArray[Any], contrast: Contrast, sigma: NDArray[np.float64], sheet: Mapping[str, Any] | None, count: int,
    rng: np.random.Generator,
) -> Images:  # fmt: skip
    """Return images of voxels with equal signals and complex noise, too far apart to be neighbours of each other."""
    n = len(clean)
    check_room(count * (PER_FIT + PER_SIGNAL * n), "replicates", f"{count:,} fits of {n} images", "ask for fewer")
    spread = np.broadcast_to(sigma, (n,))
    noise = rng.normal(size=(2, n, count)) * spread[:, None]
    return Images(
        data=(clean[:, None] + noise[0] + 1j * noise[1]).reshape(n, 1, 1, count),
        grid=Grid(shape=(1, 1, count), spacing=(1.0, 1.0, 1.0)),
        contrast={name: np.broadcast_to(np.asarray(column, np.float64), (n,)) for name, column in contrast.items()},
        sigma=spread.reshape(n, 1, 1, 1), encoding=dict(sheet or {}),
    )  # fmt: skip
