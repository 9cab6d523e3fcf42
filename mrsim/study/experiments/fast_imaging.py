"""One scan by every method of fast imaging: lines are dropped after the scan, so that all methods see the same noise.

The engine receives with an array of loops; the reconstruction knows raw data alone, and estimates its maps from 24
lines. An error is the root mean square in the object over that of all lines without noise. As controls, SENSE with the
maps of other coils, which must fail, and zero filling.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.acquisition import Acquisition, Readouts
from ...core.grid import Grid
from ...core.images import Images
from ...core.undersampling import variable_density
from ...phantom.offset_map import ACROSS, field_grid
from ...phantom.receive import receive_coils
from ...recon import Combine, CompressedSensing, Grappa, Method, Sense, SliceGrappa, Smash, reconstruct
from ...recon.combine import mix, whitening
from ...recon.g_factor import replica_noise
from ...recon.lattice import Lattice
from ...recon.many_coils import make_ready
from ...recon.sense import unfolding
from ...recon.simultaneous import band_phase
from ...sequence.discretize import discretize
from ...sequence.protocol import load_protocol
from ...sequence.scanner import Scanner
from ...simulate import Bloch, add_noise, simulate
from ..experiment import Arrays, Experiment, Measure, Outcome, mean_over
from ..fields import STEP
from ..import_phantom import open_phantom

OBJECT = 0.15
"""Share of the brightest voxel from which a voxel belongs to the object."""
CALIBRATION = 24
"""Lines."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FastImaging:
    """A phantom in an array of coils."""

    phantom: str
    receive: str
    protocol: str = "disc-se"
    entries: dict[str, str] = field(default_factory=dict)
    """Protocol entries, as text with units; the matrix must have an even number of lines."""
    middle: int = 8
    """Lines in the middle of the random mask."""
    replicas: int = 400
    """For the g-map."""
    filled: bool = False
    """Whether g is judged as if the object filled the field of view along the lines, the worst case; else where it is,
    with the maps that the reconstruction estimates."""


def replicate(settings: FastImaging, streams: Sequence[np.random.Generator]) -> Arrays:
    """Return the error of every method in every replicate, and one slice of its images."""
    clean = _scan(settings.phantom, settings.receive, settings.protocol, tuple(sorted(settings.entries.items())))
    truth = reconstruct(clean, Combine()).data[0]
    rows = [_one(clean, truth, settings, stream) for stream in streams]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


@cache
def _scan(phantom: str, receive: str, protocol: str, entries: tuple[tuple[str, str], ...]) -> Acquisition:
    """Return the noise-free scan of all lines."""
    scanner = Scanner.preset("3T")
    thing = open_phantom(phantom, field=scanner.b0)
    timeline = discretize(load_protocol(protocol, dict(entries)).build(scanner))
    coils = receive_coils(receive, field_grid(thing, STEP, ACROSS))
    return simulate(timeline, thing, Bloch(ideal_slice=True, subsamples=1, t2_prime=False), coils=coils)


