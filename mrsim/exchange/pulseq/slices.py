"""Slices from the frequencies of the excitations, and the frame in which the slice direction is z."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...sequence.events import RfPulse
from ...sequence.played import collected
from ...sequence.scanner import Scanner
from ...sequence.sequence import Block
from .tables import PulseqFile

NEGLIGIBLE = 1e-6
"""Gradients below this, T/m, select nothing."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Slices:
    """The slices that the excitations select."""

    positions: NDArray[np.float64]
    """(slice,) ascending, m from the isocentre along z; empty where nothing is selected."""
    of_excitation: NDArray[np.int64]
    """(excitation,)."""
    thickness: float
    """m; 0 if unknown."""
    spacing: float
    """m; 0 for one slice."""
    origin: float
    """Position of slice n // 2, m: the origin of the grid."""


def mean_gradient(block: Block, pulse: RfPulse) -> NDArray[np.float64]:
    """Return the (3,) mean gradient under a pulse, T/m, rotation included."""
    edges = np.array([pulse.delay, pulse.delay + pulse.duration], dtype=np.int64)
    return np.asarray(np.diff(collected(block, edges), axis=0)[0] / (pulse.duration * 1e-9))


def selections(blocks: list[Block]) -> tuple[list[RfPulse], NDArray[np.float64]]:
    """Return the excitations in time order and the (excitation, 3) mean gradient under each, T/m."""
    pulses, gradients = [], []
    known: dict[tuple[int, ...], NDArray[np.float64]] = {}
    for block in blocks:
        pulse = block.rf
        if pulse is None or pulse.use != "excitation":
            continue
        key = (id(pulse.signal), pulse.delay, id(block.gx), id(block.gy), id(block.gz), id(block.rotation))
        if key not in known:
            known[key] = mean_gradient(block, pulse)
        pulses.append(pulse)
        gradients.append(known[key])
    return pulses, np.array(gradients).reshape(-1, 3)


def oriented(blocks: list[Block], axes: NDArray[np.float64]) -> tuple[list[Block], NDArray[np.float64]]:
    """Return the blocks in a frame whose z is the slice direction, and that frame's directions in the world.

    A file written for gradients that are already oblique selects along some direction of its own. Its blocks get a
    rotation R into the frame of the slice and the axes R^T, so that the scanner plays the same.
    """
    _, gradients = selections(blocks)
    strength = np.linalg.norm(gradients, axis=1)
    if not np.any(strength > NEGLIGIBLE):
        return blocks, axes
    unit = gradients[strength > NEGLIGIBLE] / strength[strength > NEGLIGIBLE, None]
    if np.any(unit @ unit[0] < 1 - 1e-6) or abs(unit[0][2]) > 1 - 1e-9:
        return blocks, axes
    turn = _frame(unit[0])
    turned = [replace(b, rotation=turn if b.rotation is None else turn @ b.rotation) for b in blocks]
    return turned, axes @ turn.T


def _frame(normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (3, 3) rotation whose rows are x, y, z of the slice's frame: x next to the old x or y."""
    start = np.eye(3)[0] if abs(normal[0]) < 0.9 else np.eye(3)[1]
    x = start - (start @ normal) * normal
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(normal, x), normal])


