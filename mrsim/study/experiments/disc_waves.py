"""Elastography of a disc: waves by finite elements, noise, an inversion, and what is left of nucleus and annulus.

A disc, by default of 50 by 35 mm with a nucleus of 32 by 20 mm, moves across its plane (SH), driven at its rim or at a
side of it; each grade is a disc of its own. The mesh is finer than the voxels and belongs to another discretisation
than any inversion. Regions lose a voxel at every boundary. Repeatability: discs with the published spread within a
grade, measured twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...core.grid import Grid
from ...core.rheology import Tabulated, wave_number
from ...core.units import Angle, Fraction, Frequency, Length
from ...core.wave import Waves
from ...fit.fit import fit
from ...fit.validity import ADJOINING
from ...simulate.elastic.body import Body
from ...simulate.elastic.drive import Drive
from ...simulate.elastic.solve import move
from ..experiment import Arrays, Experiment, Measure, Outcome, mean_over

PARTS = ("nucleus", "annulus")
DISCS = 230
SPREADS = {"nucleus": (1.3e3, 2.1e3), "annulus": (9.3e3, 15.4e3)}
"""Published SD of stiffness within grade I and V, Pa."""
FINER = 16
"""Points to a side of a voxel by which its share of the nucleus is counted."""
Array = NDArray[np.float64]


class Shape(NamedTuple):
    """Of a disc and what drives it, m."""

    disc: tuple[float, float]
    """Half axes."""
    nucleus: tuple[float, float]
    shift: float
    """Of the nucleus to the front."""
    driven: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DiscWaves:
    """Which disc, and how it is seen."""

    width: Length = 50e-3
    """Of the disc, left to right."""
    depth: Length = 35e-3
    nucleus_width: Length = 32e-3
    nucleus_depth: Length = 20e-3
    nucleus_shift: Length = 0.0
    """To the front."""
    driven: Literal["rim", "rear", "left", "plane"] = "rim"
    """What is shaken: all of the rim, or the part of it that lies behind or to the left of half of a half axis; or the
    rim as a plane wave of the nucleus along x moves it (in a disc of one modulus that wave alone)."""

    frequency: Frequency = 80.0
    voxel: Length = 2e-3
    element: Length = 0.5e-3
    nucleus: tuple[float, ...] = (12.5, 13.5, 14.5, 15.5, 16.5)
    """Of the grades, kPa: G' or, with an angle, |G*|."""
    annulus: tuple[float, ...] = (90.4, 97.8, 105.3, 112.7, 120.1)
    angle: Angle = 0.0
    """Loss angle; 0: a loss modulus of 0.15 G'."""
    stated_at: Frequency = 0.0
    """Frequency at which the moduli hold and from which a springpot takes them; 0: they hold at every frequency."""
    snr: Fraction = 50.0
    """Root mean square displacement over the noise of each part; 0 for no noise."""
    method: str = "mre-direct"
    smoothing: Fraction = 1.0
    window: Fraction = 1.0
    repeat_nucleus: Fraction = 0.6
    """SD of a repeated measurement, kPa."""
    repeat_annulus: Fraction = 7.4


def _modulus(settings: DiscWaves, size: float) -> complex:
    if settings.angle == 0:
        return size * 1e3 * (1 + 0.15j)
    power = 2 * settings.angle / np.pi
    factor = (settings.frequency / settings.stated_at) ** power if settings.stated_at else 1.0
    return complex(size * 1e3 * factor * np.exp(1j * settings.angle))


def _shape(settings: DiscWaves) -> Shape:
    return Shape(
        (settings.width / 2, settings.depth / 2), (settings.nucleus_width / 2, settings.nucleus_depth / 2),
        settings.nucleus_shift, settings.driven,
    )  # fmt: skip


def _drive(shape: Shape, k: complex) -> Drive:
    """Return the part of the rim that is shaken, by 10 um; k: wave number of the nucleus, rad/m."""
    axis = {"left": 0, "rear": 1}.get(shape.driven)

    def where(place: Array) -> NDArray[np.bool_]:
        return np.ones(len(place), bool) if axis is None else place[:, axis] < -shape.disc[axis] / 2

    def plane(place: Array) -> NDArray[np.complex128]:
        return np.asarray(1e-5 * np.exp(-1j * k * place[:, :1]))

    return Drive(where=where, amplitude=plane if shape.driven == "plane" else (1e-5,), name=shape.driven)


