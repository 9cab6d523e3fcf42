"""Waves in a phantom: its tissues as boxes of a regular mesh, shaken at some sides, and sampled on a grid."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError, did_you_mean
from ...core.grid import Grid
from ...core.rheology import Rheology
from ...core.wave import Waves
from ...phantom.motion import Vibration, field_on_grid
from ...phantom.phantom import Phantom
from ...phantom.stiffness import density_of, law_of
from .body import Body, Fibres
from .drive import Absorbing, Drive, Where
from .solve import move

Array = NDArray[np.float64]
SIDES = tuple(sign + axis for axis in "xyz" for sign in "+-")
"""Names of the surfaces that look along an axis of the grid."""
Progress = Callable[[int, int], None]


def moving_tissues(phantom: Phantom) -> tuple[str, ...]:
    """Return the tissues whose waves were measured: those with a shear stiffness."""
    return tuple(t.name for t in phantom.tissues if {"shear_stiffness", "shear_modulus_magnitude"} & set(t.facts))


def body_of(
    phantom: Phantom, grid: Grid, tissues: tuple[str, ...] = (), law: str = "springpot",
    anisotropy: tuple[float, float] | None = None, laws: Mapping[str, Rheology] | None = None,
) -> Body:  # fmt: skip
    """Return the body that some tissues make: the voxels of a grid of which they fill half or more, one element each.

    Parameters
    ----------
    phantom : Phantom
    grid : Grid
        Its voxels are the elements; the mesh is in its axes, m from its centre.
    tissues : tuple of str
        Names; by default all whose stiffness is known.
    law : str
        How moduli go on from the frequency at which they are known; see `core.rheology.CONTINUED`.
    anisotropy : (float, float), optional
        phi and zeta of the fibres in the phantom's lamellae; isotropic by default.
    laws : mapping of str to Rheology, optional
        Of tissues, in place of what their files say.
    """
    from skfem import MeshHex

    given = laws or {}
    wanted = tissues or tuple(dict.fromkeys((*moving_tissues(phantom), *given)))
    known = {tissue.name: tissue for tissue in phantom.tissues}
    for name in (*wanted, *given):
        if name not in known:
            raise InputError(f"{phantom.name} has no tissue '{name}'{did_you_mean(name, tuple(known))}", key="tissues")
    fractions = phantom.fractions(grid)
    shares = np.array([fractions[name] for name in wanted]).reshape(len(wanted), *grid.shape)
    filled = shares.sum(axis=0) >= 0.5 if wanted else np.zeros(grid.shape, bool)
    if not filled.any():
        raise InputError(f"none of {', '.join(wanted) or 'its tissues'} fills a voxel of the grid", key="tissues")
    axes = [_faces(grid.coordinates(a), grid.spacing[a]) for a in range(3)]
    whole = MeshHex.init_tensor(*axes)
    index = _voxels(whole, grid)
    chosen = np.flatnonzero(filled[tuple(index)])
    mesh, (z, y, x) = whole.restrict(elements=chosen), index[:, chosen]
    own = shares[:, z, y, x] / shares[:, z, y, x].sum(axis=0)
    density = np.array([density_of(known[name], phantom.field) for name in wanted]) @ own
    own_laws = tuple(given.get(name) or law_of(known[name], phantom.field, law) for name in wanted)
    body = Body(mesh=mesh, laws=own_laws, shares=own, density=density)
    return body if anisotropy is None else dataclasses.replace(body, fibres=_fibres(phantom, grid, body, anisotropy))


def _faces(centres: Array, spacing: float) -> Array:
    return np.concatenate([centres - spacing / 2, centres[-1:] + spacing / 2])


def _voxels(mesh: Any, grid: Grid) -> NDArray[np.int64]:
    """Return the (3, element) voxel z, y, x of each element."""
    centre = mesh.p[:, mesh.t].mean(axis=1)
    counts = np.array(grid.shape[::-1])[:, None]
    found = np.round(centre / np.array(grid.spacing)[:, None]).astype(np.int64) + counts // 2
    return np.asarray(found[::-1])


def _fibres(phantom: Phantom, grid: Grid, body: Body, anisotropy: tuple[float, float]) -> Fibres:
    if not phantom.lamellae:
        raise InputError(f"{phantom.name} has no lamellae, so that no fibre has a direction", key="anisotropy")
    centre = grid.to_world(body.mesh.p[:, body.mesh.t].mean(axis=1).T)
    direction = np.zeros_like(centre)
    for lamellae in phantom.lamellae:
        regions = [i for i, region in enumerate(phantom.regions) if region.name in lamellae.regions]
        held = phantom.region_fractions(grid)[regions].sum(axis=0)[tuple(_voxels(body.mesh, grid))] > 0.5
        direction[held] = lamellae.direction(centre[held]) @ grid.axes
    return Fibres(direction=direction, phi=anisotropy[0], zeta=anisotropy[1])


def side(mesh: Any, name: str) -> Where:
    """Return the place of the surface that looks along an axis, e.g. ``"+z"``, or ``"skin"`` for all of it."""
    if name == "skin":
        return lambda centre: np.ones(len(centre), dtype=bool)
    if name not in SIDES:
        raise InputError(f"unknown side '{name}'; known: skin, {', '.join(SIDES)}", key="side")
    axis, sign = "xyz".index(name[1]), 1.0 if name[0] == "+" else -1.0
    surface = mesh.boundary_facets()
    corners = mesh.p[:, mesh.facets[:, surface]]
    inner = mesh.p[:, mesh.t[:, mesh.f2t[0, surface]]].mean(axis=1)
    looks = sign * (corners.mean(axis=1) - inner)[axis]
    step = np.abs(corners.mean(axis=1) - inner).max()
    chosen = looks > 0.5 * step

    def where(centre: Array) -> NDArray[np.bool_]:
        if len(centre) != len(chosen):
            raise InputError(f"side '{name}' belongs to another mesh", key="side")
        return np.asarray(chosen)

    return where


def waves_in(
    phantom: Phantom, grid: Grid, frequencies: tuple[float, ...], drives: dict[str, tuple[complex, ...]], *,
    tissues: tuple[str, ...] = (), law: str = "springpot", absorbing: tuple[str, ...] = (),
    anisotropy: tuple[float, float] | None = None, laws: Mapping[str, Rheology] | None = None,
    progress: Progress | None = None,
) -> Waves:  # fmt: skip
    """Return the waves in a phantom on a grid whose voxels are the elements of the solver.

    Parameters
    ----------
    phantom : Phantom
    grid : Grid
    frequencies : tuple of float
        Hz.
    drives : dict of str to (3,) complex
        Motion, m, along the grid's axes, of each driven side: ``"skin"`` or one of `SIDES`.
    tissues, law, anisotropy, laws
        See `body_of`.
    absorbing : tuple of str
        Sides through which waves leave.
    progress : callable, optional
        Called with (done, in all).
    """
    body = body_of(phantom, grid, tissues, law, anisotropy, laws)
    centre = body.mesh.p[:, body.mesh.t].mean(axis=1).T
    index, moduli = tuple(_voxels(body.mesh, grid)), []
    shaken = tuple(Drive(where=side(body.mesh, name), amplitude=u, name=f"drive {name}") for name, u in drives.items())
    out = tuple(Absorbing(where=side(body.mesh, name)) for name in absorbing)
    found = np.zeros((len(frequencies), 3, *grid.shape), dtype=np.complex128)
    facts = []
    for frequency in (each for each in frequencies if each > 0):
        body.check_resolved(frequency)  # all of them before the first is solved
    for number, frequency in enumerate(frequencies):
        motion = move(body, frequency, shaken, absorbing=out)
        found[(number, slice(None), *index)] = motion.at(centre)
        modulus = np.full(grid.shape, np.nan + 0j)
        modulus[index] = np.where(body.shares.max(axis=0) >= 0.99, body.modulus(frequency), np.nan)
        moduli.append(modulus)
        balance = {"power_in": motion.power_in, "power_lost": motion.power_lost, "power_out": motion.power_out}
        facts.append({**motion.history, **balance})
        if progress is not None:
            progress(number + 1, len(frequencies))
    mask = np.zeros(grid.shape, dtype=bool)
    mask[index] = True
    return Waves(
        grid=grid, frequencies=np.array(frequencies, dtype=np.float64), displacement=found, mask=mask, noisy=False,
        density=float(body.density.mean()), modulus=np.array(moduli),
        history={"phantom": phantom.name, "law": law, "solver": facts},
    )  # fmt: skip


def vibrating(phantom: Phantom, waves: Waves) -> Phantom:
    """Return the phantom moved by waves; within two voxels of them tissue moves as the nearest that does."""
    from scipy.ndimage import distance_transform_edt

    grid = waves.grid
    distance, nearest = distance_transform_edt(~waves.inside, return_indices=True)
    near = (distance <= 2)[None]
    motions = []
    for frequency, displacement in zip(waves.frequencies, waves.displacement, strict=True):
        values = np.zeros((3, *grid.shape), dtype=np.complex128)
        for component, axis in enumerate(waves.components):
            values["xyz".index(axis)] = displacement[component]
        spread = np.where(near, values[(slice(None), *nearest)], 0)
        motions.append(Vibration(field=_in_world(grid, np.moveaxis(spread, 0, -1)), frequency=float(frequency)))
    return dataclasses.replace(phantom, motion=(*phantom.motion, *motions))


def _in_world(grid: Grid, values: NDArray[np.complex128]) -> Any:
    inner = field_on_grid(grid, values)

    def field(place: Array) -> NDArray[np.complex128]:
        return np.asarray(inner((place - np.asarray(grid.centre)) @ grid.axes) @ grid.axes.T)

    return field
