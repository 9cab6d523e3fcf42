"""Single precision, threads, exchange, non-uniform transforms, water and fat, and spectra, against what they must give.

Each truth is written down here once more from its definition and shares no code with what it judges.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ...core.grid import Grid
from ...core.nuclei import PROTON
from .check import Check

GAMMA = 2 * math.pi * PROTON.gamma_bar


def _raw(threads: int = 1, **options: float | str) -> NDArray[np.complex128]:
    """Return the raw data of a selective spin echo of a disc by Bloch's equations."""
    from ...phantom import load_phantom
    from ...sequence.discretize import discretize
    from ...sequence.families.spin_echo import SpinEcho
    from ...sequence.scanner import Scanner
    from ...simulate import Bloch, simulate

    protocol = SpinEcho(matrix=(24, 16), fov=(0.12, 0.12), slice_thickness=4e-3, te=(20e-3,), tr=0.5)
    timeline = discretize(protocol.build(Scanner.preset("3T")))
    engine = Bloch(accuracy=1e-2, **options)  # type: ignore[arg-type]
    return simulate(timeline, load_phantom("lumbar-disc", field=3.0, grade=3), engine, threads=threads).imaging.data


def single_precision() -> float:
    """Return the largest difference of raw data in single precision, over the largest value in double."""
    double, single = _raw(), _raw(precision="single")
    return float(np.abs(single - double).max() / np.abs(double).max())


def threads() -> float:
    """Return in how many samples raw data of one thread and of three are not the same bits."""
    one, three = _raw(threads=1), _raw(threads=3)
    return float(np.count_nonzero(one.view(np.int64) != three.view(np.int64)))


def exchange() -> float:
    """Return the largest error of a Z-spectrum of water and amides, 2 s at 1 uT and 7 T, 9 offsets."""
    from scipy.linalg import expm

    from ...phantom.exchange import ExchangePool
    from ...phantom.tissue import Pool
    from ...simulate.z_spectrum import SaturationTrain, z_spectrum

    larmor, b1, seconds = PROTON.gamma_bar * 7.0, 1e-6, 2.0
    amide = ExchangePool(name="amide", fraction=2e-3, rate=60.0, t1=1.0, t2=0.1, shift=3.5e-6)
    water = Pool(name="water", pd=1.0, t1=1.6, t2=0.06, t2_prime=math.inf, shift=0.0, exchange=(amide,))
    offsets = np.array([-5.0, -3.5, -1.0, 0.0, 0.5, 2.0, 3.3, 3.5, 5.0]) * 1e-6 * larmor
    found = z_spectrum(water, SaturationTrain(b1=np.array([b1]), dwell=seconds), offsets, b0=7.0)
    true, there, back = [], amide.fraction * amide.rate, amide.rate
    for offset in offsets:
        a = np.zeros((7, 7))  # x, y, z of water, x, y, z of amides, 1
        for first, t1, t2, shift, out, come, m0 in (
            (0, water.t1, water.t2, 0.0, there, back, 1.0), (3, amide.t1, amide.t2, 3.5e-6, back, there, 2e-3),
        ):  # fmt: skip
            x, y, z, turn = first, first + 1, first + 2, 2 * math.pi * (shift * larmor - offset)
            a[x, y], a[y, x], a[y, z], a[z, y] = turn, -turn, GAMMA * b1, -GAMMA * b1
            a[x, x] = a[y, y] = -1 / t2 - out
            a[z, z], a[z, 6] = -1 / t1 - out, m0 / t1
            for k in range(3):
                a[first + k, (first + 3 + k) % 6] = come
        true.append((expm(a * seconds) @ [0, 0, 1.0, 0, 0, 2e-3, 1.0])[2])
    return float(np.abs(found - true).max())


def bound_protons() -> float:
    """Return the largest relative error of the steady state of water beside bound protons, 2 to 30 kHz off."""
    from ...phantom.exchange import ExchangePool
    from ...phantom.tissue import Pool
    from ...simulate.z_spectrum import SaturationTrain, z_spectrum

    t1, t2, fraction, rate, bound_t2, w1 = 1.2, 0.05, 0.13, 28.0, 11e-6, 2 * math.pi * 500
    solid = ExchangePool(name="bound", fraction=fraction, rate=rate, t1=1.0, t2=bound_t2, line="gaussian")
    water = Pool(name="water", pd=1.0, t1=t1, t2=t2, t2_prime=math.inf, shift=0.0, exchange=(solid,))
    offsets = np.array([2e3, 5e3, 1e4, 3e4])
    found = z_spectrum(water, SaturationTrain(b1=np.array([w1 / GAMMA]), dwell=40.0), offsets, b0=3.0)
    line = bound_t2 / math.sqrt(2 * math.pi) * np.exp(-((2 * math.pi * offsets * bound_t2) ** 2) / 2)
    saturation, ra = math.pi * w1**2 * line, 1 / t1
    direct = 1 + (w1 / (2 * math.pi * offsets)) ** 2 * t1 / t2
    top = rate * fraction / ra + saturation + 1.0 + rate
    true = top / (rate * fraction / ra * (1.0 + saturation) + direct * (saturation + 1.0 + rate))
    return float(np.abs(found / true - 1).max())


