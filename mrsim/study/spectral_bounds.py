"""What a spectroscopy protocol can know of a voxel: bounds of amounts, averages that a wish costs, displacement.

The bound is that of the fit that the protocol asks for, its expectations included, at the amounts that the phantom's
voxel holds. How much signal J-modulation and displaced partners leave at the echo is in the basis; with the field and
the echo time that the user sets, tables of several calls choose them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..core.basis import Basis
from ..core.maps import VALUED
from ..core.metabolites import Relaxation, relaxation_at
from ..core.nuclei import PROTON, WATER_MOLECULES
from ..core.spectra import Spectra
from ..fit.models import find_model
from ..fit.spectral import SpectralFit
from ..fit.spectral.given import quantify, water_scale_of
from ..phantom.metabolite import Metabolite, load_metabolites
from ..plan.precision import Precision
from ..sequence.discretize import discretize
from ..simulate.spin_systems.in_phantom import PURE, content_of
from ..simulate.spin_systems.profiles import displacements, main_offset
from ..simulate.spin_systems.shot import Shot, shot
from .given import given_options
from .request import Progress
from .spectra import bases_of

if TYPE_CHECKING:
    from .run import Prepared

REPLICATES = 150
"""Noisy spectra that are fitted for a plan: a standard deviation is known to 6 %."""
WANTED = 0.2
"""Error over the amount that a table of averages asks for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VoxelRow:
    """One metabolite of a voxel."""

    metabolite: str
    value: float
    """True amount over what is selected of it, mM."""
    bound: float
    """Least standard deviation of the scan, mM."""
    kept: float
    """Real part of its first point over its protons: coupling, displaced partners and the voxel's edges."""
    displacement: tuple[float, float, float]
    """Of its strongest line along the voxel's axes, voxels; the farthest of an axis's pulses."""
    averages: float
    """For a standard deviation of a fifth of the amount; infinite for none."""
    minutes: float
    """That they take."""


def voxel_rows(ready: Prepared, progress: Progress | None = None) -> tuple[VoxelRow, ...]:
    """Return what a prepared spectroscopy protocol can know of its voxel, one row per metabolite.

    Parameters
    ----------
    ready : Prepared
        Whose protocol names a basis and a quantification.
    progress : callable, optional
    """
    voxel, rows = _looked_at(ready, progress), []
    found = voxel.fitted(voxel.spectra)
    averages = int(ready.sequence.encoding.sheet["averages"])
    seconds = ready.sequence.duration / averages
    for name, bound in zip(found.names, found.errors[0], strict=True):
        each = next(m for m in voxel.metabolites if m.name == name)
        value = voxel.amounts[name]
        needed = averages * (float(bound) / (WANTED * value)) ** 2 if value > 0 else math.inf
        basis, k = voxel.basis, voxel.basis.index(name)
        rows.append(
            VoxelRow(
                metabolite=name, value=value, bound=float(bound), kept=float(basis.fids[k, 0].real / basis.protons[k]),
                displacement=_farthest(voxel.played, main_offset(each, PROTON, ready.phantom.field)),
                averages=needed, minutes=needed * seconds / 60,
            )
        )  # fmt: skip
    return tuple(rows)


def spectral_precision(
    ready: Prepared, replicates: int = REPLICATES, progress: Progress | None = None
) -> tuple[Precision, ...]:
    """Return what the fit makes of the voxel: noisy spectra are fitted again and again; the bound is that of the fit.

    Parameters
    ----------
    ready : Prepared
        Whose protocol names a basis and a quantification.
    replicates : int
        Noisy spectra.
    progress : callable, optional
    """
    voxel = _looked_at(ready, progress)
    clean = voxel.spectra
    normal = np.random.default_rng(ready.request.seed).standard_normal((2, 1, replicates, clean.data.shape[-1]))
    noisy = replace(
        clean, data=clean.data + clean.sigma * (normal[0] + 1j * normal[1]),
        grid=replace(clean.grid, shape=(1, 1, replicates)),
        water=None if clean.water is None else np.repeat(clean.water, replicates, axis=1),
    )  # fmt: skip
    found, bounds = voxel.fitted(noisy), voxel.fitted(clean).errors[0]
    usable = np.isin(found.maps.status.ravel(), VALUED)
    rows = []
    for k, name in enumerate(found.names):
        values = found.amplitudes[usable, k]
        enough = len(values) > 1
        rows.append(
            Precision(
                tissue="voxel", grade=None, parameter=name, unit="mol/m^3", truth=voxel.amounts[name],
                mean=float(values.mean()) if enough else math.nan,
                sd=float(values.std(ddof=1)) if enough else math.nan,
                bound=float(bounds[k]), share=float(usable.mean()), scan_time=ready.sequence.duration,
            )
        )  # fmt: skip
    return tuple(rows)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Voxel:
    """A voxel's expected spectra with what fits them."""

    spectra: Spectra
    basis: Basis
    options: dict[str, Any]
    amounts: Mapping[str, float]
    """True amounts over what is selected of them, mM."""
    metabolites: tuple[Metabolite, ...]
    played: Shot
    threads: int | None

    def fitted(self, spectra: Spectra) -> SpectralFit:
        return quantify(spectra, self.basis, self.options, threads=self.threads)


