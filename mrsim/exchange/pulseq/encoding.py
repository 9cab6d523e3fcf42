"""What a file's gradients encode: slices, matrix, field of view and the image of every readout.

A Pulseq file says what is played and, in its labels, how readouts are numbered; which line of k-space a number means
it does not say. The nominal trajectory does, so k comes from the gradients and the labels only sort readouts into
images. Where every readout is a row of a centred Cartesian raster along x, the readouts get the labels that Cartesian
reconstruction sorts by; anything else keeps its trajectory.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...core.acquisition import Encoding
from ...core.errors import InputError
from ...core.grid import Grid
from ...sequence.nominal import cartesian_k, trajectory
from ...sequence.scanner import Scanner
from ...sequence.sequence import Block, Sequence
from .cartesian import Rows, cartesian_rows, even_size
from .coverage import coverage_notes
from .placement import Placement, written_numbers
from .slices import Slices, found_slices, moved_origin, oriented
from .tables import PulseqFile

SERIES = ("contrast", "set", "repetition", "phase")
"""Labels that tell images of a series apart, the slowest last."""
MOST_SAMPLES = 200_000_000
"""Samples of all readouts together: 3.2 GB of raw data."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Readouts:
    """The windows that image."""

    block: NDArray[np.int64]
    """(readout,) index of the block."""
    k: list[NDArray[np.float64]]
    """Per readout (sample, 3), 1/m."""
    excitation: NDArray[np.int64]
    """(readout,) how many excitations came before, minus one."""
    slice: NDArray[np.int64]
    """(readout,)."""
    labels: dict[str, NDArray[np.int64]]
    """Per readout, the file's."""
    since: NDArray[np.float64]
    """(readout,) start of the window since the centre of its excitation, s."""


def recognised(
    file: PulseqFile, scanner: Scanner, blocks: list[Block], labels: dict[str, NDArray[np.int64]], placement: Placement
) -> Sequence:
    """Return the blocks as a sequence whose encoding says what they image."""
    axes, placed = placement.axes(file), "GridEncoding" in file.definitions  # mrsim wrote it: in the grid's own frame
    if not placed:
        blocks, axes = oriented(blocks, axes)
    slices = found_slices(file, blocks, scanner)
    readouts = _readouts(file, blocks, scanner, slices, labels)
    field_of_view = _field_of_view(file, readouts, placement)
    stated = written_numbers(file, "GridMatrix", 3)
    if stated is not None and placement.matrix is None and stated.min() >= 1 and stated.max() <= 4096:
        placement = replace(placement, matrix=(int(stated[0]), int(stated[1]), int(stated[2])))
        readouts = _by_labels(file, readouts, placement.matrix or (), field_of_view)
    cycles = _extent(readouts) * np.array(field_of_view)
    origin = 0.0 if placed or cycles[2] > 0.5 else slices.origin  # an encoded z axis has the isocentre for its origin
    blocks = moved_origin(blocks, scanner, origin)
    image, contrast = _images(readouts, blocks, scanner)
    rows = cartesian_rows(readouts.k, field_of_view)
    if stated is None and placement.matrix is not None:
        rows = None  # the user's matrix: every sample goes where its k says
    grid, kind, k_from = _grid(readouts, rows, slices, field_of_view, placement, cycles)
    file.notes += _missing(readouts, image, grid, volume=kind == "3d")
    x, y, z = (float(v) for v in placement.isocentre(file) + axes @ np.array([0.0, 0.0, origin]))
    dwell = {block.adc.dwell for block in (blocks[i] for i in readouts.block.tolist()) if block.adc is not None}
    if len(dwell) > 1:
        file.notes.append(f"imaging windows have {len(dwell)} different dwell times; the shortest is reported")
    encoding = Encoding(
        grid=replace(grid, centre=(x, y, z), axes=axes),
        frequency=abs(scanner.gamma_bar) * scanner.b0,
        dwell=min(dwell) * 1e-9,
        contrast=contrast,
        kind="spectrum" if np.all(cycles < 0.5) else kind,
        k_from=k_from,
        sheet={"family": "pulseq", "slice_thickness": slices.thickness or grid.spacing[2]},
    )
    named = _with_labels(blocks, readouts, rows if k_from == "labels" else None, image, labels)
    total = sum(block.duration for block in named) * 1e-9
    facts: dict[str, float | str] = {f"pulseq {key}": value for key, value in file.definitions.items()}
    facts |= {"pulseq version": ".".join(map(str, file.version)), "scan_time": total}
    facts |= {f"note {i + 1}": note for i, note in enumerate(file.notes)}
    name = file.definitions.get("Name", "pulseq").strip('"') or "pulseq"
    return Sequence(name=name, scanner=scanner, blocks=tuple(named), encoding=encoding, definitions=facts)


