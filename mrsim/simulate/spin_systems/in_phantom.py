"""What the metabolites of a phantom's tissues add to the signals of a spectroscopy scan.

Every tissue in the voxel adds each metabolite's signal times its concentration and volume, broadened like the tissue's
water by the field in the voxel (each place's offset) and within it (T2'). The voxel is the nominal box; that its edges
are soft and displaced is in the basis as far as its engine plays the pulses, alike for all places.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...core.acquisition import Acquisition, Readouts
from ...core.basis import Basis
from ...core.coils import Coils
from ...core.errors import InputError
from ...core.grid import Grid
from ...core.nuclei import WATER_MOLECULES
from ...phantom.phantom import Phantom
from ...sequence.timeline import Timeline
from .basis import basis

Complex = NDArray[np.complex128]
FACTS = {"Lac": "lactate", "Ala": "alanine", "Prop": "propionate", "NAcGAG": "n_acetyl", "Cho": "choline"}
"""Metabolite -> the tissue's fact that holds its concentration, mM."""
PURE = 2 * WATER_MOLECULES
"""Protons of pure water, mM: what a proton density of 1 stands for."""
ACROSS = 16
"""Places along each edge of the voxel at which the field is taken."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MetaboliteRelaxation:
    """Relaxation that the basis does not hold: of the amplitude by TE and TR, and of the signal while it is read."""

    t1: float
    """s."""
    t2: float
    """s."""


BRAIN = {1.5: (1.24, 0.279), 3.0: (1.29, 0.194), 7.0: (1.43, 0.131)}
"""Field, T -> mean T1, T2 of brain metabolites, s (FSL-MRS defaults); none were found of the disc."""


def relaxation_at(field: float) -> MetaboliteRelaxation:
    """Return the relaxation of metabolites at a field strength, T, between those that are tabulated."""
    known = np.array(sorted(BRAIN))
    if not known[0] <= field <= known[-1]:
        raise InputError(
            f"relaxation of metabolites is known from {known[0]:g} to {known[-1]:g} T, not at {field:g} T", key="field"
        )
    t1, t2 = (float(np.interp(field, known, [BRAIN[b][k] for b in known])) for k in (0, 1))
    return MetaboliteRelaxation(t1=t1, t2=t2)


def concentrations(phantom: Phantom, names: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """Return per tissue the concentrations, mM, of the metabolites that it states.

    Parameters
    ----------
    phantom : Phantom
    names : tuple of str
        Metabolites of a basis.
    """
    found = {}
    for tissue in phantom.tissues:
        stated = {name: tissue.facts[FACTS[name]] for name in names if FACTS.get(name) in tissue.facts}
        known = {name: float(fact.values[0]) for name, fact in stated.items()}
        if known:
            found[tissue.name] = known
    return found


def with_basis(raw: Acquisition, phantom: Phantom, timeline: Timeline, names: str, coils: Coils | None) -> Acquisition:
    """Return the raw data with the metabolites of a basis set in every spectrum of the series.

    Parameters
    ----------
    raw : Acquisition
        Noise-free, of the timeline.
    phantom : Phantom
    timeline : Timeline
    names : str
        A basis set, or metabolites with commas.
    coils : Coils or None
        That heard `raw`.
    """
    for contrast in range(len(next(iter(raw.encoding.contrast.values())))):
        raw = with_metabolites(raw, phantom, basis(names, timeline, contrast=contrast), contrast=contrast, coils=coils)
    return raw


def with_metabolites(
    raw: Acquisition, phantom: Phantom, basis: Basis, *, contrast: int = 0, coils: Coils | None = None
) -> Acquisition:
    """Return the raw data with the metabolites of the phantom's tissues.

    Parameters
    ----------
    raw : Acquisition
        Noise-free, of a single voxel.
    phantom : Phantom
    basis : Basis
        Of the same sequence and contrast.
    contrast : int
        The spectrum of the series to which the signals are added.
    coils : Coils, optional
        That heard `raw`.
    """
    content = concentrations(phantom, basis.names)
    if not content:
        return raw
    sheet = {key: float(value[contrast]) for key, value in raw.encoding.contrast.items()}
    relax = relaxation_at(phantom.field)
    lost = np.exp(-sheet["te"] / relax.t2) * (1 - np.exp(-sheet["tr"] / relax.t1))
    lines = _lines(raw, phantom, basis.time, tuple(content), coils)
    signal = np.zeros((raw.imaging.data.shape[1], basis.fids.shape[1]), dtype=np.complex128)
    for tissue, known in content.items():
        own = sum(amount * basis.fid(name) for name, amount in known.items())
        signal += lines[tissue] * own * lost * np.exp(-basis.time / relax.t2) / PURE
    groups = {name: _added(group, signal, contrast) for name, group in raw.groups.items()}
    history = raw.history | {"metabolites": {"concentrations": content, "t1": relax.t1, "t2": relax.t2}}
    return replace(raw, groups=groups, history=history)


def _added(group: Readouts, signal: Complex, contrast: int) -> Readouts:
    """Return a group of readouts with a (coil, point) signal added to those of one contrast."""
    samples = group.data.shape[-1]
    if samples > signal.shape[-1]:
        raise InputError(f"the basis has {signal.shape[-1]} points, the readouts {samples}", key="samples")
    label = np.asarray(group.labels.get("contrast", np.zeros(len(group.data), np.int64)))
    chosen = (label == contrast).astype(np.float64)
    return replace(group, data=group.data + chosen[:, None, None] * signal[:, :samples])


def _lines(
    raw: Acquisition, phantom: Phantom, time: NDArray[np.float64], tissues: tuple[str, ...], coils: Coils | None
) -> dict[str, Complex]:
    """Return per tissue the (coil, point) volume in the voxel, m^3 times what a coil hears, dephasing in its field."""
    voxel = raw.encoding.grid
    fine = Grid(
        shape=(ACROSS,) * 3,
        spacing=(voxel.spacing[0] / ACROSS, voxel.spacing[1] / ACROSS, voxel.spacing[2] / ACROSS),
        centre=voxel.centre,
        axes=voxel.axes,
    )
    spins = phantom.sample(fine)
    heard = np.ones((raw.imaging.data.shape[1], len(spins.volume)), dtype=np.complex128)
    if coils is not None:
        heard = np.asarray(coils.sensitivity(fine.to_world(spins.position)))
    found = {}
    for name in tissues:
        number = spins.tissues.index(name)
        mine = spins.tissue == number
        offsets, where = np.unique(np.round(spins.offset[mine], 2), return_inverse=True)
        weight = np.stack([
            np.bincount(where, row.real, len(offsets)) + 1j * np.bincount(where, row.imag, len(offsets))
            for row in heard[:, mine] * spins.volume[mine]
        ])  # fmt: skip
        pool = spins.pools[number][0]
        decay = np.exp(-time / pool.t2_prime) if np.isfinite(pool.t2_prime) else np.ones_like(time)
        found[name] = (weight @ np.exp(-2j * np.pi * offsets[:, None] * time)) * decay
    return found
