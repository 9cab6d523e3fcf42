"""Water and fat from gradient echoes: the fit of complex signals with a field map, and the fit of magnitudes.

    S = e^(i phase) (W + F sum_m a_m e^(-2 pi i f_m TE)) e^(-R2* TE - 2 pi i psi TE)

with the lines f_m of a fat spectrum and one phase for both species, which were excited together. From four echoes on
R2* is fitted; two or three echoes leave it at zero, which biases the fat fraction by what the echoes have lost. The
field psi has several minima per voxel, one of which swaps water and fat; neighbours agree on a smooth field
(`complex_echoes.agree`). Alternating readouts are straightened as in `complex_decay`.

The fit of magnitudes needs no field and cannot swap by it, but a mirror fraction 1 - PDFF fits nearly as well: of the
two minima the deeper one counts, told apart by the several lines of fat alone. With one line it cannot tell.

Signals are weighted by T1: fat recovers faster, so that a large flip angle overstates it. With `t1_water` and `t1_fat`
given, both are divided by the spoiled steady state before the fraction is taken. PDFF is F / (W + F) of signed
amplitudes: unbiased by noise, and below 0 or above 1 by as much as the noise demands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.maps import VALUED
from ..complex_echoes import DECAYS, Complex, EchoSolution, agree, period, search, solve_echoes
from ..fat_spectra import FAT_SPECTRA, FatSpectrum
from ..method import AT_BOUND, Method, Scan, Series, Solution, start
from ..model import FLIP, INFINITE, M0, SHORT_TR, TE, Option, Parameter
from ..solve import over_chunks
from .complex_decay import OFFSET, PHASE, bipolar_note, ordered, over_space, straightened
from .t2star_rates import R2_STAR

Array = NDArray[np.float64]
FREE_FROM = 4
"""Echoes from which R2* is fitted."""
LEAST_NOISE = 1e-2
"""Misfit over signal that the prior of the decays takes at least: what ringing and shifted echoes leave."""
STARTS = (0.1, 0.9)
"""Fat fractions from which the fit of magnitudes begins."""
PDFF = Parameter(
    name="pdff", unit="", symbol=r"\eta", description="fat signal over that of water and fat",
    lower=-INFINITE, upper=INFINITE, grid=(0.1, 0.9, 2),
)  # fmt: skip
WATER = Parameter(
    name="water", unit="", symbol="W", description="water signal", lower=-INFINITE, upper=INFINITE
)  # fmt: skip
FAT = Parameter(name="fat", unit="", symbol="F", description="fat signal", lower=-INFINITE, upper=INFINITE)
RATE = replace(R2_STAR, grid=(1.0, 100.0, 2))


def _t1(species: str) -> Option:
    return Option(
        name=f"t1_{species}", default=0.0, unit="s", symbol=rf"T_1^{{{species}}}",
        description=f"T1 of {species}, whose weighting is taken out; 0 leaves it in", lower=0.0, upper=20.0,
    )  # fmt: skip


FASTER = Option(
    name="fat_decay", default=0.0, unit="1/s", symbol=r"\Delta R_2^*",
    description="how much faster fat decays than water", lower=-5e3, upper=5e3,
)  # fmt: skip
SEPARATE = Option(
    name="decay_spread", default=0.0, unit="1/s", symbol=r"s_R",
    description="standard deviation expected of fat's decay rate from water's; each is fitted with this prior, 0 fits "
    "one rate", lower=0.0, upper=5e3,
)  # fmt: skip
OPTIONS = (_t1("water"), _t1("fat"), FASTER)


def basis_of(scan: Scan, te: Array, spectrum: FatSpectrum, name: str) -> Complex:
    """Return the (2, echo) signals of water and fat over their protons, without the field and the common decay."""
    fat = spectrum.phasor(te, float(scan.fact("frequency", name))) * np.exp(-scan.options["fat_decay"] * te)
    return np.stack([np.ones(len(te), np.complex128), fat])


def weighting(scan: Scan) -> tuple[float, float]:
    """Return what the spoiled steady state leaves of water and of fat, relative to full recovery; 1 if not asked."""
    tr, flip = scan.column("tr"), scan.column("flip")
    factors = []
    for species in ("water", "fat"):
        t1 = scan.options[f"t1_{species}"]
        e1 = np.exp(-tr / t1) if t1 > 0 else 0.0
        factors.append(float((1 - e1) / (1 - e1 * np.cos(flip))))
    return factors[0], factors[1]


def _complex_solver(spectrum: FatSpectrum, name: str) -> Callable[[Scan, Series], Solution]:
    def solve(scan: Scan, series: Series) -> Solution:
        solution, (te, data, weight) = start(METHODS[name], series), ordered(scan, series)
        basis, held = basis_of(scan, te, spectrum, name), solution.status == 0
        data = np.where(held, data, 0.0)
        free, prior = _decays(scan, series, data, len(te))
        decays = DECAYS if free else (0.0,)

        def fit(turned: Complex) -> EchoSolution:
            cost, offset, decay = search(turned, te, basis, weight, decays, series.threads)
            row, column = _chosen(scan, turned, held, cost, offset, te), np.arange(turned.shape[1])
            return solve_echoes(
                turned, te, basis, offset[row, column], decay[row, column], free=free, weight=weight, prior=prior,
                threads=series.threads,
            )  # fmt: skip

        found, line = straightened(fit, scan, data, te, basis)
        offset = over_space(scan, found.offset, held & np.isin(found.status, VALUED), period(te))
        extra = () if free else (f"{len(te)} echoes: R2* was taken as zero, which biases the fat fraction",)
        _written(solution, scan, found.amplitudes, found.unit_errors, found.unit_covariance)
        solution.values[2:4], solution.values[4] = np.stack([found.phase, offset]), found.decay
        solution.unit_errors[2:5] = found.unit_errors[2:5]
        if not free:
            solution.unit_errors[4] = np.nan
        # a decay held at zero (its error is NaN) does not make water and fat a limit
        solution.status[:] = np.where(held, np.where(found.status == AT_BOUND, 0, found.status), solution.status)
        solution.cost[:] = found.cost
        return replace(solution, warnings=(*bipolar_note(line), *extra))

    return solve


def _decays(scan: Scan, series: Series, data: Complex, echoes: int) -> tuple[int, Array | None]:
    """Return which decays are fitted, and the prior of their difference."""
    if echoes < FREE_FROM:
        return 0, None
    spread = scan.options["decay_spread"]
    if spread == 0:
        return 1, None
    energy = np.mean(np.abs(data) ** 2, axis=0)
    known = np.nan_to_num(series.spread) if np.any(series.floor > 0) else 0.0  # no floor: images without noise
    return 2, np.maximum(known, LEAST_NOISE * np.sqrt(energy)) ** 2 / spread**2


def _chosen(
    scan: Scan, data: Complex, held: NDArray[np.bool_], cost: Array, offset: Array, te: Array
) -> NDArray[np.int64]:
    """Return each voxel's candidate: that on which neighbours agree, or the deepest where there are no places."""
    if scan.inside is None or not held.any():
        return np.zeros(data.shape[1], np.int64)
    energy = np.where(held, np.sum(np.abs(data) ** 2, axis=0), 0.0)
    return agree(cost, offset, energy, scan.inside, period(te))


