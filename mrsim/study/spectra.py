"""Spectroscopy on the road: the basis of a sequence, what the voxel holds, the fit, and the true amounts beside it.

The fit is given the basis of the nominal sequence, as a physicist would make it from the protocol; the voxel's content,
its field and its relaxation are the phantom's alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from ..core.acquisition import Acquisition
from ..core.basis import Basis
from ..core.coils import Coils
from ..core.errors import InputError
from ..core.images import Images
from ..core.maps import Maps
from ..core.metabolites import Relaxation
from ..core.nuclei import WATER_MOLECULES
from ..core.spectra import Spectra, edited_difference
from ..fit.models import find_model
from ..fit.quantification import Quantification
from ..fit.spectral.given import quantify, water_scale_of
from ..fit.spectral.score import Score, ScoreWeights, region_integrals, score
from ..fit.spectral.water import volume_per_unit, water_amplitude
from ..phantom.metabolite import load_basis_set, load_metabolites
from ..phantom.phantom import RoiMasks
from ..recon.time_signals import phased
from ..sequence.discretize import discretize
from ..sequence.timeline import Timeline
from ..simulate.receiver import imperfect_reception
from ..simulate.spin_systems import basis as basis_of
from ..simulate.spin_systems.in_phantom import content_of, water_shares, with_metabolites
from ..simulate.spin_systems.shot import Shot, shot, without_slices
from .engines import spin_engine_of
from .given import given_options
from .request import Progress

if TYPE_CHECKING:
    from ..fit.spectral import SpectralFit
    from .run import Prepared

VOXEL = "voxel"
"""Name of the region of a single voxel."""
SCALE = 0.05
"""Relative error of the scale in mM from which a run says so."""
EMPTY = 1e-3
"""Share of tissue in a voxel below which it is outside of the object."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Quantified:
    """The fit of a run's spectra, and with what."""

    fit: SpectralFit
    basis: Basis
    """Of what was compared."""
    score: Score | None = None
    """Acids over structure, where the basis set says what counts."""
    integrals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Region -> signal of the phased spectrum over that of the unsuppressed water, and its standard error."""


def bases_of(prepared: Prepared, progress: Progress | None = None) -> tuple[Basis, ...]:
    """Return the basis of every spectrum of a run's series; none where its protocol names no basis.

    Parameters
    ----------
    prepared : Prepared
    progress : callable, optional
    """
    if prepared.basis is None:
        return ()
    timeline = discretize(prepared.sequence)
    report = None if progress is None else lambda done, total: progress("basis", done, total)
    metabolites, engine = load_metabolites(prepared.basis), spin_engine_of(prepared.request)
    count = len(next(iter(timeline.encoding.contrast.values())))
    water = voxel_water(prepared, timeline)
    made = [basis_of(metabolites, timeline, engine, contrast=k, progress=report) for k in range(count)]
    known = {**expected_water(water, timeline, made[0]), "set": prepared.basis}
    return tuple(replace(basis, conditions={**basis.conditions, **known}) for basis in made)


WaterParts = list[tuple[float, Relaxation]]
"""Per tissue of a voxel its water, relative to a voxel of pure water, and how it relaxes."""


def voxel_water(prepared: Prepared, timeline: Timeline) -> WaterParts:
    """Return the water of what a run's pulses select of it; refuse a voxel outside of the object.

    Parameters
    ----------
    prepared : Prepared
    timeline : Timeline
        Of its sequence.
    """
    grid = timeline.encoding.grid
    spins, share = water_shares(prepared.phantom, _played(prepared, timeline), grid)
    volumes = np.bincount(spins.tissue, share, len(spins.tissues))
    filled = sum(part for part, pools in zip(volumes, spins.pools, strict=True) if any(pool.pd > 0 for pool in pools))
    if filled < EMPTY:
        x, y, z = (1e3 * place for place in grid.centre)
        raise InputError(
            f"the voxel at {x:.0f}, {y:.0f}, {z:.0f} mm lies outside of the object: {100 * filled:.2g} % of what its "
            "pulses select is tissue; move it",
            key="centre",
        )
    return [
        (share * pool.pd, Relaxation(t1=pool.t1, t2=pool.t2))
        for share, pools in zip(volumes, spins.pools, strict=True)
        for pool in pools
        if pool.shift == 0.0 and share > 0
    ]


def expected_water(parts: WaterParts, timeline: Timeline, basis: Basis) -> dict[str, float]:
    """Return what the tissue tables say of a voxel's water, for the fit's scale in mM.

    T1 and T2 are those of the tissue that gives most of the water's signal. Its content stands for all tissues of what
    the pulses select of water: each one's share times its content and what relaxation leaves of it, over what the first
    tissue's relaxation leaves.

    Parameters
    ----------
    parts : list of (float, Relaxation)
        Of `voxel_water`.
    timeline : Timeline
    basis : Basis
        Of the same sequence.
    """
    sheet = {key: float(value[0]) for key, value in timeline.encoding.contrast.items()}
    if not parts or not {"te", "tr"} <= set(sheet):
        return {}
    signals = [content * basis.left(None, water, sheet) for content, water in parts]
    main = parts[int(np.argmax(signals))][1]
    content = round(float(sum(signals) / basis.left(None, main, sheet)), 12)  # no rounding above pure water
    return {"water_content": content, "water_t1": float(main.t1), "water_t2": float(main.t2)}


def with_chemistry(
    raw: Acquisition, prepared: Prepared, timeline: Timeline, coils: Coils | None, bases: tuple[Basis, ...]
) -> Acquisition:
    """Return the noise-free raw data of a run with the metabolites of the phantom's tissues."""
    assert prepared.basis is not None
    played, metabolites = _played(prepared, timeline), load_metabolites(prepared.basis)
    points = bases[0].fids.shape[1]
    content = content_of(prepared.phantom, played, raw.encoding.grid, metabolites, coils, points)
    received = imperfect_reception(timeline)
    for contrast, each in enumerate(bases):
        raw = with_metabolites(raw, prepared.phantom, each, content, contrast=contrast, received=received)
    return raw