def found_slices(file: PulseqFile, blocks: list[Block], scanner: Scanner) -> Slices:
    """Return the slices; excitations without a gradient along z select all of the object."""
    pulses, gradients = selections(blocks)
    selects = (np.abs(gradients[:, 2]) > NEGLIGIBLE) & (
        np.hypot(gradients[:, 0], gradients[:, 1]) <= 1e-3 * np.abs(gradients[:, 2])
    )
    if not np.any(selects):
        return Slices(positions=np.zeros(0), of_excitation=np.zeros(len(pulses), dtype=np.int64), thickness=0.0,
                      spacing=0.0, origin=0.0)  # fmt: skip
    per_metre = scanner.gamma_bar * np.where(selects, gradients[:, 2], np.inf)
    positions = np.array([pulse.frequency for pulse in pulses]) / per_metre
    first = int(np.argmax(selects))
    width = half_width(pulses[first]) / abs(float(per_metre[first]))
    rounded = np.round(positions, 6)
    levels, index = np.unique(rounded, return_inverse=True)
    steps = np.diff(levels)
    if len(steps) and np.ptp(steps) > 2e-5 + 0.01 * steps.min():
        raise file.error("BLOCKS", f"the {len(levels)} slices lie {_range(steps)} apart; equal distances are expected")
    thickness = _positive(file.definitions.get("SliceThickness", "")) or _nominal(file, width)
    spacing = float(steps.mean()) if len(steps) else 0.0
    return Slices(
        positions=levels, of_excitation=index.ravel().astype(np.int64), spacing=spacing,
        thickness=min(thickness, spacing) if len(steps) else thickness, origin=float(levels[len(levels) // 2]),
    )  # fmt: skip


def _nominal(file: PulseqFile, width: float) -> float:
    """Return the z of the file's field of view if it is the width at half maximum to a quarter, else that width."""
    words = file.definitions.get("FOV", "").replace(",", " ").split()
    written = _positive(words[2]) if len(words) == 3 else 0.0
    return written if abs(written - width) < width / 4 else width


def _range(steps: NDArray[np.float64]) -> str:
    return f"{steps.min() * 1e3:.4g} to {steps.max() * 1e3:.4g} mm"


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if math.isfinite(value) and 0 < value < 5 else 0.0


def half_width(pulse: RfPulse) -> float:
    """Return the full width at half maximum of a pulse's spectrum, Hz."""
    padded = 1 << max(12, (8 * len(pulse.signal)).bit_length())
    spectrum = np.abs(np.fft.fftshift(np.fft.fft(pulse.signal, padded)))
    above = np.flatnonzero(spectrum >= spectrum.max() / 2)
    return float(above[-1] - above[0] + 1) / padded / (pulse.dwell * 1e-9)


def moved_origin(blocks: list[Block], scanner: Scanner, z: float) -> list[Block]:
    """Return the same scan seen from the position z along the slice direction.

    There the gradient adds the phase Phi(t) = 2 pi gamma_bar z * (area of Gz so far) to everything that precesses, so
    pulses and receiver lose it: their frequency is lower by gamma_bar Gz z and their phase by Phi at their start.
    """
    if abs(z) < 1e-7:
        return blocks
    result, area = [], 0.0
    known: dict[tuple[object, ...], NDArray[np.float64]] = {}
    for block in blocks:
        rf, adc = block.rf, block.adc
        marks = [rf.delay, rf.delay + rf.duration] if rf is not None else [0, 0]
        marks += [adc.delay, adc.delay + adc.duration] if adc is not None else [0, 0]
        key = (*marks, block.duration, id(block.rotation), *(id(g) for g in block.gradients))
        if key not in known:
            known[key] = collected(block, np.array([*marks, block.duration], dtype=np.int64))[:, 2]
        at = known[key] + area
        turns = scanner.gamma_bar * z
        if rf is not None:
            frequency = turns * float(at[1] - at[0]) / (rf.duration * 1e-9)
            phase = math.remainder(rf.phase - 2 * math.pi * turns * float(at[0]), 2 * math.pi)
            rf = replace(rf, frequency=_rounded(rf.frequency - frequency), phase=phase)
        if adc is not None:
            frequency = turns * float(at[3] - at[2]) / (adc.duration * 1e-9)
            phase = math.remainder(adc.phase - 2 * math.pi * turns * float(at[2]), 2 * math.pi)
            adc = replace(adc, frequency=_rounded(adc.frequency - frequency), phase=phase)
        area = float(at[4])
        result.append(replace(block, rf=rf, adc=adc) if rf is not None or adc is not None else block)
    return result


def _rounded(frequency: float) -> float:
    """Return a frequency without the round-off that is left where it should vanish."""
    return 0.0 if abs(frequency) < 1e-3 else frequency