def _written(solution: Solution, scan: Scan, amplitudes: Array, errors: Array, covariance: Array) -> None:
    """Write total, fraction, water and fat with their errors, the T1 weighting taken out."""
    factor = np.array(weighting(scan))[:, None]
    (water, fat), (water_error, fat_error) = amplitudes / factor, errors[:2] / factor
    both = covariance / factor[0] / factor[1]
    total = water + fat
    with np.errstate(divide="ignore", invalid="ignore"):
        fraction = fat / total
        variance = (fat * water_error) ** 2 + (water * fat_error) ** 2 - 2 * water * fat * both
        fraction_error = np.sqrt(np.maximum(variance, 0.0)) / total**2
    total_error = np.sqrt(np.maximum(water_error**2 + fat_error**2 + 2 * both, 0.0))
    names = {"m0": (total, total_error), "pdff": (fraction, fraction_error)}
    names |= {"water": (water, water_error), "fat": (fat, fat_error)}
    rows = [p.name for p in (*PARAMETERS, WATER, FAT)] if len(solution.values) == 7 else ["m0", "pdff", "", *DERIVED]
    for name, (value, error) in names.items():
        solution.values[rows.index(name)], solution.unit_errors[rows.index(name)] = value, error


def species_of(parameters: Mapping[str, Array]) -> Array:
    """Return the (2, voxel) water and fat of total and fraction."""
    return np.asarray(parameters["m0"] * np.stack([1 - parameters["pdff"], parameters["pdff"]]))


def _complex_signal(spectrum: FatSpectrum, name: str) -> Callable[[Scan, Mapping[str, Array]], Complex]:
    def signal(scan: Scan, parameters: Mapping[str, Array]) -> Complex:
        te = np.asarray(scan.contrast["te"], np.float64)
        turn = parameters["phase"] - 2 * np.pi * parameters["off_resonance"] * te[:, None]
        return np.asarray(
            _species(scan, te, spectrum, name, parameters) * np.exp(1j * turn - parameters["r2_star"] * te[:, None])
        )

    return signal


