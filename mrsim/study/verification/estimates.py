"""Images and estimates: reconstruction, noise, fits, bounds and statistics against closed forms and other programs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.grid import Grid
from ...core.images import Images
from .check import Check

TE = np.arange(1, 9) * 12.6e-3


def images_of(contrast: dict[str, Any], data: NDArray[np.complex128], sigma: float) -> Images:
    """Return images of (image, voxel) data with noise `sigma` per part."""
    grid = Grid(shape=(1, 1, data.shape[1]), spacing=(1e-3, 1e-3, 1e-3))
    whole = data[:, None, None, :].astype(complex)
    return Images(data=whole, grid=grid, contrast=contrast, sigma=np.full((1, 1, 1, 1), sigma), noisy=sigma > 1e-8)


def transform() -> float:
    """Return the largest error of the image of random k-space, 9 x 10 points, against the sum that defines it."""
    from ...recon.kspace import to_image

    draw = np.random.default_rng(1)
    kspace = draw.normal(size=(9, 10)) + 1j * draw.normal(size=(9, 10))
    true = kspace
    for axis, count in enumerate(kspace.shape):
        index = np.arange(count) - count // 2
        rows = np.exp(2j * np.pi * np.outer(index, index) / count) / math.sqrt(count)
        true = np.moveaxis(np.tensordot(rows, true, axes=(1, axis)), 0, axis)
    return float(np.abs(to_image(kspace, (-2, -1)) - true).max())


def sense_noise() -> float:
    """Return the largest relative error of g for two coils that hear each other's half by 0.25, 0.5, 0.75 and 0.9."""
    from ...recon.lattice import Lattice
    from ...recon.sense import unfolding

    upper = (np.arange(8) < 4)[:, None] * np.ones((8, 8))
    errors = []
    for a in (0.25, 0.5, 0.75, 0.9):
        maps = np.array([upper + a * (1 - upper), 1 - upper + a * upper])[:, None].astype(complex)
        found = unfolding(maps, Lattice(shape=(1, 8), rz=1, ry=2)).g
        errors.append(np.abs(found / ((1 + a * a) / (1 - a * a)) - 1).max())
    return float(max(errors))


def noise_of_images() -> float:
    """Return how far the scatter of 64 x 64 reconstructed voxels of noise is from the stated one, relative."""
    from ...phantom import load_phantom
    from ...recon import reconstruct
    from ...sequence.discretize import discretize
    from ...sequence.families.spin_echo import SpinEcho
    from ...sequence.scanner import Scanner
    from ...simulate import Bloch, add_noise, simulate

    protocol = SpinEcho(matrix=(64, 64), fov=(0.64, 0.64), slice_thickness=10e-3)
    timeline = discretize(protocol.build(Scanner.preset("3T")))
    raw = simulate(timeline, load_phantom("single-voxel", field=3.0), Bloch(accuracy=1e-2))
    clean, noisy = reconstruct(raw), reconstruct(add_noise(raw, rng=3))
    scatter = noisy.data - clean.data
    return float(abs(np.sqrt(np.mean(np.abs(scatter) ** 2) / 2) / np.mean(noisy.sigma) - 1))


def bound_of_two_echoes() -> float:
    """Return the relative error of the bound on T2 from two echoes: propagation of errors is exact there."""
    from ...fit.crlb import crlb

    te, sigma, t2 = np.array([0.02, 0.09]), 0.01, 0.084
    s = 0.9 * np.exp(-te / t2)
    true = t2**2 / (te[1] - te[0]) * sigma * math.hypot(1 / s[0], 1 / s[1])
    return float(abs(crlb("t2-mono", {"m0": 0.9, "t2": t2}, {"te": te}, sigma)["t2"] / true - 1))


def fit_reaches_its_bound() -> float:
    """Return how far the scatter of 4,000 fits of T2 at SNR 100 is from the bound, relative."""
    from ...fit.crlb import crlb
    from ...fit.fit import fit

    sigma, t2 = 0.01, 0.084
    draw = np.random.default_rng(17)
    noise = draw.normal(0, sigma, (2, TE.size, 4000))
    data = np.exp(-TE / t2)[:, None] + noise[0] + 1j * noise[1]
    found = fit(images_of({"te": TE}, data, sigma), "t2-mono").values["t2"]
    return float(abs(np.std(found) / crlb("t2-mono", {"m0": 1.0, "t2": t2}, {"te": TE}, sigma)["t2"] - 1))


def rician_likelihood() -> float:
    """Return the largest error of the Rician log likelihood from the noise floor to SNR 30."""
    from scipy import stats

    from ...core.magnitude import log_likelihood

    measured, true, sigma = np.meshgrid([0.01, 0.1, 0.5, 1.0], [0.0, 0.05, 0.4, 0.95], [0.03, 0.1, 0.3])
    expected = stats.rice.logpdf(measured, true / sigma, scale=sigma)
    possible = np.isfinite(expected)
    return float(np.abs(log_likelihood(measured, true, sigma) - expected)[possible].max())


def weighted(directions: NDArray[np.float64], md: float, fa: float) -> tuple[dict[str, Any], NDArray[np.float64]]:
    """Return the contrast table and (image,) signals of a prolate tensor at b 0 and 600 s/mm^2."""
    from ...core.tensors import prolate

    n = np.concatenate([np.zeros((1, 3)), directions])
    b = np.concatenate([[0.0], np.full(len(directions), 600e6)])
    d = prolate(md, fa, np.array([0.0, 0.0, 1.0]))
    contrast = {"b": b, **{f"direction_{axis}": n[:, i] for i, axis in enumerate("xyz")}}
    return contrast, np.asarray(np.exp(-b * np.einsum("ni,ij,nj->n", n, d, n)))


