"""Elastography of a disc: waves by finite elements, noise, an inversion, and what is left of nucleus and annulus.

A disc of 50 by 35 mm with a nucleus of 32 by 20 mm moves across its plane (SH), driven at its rim; each grade is a disc
of its own. The mesh is finer than the voxels and belongs to another discretisation than any inversion. Regions lose a
voxel at every boundary. Repeatability: discs with the published spread within a grade, measured twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.grid import Grid
from ...core.rheology import Tabulated
from ...core.units import Angle, Fraction, Frequency, Length
from ...core.wave import Waves
from ...fit.fit import fit
from ...simulate.elastic.body import Body
from ...simulate.elastic.drive import Drive
from ...simulate.elastic.solve import move
from ..experiment import Arrays, Experiment, Measure, Outcome, mean_over

DISC, NUCLEUS = (25e-3, 17.5e-3), (16e-3, 10e-3)
"""Half axes, m."""
PARTS = ("nucleus", "annulus")
DISCS = 230
SPREADS = {"nucleus": (1.3e3, 2.1e3), "annulus": (9.3e3, 15.4e3)}
"""Published SD of stiffness within grade I and V, Pa."""
Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class DiscWaves:
    """Which disc, and how it is seen."""

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


@cache
def _waves(frequency: float, voxel: float, element: float, soft: complex, stiff: complex) -> tuple[Waves, Array]:
    """Return noise-free waves at the voxels' centres, and each (z, y, x) part: 1 nucleus, 2 annulus, 0 outside."""
    import skfem

    sides = [np.linspace(-half, half, round(2 * half / element) + 1) for half in DISC]
    mesh = skfem.MeshQuad.init_tensor(*sides)
    middle = mesh.p[:, mesh.t].mean(axis=1)
    mesh = mesh.restrict(np.flatnonzero(_within(middle, DISC)))
    inner = _within(mesh.p[:, mesh.t].mean(axis=1), NUCLEUS)
    laws = tuple(Tabulated(frequencies=(frequency,), moduli=(modulus,)) for modulus in (soft, stiff))
    body = Body(mesh=mesh, laws=laws, shares=np.stack([inner, ~inner]).astype(float), density=np.full(inner.size, 1e3))
    rim = Drive(where=lambda place: np.ones(len(place), bool), amplitude=(1e-5,), name="rim")
    motion = move(body, frequency, (rim,), scalar=True)
    rows, columns = (int(2 * half / voxel) + 3 for half in DISC[::-1])
    shape = (1, rows, columns)
    grid = Grid(shape=shape, spacing=(voxel, voxel, voxel))
    y, x = np.meshgrid(grid.coordinates(1), grid.coordinates(0), indexing="ij")
    u = motion.at(np.stack([x.ravel(), y.ravel()], axis=1))[:, 0].reshape(shape)
    inside = np.isfinite(u)
    part = np.where(inside, np.where(_within(np.stack([x, y]), NUCLEUS), 1, 2), 0)
    waves = Waves(grid=grid, frequencies=np.array([frequency]), displacement=np.where(inside, u, 0)[None, None],
                  components=("z",), mask=inside, noisy=False)  # fmt: skip
    return waves, part


def _within(place: Array, half: tuple[float, float]) -> NDArray[np.bool_]:
    return np.asarray((place[0] / half[0]) ** 2 + (place[1] / half[1]) ** 2 < 1)


def replicate(settings: DiscWaves, streams: Sequence[np.random.Generator]) -> Arrays:
    """Return (replicate, grade) mean |G*| of both parts, Pa, their flagged shares, and correlations on repetition."""
    count = len(settings.nucleus)
    found: Arrays = {name: np.zeros((len(streams), count)) for part in PARTS for name in (part, f"{part} flagged")}
    found |= {f"{part} repeated": np.zeros(len(streams)) for part in PARTS}
    for row, rng in enumerate(streams):
        for grade, sizes in enumerate(zip(settings.nucleus, settings.annulus, strict=True)):
            for part, (mean, flagged) in zip(PARTS, _seen(settings, sizes, rng), strict=True):
                found[part][row, grade], found[f"{part} flagged"][row, grade] = mean, flagged
        for part in PARTS:
            found[f"{part} repeated"][row] = _repeated(settings, part, rng)
    return found


def _seen(settings: DiscWaves, sizes: tuple[float, float], rng: np.random.Generator) -> list[tuple[float, float]]:
    from scipy.ndimage import binary_erosion

    soft, stiff = (_modulus(settings, size) for size in sizes)
    clean, part = _waves(settings.frequency, settings.voxel, settings.element, soft, stiff)
    u, sigma = clean.displacement, np.nan
    if settings.snr > 0:
        sigma = float(np.sqrt(np.mean(np.abs(u[..., clean.inside]) ** 2)) / settings.snr)
        u = u + sigma * (rng.standard_normal(u.shape) + 1j * rng.standard_normal(u.shape))
    waves = Waves(grid=clean.grid, frequencies=clean.frequencies, displacement=u, components=("z",), mask=clean.mask,
                  sigma=np.array(sigma), noisy=settings.snr > 0)  # fmt: skip
    own: dict[str, Any] = (
        {"regions": np.where(part > 0, part, 1).astype(float)} if settings.method == "mre-model" else {}
    )
    if settings.method == "mre-direct":
        own = {"smoothing": settings.smoothing, "window": settings.window}
    maps = fit(waves, settings.method, probes=4.0, **own)
    size, flags = maps.values["shear_modulus_magnitude"], maps.values["validity"]
    seen = []
    for number in (1, 2):
        region = binary_erosion(part == number, np.ones((1, 3, 3))) & np.isfinite(size)
        why = flags[region].astype(int) & ~16  # the rim is left out by erosion
        seen.append((float(size[region].mean()), float(np.mean(why > 0))))
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
