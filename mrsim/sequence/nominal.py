"""The nominal k and t of every sample: what reconstruction is told, whatever the scanner really played.

Cartesian k comes from the labels. Any other k is the integral of the nominal gradients from the effective centre of
the excitation on; a refocusing pulse turns its sign. In a stimulated echo `storage` puts the phase aside and `recall`
brings it back with the sign turned, so that nothing played in between counts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.grid import Grid
from .events import NS, Adc
from .played import collected, sampled
from .sequence import Block, Sequence


def padded(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Return an array with its first axis lengthened to `width` by repeating the last entry."""
    if len(values) == width:
        return values
    return np.concatenate([values, np.repeat(values[-1:], width - len(values), axis=0)])


def nominal_time(sequence: Sequence, starts: NDArray[np.int64], width: int) -> NDArray[np.float64]:
    """Return the (readout, width) time of each sample since the centre of the last excitation, s."""
    rows: list[NDArray[np.float64]] = []
    origin = 0
    for block, start in zip(sequence.blocks, starts, strict=True):
        if block.rf is not None and block.rf.use == "excitation":
            origin = int(start) + block.rf.delay + block.rf.centre
        if block.adc is not None:
            begin = int(start) + block.adc.delay - origin
            rows.append(padded((begin + (np.arange(block.adc.samples) + 0.5) * block.adc.dwell) / NS, width))
    return np.stack(rows) if rows else np.zeros((0, width))


def nominal_k(sequence: Sequence, labels: dict[str, NDArray[np.int64]], width: int) -> NDArray[np.float64]:
    """Return the (readout, width, 3) nominal k, 1/m, grid axes.

    Windows that do not image always take theirs from the gradients.
    """
    adcs = [block.adc for block in sequence.blocks if block.adc is not None]
    by_label = sequence.encoding.k_from == "labels"
    imaging = np.array([adc.purpose == "imaging" for adc in adcs], dtype=bool)
    k = np.zeros((len(adcs), width, 3))
    if not by_label or not np.all(imaging):
        followed = trajectory(sequence.blocks, sequence.scanner.gamma_bar)
        for row, path in enumerate(followed):
            k[row] = padded(path, width)
    if by_label and np.any(imaging):
        nx = sequence.encoding.grid.shape[2]
        if any(adc.samples != nx for adc, images in zip(adcs, imaging, strict=True) if images):
            raise InputError(f"all ADC windows that image must have the {nx} samples of the grid")
        known = {name: values[imaging] for name, values in labels.items()}
        cartesian = cartesian_k(sequence.encoding.grid, known, int(imaging.sum()), sequence.encoding.kind)
        k[imaging, :nx] = cartesian
        k[imaging, nx:] = cartesian[:, -1:]
    return k


def cartesian_k(
    grid: Grid, labels: dict[str, NDArray[np.int64]], readouts: int, kind: str = "2d"
) -> NDArray[np.float64]:
    """Return the (readout, sample, 3) nominal k of Cartesian readouts, 1/m, grid axes.

    k = (index - n // 2) / field of view on every axis: the sample (counted backwards under the label ``reverse``),
    ``line`` and, in three dimensions, ``partition``.
    """
    nz, ny, nx = grid.shape
    dx, dy, dz = grid.spacing
    zero = np.zeros(readouts, dtype=np.int64)
    sample = np.arange(nx)
    forward = labels.get("reverse", zero)[:, None] == 0
    k = np.zeros((readouts, nx, 3))
    k[:, :, 0] = (np.where(forward, sample, nx - 1 - sample) - nx // 2) / (nx * dx)
    k[:, :, 1] = ((labels.get("line", zero) - ny // 2) / (ny * dy))[:, None]
    if kind == "3d":
        k[:, :, 2] = ((labels.get("partition", zero) - nz // 2) / (nz * dz))[:, None]
    return k


def trajectory(blocks: tuple[Block, ...], gamma_bar: float) -> list[NDArray[np.float64]]:
    """Return the (sample, 3) k of every ADC window in time order, 1/m, from the blocks' own gradients.

    Noise windows have no k: theirs is zero.
    """
    known: dict[tuple[object, ...], tuple[NDArray[np.float64], NDArray[np.float64] | None]] = {}
    k, stored, paths = np.zeros(3), np.zeros(3), []
    for block in blocks:
        key = _key(block)
        if key not in known:
            known[key] = _areas(block, gamma_bar)
        (centre, end), window = known[key]
        rf, before = block.rf, k
        if rf is not None:
            stored = k + centre if rf.use == "storage" else stored
            k = _after(rf.use, k, stored, centre)
        if block.adc is not None and window is not None:
            late = rf is not None and block.adc.delay >= rf.delay
            paths.append(np.zeros_like(window) if block.adc.purpose == "noise" else (k if late else before) + window)
        k = k + end
    return paths


def _after(
    use: str, k: NDArray[np.float64], stored: NDArray[np.float64], centre: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return what must be added to the block's areas from the pulse on; `centre` is the area up to its centre."""
    if use == "excitation":
        return -centre
    if use == "refocusing":
        return -(k + centre) - centre
    if use == "recall":
        return -stored - centre
    return k


def _key(block: Block) -> tuple[object, ...]:
    rf, adc = block.rf, block.adc
    return (
        block.duration,
        (rf.delay, rf.centre) if rf else None,
        (adc.samples, adc.dwell, adc.delay) if adc else None,
        tuple(id(gradient) for gradient in block.gradients),
        None if block.rotation is None else block.rotation.tobytes(),
    )


def _areas(block: Block, gamma_bar: float) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Return the (2, 3) areas up to the pulse's centre and the block's end, and the (sample, 3) ones, 1/m."""
    centre = block.rf.delay + block.rf.centre if block.rf is not None else 0
    at = collected(block, np.array([centre, block.duration], dtype=np.int64)) * gamma_bar
    window: Adc | None = block.adc
    return at, sampled(block, window) * gamma_bar if window is not None else None
