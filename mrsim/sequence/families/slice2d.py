"""What every two-dimensional Cartesian protocol shares: the slice, the matrix, the excitation, the lines."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import ConfigDict

from ...core.acquisition import Encoding
from ...core.errors import InputError
from ...core.grid import ORIENTATIONS, Grid, orientation_axes
from ...core.units import Angle, Frequency, Length, Lengths, SlewRate, Time
from .. import rf
from ..events import NS, Gradient, RfPulse
from ..gradients import Limits, logical_limits, scaled, trapezoid
from ..readout import Readout, read_lobe
from ..scanner import Scanner
from ..selection import slice_amplitude
from ..sequence import Block, Sequence

EXCITATION_PHASE = math.pi / 2
"""With B1 = b exp(-i phase) this excitation leaves the magnetisation along +x: real and positive."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Slice2D(ABC):
    """Fields that all families of this kind have."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: ClassVar[str] = ""
    """How protocol files call the family."""

    fov: Lengths = (0.160, 0.128)
    """Field of view, read x phase, m."""
    matrix: tuple[int, ...] = (160, 128)
    """Encoded points, read x phase."""
    slice_thickness: Length = 4e-3
    """Width of the excited slice, m."""
    pixel_bandwidth: Frequency = 250.0
    """Readout bandwidth per pixel, Hz."""
    orientation: str = "sagittal"
    """sagittal, coronal or axial."""
    tilt: Angle = 0.0
    """Rotation about the readout direction, rad."""
    in_plane: Angle = 0.0
    """Rotation about the slice direction, rad."""
    centre: Lengths = (0.0, 0.0, 0.0)
    """World position of the grid's origin, RAS, m. Gradients are taken to vanish there, as they seem to on a
    scanner that offsets its RF and receiver frequencies: positions in a timeline are grid coordinates."""
    pulse: Literal["sinc", "slr", "hard"] = "sinc"
    """Shape of all pulses."""
    window: Literal["hamming", "hann"] = "hamming"
    """Window of sinc pulses."""
    excitation_duration: Time = 3e-3
    """Length of the excitation, s."""
    time_bandwidth: float = 4.0
    """Duration times bandwidth of all shaped pulses."""
    max_slew: SlewRate = 70.0
    """Largest slew rate to play, T/m/s, where the scanner allows as much: three axes at a scanner's own limit would
    stimulate nerves."""
    averages: int = 1
    """How often every line is measured."""
    dummies: int = 0
    """Repetitions without readout before the first line of each image series."""

    def __post_init__(self) -> None:
        """Refuse what no scanner could encode."""
        _lengths("fov", self.fov, 2)
        _lengths("centre", self.centre, 3, positive=False)
        if len(self.matrix) != 2 or min(self.matrix) < 2 or max(self.matrix) > 4096:
            raise InputError(f"is {self.matrix}; expected two numbers of 2 to 4096, read x phase", key="matrix")
        for key in ("slice_thickness", "pixel_bandwidth", "excitation_duration", "time_bandwidth", "max_slew"):
            positive(key, getattr(self, key))
        at_least("averages", self.averages, 1)
        at_least("dummies", self.dummies, 0)
        if self.orientation not in ORIENTATIONS:
            known = ", ".join(ORIENTATIONS)
            raise InputError(f"unknown orientation '{self.orientation}'; known: {known}", key="orientation")

    def grid(self) -> Grid:
        """Return the encoded grid."""
        nx, ny = self.matrix
        x, y, z = self.centre
        return Grid(
            shape=(1, ny, nx),
            spacing=(self.fov[0] / nx, self.fov[1] / ny, self.slice_thickness),
            centre=(x, y, z),
            axes=orientation_axes(self.orientation, self.tilt, self.in_plane),
        )

    def shaped(
        self, scanner: Scanner, flip: float, duration: float, use: str = "excitation", phase: float = EXCITATION_PHASE
    ) -> RfPulse:
        """Return a pulse of the protocol's shape; flip in rad, duration in s."""
        if self.pulse == "hard":
            pulse = rf.hard(scanner, flip, duration, use=use, phase=phase)
        elif self.pulse == "sinc":
            pulse = rf.sinc(scanner, flip, duration, self.time_bandwidth, window=self.window, use=use, phase=phase)
        else:
            small = "st" if flip < math.radians(30) else "ex"
            kind = {"excitation": small, "refocusing": "se", "inversion": "inv"}[use]
            pulse = rf.slr(scanner, flip, duration, self.time_bandwidth, kind=kind, use=use, phase=phase)
        return pulse

    @abstractmethod
    def build(self, scanner: Scanner) -> Sequence:
        """Return the sequence on this scanner."""

    def lines(self) -> Iterator[tuple[int, int]]:
        """Yield (average, line) in the order of acquisition; line -1 stands for a dummy."""
        for _ in range(self.dummies):
            yield 0, -1
        for average in range(self.averages):
            for line in range(self.matrix[1]):
                yield average, line


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Plan:
    """What a build needs from the shared fields on one scanner."""

    scanner: Scanner
    limits: Limits
    grid: Grid
    readout: Readout
    phase_lobe: Gradient
    """Trapezoid of the outermost line (k = +n/2 steps); other lines are scaled."""
    phase_steps: int
    """n//2: line index of k = 0."""
    crossings: float
    """Cycles per slice thickness -> area: 1 / (gamma_bar thickness), T s/m."""

    @property
    def phase_time(self) -> int:
        """Length of a phase-encoding lobe, ns."""
        return int(self.phase_lobe.times[-1])

    def phase(self, line: int, sign: int = 1) -> Gradient | None:
        """Return the phase-encoding lobe of a line (or its rewinder, sign -1); None at k = 0 and for dummies."""
        step = (line - self.phase_steps) if line >= 0 else 0
        return scaled(self.phase_lobe, sign * step / max(self.phase_steps, 1)) if step else None


