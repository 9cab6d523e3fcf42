"""What a linear-combination fit tells: amounts, which of them stand out, and what casts doubt on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.basis import Basis
from ...core.maps import Maps
from ...core.shown import Shown, counted, listing
from ...core.spectra import Spectra
from .job import Job
from .problem import Array, Complex
from .settings import Combination

NOT_FINITE, SINGULAR = 4, 5  # core.maps.STATUS
BROADER = 4.0
"""Standard deviations of the score test from which a line counts as broader than the basis lets it be."""
MISFIT = 4.0
"""Standard deviations of the residual's variance from which the basis and baseline do not describe the data."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SpectralFit(Shown):
    """What a linear-combination fit found in the voxels of one contrast."""

    maps: Maps
    """A value per metabolite, then ``phase``, ``shift``, ``gauss`` and ``width GROUP``."""
    names: tuple[str, ...]
    """The metabolites."""
    unit: str
    """Of the amplitudes."""
    amplitudes: Array
    """(voxel, metabolite)."""
    covariance: Array
    """(voxel, metabolite, metabolite) of the amplitudes; the error of a scale is not in it."""
    detected: NDArray[np.bool_]
    """(voxel, metabolite) amounts that lie above zero by the settings' count of standard errors."""
    limit: Array
    """(voxel, metabolite) upper limit: the amount, or zero where that is negative, plus two standard errors."""
    broader: Array
    """(voxel, metabolite) standard deviations by which the residual asks for a broader line of this one alone."""
    misfit: Array
    """(voxel,) variance of the residual over that of the noise."""
    ppm: Array
    """(frequency,) where the spectra were compared, ascending."""
    measured: Complex
    """(voxel, frequency) spectra with the fitted phase taken out, over the noise."""
    components: Complex
    """(voxel, metabolite, frequency) what each metabolite adds."""
    baseline: Complex
    """(voxel, frequency)."""
    notes: tuple[str, ...] = ()
    """What a reader must know."""

    @property
    def errors(self) -> Array:
        """(voxel, metabolite) standard errors, the Cramér-Rao bound at the estimate."""
        return np.asarray(np.sqrt(np.einsum("vmm->vm", self.covariance)))

    @property
    def narrow(self) -> NDArray[np.bool_]:
        """(voxel, metabolite) whether the data ask for a broader line than the basis allows: too little is found."""
        return np.asarray(self.broader > BROADER)

    @property
    def residual(self) -> Complex:
        """(voxel, frequency) what neither metabolites nor baseline explain."""
        return np.asarray(self.measured - self.components.sum(axis=1) - self.baseline)

    def amount(self, name: str) -> tuple[Array, Array]:
        """Return the (voxel,) amounts of one metabolite and their standard errors."""
        k = self.names.index(name)
        return self.amplitudes[:, k], self.errors[:, k]

    def _facts(self) -> dict[str, str]:
        seen = listing(n for k, n in enumerate(self.names) if self.detected[:, k].any()) or "none"
        voxels = counted(len(self.amplitudes), "voxel")
        return {"": f"{counted(len(self.names), 'metabolite')} in {voxels}", "detected": seen, "unit": self.unit}


def result(
    spectra: Spectra,
    basis: Basis,
    settings: Combination,
    found: dict[str, Any],
    job: Job,
    finite: NDArray[np.bool_],
    unit: str,
) -> SpectralFit:
    """Return what the voxels' fits say together."""
    errors = np.sqrt(np.einsum("vmm->vm", found["covariance"]))
    status = np.where(~np.isfinite(errors).all(axis=1), SINGULAR, found["status"])
    status = np.where(finite, status, NOT_FINITE).astype(np.int8)
    known = finite & (status != SINGULAR)
    amounts = np.where(finite[:, None], found["amplitudes"], np.nan)
    maps = Maps(
        grid=spectra.grid,
        **_columns(spectra, basis, found, job, finite, (amounts, errors), unit),
        status=status.reshape(spectra.grid.shape),
        chi2=np.where(finite, found["misfit"], np.nan).reshape(spectra.grid.shape),
        model="linear-combination",
        history={"basis": list(basis.names), "sequence": basis.sequence, "te": basis.te, "window": settings.window},
    )
    detected = known[:, None] & (amounts > settings.detection * errors)
    noted = _notes(basis, found, spectra.noisy, known, job)
    return SpectralFit(
        maps=maps,
        names=basis.names,
        unit=unit,
        amplitudes=amounts,
        covariance=found["covariance"],
        detected=detected,
        limit=np.maximum(amounts, 0) + 2 * errors,
        broader=found["broader"],
        misfit=found["misfit"],
        ppm=np.sort(job.ppm),
        measured=found["measured"],
        components=found["components"],
        baseline=found["baseline"],
        notes=noted,
    )


def _columns(
    spectra: Spectra,
    basis: Basis,
    found: dict[str, Any],
    job: Job,
    finite: NDArray[np.bool_],
    amounts: tuple[Array, Array],
    unit: str,
) -> dict[str, Any]:
    """Return values, errors and units of the maps: a column per metabolite and per parameter of the lines."""
    columns = dict(zip(basis.names, zip(amounts[0].T, amounts[1].T, strict=True), strict=True))
    units = dict.fromkeys(basis.names, unit)
    for k, name in enumerate(job.problem.names):
        kind, _, group = name.partition(" ")
        label = (f"{kind} {job.groups[int(group)]}" if group else kind).replace("damping", "width")
        scale = 1 / np.pi if kind == "damping" else 1.0
        columns[label] = (found["theta"][:, k] * scale, found["theta_errors"][:, k] * scale)
        units[label] = {"phase": "rad", "delay": "s", "gauss": "1/s^2"}.get(kind, "Hz")
    shape = spectra.grid.shape
    return {
        "values": {name: np.where(finite, pair[0], np.nan).reshape(shape) for name, pair in columns.items()},
        "errors": {name: np.where(finite, pair[1], np.nan).reshape(shape) for name, pair in columns.items()},
        "units": units,
    }


def _notes(basis: Basis, found: dict[str, Any], noisy: bool, known: NDArray[np.bool_], job: Job) -> tuple[str, ...]:
    """Return what casts doubt on the amounts."""
    said = []
    for k, name in enumerate(basis.names):
        wide = known & (found["broader"][:, k] > BROADER)
        if wide.any():
            said.append(
                f"{name}: the data ask for a broader line than its group allows ({found['broader'][wide, k].max():.1f} "
                f"standard deviations, {int(wide.sum())} of {len(wide)} voxels): its amount is too small and its "
                "Cramér-Rao bound does not know it; give it a group of its own (mrsim fit --broad), or a basis with "
                "its line width"
            )
    freedom = 2 * len(job.ppm)
    bad = known & (found["misfit"] > 1 + MISFIT * np.sqrt(2 / freedom))
    if noisy and bad.any():
        said.append(
            f"the residual's variance is {found['misfit'][bad].max():.2f} times the noise's in {int(bad.sum())} of "
            f"{len(bad)} voxels: the basis or the baseline does not describe the data; errors are larger than stated"
        )
    return tuple(said)