def tensor() -> float:
    """Return the error of FA 0.28 of a tensor fitted to its own signals along 12 directions."""
    from ...fit.fit import fit
    from ...sequence.directions import repelled

    contrast, signal = weighted(repelled(12), 1.54e-9, 0.28)
    maps = fit(images_of(contrast, (0.8 * signal[:, None]).astype(np.complex128), 1e-9), "dti-wls")
    return float(abs(maps.values["fa"].item() - 0.28))


LIFTED = {
    (1.5e-9, 0.0, 6): (0.469, 0.323, 0.251, 0.172, 0.101, 0.052),
    (1.5e-9, 0.0, 30): (0.203, 0.139, 0.103, 0.070, 0.041, 0.020),
    (1.54e-9, 0.28, 6): (0.517, 0.418, 0.362, 0.318, 0.293, 0.285),
    (1.29e-9, 0.28, 6): (0.522, 0.412, 0.366, 0.322, 0.298, 0.284),
    (1.29e-9, 0.28, 30): (0.335, 0.304, 0.294, 0.288, 0.282, 0.280),
    (1.29e-9, 0.37, 30): (0.411, 0.389, 0.380, 0.373, 0.372, 0.371),
}
"""MD, m^2/s, true FA and directions of a golden spiral -> mean FA at SNR 10, 15, 20, 30, 50 and 100, b 600 s/mm^2."""


def lifted_anisotropy() -> float:
    """Return the largest error of the mean FA of 6,000 noisy tensors against a table of 36 entries.

    Fibres lie along the axis of the spiral.
    """
    from ...fit.fit import fit
    from ...sequence.directions import spiral

    draw, worst = np.random.default_rng(3), 0.0
    for (md, fa, count), table in LIFTED.items():
        contrast, signal = weighted(spiral(count), md, fa)
        for snr, expected in zip((10, 15, 20, 30, 50, 100), table, strict=True):
            noise = draw.normal(0, 1 / snr, (2, len(signal), 6000))
            data = np.abs(signal[:, None] + noise[0] + 1j * noise[1]).astype(np.complex128)
            shown = fit(images_of(contrast, data, 1 / snr), "dti-wls").values["fa"].mean()
            worst = max(worst, abs(float(shown) - expected))
    return worst


def stiffness() -> float:
    """Return the relative error of the stiffness by direct inversion of a plane wave of 20 voxels, its factor known."""
    from ...core.wave import Waves
    from ...fit.fit import fit

    frequency, voxels, density = 100.0, 20, 1000.0
    grid = Grid(shape=(1, 40, 80), spacing=(1e-3, 1e-3, 1e-3))
    x = grid.coordinates(0)
    wave = 1e-5 * np.exp(-2j * np.pi * x / (voxels * 1e-3)) * np.ones((1, 40, 1))
    waves = Waves(grid=grid, frequencies=np.array([frequency]), displacement=wave[None, None], components=("z",))
    found = fit(waves, "mre-direct", probes=0).values["shear_stiffness"][0, 20, 40]
    step = 2 * math.pi / voxels
    discrete = (step / 2 / math.sin(step / 2)) ** 2  # of the second difference
    return float(abs(found / (density * (voxels * 1e-3 * frequency) ** 2 * discrete) - 1))


def agreement() -> float:
    """Return the largest error, l/min, of bias and standard deviation in Bland and Altman's flow meters."""
    from ...evaluate.agreement import bland_altman

    large = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
    mini = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]
    found = bland_altman(large, mini)
    return max(abs(found.bias + 2.1), abs(found.sd - 38.8))


RECONSTRUCTION, FITS = "Reconstruction", "Fits and bounds"
CHECKS = (
    Check(name="transform", part=RECONSTRUCTION, claim="the centred transform is the sum that defines it",
          reference="the sum", tolerance=1e-13, why="round-off", error=transform),
    Check(name="g-factor", part=RECONSTRUCTION, claim="two coils with crosstalk a have g = (1 + a²) / (1 - a²)",
          reference="closed form", tolerance=1e-12, why="round-off", error=sense_noise),
    Check(name="noise", part=RECONSTRUCTION, claim="images scatter as the noise that they state",
          reference="4,096 complex voxels", tolerance=0.024, why="three standard errors, 1/√8192 each",
          error=noise_of_images),
    Check(name="bound", part=FITS, claim="two echoes bound T2 by propagation of errors", reference="closed form",
          tolerance=1e-10, why="round-off", error=bound_of_two_echoes),
    Check(name="scatter", part=FITS, claim="fitted T2 scatters as its bound says", reference="4,000 replicates",
          tolerance=0.034, why="three standard errors, 1/√8000 each", error=fit_reaches_its_bound),
    Check(name="rician", part=FITS, claim="magnitudes have Rice's likelihood", reference="scipy.stats.rice",
          tolerance=1e-9, why="round-off of scaled Bessel functions", error=rician_likelihood),
    Check(name="tensor", part=FITS, claim="a tensor is recovered from its own signals", reference="the tensor",
          tolerance=1e-8, why="round-off of its smallest eigenvalue", error=tensor),
    Check(name="anisotropy", part=FITS, claim="noise lifts the FA of tensors from six and thirty directions",
          reference="a table of 36 simulations", tolerance=0.01, why="scatter and last digit of the table",
          error=lifted_anisotropy),
    Check(name="stiffness", part=FITS, claim="direct inversion of a plane wave has its discrete factor",
          reference="closed form", tolerance=1e-6, why="round-off of second differences", error=stiffness),
    Check(name="agreement", part="Statistics", claim="limits of agreement are those of 1986",
          reference="Bland and Altman 1986", tolerance=0.05, unit="l/min", why="the last digit that is given",
          error=agreement),
)  # fmt: skip