def _species(scan: Scan, te: Array, spectrum: FatSpectrum, name: str, parameters: Mapping[str, Array]) -> Complex:
    """Return the (echo, voxel) sum of water and fat without field and common decay."""
    basis, (e_water, e_fat) = basis_of(scan, te, spectrum, name), weighting(scan)
    water, fat = parameters["m0"] * (1 - parameters["pdff"]) * e_water, parameters["m0"] * parameters["pdff"] * e_fat
    return np.asarray(water * basis[0][:, None] + fat * basis[1][:, None])


def _magnitude_solver(spectrum: FatSpectrum, name: str) -> Callable[[Scan, Series], Solution]:
    def solve(scan: Scan, series: Series) -> Solution:
        from .._kernels.water_fat_magnitude import fit_magnitudes

        if spectrum.name == "single":
            raise InputError("magnitudes with one line of fat cannot tell water from fat; use several", key="model")
        order = np.argsort(scan.contrast["te"], kind="stable")
        te = np.ascontiguousarray(scan.contrast["te"][order], np.float64)
        solution, basis = start(METHODS[name], series), basis_of(scan, te, spectrum, name)
        voxels = series.data.shape[1]
        amplitudes, errors = np.full((3, voxels), np.nan), np.full((3, voxels), np.nan)
        data, weight = np.ascontiguousarray(series.data[order]), np.ascontiguousarray(series.weight[order])
        covariance, begun = np.full(voxels, np.nan), solution.status.copy()
        out = (amplitudes, errors, covariance, solution.status, solution.cost)

        def work(first: int, last: int) -> None:
            fit_magnitudes(data, first, last, te, basis[1], weight, np.array(STARTS), 100, *out)

        over_chunks(work, 0, voxels, series.threads)
        solution.status[:] = np.where(begun, begun, solution.status)
        _written(solution, scan, amplitudes[:2], errors[:2], covariance)
        solution.values[2], solution.unit_errors[2] = amplitudes[2], errors[2]
        return solution

    return solve


def _magnitude_signal(spectrum: FatSpectrum, name: str) -> Callable[[Scan, Mapping[str, Array]], Array]:
    def signal(scan: Scan, parameters: Mapping[str, Array]) -> Array:
        te = np.asarray(scan.contrast["te"], np.float64)
        species = np.abs(_species(scan, te, spectrum, name, parameters))
        return np.asarray(species * np.exp(-parameters["r2_star"] * te[:, None]))

    return signal


PARAMETERS = (M0, PDFF, PHASE, OFFSET, RATE)
DERIVED = ("water", "fat")
SUM = r"\left(1 - \eta + \eta \sum_m a_m e^{-2 \pi i f_m T_E}\right)"
COMPLEX = tuple(
    Method(
        name="dixon" if spectrum is FAT_SPECTRA[0] else f"dixon-{spectrum.name}",
        title=f"water and fat from complex echoes, fat spectrum {spectrum.name}, with R2* and field map",
        reference=f"Yu et al. 2008, Magn Reson Med 60:1122; Bydder et al. 2011, Magn Reson Imaging 29:1041; fat: "
        f"{spectrum.reference}",
        parameters=PARAMETERS,
        derived=(WATER, FAT),
        derive=species_of,
        contrast=(TE, SHORT_TR, FLIP),
        constant=("tr", "flip"),
        options=(*OPTIONS, SEPARATE),
        data="complex",
        formula=rf"S = M_0 e^{{i \varphi}} {SUM} e^{{-R_2^* T_E - 2 \pi i \psi T_E}}",
        solve=_complex_solver(spectrum, "dixon" if spectrum is FAT_SPECTRA[0] else f"dixon-{spectrum.name}"),
        signal=_complex_signal(spectrum, "dixon" if spectrum is FAT_SPECTRA[0] else f"dixon-{spectrum.name}"),
        images=2,
    )
    for spectrum in FAT_SPECTRA
)
MAGNITUDE = (
    Method(
        name="dixon-magnitude",
        title=f"water and fat from the magnitudes of echoes, fat spectrum {FAT_SPECTRA[0].name}, with R2*",
        reference=f"Bydder et al. 2008, Magn Reson Imaging 26:347; Triay Bagur et al. 2019, Magn Reson Med 82:460; "
        f"fat: {FAT_SPECTRA[0].reference}",
        parameters=(M0, PDFF, RATE),
        derived=(WATER, FAT),
        derive=species_of,
        contrast=(TE, SHORT_TR, FLIP),
        constant=("tr", "flip"),
        options=OPTIONS,
        formula=rf"S = M_0 \left|{SUM[6:-8]}\right| e^{{-R_2^* T_E}}",
        likelihoods=("gaussian", "rician"),
        solve=_magnitude_solver(FAT_SPECTRA[0], "dixon-magnitude"),
        signal=_magnitude_signal(FAT_SPECTRA[0], "dixon-magnitude"),
        images=3,
    ),
)
METHODS: dict[str, Any] = {method.name: method for method in (*COMPLEX, *MAGNITUDE)}
