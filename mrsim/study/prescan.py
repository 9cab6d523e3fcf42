"""A separate scan for the coil maps: a coarse gradient echo of the same place, with all lines.

Its field of view is that of the images, so its samples lie on their raster, around the middle; they become the group
``calibration``. It plays no blips, so that the maps of echo-planar images are not distorted with them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..core.acquisition import Acquisition, Readouts
from ..core.errors import InfeasibleError, InputError
from ..phantom.phantom import Phantom
from ..sequence.discretize import discretize
from ..sequence.families.protocol import Placed
from ..sequence.families.spoiled_gradient_echo import SpoiledGradientEcho
from ..sequence.families.spoiled_gradient_echo_3d import SpoiledGradientEcho3D
from ..sequence.protocol import load_protocol
from ..sequence.sequence import Sequence
from ..simulate import Bloch, Pathways, simulate
from .fields import coils_of
from .request import RunRequest

PRESCAN = "prescan"
"""Entry ``maps`` of a reconstruction that wants one."""
LINES = 32
"""Along every encoded axis, if the images have as many."""
DUMMIES = 50
"""Repetitions before the first line, which bring short-T1 tissue to its steady state and long-T1 tissue near it."""
PLACE = ("orientation", "tilt", "in_plane", "centre", "max_slew")
"""What the prescan takes over from the protocol."""


def prescan_of(protocol: str, overrides: dict[str, str], scan: Sequence) -> Sequence:
    """Return the prescan of a protocol as it is built on its scanner.

    Parameters
    ----------
    protocol : str
        Name or path.
    overrides : dict
        Its entries in text.
    scan : Sequence
        The protocol's own.
    """
    if protocol.lower().endswith(".seq") or scan.encoding.kind == "spectrum":
        raise InputError("a prescan needs a protocol of images; name a file with a prescan instead", key="maps")
    family = load_protocol(protocol, overrides)
    if not isinstance(family, Placed):
        raise InputError(f"{family.name} has no place in the body that a prescan could take over", key="maps")
    grid = scan.encoding.grid
    nz, ny, nx = grid.shape
    size = [n * step for n, step in zip((nx, ny, nz), grid.spacing, strict=True)]
    same: dict[str, Any] = {name: getattr(family, name) for name in PLACE}
    same |= {"dummies": DUMMIES, "tr": "minimum", "te": "minimum", "flip": (0.17,)}
    if scan.encoding.kind == "3d":
        volume = SpoiledGradientEcho3D(
            fov=tuple(size), matrix=tuple(min(n, LINES) for n in (nx, ny, nz)), **same
        )  # fmt: skip
        built = volume.build(scan.scanner)
    else:
        same |= {"slices": nz, "slice_thickness": grid.thickness, "slice_gap": grid.gap}
        plane = SpoiledGradientEcho(fov=tuple(size[:2]), matrix=(min(nx, LINES), min(ny, LINES)), **same)
        built = plane.build(scan.scanner)
    if violations := built.check():
        raise InfeasibleError(f"the prescan breaks {len(violations)} limits of the scanner: {violations[0]}")
    return built


def with_prescan(
    raw: Acquisition, request: RunRequest, scan: Sequence, phantom: Phantom, engine: Bloch | Pathways
) -> Acquisition:  # fmt: skip
    """Return noise-free raw data with the prescan that a request asks for, of the same phantom by the same engine.

    Parameters
    ----------
    raw : Acquisition
        Of the images.
    request : RunRequest
    scan : Sequence
        Of the images.
    phantom : Phantom
    engine : Bloch or Pathways
    """
    if request.recon.get("maps") != PRESCAN:
        return raw
    timeline = discretize(prescan_of(request.protocol, dict(request.overrides), scan))
    coils = coils_of(phantom, scan.scanner, request)
    return with_calibration(raw, simulate(timeline, phantom, engine, threads=request.threads, coils=coils))


def with_calibration(raw: Acquisition, scan: Acquisition) -> Acquisition:
    """Return raw data whose coil maps come from a prescan of the same coils, field of view and slices.

    Parameters
    ----------
    raw : Acquisition
        Of the images.
    scan : Acquisition
        The prescan, with all lines around the middle of k-space.
    """
    _check_same(raw, scan)
    group, whole, part = scan.imaging, raw.encoding.grid.shape, scan.encoding.grid.shape
    labels = dict(group.labels)
    contrast = labels.pop("contrast", None)
    kept = slice(None) if contrast is None else contrast == 0
    moved = {"line": whole[1] // 2 - part[1] // 2}
    moved |= {"partition": whole[0] // 2 - part[0] // 2} if raw.encoding.kind == "3d" else {}
    labels = {name: values[kept] + moved.get(name, 0) for name, values in labels.items()}
    own = Readouts(
        data=group.data[kept], k=group.k[kept], t=group.t[kept], labels=labels,
        dwell=group.dwell or scan.encoding.dwell, start=None if group.start is None else group.start[kept],
    )  # fmt: skip
    return replace(raw, groups={**raw.groups, "calibration": own})


def _check_same(raw: Acquisition, scan: Acquisition) -> None:
    coils, others = raw.imaging.data.shape[1], scan.imaging.data.shape[1]
    if coils != others:
        raise InputError(f"the prescan has {others} coils, the images {coils}; they must be the same", key="maps")
    if raw.encoding.kind != scan.encoding.kind:
        kinds = f"'{scan.encoding.kind}', the images '{raw.encoding.kind}'"
        raise InputError(f"the prescan is of kind {kinds}; they must be the same", key="maps")
    one, other = raw.encoding.grid, scan.encoding.grid
    axes = 3 if raw.encoding.kind == "3d" else 2
    for axis, name in enumerate("xyz"[:axes]):
        mine, theirs = one.shape[2 - axis] * one.spacing[axis], other.shape[2 - axis] * other.spacing[axis]
        if abs(mine - theirs) > 1e-3 * mine:
            sizes = f"{1e3 * theirs:.4g} mm along {name}, that of the images {1e3 * mine:.4g} mm"
            raise InputError(f"the prescan's field of view has {sizes}; they must be the same", key="maps")
        if other.shape[2 - axis] > one.shape[2 - axis]:
            raise InputError("the prescan has more lines than the images; they must be no more", key="maps")
    if axes == 2 and one.shape[0] != other.shape[0]:
        raise InputError(f"the prescan has {other.shape[0]} slices, the images {one.shape[0]}", key="maps")
