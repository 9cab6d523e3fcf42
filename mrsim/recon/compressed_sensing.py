"""Compressed sensing: the image that explains the samples and is sparse in wavelets or in its gradient.

    min_x 1/2 ||M F S x - d||^2 + lambda ||T x||_1

(Lustig 2007, doi:10.1002/mrm.21391), T a wavelet transform by FISTA or the finite differences (total variation) by
ADMM, both sigpy's. lambda is relative: over the largest value of the image that the adjoint makes of the samples. The
result is no linear function of the data: noise and resolution depend on the object.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from .kspace import to_image

Array = NDArray[np.complex128]
AXES = (-3, -2, -1)
WEIGHT = {"wavelet": 1e-3, "tv": 1e-3}
"""lambda without noise, relative."""
NOISE_WEIGHT = {"wavelet": 0.5, "tv": 0.7}
"""lambda over the noise of the adjoint's image, where that is more."""
ITERATIONS = {"wavelet": 100, "tv": 30}
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
        found = _wavelets(*scaled, strength, wavelet, count, largest, progress)
    else:
        found = _total_variation(*scaled, strength, count, progress)
    return np.asarray(found * peak).reshape(kspace.shape[1:])


def _wavelets(
    samples: Array, maps: Array, there: NDArray[np.float64], weight: float, wavelet: str, count: int, largest: float,
    progress: Callable[[int, int], None] | None,
) -> Array:  # fmt: skip
    """Run FISTA, with lambda falling to `weight` in steps: a small lambda from the start converges slowly."""
    from sigpy.mri.app import L1WaveletRecon

    steps = max(1, math.ceil(math.log(FIRST / weight) / math.log(FALL))) if weight > 0 else 1
    steps = min(steps, count)
    found, done = np.zeros(maps.shape[1:], dtype=np.complex128), 0
    for step in range(steps):
        turns = count // steps + (step < count % steps)
        app = L1WaveletRecon(  # the largest eigenvalue of A^H A is at most that of sum |s|^2: no power iteration
            samples, maps, weight * FALL ** (steps - 1 - step), weights=there, wave_name=wavelet, x=found,
            alpha=1 / largest, max_iter=turns, show_pbar=False,
        )  # fmt: skip
        found = _run(app, done, count, progress)
        done += turns
    return found


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


def variable_density(shape: tuple[int, int], acceleration: float, middle: int, rng: int, power: float = 3.0) -> Any:
    """Return a random (z, y) mask with a fully sampled middle and a density that falls towards the edge.

    Parameters
    ----------
    shape : (int, int)
        Encoded (z, y).
    acceleration : float
        Encoded lines over acquired ones.
    middle : int
        Lines acquired around the middle, along every axis with more than one.
    rng : int
        Seed.
    power : float
        The density falls as (1 - r)^power with the distance r from the middle.
    """
    generator = np.random.default_rng(rng)
    z, y = np.indices(shape)
    away = [np.abs(i - n // 2) for i, n in ((z, shape[0]), (y, shape[1]))]
    radius = np.sqrt(sum((a / max(n / 2, 1)) ** 2 for a, n in zip(away, shape, strict=True) if n > 1))
    kept = np.all([(a <= (middle - 1) / 2) | (n == 1) for a, n in zip(away, shape, strict=True)], axis=0)
    wanted = round(z.size / acceleration) - int(np.count_nonzero(kept))
    if wanted < 0:
        raise InputError(f"{middle} lines in the middle are already more than 1/{acceleration:g} of {z.size}")
    density = np.where(kept, 0.0, np.maximum(1 - radius, 0) ** power + 1e-3)
    chosen = generator.choice(z.size, wanted, replace=False, p=(density / density.sum()).ravel())
    mask = kept.copy()
    mask.ravel()[chosen] = True
    return mask