def _readouts(
    file: PulseqFile, blocks: list[Block], scanner: Scanner, slices: Slices, labels: dict[str, NDArray[np.int64]]
) -> _Readouts:
    samples = sum(block.adc.samples for block in blocks if block.adc is not None)
    if samples == 0:
        raise InputError("has no ADC window: nothing is measured", file=file.path)
    if samples > MOST_SAMPLES:
        raise InputError(f"measures {samples:,} samples; at most {MOST_SAMPLES:,} are read", file=file.path)
    paths = trajectory(tuple(blocks), scanner.gamma_bar)
    at, since, excitation, chosen = [], [], [], []
    begin, origin, count = 0, 0, -1
    number = 0
    for index, block in enumerate(blocks):
        if block.rf is not None and block.rf.use == "excitation":
            origin, count = begin + block.rf.delay + block.rf.centre, count + 1
        if block.adc is not None:
            if block.adc.purpose == "imaging":
                at.append(index)
                since.append((begin + block.adc.delay - origin) * 1e-9)
                excitation.append(count)
                chosen.append(number)
            number += 1
        begin += block.duration
    if not at:
        raise InputError("has no ADC window that images: all are labelled NOISE, NAV or REF", file=file.path)
    where, order = np.array(at, dtype=np.int64), np.array(excitation, dtype=np.int64)
    place = slices.of_excitation[np.clip(order, 0, None)] if len(slices.of_excitation) else np.zeros_like(order)
    if len(slices.positions) <= 1 and "slice" in labels:
        place = np.unique(labels["slice"][where], return_inverse=True)[1].astype(np.int64)
    return _Readouts(
        block=where, k=[paths[i] for i in chosen], excitation=order, slice=place, since=np.array(since),
        labels={name: values[where] for name, values in labels.items()},
    )  # fmt: skip


def _extent(readouts: _Readouts) -> NDArray[np.float64]:
    """Return the (3,) extent of k, 1/m."""
    return np.asarray(np.ptp(np.concatenate(readouts.k), axis=0))


def _by_labels(
    file: PulseqFile, readouts: _Readouts, size: tuple[int, ...], field_of_view: tuple[float, float, float]
) -> _Readouts:
    """Return the readouts with the Cartesian k of their labels, if the file says that the labels number its lines.

    Files of mrsim say so: an echo of an earlier excitation (PSIF) has another k than the last excitation's.
    """
    words = file.definitions.get("GridEncoding", "").split()
    if len(words) != 2 or words[0] != "labels" or any(len(path) != size[0] for path in readouts.k):
        return readouts
    nx, ny, nz = size
    x, y, z = field_of_view
    grid = Grid(shape=(nz, ny, nx), spacing=(x / nx, y / ny, z / nz))
    return replace(readouts, k=list(cartesian_k(grid, readouts.labels, len(readouts.k), words[1])))


def _field_of_view(file: PulseqFile, readouts: _Readouts, placement: Placement) -> tuple[float, float, float]:
    """Return the asked field of view, the definitions', or what the steps between samples allow, m."""
    if placement.fov is not None:
        return placement.fov[0], placement.fov[1], placement.fov[2]
    values = written_numbers(file, "FOV", 3)
    if values is not None and values.min() > 0:
        x, y, z = (values * (1e-3 if values.max() > 5 else 1.0)).tolist()  # some writers mean millimetres
        return x, y, z
    steps = [float(np.linalg.norm(np.diff(k, axis=0), axis=1).max(initial=0.0)) for k in readouts.k]
    longest = max(steps)
    plane = 1 / longest if longest > 0 else 0.2
    file.notes.append(
        f"no usable FOV in [DEFINITIONS]: {plane * 1e3:.4g} mm are taken from the widest step between two samples"
    )
    return plane, plane, plane


def _images(
    readouts: _Readouts, blocks: list[Block], scanner: Scanner
) -> tuple[NDArray[np.int64], dict[str, NDArray[np.float64]]]:
    """Return which image of the series each readout belongs to, and the series' te, tr and flip."""
    known = [readouts.labels[name] for name in SERIES if name in readouts.labels]
    keys = np.stack([*known[::-1], np.zeros_like(readouts.block)], axis=1)
    if all(np.ptp(values) == 0 for values in known):
        keys = _echoes(readouts)[:, None]
    _, image = np.unique(keys, axis=0, return_inverse=True)
    image = image.ravel().astype(np.int64)
    excitations = [i for i, b in enumerate(blocks) if b.rf is not None and b.rf.use == "excitation"]
    starts = np.concatenate([[0], np.cumsum([b.duration for b in blocks])])
    begun = starts[excitations].astype(np.float64) * 1e-9
    flips = [block.rf.flip for block in (blocks[i] for i in excitations) if block.rf is not None]
    table: dict[str, list[float]] = {"te": [], "tr": [], "flip": []}
    closest = np.array([float(np.einsum("ij,ij->i", path, path).min()) for path in readouts.k])
    for number in range(int(image.max()) + 1):
        mine = np.flatnonzero(image == number)
        nearest = int(mine[np.argmin(closest[mine])])
        sample = int(np.argmin(np.linalg.norm(readouts.k[nearest], axis=1)))
        adc = blocks[int(readouts.block[nearest])].adc
        dwell = adc.dwell * 1e-9 if adc is not None else 0.0
        table["te"].append(float(readouts.since[nearest]) + (sample + 0.5) * dwell)
        used = np.unique(readouts.excitation[readouts.slice == readouts.slice[nearest]])
        used = used[used >= 0]
        gaps = np.diff(begun[used])
        table["tr"].append(float(np.median(gaps)) if len(gaps) else float(starts[-1]) * 1e-9)
        table["flip"].append(flips[int(readouts.excitation[nearest])] if readouts.excitation[nearest] >= 0 else 0.0)
    return image, {key: np.array(values) for key, values in table.items()}


