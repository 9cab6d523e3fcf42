"""Planning of elastography: which frequency, voxel and number of gradient cycles tell a tissue's stiffness best.

More cycles encode more phase per displacement but lengthen the echo time; a higher frequency shortens the wavelength,
which gives a direct inversion something to differentiate, but encodes less, is damped more and needs smaller voxels.
What is weighed here, for a square motion-encoding gradient of N cycles on each of `sides` sides of the echo:

    xi = sides 4 gamma_bar G N / f          encoding efficiency, rad/m (`sequence.motion_encoding`)
    TE = TE_0 + sides N / f                 signal exp(-TE / T2), in proportion to the voxel's volume
    sigma_u = sqrt(1 / N_offsets) / (xi SNR)  of each part, by polarity differences of N offsets
    s = |kappa^2| u exp(-d / delta) / (sigma_u sqrt(2 noise gain))  SNR of the second differences

s, smoothed by a Gaussian, decides: the direct inversion reads 1 / (1 + 1 / s^2) of the modulus, and voxels per
wavelength decide its dispersion. A plane wave in the plane of the image is taken; geometry is not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from ..core.errors import InputError
from ..core.wave import wavenumber

LEAST_SNR, LEAST_VOXELS = 3.0, 6.0
"""SNR of the second differences, for a noise bias of 10 %; voxels per wavelength, for a dispersion of 10 %."""


REPEAT_SD, DISPLACEMENT = 0.6e3, 10e-6
"""Taken where nobody says: SD of the stiffness of one subject on repetition, Pa; amplitude of the motion, m."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WaveScan:
    """What does not vary in a search."""

    modulus: Callable[[float], complex]
    """G* of the tissue at a frequency, Pa."""
    region: float
    """Extent of the tissue, m."""
    t2: float
    """Of the tissue, s."""
    snr: float
    """Of a magnitude image at an echo time of zero, in voxels of `snr_voxel`."""
    snr_voxel: float = 2e-3
    """Side of the isotropic voxels to which `snr` belongs, m."""
    displacement: float = DISPLACEMENT
    """Amplitude of the motion where it is driven, m."""
    depth: float = 0.0
    """From there to the tissue, through tissue that damps alike, m."""
    gradient: float = 30e-3
    """Amplitude of the motion-encoding gradient, T/m."""
    gamma_bar: float = 42.577478518e6
    """Hz/T."""
    sides: int = 2
    """Of the echo on which a gradient is played: 2 for a spin echo, 1 for a gradient echo."""
    te_rest: float = 20e-3
    """Echo time without motion-encoding gradients, s."""
    offsets: int = 4
    """Phases of the vibration."""
    smoothing: float = 1.0
    """Standard deviation of the Gaussian before differentiation, voxels."""
    density: float = 1000.0
    """kg/m^3."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WaveChoice:
    """One way to scan, and what it would see."""

    frequency: float
    """Hz."""
    voxel: float
    """m, isotropic."""
    cycles: int
    te: float
    """s."""
    efficiency: float
    """rad/m."""
    displacement_noise: float
    """Standard deviation of each part of a phasor, m."""
    phase: float
    """Largest phase difference of the polarities, rad; it wraps above pi."""
    voxels_per_wavelength: float
    wavelengths: float
    """In the region."""
    derivative_snr: float
    noise_bias: float
    """Of the modulus by noise, relative."""
    dispersion_bias: float
    """Of the modulus by voxels, relative."""

    @property
    def usable(self) -> bool:
        """Whether a direct inversion tells the modulus to about 10 %."""
        return self.derivative_snr >= LEAST_SNR and self.voxels_per_wavelength >= LEAST_VOXELS


def wave_choice(scan: WaveScan, frequency: float, voxel: float, cycles: int) -> WaveChoice:
    """Return what one frequency, Hz, voxel, m, and number of cycles would see."""
    for name, value in (("frequency", frequency), ("voxel", voxel), ("cycles", cycles), ("snr", scan.snr)):
        if not value > 0:
            raise InputError(f"{value:g} must be above zero", key=name)
    k = complex(wavenumber(scan.modulus(frequency), frequency, scan.density))
    te = scan.te_rest + scan.sides * cycles / frequency
    efficiency = scan.sides * 4 * scan.gamma_bar * scan.gradient * cycles / frequency
    magnitude = scan.snr * (voxel / scan.snr_voxel) ** 3 * math.exp(-te / scan.t2)
    noise = math.sqrt(1 / scan.offsets) / (efficiency * magnitude)
    amplitude = scan.displacement * math.exp(-scan.depth * abs(k.imag))
    kappa = (2 - 2 * np.cos(k * voxel)) / voxel**2
    snr = derivative_snr(k, voxel, amplitude, noise, scan.smoothing)
    return WaveChoice(
        frequency=frequency, voxel=voxel, cycles=cycles, te=te, efficiency=efficiency, displacement_noise=noise,
        phase=2 * efficiency * amplitude, voxels_per_wavelength=2 * math.pi / abs(k.real) / voxel,
        wavelengths=scan.region * abs(k.real) / (2 * math.pi), derivative_snr=snr,
        noise_bias=seen_share(snr) - 1, dispersion_bias=abs(k**2 / kappa) - 1,
    )  # fmt: skip


def derivative_snr(k: complex, voxel: float, amplitude: float, noise: float, smoothing: float = 1.0) -> float:
    """Return the SNR of a plane wave's second differences.

    Parameters
    ----------
    k : complex
        Wavenumber, 1/m.
    voxel : float
        Side in the plane, m.
    amplitude : float
        Of the displacement, m.
    noise : float
        Standard deviation of each part of a displacement's phasor, m.
    smoothing : float
        Standard deviation of the Gaussian before differentiation, voxels.
    """
    kappa = (2 - 2 * np.cos(k * voxel)) / voxel**2
    gaussian = math.exp(-(abs(k.real * voxel) ** 2) * smoothing**2 / 2)
    return float(abs(kappa) * amplitude * gaussian * voxel**2 / (noise * math.sqrt(2 * _noise_gain(smoothing))))


def seen_share(snr: float) -> float:
    """Return which share of a modulus a direct inversion reads at an SNR of the second differences."""
    return (snr / math.hypot(1.0, snr)) ** 2 if snr > 0 else 0.0


def stiffness_of(modulus: complex) -> float:
    """Return the shear stiffness rho c^2, Pa, of a complex modulus, Pa."""
    return 2 * abs(modulus) / (1 + math.cos(math.atan2(modulus.imag, modulus.real)))


def _noise_gain(smoothing: float) -> float:
    """Return the variance of the in-plane second differences (times h^4) of white noise after a Gaussian.

    The mean over the plane's frequencies of |4 - 2 cos a - 2 cos b|^2 exp(-s^2 (a^2 + b^2)): 20 without smoothing.
    """
    angle = 2 * np.pi * np.fft.fftfreq(256)
    part = (2 - 2 * np.cos(angle))[:, None] + (2 - 2 * np.cos(angle))
    reach = np.exp(-(smoothing**2) * (angle[:, None] ** 2 + angle**2))
    return float(np.mean(part**2 * reach))


def best_choices(
    scan: WaveScan, frequencies: Iterable[float], voxels: Iterable[float], cycles: Iterable[int]
) -> tuple[WaveChoice, ...]:
    """Return all choices, the one first whose modulus is biased least by noise and voxels together."""
    found = [wave_choice(scan, f, h, n) for f in frequencies for h in voxels for n in cycles]
    return tuple(sorted(found, key=lambda choice: abs(choice.noise_bias) + abs(choice.dispersion_bias)))


def repeatability_coefficient(within: float) -> float:
    """Return the difference of two measurements that is exceeded in 5 % without a change: 1.96 sqrt(2) SD."""
    return 1.96 * math.sqrt(2) * within


def reliability(between: float, within: float) -> float:
    """Return the share of the variance that is between subjects, R = b^2 / (b^2 + w^2), of their SDs."""
    return between**2 / (between**2 + within**2)


def minimum_detectable_change(within: float, pairs: int = 1, power: float = 0.8, level: float = 0.05) -> float:
    """Return the mean change that `pairs` of measurements before and after detect: (z_a + z_p) SD sqrt(2 / pairs).

    Parameters
    ----------
    within : float
        Standard deviation of one measurement on repetition.
    pairs : int
    power : float
        Chance to detect it.
    level : float
        Two-sided chance of a false alarm.
    """
    normal = NormalDist()
    return (normal.inv_cdf(1 - level / 2) + normal.inv_cdf(power)) * within * math.sqrt(2 / pairs)