@cache
def _waves(
    shape: Shape, frequency: float, voxel: float, element: float, soft: complex, stiff: complex
) -> tuple[Waves, Array]:
    """Return noise-free waves at the voxels' centres, and each (z, y, x) part: 1 nucleus, 2 annulus, 0 outside."""
    import skfem

    sides = [np.linspace(-half, half, round(2 * half / element) + 1) for half in shape.disc]
    mesh = skfem.MeshQuad.init_tensor(*sides)
    middle = mesh.p[:, mesh.t].mean(axis=1)
    mesh = mesh.restrict(np.flatnonzero(_within(middle, shape.disc)))
    inner = _within(mesh.p[:, mesh.t].mean(axis=1), shape.nucleus, shape.shift)
    laws = tuple(Tabulated(frequencies=(frequency,), moduli=(modulus,)) for modulus in (soft, stiff))
    body = Body(mesh=mesh, laws=laws, shares=np.stack([inner, ~inner]).astype(float), density=np.full(inner.size, 1e3))
    motion = move(body, frequency, (_drive(shape, wave_number(soft, 1e3, frequency)),), scalar=True)
    rows, columns = (int(2 * half / voxel) + 3 for half in shape.disc[::-1])
    grid = Grid(shape=(1, rows, columns), spacing=(voxel, voxel, voxel))
    y, x = np.meshgrid(grid.coordinates(1), grid.coordinates(0), indexing="ij")
    u = motion.at(np.stack([x.ravel(), y.ravel()], axis=1))[:, 0].reshape(grid.shape)
    inside = np.isfinite(u)
    part = np.where(inside, np.where(_within(np.stack([x, y]), shape.nucleus, shape.shift), 1, 2), 0)
    waves = Waves(grid=grid, frequencies=np.array([frequency]), displacement=np.where(inside, u, 0)[None, None],
                  components=("z",), mask=inside, noisy=False)  # fmt: skip
    return waves, part


def _nucleus_share(shape: Shape, grid: Grid) -> Array:
    """Return the (z, y, x) share of each voxel that the nucleus fills, as an image of finer voxels would tell it."""
    parts = (np.arange(FINER) + 0.5) / FINER - 0.5
    y, x = (np.add.outer(grid.coordinates(a), parts * grid.spacing[a]).ravel() for a in (1, 0))
    inside = _within(np.stack(np.meshgrid(x, y)), shape.nucleus, shape.shift)
    rows, columns = grid.shape[1:]
    return np.asarray(inside.reshape(1, rows, FINER, columns, FINER).mean(axis=(2, 4)))


def _within(place: Array, half: tuple[float, float], shift: float = 0.0) -> NDArray[np.bool_]:
    return np.asarray((place[0] / half[0]) ** 2 + ((place[1] - shift) / half[1]) ** 2 < 1)


def replicate(settings: DiscWaves, streams: Sequence[np.random.Generator]) -> Arrays:
    """Return (replicate, grade) mean |G*| of both parts, Pa, and flagged shares, and correlations on repetition.

    Flagged are voxels that cannot be inverted; "trusted" is the mean over what mixes with nothing that adjoins either,
    NaN where nothing is left, which counts as an error of 1.
    """
    count = len(settings.nucleus)
    kinds = ("", " flagged", " trusted")
    found: Arrays = {part + kind: np.zeros((len(streams), count)) for part in PARTS for kind in kinds}
    found |= {f"{part} repeated": np.zeros(len(streams)) for part in PARTS}
    for row, rng in enumerate(streams):
        for grade, sizes in enumerate(zip(settings.nucleus, settings.annulus, strict=True)):
            for part, numbers in zip(PARTS, _seen(settings, sizes, rng), strict=True):
                for kind, number in zip(kinds, numbers, strict=True):
                    found[part + kind][row, grade] = number
        for part in PARTS:
            found[f"{part} repeated"][row] = _repeated(settings, part, rng)
    return found


