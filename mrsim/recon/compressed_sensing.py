"""Compressed sensing: the image that explains the samples and is sparse in wavelets or in its gradient.

    min_x 1/2 ||M F S x - d||^2 + lambda ||T x||_1

(Lustig 2007, doi:10.1002/mrm.21391), T a wavelet transform by FISTA, whose raster moves from step to step so that no
blocks are left (cycle spinning, Coifman and Donoho 1995), or the finite differences (total variation) by ADMM, sigpy's.
lambda is relative: over the largest value of the image that the adjoint makes of the samples. By default it is a
constant for what undersampling adds, or a share of the noise in the adjoint's image where that is more. The result is
no linear function of the data: noise and resolution depend on the object.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from .kspace import to_image, to_kspace

Array = NDArray[np.complex128]
AXES = (-3, -2, -1)
WEIGHT = {"wavelet": 5e-3, "tv": 1e-3}
"""lambda without noise, relative."""
NOISE_WEIGHT = {"wavelet": 0.3, "tv": 0.7}
"""lambda over the noise of the adjoint's image, where that is more."""
ITERATIONS = {"wavelet": 60, "tv": 30}
FIRST, FALL = 0.1, 3.0
"""lambda of FISTA's first step, at most, and by what it falls from step to step."""
INNER = 8
"""Conjugate-gradient steps in each of ADMM's."""


def compressed_sensing(
    kspace: Array,
    mask: NDArray[np.bool_],
    maps: Array,
    sparse: str = "wavelet",
    weight: float | None = None,
    iterations: int | None = None,
    wavelet: str = "db4",
    shifts: bool = True,
    sigma: float = 0.0,
    progress: Callable[[int, int], None] | None = None,
) -> Array:
    """Return the (z, y, x) image.

    Parameters
    ----------
    kspace, maps : (coil, z, y, x) array
        Whitened.
    mask : (z, y) or (z, y, x) bool array
        What was acquired.
    sparse : str
        ``"wavelet"`` (FISTA) or ``"tv"`` (ADMM).
    weight : float, optional
        lambda, relative; by default as much as the noise asks for.
    iterations : int, optional
        Of the algorithm.
    wavelet : str
        Name of an orthogonal wavelet, as pywt knows it.
    shifts : bool
        Whether the wavelets' raster moves at random from step to step, so that no blocks are left. The result is then
        no exact minimum of the sum above.
    sigma : float
        Noise of a sample, for the default weight.
    progress : callable, optional
        Called with the iterations done and all of them.
    """
    if sparse not in WEIGHT:
        raise InputError(f"unknown sparsity '{sparse}'; known: {', '.join(WEIGHT)}", key="sparse")
    there = np.broadcast_to(mask if mask.ndim == 3 else mask[..., None], kspace.shape[1:])
    samples = kspace * there
    peak = float(np.abs(np.sum(maps.conj() * to_image(samples, AXES), axis=0)).max())
    largest = float(np.sum(np.abs(maps) ** 2, axis=0).max())
    if peak == 0 or largest == 0:
        return np.zeros(kspace.shape[1:], dtype=np.complex128)
    shape = tuple(n for n in kspace.shape[1:] if n > 1)
    noise = sigma * math.sqrt(largest * np.count_nonzero(there) / there.size) / peak
    strength = max(WEIGHT[sparse], NOISE_WEIGHT[sparse] * noise) if weight is None else weight
    count = iterations or ITERATIONS[sparse]
    scaled = (samples / peak).reshape(-1, *shape), maps.reshape(-1, *shape), there.reshape(shape).astype(float)
    if sparse == "wavelet":
        found = _wavelets(*scaled, strength, wavelet, count, largest, shifts, progress)
    else:
        found = _total_variation(*scaled, strength, count, progress)
    return np.asarray(found * peak).reshape(kspace.shape[1:])


def _wavelets(
    samples: Array, maps: Array, there: NDArray[np.float64], weight: float, wavelet: str, count: int, largest: float,
    shifts: bool, progress: Callable[[int, int], None] | None,
) -> Array:  # fmt: skip
    """Run FISTA, with lambda falling to `weight` in steps: a small lambda from the start converges slowly."""
    steps = max(1, math.ceil(math.log(FIRST / weight) / math.log(FALL))) if weight > 0 else 1
    steps = min(steps, count)
    # the largest eigenvalue of A^H A is at most that of sum |s|^2: no power iteration
    problem = _Problem(samples=samples, maps=maps, there=there, wavelet=wavelet, step=1 / largest)
    generator = np.random.default_rng(0) if shifts else None
    found, done = np.zeros(maps.shape[1:], dtype=np.complex128), 0
    for step in range(steps):
        turns = count // steps + (step < count % steps)
        before, ahead, momentum = found, found, 1.0
        for _ in range(turns):
            found = problem.shrunk(problem.descended(ahead), weight * FALL ** (steps - 1 - step), generator)
            grown = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
            ahead = found + (momentum - 1) / grown * (found - before)
            before, momentum, done = found, grown, done + 1
            if progress:
                progress(done, count)
    return found


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Problem:
    """What a step of FISTA needs."""

    samples: Array
    maps: Array
    there: NDArray[np.float64]
    wavelet: str
    step: float

    def descended(self, image: Array) -> Array:
        """Return the image after a step down the gradient of the misfit."""
        axes = tuple(range(-image.ndim, 0))
        misfit = to_kspace(self.maps * image, axes) * self.there - self.samples
        return np.asarray(image - self.step * np.sum(self.maps.conj() * to_image(misfit, axes), axis=0))

    def shrunk(self, image: Array, weight: float, generator: np.random.Generator | None) -> Array:
        """Return the image with its wavelet coefficients moved towards zero, on a raster moved at random."""
        import sigpy

        away = (0,) * image.ndim if generator is None else tuple(generator.integers(0, image.shape).tolist())
        axes = tuple(range(image.ndim))
        transform = sigpy.linop.Wavelet(image.shape, wave_name=self.wavelet)
        coefficients = sigpy.soft_thresh(weight * self.step, transform(np.roll(image, away, axes)))
        return np.roll(np.asarray(transform.H(coefficients)), tuple(-a for a in away), axes)


def _total_variation(
    samples: Array, maps: Array, there: NDArray[np.float64], weight: float, count: int,
    progress: Callable[[int, int], None] | None,
) -> Array:  # fmt: skip
    from sigpy.mri.app import TotalVariationRecon

    app = TotalVariationRecon(
        samples, maps, weight, weights=there, solver="ADMM", rho=10 * weight, max_cg_iter=INNER, max_iter=count,
        show_pbar=False,
    )  # fmt: skip
    return _run(app, 0, count, progress)


def _run(app: Any, before: int, count: int, progress: Callable[[int, int], None] | None) -> Array:
    """Step sigpy's algorithm, telling how far it is."""
    done = before
    while not app.alg.done():
        app.alg.update()
        done += 1
        if progress:
            progress(min(done, count), count)
    return np.asarray(app.alg.x, dtype=np.complex128)


def point_spread(mask: NDArray[np.bool_]) -> tuple[Array, float]:
    """Return the transform point-spread function of a mask, peak 1, and its largest side lobe.

    Parameters
    ----------
    mask : bool array
        What was acquired, any number of axes; for incoherent sampling the side lobes look like noise.
    """
    spread = np.fft.fftshift(np.fft.ifftn(np.fft.ifftshift(mask)))
    centre = tuple(n // 2 for n in mask.shape)
    spread = spread / spread[centre]
    side = np.abs(spread)
    side[centre] = 0.0
    return np.asarray(spread, dtype=np.complex128), float(side.max())
