"""How to reconstruct: one small class per method, with its parameters. `reconstruct` takes one of them.

Fields that several share: `maps`, (coil, z, y, x) sensitivities as the coils have them (their phase and scale count:
with true maps images are in units of proton density), or None to estimate them from calibration lines; `estimate`,
``"espirit"`` or ``"lowres"``, how. Estimated maps are relative, and images carry the coils' joint intensity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .windows import Window

Maps = NDArray[np.complex128]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Combine:
    """Fully sampled k-space of many coils."""

    kind: str = "matched"
    """``"matched"`` (with maps), ``"adaptive"`` (maps from the images) or ``"sos"`` (root sum of squares)."""
    maps: Maps | None = None
    estimate: str = "espirit"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Sense:
    """Unfolding by coil maps; see `sense`."""

    regularisation: float = 0.0
    """lambda, relative to the mean of sum |s|^2."""
    maps: Maps | None = None
    estimate: str = "espirit"
    iterations: int = 50
    """Of the conjugate gradients, for sampling that holds no lattice."""
    replicas: int = 32
    """For the noise where there is no closed form."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Grappa:
    """Missing lines from their neighbours; see `grappa`. Combined with maps."""

    neighbours: int | None = None
    """Acquired lines that make a missing one; None: 4 in one direction, 8 in two."""
    samples: int = 5
    regularisation: float = 1e-6
    maps: Maps | None = None
    estimate: str = "espirit"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Smash:
    """Spatial harmonics of the coils; see `smash`. Two-dimensional, undersampled along y."""

    maps: Maps | None = None
    estimate: str = "espirit"
    largest_residual: float = 0.1
    """The misfit of a harmonic above which the result carries a warning."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SliceGrappa:
    """Slices excited together; see `simultaneous`. The label ``slice`` of an imaging readout is its group g.

    Group g holds slices g, g + n, g + 2 n, ..., with n groups. Each slice alone is in the group ``calibration``.
    """

    bands: int | None = None
    """None: what the protocol sheet says."""
    shift: float | None = None
    """Of each band against the one before, in fields of view along y; None: what the protocol sheet says."""
    split: bool = True
    regularisation: float = 1e-6
    maps: Maps | None = None
    estimate: str = "espirit"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CompressedSensing:
    """Sparse images from few samples; see `compressed_sensing`. Works with one coil, too."""

    sparse: str = "wavelet"
    weight: float | None = None
    iterations: int | None = None
    maps: Maps | None = None
    estimate: str = "espirit"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Subspace:
    """A contrast series in a few images; see `subspace`. Works with one coil, too."""

    rank: int = 3
    dictionary: NDArray[np.float64] | None = None
    """(signal, contrast) signals whose subspace to use; None: from the calibration lines of all contrasts."""
    regularisation: float = 1e-3
    iterations: int = 60
    replicas: int = 16
    """For the noise."""
    maps: Maps | None = None
    estimate: str = "espirit"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class NonUniform:
    """Samples off the raster: radial, spiral; see `off_raster`."""

    kind: str = "iterative"
    """``"adjoint"`` (density compensation, one transform) or ``"iterative"`` (conjugate gradients)."""
    regularisation: float = 0.0
    """lambda, relative to the operator's response to a uniform object; few iterations regularise, too."""
    iterations: int = 12
    field: NDArray[np.float64] | None = None
    """(z, y, x) off-resonance, Hz, which is corrected in segments of time; None: not corrected."""
    maps: Maps | None = None
    estimate: str = "espirit"
    replicas: int = 16
    """For the noise of the iterative kind."""


Method = Combine | Sense | Grappa | Smash | SliceGrappa | CompressedSensing | Subspace | NonUniform


@dataclass(frozen=True, kw_only=True, slots=True)
class Steps:
    """What comes before and after a method."""

    ghost: str = "auto"
    """Phase of echo-planar lines: ``"navigator"``, ``"entropy"``, ``"none"``, or what there is; see `ghost`."""
    partial: str = "pocs"
    """The end of k-space that was left out: ``"pocs"``, ``"homodyne"`` or ``"zero-fill"``; see `partial_fourier`."""
    window: Window | None = None
    """Multiplies k-space of the image; see `windows`."""
    size: tuple[int, ...] | None = None
    """(y, x) or (z, y, x) voxels of a finer raster, by zeros around k-space."""