def _played(prepared: Prepared, timeline: Timeline) -> Shot:
    """Return the pulses of a run's shot that select: none without the slice profile."""
    played = shot(timeline)
    return without_slices(played) if spin_engine_of(prepared.request).pulses == "ideal" else played


def with_amounts(truth: Maps, raw: Acquisition) -> Maps:
    """Return the truth of a voxel with its metabolites, mM, as they were put into the raw data."""
    known = raw.history.get("metabolites", {}).get("concentrations", {})
    return replace(
        truth,
        values={**truth.values, **{name: np.full(truth.grid.shape, amount) for name, amount in known.items()}},
        errors={**truth.errors, **{name: np.zeros(truth.grid.shape) for name in known}},
        units={**truth.units, **dict.fromkeys(known, "mM")},
    )


def one_voxel(truth: Maps) -> RoiMasks:
    """Return the region of a single voxel, whatever it holds."""
    return RoiMasks({VOXEL: np.ones(truth.grid.shape, dtype=bool)})


def compared(spectra: Spectra) -> Spectra:
    """Return what is fitted of a series: the difference of an edited pair, else the first spectrum."""
    return edited_difference(spectra) if is_edited_pair(spectra) else spectra


def is_edited_pair(spectra: Spectra) -> bool:
    """Return whether a series is an edited pair, whose difference counts."""
    return len(spectra.data) == 2 and "editing" in spectra.contrast


def quantify_run(prepared: Prepared, spectra: Images | Spectra, bases: tuple[Basis, ...]) -> Quantified | None:
    """Return the amounts that a run's spectra hold by its bases; None for images, or without a quantification."""
    request = prepared.request
    if not isinstance(spectra, Spectra) or request.model is None:
        return None
    if prepared.basis is None or not isinstance(find_model(request.model), Quantification):
        return None
    basis = bases[0].minus(bases[1]) if is_edited_pair(spectra) else bases[0]
    found = quantified(spectra, basis, request.model, request.given, request.threads)
    whole = Quantified(
        fit=found,
        basis=basis,
        score=score_of(found, prepared.basis),
        integrals=integrals_of(spectra, found, prepared.basis),
    )
    factor = scale_factor(spectra, basis, request.model, request.given)
    if factor is None or abs(factor - 1) <= SCALE:
        return whole
    note = (
        f"the water reference makes all amounts {factor:.2f} times what they are: the water's content, T1 and T2 that "
        "the fit is given are not the voxel's, or saturation reaches its water (water_content, water_t1, water_t2)"
    )
    history = found.maps.history | {"warnings": (*found.maps.history.get("warnings", ()), note)}
    return replace(whole, fit=replace(found, maps=replace(found.maps, history=history)))


def score_of(found: SpectralFit, basis: str) -> Score | None:
    """Return the open score of a fit by the weights in the file of its basis set; None where it has none."""
    chosen = load_basis_set(basis)
    if chosen is None or not chosen.acids or not chosen.structure:
        return None
    acids, structure = chosen.weights("acids"), chosen.weights("structure")
    return score(found, ScoreWeights(acids=acids, structure=structure, lipids=chosen.lipids))


def integrals_of(spectra: Spectra, found: SpectralFit, basis: str) -> dict[str, tuple[float, float]]:
    """Return what the regions of a basis set hold of the first voxel, phased as the fit found, over its water."""
    chosen, one = load_basis_set(basis), compared(spectra)
    if chosen is None or not chosen.regions or one.water is None:
        return {}
    turned = phased(one, float(found.maps.values["phase"].ravel()[0]))
    water = float(water_amplitude(one, 0)[0])
    sums = region_integrals(turned, chosen.limits())
    return {name: (float(value[0]) / water, error / water) for name, (value, error) in sums.items()}


def scale_factor(spectra: Spectra, basis: Basis, model: str, given: Mapping[str, str]) -> float | None:
    """Return by which factor the scale in mM of a simulated voxel makes amounts too large; None without a reference.

    The signal of one proton of 1 mM is the voxel's volume over the protons of pure water, which the simulation knows
    and the fit takes from the water reference.
    """
    one = compared(spectra)
    scale = water_scale_of(one, basis, given_options(find_model(model), given))
    if scale is None:
        return None
    true = float(np.prod(spectra.grid.spacing)) / (2 * WATER_MOLECULES)
    return true / float(volume_per_unit(one, 0, scale, basis)[0])


def quantified(
    spectra: Spectra, basis: Basis, model: str, given: Mapping[str, str], threads: int | None
) -> SpectralFit:
    """Return the amounts that spectra hold.

    Parameters
    ----------
    spectra : Spectra
        A series, of which an edited pair is compared as its difference.
    basis : Basis
        Of what is compared.
    model : str
        Name of a quantification.
    given : mapping
        Options as text.
    threads : int or None
    """
    options = given_options(find_model(model), given)
    return quantify(compared(spectra), basis, options, threads=threads)