def _looked_at(ready: Prepared, progress: Progress | None) -> _Voxel:
    assert ready.basis is not None
    assert ready.request.model is not None
    metabolites, bases = load_metabolites(ready.basis), bases_of(ready, progress)
    basis = bases[0].minus(bases[1]) if len(bases) == 2 else bases[0]
    header, played = ready.sequence.encoding, shot(discretize(ready.sequence))
    content = content_of(ready.phantom, played, header.grid, metabolites, None, bases[0].fids.shape[1])
    options = given_options(find_model(ready.request.model), ready.request.given)
    options.pop("water_band", None)  # no water is left in what is expected, and nothing to be taken out
    spectra = _expected(ready, basis, content.lines, int(header.sheet["averages"]))
    scale = water_scale_of(spectra, basis, options)
    assert scale is not None
    reference = _water(spectra, basis, Relaxation(t1=scale.t1, t2=scale.t2), scale.content)
    return _Voxel(
        spectra=_with_water(spectra, reference), basis=basis, options=options, amounts=content.amounts,
        metabolites=metabolites, played=played, threads=ready.request.threads,
    )  # fmt: skip


def _expected(ready: Prepared, basis: Basis, lines: dict[str, NDArray[np.complex128]], averages: int) -> Spectra:
    """Return the spectra that a scan would give on average, with its noise stated; a water reference of ones."""
    header, relax = ready.sequence.encoding, relaxation_at(ready.phantom.field)
    sheet = {key: float(value[0]) for key, value in header.contrast.items()}
    factor = relax.left(sheet, recovered=1.0) / PURE  # lines have recovered by themselves
    signal = sum(
        (line[0] * basis.fid(name) * np.exp(-basis.time / relax.t2) * factor for name, line in lines.items()),
        np.zeros(basis.fids.shape[1], np.complex128),
    )
    pair = np.sqrt(2.0) if len(next(iter(header.contrast.values()))) == 2 else 1.0
    sigma = pair * np.sqrt(ready.sequence.scanner.noise_density / basis.dwell / averages)
    return Spectra(
        data=signal[None, None], dwell=basis.dwell, frequency=header.frequency, grid=header.grid,
        contrast={key: value[:1] for key, value in header.contrast.items()}, sigma=np.full((1, 1, 1), sigma),
        water=np.ones((1, 1, len(signal)), np.complex128),
    )  # fmt: skip


def _water(spectra: Spectra, basis: Basis, water: Relaxation, content: float) -> NDArray[np.float64]:
    """Return the water reference of a voxel that is as the fit takes it to be."""
    sheet = {key: float(value[0]) for key, value in spectra.contrast.items()}
    protons = 2 * WATER_MOLECULES * content / PURE * float(np.prod(spectra.grid.spacing))
    decay = np.exp(-spectra.time / water.t2)
    return np.asarray(protons * float(basis.conditions["water"]) * basis.left(None, water, sheet) * decay)


def _with_water(spectra: Spectra, reference: NDArray[np.float64]) -> Spectra:
    return replace(spectra, water=reference[None, None].astype(np.complex128))


def _farthest(played: Shot, offset: float) -> tuple[float, float, float]:
    """Return along each axis the displacement of the pulse that displaces most; 0 without a selective pulse."""
    far = [0.0, 0.0, 0.0]
    for axis, _, share in displacements(played, offset):
        far[axis] = share if abs(share) > abs(far[axis]) else far[axis]
    return far[0], far[1], far[2]