def _echoes(readouts: _Readouts) -> NDArray[np.int64]:
    """Return how often each readout's path was walked before after the same excitation: the echo's number."""
    seen: dict[tuple[object, ...], int] = {}
    result = np.zeros(len(readouts.block), dtype=np.int64)
    ends = np.round(np.array([[path[0], path[-1]] for path in readouts.k]), 1).tolist()
    for i, (path, (first, last)) in enumerate(zip(readouts.k, ends, strict=True)):
        key = (int(readouts.excitation[i]), len(path), *sorted([tuple(first), tuple(last)]))
        result[i] = seen.get(key, 0)
        seen[key] = int(result[i]) + 1
    return result


def _grid(
    readouts: _Readouts, rows: Rows | None, slices: Slices, field_of_view: tuple[float, float, float],
    placement: Placement, cycles: NDArray[np.float64],
) -> tuple[Grid, str, str]:  # fmt: skip
    """Return the grid (not yet placed), its kind and where k comes from."""
    volume = bool(cycles[2] > 0.5)
    kind = "3d" if volume else "2d"
    count = max(int(readouts.slice.max()) + 1, len(slices.positions), 1)
    thick = slices.thickness or field_of_view[2]
    apart = max(slices.spacing, thick) if count > 1 else thick
    if rows is not None:
        nz, dz = (rows.size[2], rows.field_of_view[2] / rows.size[2]) if volume else (count, apart)
        nx, ny = rows.size[:2]
        spacing = (rows.field_of_view[0] / nx, rows.field_of_view[1] / ny, dz)
        return Grid(shape=(nz, ny, nx), spacing=spacing, gap=0.0 if volume else apart - thick), kind, "labels"
    size = placement.matrix or (even_size(cycles[0]), even_size(cycles[1]), even_size(cycles[2]))
    nx, ny, nz = size if volume else (*size[:2], count)
    dz = field_of_view[2] / nz if volume else apart
    spacing = (field_of_view[0] / nx, field_of_view[1] / ny, dz)
    return Grid(shape=(nz, ny, nx), spacing=spacing, gap=0.0 if volume else apart - thick), kind, "trajectory"


def _missing(readouts: _Readouts, image: NDArray[np.int64], grid: Grid, *, volume: bool) -> list[str]:
    """Return what k-space lacks for images of the grid, one sentence each."""
    nz, ny, nx = grid.shape
    dx, dy, dz = grid.spacing
    size = (nx * dx, ny * dy, nz * dz if volume else 0.0)  # slices are encoded by no line of kz
    group = image * (int(readouts.slice.max()) + 1) + readouts.slice
    return coverage_notes(readouts.k, group, size)


def _with_labels(
    blocks: list[Block], readouts: _Readouts, rows: Rows | None, image: NDArray[np.int64],
    labels: dict[str, NDArray[np.int64]],
) -> list[Block]:  # fmt: skip
    """Return the blocks with the labels of their readouts."""
    result = list(blocks)
    own = {name: values.tolist() for name, values in labels.items()}
    for index, block in enumerate(blocks):
        if block.adc is not None and own and block.adc.purpose != "imaging":
            result[index] = _labelled(block, {name: values[index] for name, values in own.items()})
    for i, index in enumerate(readouts.block.tolist()):
        known = {name: int(values[i]) for name, values in readouts.labels.items()}
        known |= {"contrast": int(image[i]), "slice": int(readouts.slice[i])}
        if rows is not None:
            known |= {"line": int(rows.line[i]), "partition": int(rows.partition[i]), "reverse": int(rows.reverse[i])}
        result[index] = _labelled(blocks[index], known)
    return result


def _labelled(block: Block, labels: dict[str, int]) -> Block:
    return Block(
        duration=block.duration, rf=block.rf, gx=block.gx, gy=block.gy, gz=block.gz, adc=block.adc,
        rotation=block.rotation, trigger=block.trigger, soft_delay=block.soft_delay, labels=labels,
        starts_tr=block.starts_tr, name=block.name,
    )  # fmt: skip