def _seen(settings: DiscWaves, sizes: tuple[float, float], rng: np.random.Generator) -> list[tuple[float, ...]]:
    from scipy.ndimage import binary_erosion

    soft, stiff = (_modulus(settings, size) for size in sizes)
    clean, part = _waves(_shape(settings), settings.frequency, settings.voxel, settings.element, soft, stiff)
    u, sigma = clean.displacement, np.nan
    if settings.snr > 0:
        sigma = float(np.sqrt(np.mean(np.abs(u[..., clean.inside]) ** 2)) / settings.snr)
        u = u + sigma * (rng.standard_normal(u.shape) + 1j * rng.standard_normal(u.shape))
    waves = Waves(grid=clean.grid, frequencies=clean.frequencies, displacement=u, components=("z",), mask=clean.mask,
                  sigma=np.array(sigma), noisy=settings.snr > 0)  # fmt: skip
    regional = settings.method in ("mre-model", "mre-principal-frequency")
    own: dict[str, Any] = {"regions": 2 - _nucleus_share(_shape(settings), clean.grid)} if regional else {}
    if settings.method == "mre-direct":
        own = {"smoothing": settings.smoothing, "window": settings.window}
    maps = fit(waves, settings.method, probes=4.0, **own)
    size, flags = maps.values["shear_modulus_magnitude"], maps.values["validity"]
    seen: list[tuple[float, ...]] = []
    for number in (1, 2):
        region = binary_erosion(part == number, np.ones((1, 3, 3))) & np.isfinite(size)
        why = flags[region].astype(int) & ~16  # the rim is left out by erosion
        lost, trusted = (why & ~ADJOINING) > 0, size[region][why == 0]
        seen.append(
            (float(size[region].mean()), float(np.mean(lost)), float(trusted.mean()) if trusted.size else np.nan)
        )
    return seen


def _repeated(settings: DiscWaves, part: str, rng: np.random.Generator) -> float:
    """Return the correlation of two measurements of discs of all grades."""
    means = 1e3 * np.array(getattr(settings, part))
    grade = rng.integers(0, len(means), DISCS)
    spread = np.interp(np.arange(len(means)), (0, max(len(means) - 1, 1)), SPREADS[part])
    true = means[grade] + spread[grade] * rng.standard_normal(DISCS)
    sd = 1e3 * (settings.repeat_nucleus if part == "nucleus" else settings.repeat_annulus)
    return float(np.asarray(np.corrcoef(true + sd * rng.standard_normal((2, DISCS))))[0, 1])


def measure(outcomes: Mapping[str, Outcome]) -> list[Measure]:
    """Return, per arm and part, estimate over truth, its rise over the grades, and the flagged share."""
    found = []
    for arm, outcome in outcomes.items():
        for part in PARTS:
            region, data = f"{arm} {part}", outcome.data[part]
            true = np.array([abs(_modulus(outcome.settings, size)) for size in getattr(outcome.settings, part)])
            ratio = data / true
            found += [
                mean_over("estimate over truth", f"{region} first grade", ratio[:, 0]),
                mean_over("estimate over truth", f"{region} last grade", ratio[:, -1]),
                mean_over("largest error", region, np.abs(ratio - 1).max(axis=1)),
                mean_over("largest error where not flagged", region,
                          np.nan_to_num(np.abs(outcome.data[f"{part} trusted"] / true - 1), nan=1.0).max(axis=1)),
                mean_over("rise with grade", region, data[:, -1] / data[:, 0] - 1),
                mean_over("smallest step with grade", region, np.diff(data.mean(axis=0, keepdims=True)).min(axis=1)
                          / 1e3 if data.shape[1] > 1 else np.zeros(1)),
                mean_over("share flagged", region, outcome.data[f"{part} flagged"].mean(axis=1)),
                mean_over("correlation on repetition", region, outcome.data[f"{part} repeated"]),
            ]  # fmt: skip
    return found


EXPERIMENT = Experiment(
    name="disc-waves",
    title="Elastography of a disc: waves, noise, an inversion, nucleus and annulus",
    settings=DiscWaves,
    replicate=replicate,
    measure=measure,
)