def plan(protocol: Slice2D, scanner: Scanner) -> Plan:
    """Return the parts that do not depend on the family."""
    grid = protocol.grid()
    limits = logical_limits(scanner, grid.axes, protocol.max_slew)
    nx, ny = protocol.matrix
    gamma_bar = scanner.gamma_bar
    return Plan(
        scanner=scanner,
        limits=limits,
        grid=grid,
        readout=read_lobe(scanner, limits, nx, protocol.fov[0], protocol.pixel_bandwidth),
        phase_lobe=trapezoid(limits, max(ny // 2, 1) / (protocol.fov[1] * gamma_bar)),
        phase_steps=ny // 2,
        crossings=1.0 / (abs(gamma_bar) * protocol.slice_thickness),
    )


def spoil_lobe(parts: Plan, cycles: float, already: float = 0.0) -> Gradient | None:
    """Return the slice-axis spoiler that completes `cycles` across the slice; None if there is nothing to add.

    Parameters
    ----------
    parts : Plan
    cycles : float
        Cycles across the nominal slice.
    already : float
        Area that the repetition collects on this axis anyway, T s/m.
    """
    wanted = cycles * parts.crossings - already
    return trapezoid(parts.limits, wanted) if wanted and cycles else None


def longest(*gradients: Gradient | None) -> int:
    """Return when the last of the gradients ends, ns."""
    return max((int(g.times[-1]) for g in gradients if g is not None), default=0)


def finished(
    protocol: Slice2D,
    parts: Plan,
    blocks: list[Block],
    contrast: dict[str, Any],
    sheet: dict[str, Any],
    facts: dict[str, float | str],
) -> Sequence:
    """Return the sequence of the blocks with its nominal header.

    Parameters
    ----------
    protocol : Slice2D
    parts : Plan
    blocks : list of Block
    contrast : dict
        Per image: te, tr, ti (s), flip (rad); numbers are the same for all images.
    sheet : dict
        Nominal facts of the pulses.
    facts : dict
        Timings worth showing, s.
    """
    images = max(np.size(value) for value in contrast.values())
    table = {key: np.broadcast_to(np.asarray(v, dtype=np.float64), (images,)).copy() for key, v in contrast.items()}
    shared = {"family": protocol.name, "slice_thickness": protocol.slice_thickness, "dummies": protocol.dummies}
    header = Encoding(
        grid=parts.grid,
        frequency=abs(parts.scanner.gamma_bar) * parts.scanner.b0,
        dwell=parts.readout.adc.dwell / NS,
        contrast=table,
        sheet={**shared, "averages": protocol.averages, **sheet},
    )
    total = sum(block.duration for block in blocks) / NS
    pixel = parts.readout.bandwidth
    known = {**facts, "scan_time": total, "pixel_bandwidth": pixel, "bandwidth": pixel * protocol.matrix[0]}
    return Sequence(name=protocol.name, scanner=parts.scanner, blocks=tuple(blocks), encoding=header, definitions=known)


def slice_gradient(protocol: Slice2D, parts: Plan, pulse: RfPulse, width: float = 1.0) -> float:
    """Return the slice gradient of a pulse, T/m; zero for hard pulses, which select nothing.

    `width` is the pulse's nominal slice over the slice thickness.
    """
    if protocol.pulse == "hard":
        return 0.0
    return slice_amplitude(parts.scanner, pulse, protocol.slice_thickness * width, parts.limits)


def pulse_name(protocol: Slice2D) -> str:
    """Return a pulse's nominal profile in words, e.g. ``"sinc hamming, time-bandwidth 4"``."""
    if protocol.pulse == "hard":
        return "hard"
    shape = f"sinc {protocol.window}" if protocol.pulse == "sinc" else "slr least squares"
    return f"{shape}, time-bandwidth {protocol.time_bandwidth:g}"


def positive(key: str, value: float) -> None:
    """Refuse a value that is not positive and finite."""
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"is {value:g}; it must be positive and finite", key=key)


def at_least(key: str, value: float, least: float) -> None:
    """Refuse a value below `least` or not finite."""
    if not (math.isfinite(value) and value >= least):
        raise InputError(f"is {value:g}; it must be at least {least:g}", key=key)


def flip_angle(key: str, value: float) -> None:
    """Refuse a flip angle outside (0, 180] degrees."""
    if not 0 < value <= math.pi * (1 + 1e-12):
        raise InputError(f"is {math.degrees(value):g} deg; it must lie between 0 and 180 deg", key=key)


def _lengths(key: str, values: tuple[float, ...], count: int, positive: bool = True) -> None:
    if len(values) != count:
        raise InputError(f"has {len(values)} values; expected {count}", key=key)
    if positive and min(values) <= 0:
        raise InputError(f"is {', '.join(f'{v * 1e3:g} mm' for v in values)}; it must be positive", key=key)
