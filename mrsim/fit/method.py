"""A method: a fitter with arithmetic of its own, where no single symbolic equation describes the images.

Echo trains by extended phase graphs, dictionaries, linear and regularised fits, ratios of images, region growing: all
are described like a model (parameters, contrast columns, options) and bring one function that turns series into a
`Solution`, and, where there is one, the signal that they assume. From these two `mrsim.fit`, the Cramér-Rao bound,
`mrsim list`, the documentation and the contract tests treat them as they treat models. Both functions see a `Scan`,
which is all that a fitter may know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from .model import Description

Array = NDArray[np.float64]
Likelihood = Literal["gaussian", "rician"]
CONVERGED, NO_SIGNAL, LIMIT, AT_BOUND, NOT_FINITE, SINGULAR = 0, 1, 2, 3, 4, 5  # core.maps.STATUS


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Scan:
    """What a fitter may know of the images."""

    contrast: Mapping[str, Array]
    """Column name -> (n,) values, SI."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Option name -> float, or (voxel,) array of an option that varies; SI."""
    sheet: Mapping[str, Any] = field(default_factory=dict)
    """`Images.encoding`: nominal facts from the protocol sheet, e.g. ``refocusing_flips``, rad."""
    grid: Any = None
    """The images' `Grid`, for methods that look at neighbours; None where there are no images."""
    inside: NDArray[np.bool_] | None = None
    """(z, y, x) which voxels of the grid the (voxel,) axis runs over; None where there are no images."""

    def fact(self, name: str, method: str) -> Any:
        """Return an entry of the protocol sheet, which `method` cannot do without."""
        if name not in self.sheet:
            raise InputError(f"method '{method}' needs '{name}' of the protocol sheet in Images.encoding", key=name)
        return self.sheet[name]

    def column(self, name: str) -> float:
        """Return the one value of a contrast column that does not vary."""
        return float(np.asarray(self.contrast[name]).ravel()[0])


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Series:
    """The data of many voxels."""

    data: NDArray[Any]
    """(n, voxel); real, or complex for methods whose `data` is ``"complex"``."""
    weight: Array
    """(n,) 1 / variance of each image, relative."""
    floor: Array
    """(voxel,) root mean square over the images below which a voxel has no signal."""
    spread: Array
    """(voxel,) noise of one quadrature channel in an image of weight 1; NaN where unknown."""
    likelihood: Likelihood = "gaussian"
    threads: int | None = None
    channels: int = 1
    """Whose squares the magnitudes are the root of; see `Images.channels`."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Solution:
    """What a fit finds in each voxel."""

    values: Array
    """(parameter, voxel), SI units; parameters, then what is derived from them."""
    unit_errors: Array
    """(parameter, voxel) standard error for noise of standard deviation 1 in an image of weight 1; NaN for a
    parameter on its bound, and throughout where the parameters cannot be separated."""
    status: NDArray[np.int8]
    """(voxel,); see `mrsim.core.maps.STATUS`."""
    cost: Array
    """(voxel,) weighted sum of squared residuals; NaN where the method has none."""
    rounds: NDArray[np.int64]
    """(voxel,) evaluations of signal and Jacobian."""
    warnings: tuple[str, ...] = ()
    """What a reader of the maps must know."""
    ambiguous: NDArray[np.bool_] | None = None
    """(voxel,) where another solution fits as well; None for a method that has one minimum."""
    unused: NDArray[np.bool_] | None = None
    """(n, voxel) images that neither the fit nor `cost` counts in a voxel; None for a method that takes all."""

    def freedom(self, whole: int) -> Array:
        """Return the (voxel,) degrees of freedom where all images together leave `whole` of them."""
        lost = 0.0 if self.unused is None else self.unused.sum(axis=0)
        return np.asarray(np.full(self.cost.shape, float(whole)) - lost)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Method(Description):
    """A fitter with arithmetic of its own."""

    formula: str
    """LaTeX of what is fitted or computed, with the entries' symbols."""
    solve: Callable[[Scan, Series], Solution]
    """Finds the parameters of many voxels."""
    signal: Callable[[Scan, Mapping[str, Array]], NDArray[Any]] | None = None
    """Returns the (n, voxel) signal of parameters given as (voxel,) arrays; None for a method without one."""
    squares: bool = True
    """Whether the fit answers noise as the weighted least squares of the signal do (see `mrsim.fit.noise`)."""
    derive: Callable[[Mapping[str, Array]], Array] | None = None
    """Returns the (derived, voxel) values that follow from the parameters, where there are any."""
    interpolated: Callable[[Scan, Array, Mapping[str, Array]], Array] | None = None
    """A quick `signal`, good to the accuracy of the fit, which takes the images' (n,) weights as well; None where
    `signal` is quick."""
    maximises: bool = False
    """`solve` finds the maximum of the likelihood that the series names; others fit by least squares only."""
    likelihoods: tuple[Likelihood, ...] = ("gaussian",)
    """Noise that the method can fit; Rician only where `solve` finds the least squares of `signal`, or maximises."""
    instead: str = ""
    """Why a method without the Rician likelihood has none, and what serves instead; for the message that refuses it."""
    images: int | None = None
    """Fewest images with different contrast; one for every parameter where None."""


def start(method: Description, series: Series) -> Solution:
    """Return a solution to be filled in: status says which voxels have finite data and signal, the rest is NaN.

    A method works on the voxels whose status is 0 (``np.flatnonzero(solution.status == 0)``).
    """
    n, voxels = series.data.shape
    with np.errstate(invalid="ignore", over="ignore"):
        power = np.einsum("nv,nv->v", series.data, series.data.conj()).real
    status = np.zeros(voxels, dtype=np.int8)
    status[(power == 0) | (power < n * series.floor**2)] = NO_SIGNAL
    status[~np.isfinite(power)] = NOT_FINITE
    shape = (len(method.parameters) + len(method.derived), voxels)
    return Solution(
        values=np.full(shape, np.nan),
        unit_errors=np.full(shape, np.nan),
        status=status,
        cost=np.full(voxels, np.nan),
        rounds=np.zeros(voxels, dtype=np.int64),
    )


def local(option: Any, voxels: NDArray[Any] | slice) -> Any:
    """Return an option's value in some voxels: itself where it is one number."""
    return option if np.ndim(option) == 0 else option[voxels]