def _one(clean: Acquisition, truth: NDArray[Any], settings: FastImaging, stream: np.random.Generator) -> dict[str, Any]:
    raw = add_noise(clean, rng=stream)
    ny = raw.encoding.grid.shape[1]
    lines = np.arange(ny)
    random = np.flatnonzero(variable_density((1, ny), 4, settings.middle, rng=int(stream.integers(2**31)))[0])
    half, third = dropped(raw, lines[::2]), dropped(raw, lines[::3] if ny % 3 == 0 else lines[::4])
    sparse, partial = dropped(raw, random), dropped(raw, lines[ny // 4 :])
    own = np.concatenate([*make_ready(half).maps(None, "espirit")], axis=1)
    whitener = np.linalg.inv(make_ready(half).whitener)
    wrong = np.tensordot(whitener, np.roll(own, 3, axis=0), axes=1)
    ways: dict[str, tuple[Acquisition, Method]] = {
        "all lines": (raw, Combine()),
        "SENSE 2": (half, Sense()),
        "GRAPPA 2": (half, Grappa()),
        "SMASH 2": (half, Smash()),
        "SENSE 3": (third, Sense()),
        "partial Fourier": (partial, Combine()),
        "zero-filled 4": (_filled(raw, random), Combine()),
        "wavelet 4": (sparse, CompressedSensing(sparse="wavelet")),
        "total variation 4": (sparse, CompressedSensing(sparse="tv")),
        "SENSE 2, other coils": (half, Sense(maps=wrong)),
    }
    found: dict[str, Any] = {}
    inside = np.abs(truth) > OBJECT * np.abs(truth).max()
    for name, (data, method) in ways.items():
        _note(found, name, reconstruct(data, method), truth, inside)
    bands = reconstruct(_banded(raw), SliceGrappa(bands=2, shift=0.5))
    _note(found, "two bands", bands, truth, inside)
    found["leakage"] = float(np.min(np.diagonal(bands.encoding["leakage"], axis1=1, axis2=2)))
    found |= {"image truth": np.abs(truth[0]).astype(np.float32)}
    maps, alive = own[:, :1], inside[:1] & np.any(own[:, :1] != 0, axis=0)
    if settings.filled:
        maps = _sensitivities(settings, clean)
        alive = np.broadcast_to(inside[:1].any(axis=1, keepdims=True), alive.shape)
    return found | _g_factors(maps, alive, settings.replicas, stream)


def _sensitivities(settings: FastImaging, raw: Acquisition) -> NDArray[Any]:
    """Return the whitened (coil, 1, y, x) maps of the array in the first slice."""
    grid = raw.encoding.grid.slice(0)
    y, x = np.meshgrid(grid.coordinates(1), grid.coordinates(0), indexing="ij")
    place = grid.to_world(np.stack([x, y, np.zeros_like(x)], axis=-1))
    wide = Grid(shape=(81, 81, 81), spacing=(5e-3, 5e-3, 5e-3), centre=grid.centre)
    coils = receive_coils(settings.receive, wide)
    return mix(whitening(raw.noise_density)[0], coils.sensitivity(place))[:, None]


def _note(found: dict[str, Any], name: str, images: Images, truth: NDArray[Any], inside: NDArray[np.bool_]) -> None:
    """Add the error of magnitudes and the first slice."""
    off = np.abs(images.data[0]) - np.abs(truth)
    found[f"error {name}"] = float(np.linalg.norm(off[inside]) / np.linalg.norm(truth[inside]))
    found[f"image {name}"] = np.abs(images.data[0, 0]).astype(np.float32)


def _g_factors(
    maps: NDArray[Any], alive: NDArray[np.bool_], replicas: int, stream: np.random.Generator
) -> dict[str, float]:
    """Return the largest g at twofold and threefold acceleration, and how far replicas are from the closed form."""
    ny = maps.shape[2] // 6 * 6
    part, alive = maps[:, :, :ny], alive[:, :ny]
    found = {}
    for r in (2, 3):
        solved = unfolding(part, Lattice(shape=(1, ny), rz=1, ry=r))
        found[f"g {r}"] = float(np.percentile(solved.g[alive], 99))
    lattice = Lattice(shape=(1, ny), rz=1, ry=2)
    solved = unfolding(part, lattice)
    noise = replica_noise(lambda k: solved.apply(k, lattice), lattice.mask[..., None], part.shape, replicas, stream)
    return found | {"replicas": float(np.mean(noise[alive] / solved.noise[alive]))}


def dropped(raw: Acquisition, lines: NDArray[np.int64]) -> Acquisition:
    """Return a scan with these lines alone, and the middle ones as calibration."""
    label, ny = raw.imaging.labels["line"], raw.encoding.grid.shape[1]
    middle = np.abs(label - ny // 2 + 0.5) < CALIBRATION / 2
    groups = {"imaging": _part(raw.imaging, np.isin(label, lines)), "calibration": _part(raw.imaging, middle)}
    return replace(raw, groups=groups)


def _part(group: Readouts, chosen: NDArray[np.bool_]) -> Readouts:
    labels = {name: value[chosen] for name, value in group.labels.items()}
    return replace(group, data=group.data[chosen], k=group.k[chosen], t=group.t[chosen], labels=labels)


def _filled(raw: Acquisition, lines: NDArray[np.int64]) -> Acquisition:
    """Return a scan whose other lines are zero, with its calibration."""
    there = np.isin(raw.imaging.labels["line"], lines)
    whole = replace(raw.imaging, data=np.where(there[:, None, None], raw.imaging.data, 0))
    return replace(raw, groups={"imaging": whole, "calibration": dropped(raw, lines).groups["calibration"]})


def _banded(raw: Acquisition) -> Acquisition:
    """Return a scan of two slices at once, moved by half a field of view against each other (CAIPIRINHA)."""
    group, ny = raw.imaging, raw.encoding.grid.shape[1]
    label, place = group.labels["line"], group.labels["slice"]
    first, second = (np.flatnonzero(place == z)[np.argsort(label[place == z], kind="stable")] for z in (0, 1))
    turn = band_phase(2, ny, 0.5)[1][label[second]]
    one = _part(group, np.isin(np.arange(len(place)), first))
    order = np.argsort(one.labels["line"], kind="stable")
    both = np.empty_like(one.data)
    both[order] = group.data[first] + group.data[second] * turn[:, None, None]
    middle = np.abs(label - ny // 2 + 0.5) < CALIBRATION / 2
    return replace(raw, groups={"imaging": replace(one, data=both), "calibration": _part(group, middle)})


def measure(outcomes: Mapping[str, Outcome]) -> list[Measure]:
    """Return per arm and method the error, its ratio to zero filling, g, replicas over the closed form, leakage."""
    found = []
    for arm, outcome in outcomes.items():
        data = outcome.data
        errors = {name.removeprefix("error "): data[name] for name in data if name.startswith("error ")}
        found += [mean_over("error", f"{arm} {name}", value) for name, value in errors.items()]
        for name in ("wavelet 4", "total variation 4"):
            found.append(mean_over("over zero filling", f"{arm} {name}", errors[name] / errors["zero-filled 4"]))
        found.append(
            mean_over("error over sqrt(2)", f"{arm} SENSE 2", errors["SENSE 2"] / errors["all lines"] / 2**0.5)
        )
        found += [mean_over("g, 99 of 100 voxels", f"{arm} {r}", data[f"g {r}"]) for r in (2, 3)]
        found.append(mean_over("replicas over closed form", arm, data["replicas"]))
        found.append(mean_over("leakage, own band", arm, data["leakage"]))
    return found


def draw(outcomes: Mapping[str, Outcome], measures: Sequence[Measure]) -> dict[str, bytes]:
    """Return, per arm, one slice by every method with its error."""
    from matplotlib.figure import Figure

    errors = {row.region: row.value for row in measures if row.metric == "error"}
    pictures = {}
    for arm, outcome in outcomes.items():
        names = [name.removeprefix("image ") for name in outcome.data if name.startswith("image ")]
        figure = Figure(figsize=(16, 9), layout="constrained")
        top = float(np.percentile(outcome.data["image truth"][0], 99.5))
        for axes, name in zip(figure.subplots(3, 4).ravel(), names, strict=False):
            axes.imshow(outcome.data[f"image {name}"][0], cmap="gray", vmin=0, vmax=top, origin="lower")
            said = f"  {100 * errors[f'{arm} {name}']:.1f} %" if f"{arm} {name}" in errors else ""
            axes.set_title(f"{name}{said}")
        for axes in figure.axes:
            axes.set_axis_off()
        figure.suptitle(f"{arm}: error against all lines without noise")
        target = BytesIO()
        figure.savefig(target, format="png", dpi=80)
        pictures[f"methods-{arm.replace(' ', '-')}"] = target.getvalue()
    return pictures


EXPERIMENT = Experiment(
    name="fast-imaging",
    title="One scan by every method of fast imaging, against all lines without noise",
    settings=FastImaging,
    replicate=replicate,
    measure=measure,
    draw=draw,
)