def nonuniform_transform() -> float:
    """Return the error of both non-uniform transforms of an image of 16 x 18 at 300 places, over the largest sum."""
    from ...recon.nonuniform import adjoint, forward

    draw = np.random.default_rng(2)
    turns = draw.uniform(-0.5, 0.5, (300, 2))
    image = draw.normal(size=(16, 18)) + 1j * draw.normal(size=(16, 18))
    y, x = np.meshgrid(np.arange(16) - 8, np.arange(18) - 9, indexing="ij")
    wave = np.exp(-2j * np.pi * (turns[:, 0, None] * x.ravel() + turns[:, 1, None] * y.ravel()))
    samples = wave @ image.ravel()
    back = wave.conj().T @ samples
    there = np.abs(forward(turns, image) - samples).max() / np.abs(samples).max()
    return float(max(there, np.abs(adjoint(turns, samples, (16, 18)).ravel() - back).max() / np.abs(back).max()))


def water_and_fat() -> float:
    """Return the largest error of the fat fraction 0 to 0.97 of six echoes under a field of 60 Hz and R2* of 40 /s."""
    from ...core.images import Images
    from ...fit.fit import fit
    from ...phantom.tissue import load_tissue

    larmor = 127.7e6
    te: NDArray[np.float64] = 2.2e-3 + 1.6e-3 * np.arange(6, dtype=np.float64)
    spectrum = load_tissue("vertebral_bone_marrow").fat
    assert spectrum is not None
    shift, share = np.array(spectrum.spectrum.shift) - 4.65e-6, np.array(spectrum.spectrum.amplitude)
    fat = np.exp(-2j * np.pi * np.outer(te, shift * larmor)) @ (share / share.sum())
    true = np.repeat(np.array([0.0, 0.1, 0.4, 0.97])[:, None], 6, axis=1)
    signal = (1 - true + true * fat[:, None, None]) * np.exp(-(40 + 2j * np.pi * 60) * te)[:, None, None]
    images = Images(
        data=signal[:, None], grid=Grid(shape=(1, 4, 6), spacing=(1e-3, 1e-3, 4e-3)),
        contrast={"te": te, "tr": np.full(6, 0.5), "flip": np.full(6, 0.3)}, sigma=np.full((6, 1, 1, 1), 1e-6),
        noisy=False, encoding={"frequency": larmor},
    )  # fmt: skip
    return float(np.abs(fit(images, "dixon").values["pdff"][0] - true).max())


def spectrum() -> float:
    """Return the largest relative error of the amounts of three resonances that share a spectrum, 4 Hz wide."""
    from ...core.basis import Basis
    from ...core.spectra import Spectra
    from ...fit.spectral import fit_spectra

    larmor, dwell, points = 127.7e6, 1 / 2500, 2048
    t = np.arange(points) * dwell
    lines = {"Lac": (1.314, 3, 6.93), "Cho": (3.185, 9, 0.0), "Cr": (3.027, 3, 0.0)}
    fids = np.array([
        protons * np.exp(-2j * np.pi * (ppm - 4.65) * 1e-6 * larmor * t) * np.cos(np.pi * split * t)
        for ppm, protons, split in lines.values()
    ])  # fmt: skip
    basis = Basis(
        names=tuple(lines), fids=fids, dwell=dwell, frequency=larmor, kinds=("metabolite",) * 3,
        protons=np.array([3.0, 9.0, 3.0]), widths=np.zeros((3, 2)),
    )  # fmt: skip
    amounts = np.array([2.0, 0.8, 5.0])
    data = (amounts @ fids) * np.exp(-np.pi * 4 * t - 2j * np.pi * 2.0 * t + 0.6j)
    spectra = Spectra(
        data=data[None, None], dwell=dwell, frequency=larmor, grid=Grid(shape=(1, 1, 1), spacing=(1e-2, 1e-2, 1e-2)),
        contrast={"te": np.array([0.03]), "tr": np.array([2.0])}, sigma=np.full((1, 1, 1), 1.0), noisy=False,
    )  # fmt: skip
    found = fit_spectra(spectra, basis)
    measured = np.array([float(found.amount(name)[0][0]) for name in lines])
    return float(np.abs(measured / amounts - 1).max())


NUMBERS, POOLS = "Precision and threads", "Exchange and bound protons"
CHECKS = (
    Check(name="single", part=NUMBERS, claim="single precision gives the raw data of a spin echo",
          reference="double precision", tolerance=3e-5, why="round-off of some hundred steps, 6e-8 each",
          error=single_precision),
    Check(name="threads", part=NUMBERS, claim="raw data do not depend on the number of threads, 1 or 3",
          reference="each other", tolerance=0.0, unit="samples", why="the same bits", error=threads),
    Check(name="exchange", part=POOLS, claim="a Z-spectrum of water and amides obeys Bloch and McConnell",
          reference="scipy, expm of the 7 x 7 matrix", tolerance=1e-9, why="round-off of two exponentials",
          error=exchange),
    Check(name="bound-protons", part=POOLS, claim="bound protons saturate water to Henkelman's steady state",
          reference="Henkelman et al. 1993", tolerance=1e-5,
          why="the closed form takes direct saturation to be far off resonance", error=bound_protons),
    Check(name="non-uniform", part="Reconstruction", claim="non-uniform transforms are the sums that define them",
          reference="the sums", tolerance=3e-9, why="1e-9 is asked of finufft", error=nonuniform_transform),
    Check(name="water-fat", part="Fits and bounds", claim="the fat fraction of its own signals is recovered",
          reference="the signals", tolerance=1e-5, why="amplitudes of seven digits", error=water_and_fat),
    Check(name="spectrum", part="Fits and bounds", claim="amounts of a spectrum are recovered, phase and shift unknown",
          reference="the amounts", tolerance=1e-6, why="the solver's last step", error=spectrum),
)  # fmt: skip
