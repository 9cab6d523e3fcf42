"""What the metabolites of a phantom's tissues add to the signals of a spectroscopy scan.

Every tissue in the voxel adds each metabolite's signal times its concentration and volume, broadened like the tissue's
water by the field in the voxel (each place's offset) and within it (T2'). Each metabolite has its own voxel: where the
pulses select its strongest line, with soft edges and displaced by its shift (`profiles`), as far as it has recovered
there (`recovery`). What displaced partners do to its coupling is in the basis, as an average over the voxel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...core.acquisition import Acquisition, Readouts
from ...core.basis import Basis
from ...core.coils import Coils
from ...core.errors import InputError
from ...core.grid import Grid
from ...core.metabolites import relaxation_at
from ...core.nuclei import NUCLEI, WATER_MOLECULES
from ...phantom.metabolite import Metabolite
from ...phantom.phantom import Phantom
from ...phantom.spins import Spins
from .profiles import POINTS, main_offset, middles, reach, selected
from .recovery import in_front
from .shot import Shot

Complex = NDArray[np.complex128]
FACTS = {"Lac": "lactate", "Ala": "alanine", "Prop": "propionate", "NAcGAG": "n_acetyl", "Cho": "choline"}
"""Metabolite -> the tissue's fact that holds its concentration, mM."""
PURE = 2 * WATER_MOLECULES
"""Protons of pure water, mM: what a proton density of 1 stands for."""
ACROSS = 24
"""Places along each edge of the box in which a voxel with soft and displaced edges lies."""


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


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Content:
    """What a voxel holds of each metabolite, seen through the metabolite's own selection."""

    lines: dict[str, Complex]
    """Metabolite -> (coil, point) concentration, mM, times volume, m^3, what has recovered, what a coil hears,
    dephasing."""
    amounts: dict[str, float]
    """Metabolite -> concentration, mM: the mean over what is selected of it."""


def with_metabolites(
    raw: Acquisition,
    phantom: Phantom,
    basis: Basis,
    content: Content,
    *,
    contrast: int = 0,
    received: Mapping[str, Complex] | None = None,
) -> Acquisition:
    """Return the raw data with the metabolites of the phantom's tissues.

    Parameters
    ----------
    raw : Acquisition
        Noise-free, of a single voxel.
    phantom : Phantom
    basis : Basis
        Of the same sequence and contrast.
    content : Content
        Of the same voxel.
    contrast : int
        The spectrum of the series to which the signals are added.
    received : mapping, optional
        Group of readouts -> (readout, sample) what an imperfect scanner makes of the samples: drift, eddy currents.
    """
    played = received or {}
    sheet = {key: float(value[contrast]) for key, value in raw.encoding.contrast.items()}
    relax = relaxation_at(phantom.field)
    left = relax.left(sheet, recovered=1.0)  # each place has recovered by itself
    signal = np.zeros((raw.imaging.data.shape[1], basis.fids.shape[1]), dtype=np.complex128)
    for name, line in content.lines.items():
        signal += line * (basis.fid(name) * np.exp(-basis.time / relax.t2)) * (left / PURE)
    groups = {name: _added(group, signal, contrast, played.get(name)) for name, group in raw.groups.items()}
    history = raw.history | {"metabolites": {"concentrations": content.amounts, "t1": relax.t1, "t2": relax.t2}}
    return replace(raw, groups=groups, history=history)


def _added(group: Readouts, signal: Complex, contrast: int, received: Complex | None) -> Readouts:
    """Return a group of readouts with a (coil, point) signal added to those of one contrast."""
    samples = group.data.shape[-1]
    if samples > signal.shape[-1]:
        raise InputError(f"the basis has {signal.shape[-1]} points, the readouts {samples}", key="samples")
    label = np.asarray(group.labels.get("contrast", np.zeros(len(group.data), np.int64)))
    chosen = (label == contrast).astype(np.float64)[:, None, None]
    heard = signal[:, :samples] if received is None else signal[:, :samples] * received[:, None, :samples]
    return replace(group, data=group.data + chosen * heard)


def content_of(
    phantom: Phantom, played: Shot, voxel: Grid, metabolites: Sequence[Metabolite], coils: Coils | None, samples: int
) -> Content:
    """Return what a voxel holds of the metabolites that its tissues state.

    Parameters
    ----------
    phantom : Phantom
    played : Shot
        Whose pulses select; without a selective pulse along an axis the voxel's edges are sharp there.
    voxel : Grid
        The nominal voxel.
    metabolites : sequence of Metabolite
        Those looked for.
    coils : Coils or None
        That hear the voxel.
    samples : int
        Points of the signals.
    """
    observed = next(each for each in NUCLEI.values() if each.gamma_bar == played.gamma_bar)
    stated = concentrations(phantom, tuple(each.name for each in metabolites))
    wanted = {name for known in stated.values() for name in known}
    present = [each for each in metabolites if each.name in wanted]
    offsets = {each.name: main_offset(each, observed, played.b0) for each in present}
    if not present:
        return Content(lines={}, amounts=dict.fromkeys((each.name for each in metabolites), 0.0))
    box, t1 = _box(phantom, played, voxel, list(offsets.values())), relaxation_at(phantom.field).t1
    spins, fine = box.spins, box.cells
    heard = np.ones((1 if coils is None else len(coils.maps), len(spins.volume)), dtype=np.complex128)
    if coils is not None:
        heard = np.asarray(coils.sensitivity(fine.to_world(spins.position)))
    time = np.asarray(np.arange(samples) * played.dwell, dtype=np.float64)
    lines, amounts = dict[str, Complex](), dict.fromkeys((each.name for each in metabolites), 0.0)
    for name, offset in offsets.items():
        weight = box.shares(played, offset)
        amount = np.array([stated.get(tissue, {}).get(name, 0.0) for tissue in spins.tissues])[spins.tissue]
        amounts[name] = float(weight.real @ amount)
        weight = weight * box.recovered(played, offset, t1)
        lines[name] = float(np.prod(voxel.spacing)) * _dephasing(
            spins, heard * (weight * amount), np.asarray(time, np.float64)
        )
    return Content(lines=lines, amounts=amounts)


def water_shares(phantom: Phantom, played: Shot, voxel: Grid) -> tuple[Spins, NDArray[np.float64]]:
    """Return places of the phantom, and the share of what the pulses select of water that lies at each.

    Parameters
    ----------
    phantom : Phantom
    played : Shot
    voxel : Grid
        The nominal voxel.
    """
    box = _box(phantom, played, voxel, [0.0])
    return box.spins, box.shares(played, 0.0).real


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Box:
    """The phantom in a box that holds what is selected of some lines."""

    half: tuple[float, float, float]
    """Of its edges, m."""
    cells: Grid
    spins: Spins

    def shares(self, played: Shot, offset: float) -> Complex:
        """Return the share of what is selected of a line at an offset, Hz, that lies at each place."""
        position = self.spins.position + _half_cell(self.half)
        places = [middles(POINTS, h) for h in self.half]
        profile = selected(played, offset, (places[0], places[1], places[2]))
        share = np.prod([np.interp(position[:, i], p, profile[i]) for i, p in enumerate(places)], axis=0)
        cells = [middles(ACROSS, h) for h in self.half]
        means = [np.interp(c, p, q).mean() for c, p, q in zip(cells, places, profile, strict=True)]
        return np.asarray(self.spins.volume * share / (np.prod(means).real * np.prod(self.half) * 8))

    def recovered(self, played: Shot, offset: float, t1: float) -> NDArray[np.float64]:
        """Return Mz of a line at an offset, Hz, in front of the excitation at each place, over equilibrium."""
        cells = [middles(ACROSS, h) for h in self.half]
        found = in_front(played, offset, np.array([t1]), (cells[0], cells[1], cells[2]))[0]
        position = self.spins.position + _half_cell(self.half)
        steps = np.array(self.half) * (2 / ACROSS)
        i, j, k = np.clip(((position + self.half) // steps).astype(np.int64), 0, ACROSS - 1).T
        return np.asarray(found[i, j, k])


def _box(phantom: Phantom, played: Shot, voxel: Grid, offsets: list[float]) -> _Box:
    """Return the phantom around a voxel, as far as lines at these offsets, Hz, are selected."""
    half = reach(played, offsets)
    cells = Grid(
        shape=(ACROSS,) * 3, spacing=(2 * half[0] / ACROSS, 2 * half[1] / ACROSS, 2 * half[2] / ACROSS),
        centre=tuple(np.asarray(voxel.centre) + voxel.axes @ _half_cell(half)), axes=voxel.axes,
    )  # fmt: skip
    return _Box(half=half, cells=cells, spins=phantom.sample(cells))


def _half_cell(half: tuple[float, float, float]) -> NDArray[np.float64]:
    """Return by how far the middle of an even number of cells lies from its grid's origin, m."""
    return np.array(half) / ACROSS


def _dephasing(spins: Spins, weight: Complex, time: NDArray[np.float64]) -> Complex:
    """Return the (coil, point) sum of the places' (coil, place) weights as their fields and T2' dephase them."""
    found = np.zeros((len(weight), len(time)), dtype=np.complex128)
    for number in range(len(spins.tissues)):
        mine = (spins.tissue == number) & (np.abs(weight).sum(axis=0) > 0)
        if not mine.any():
            continue
        offsets, where = np.unique(np.round(spins.offset[mine], 2), return_inverse=True)
        sums = np.stack([
            np.bincount(where, row.real, len(offsets)) + 1j * np.bincount(where, row.imag, len(offsets))
            for row in weight[:, mine]
        ])  # fmt: skip
        pool = spins.pools[number][0]
        decay = np.exp(-time / pool.t2_prime) if np.isfinite(pool.t2_prime) else np.ones_like(time)
        found += (sums @ np.exp(-2j * np.pi * offsets[:, None] * time)) * decay
    return found
