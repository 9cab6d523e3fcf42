"""What every Cartesian protocol shares, slice or slab: matrix, field of view, readout lobe, encoding lobes, header."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...core.acquisition import Encoding
from ...core.errors import InputError
from ...core.grid import Grid
from ...core.undersampling import lattice, middle, variable_density
from ...core.units import Frequency, Lengths
from ..events import NS, Gradient, RfPulse
from ..gradients import Limits, logical_limits, scaled, trapezoid
from ..preparations.preparation import Preparation, Stage, prepared
from ..readout import Readout, read_lobe
from ..scanner import Scanner
from ..selection import slice_amplitude
from ..sequence import Block, Sequence
from .protocol import Placed, positive, positive_lengths

SEED = 1
"""Of lines at random: a protocol reads the same ones every time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cartesian(Placed):
    """Fields of all families that read parallel lines."""

    fov: Lengths = (0.160, 0.128)
    """Field of view, read x phase (x partition), m."""
    matrix: tuple[int, ...] = (160, 128)
    """Encoded points, read x phase (x partition)."""
    pixel_bandwidth: Frequency = 250.0
    """Readout bandwidth per pixel, Hz."""
    partial_fourier: float = 1.0
    """Part of the lines that is covered, above 0.5; those at one end of k-space are left out."""
    acceleration: int = 1
    """Every how many-th line is read."""
    calibration_lines: int = 0
    """Lines around the middle of k-space that are all read, for the coil maps."""
    sampling: Literal["regular", "random"] = "regular"
    """Lines one step apart, or at random, as many, and denser towards the middle."""

    @property
    def covered_lines(self) -> range:
        """The lines that partial Fourier leaves, the last ones; in ascending order."""
        return covered(self.matrix[1], self.partial_fourier)

    @property
    def read_lines(self) -> tuple[int, ...]:
        """The lines that are read, in ascending order; the middle one is always among them."""
        return tuple(np.flatnonzero(self.read_mask()[0]).tolist())

    def read_mask(self, partitions: int = 1, step: int = 1, shift: int = 0) -> NDArray[np.bool_]:
        """Return the (partition, line) places that are read of those that partial Fourier leaves along the lines.

        Parameters
        ----------
        partitions : int
            How many there are.
        step : int
            Every how many-th of them is read.
        shift : int
            Of the lines from one partition that is read to the next.
        """
        shape = (partitions, self.matrix[1])
        if self.sampling == "random" and self.acceleration * step > 1:
            mask = variable_density(shape, self.acceleration * step, max(self.calibration_lines, 1), rng=SEED)
        else:
            mask = lattice(shape, (step, self.acceleration), shift) | middle(shape, self.calibration_lines)
        mask[:, : self.covered_lines.start] = False
        return mask

    @property
    @abstractmethod
    def selected(self) -> float:
        """Width of what the excitation selects along z, m."""

    @abstractmethod
    def grid(self) -> Grid:
        """Return the encoded grid."""

    def check_matrix(self, axes: int, words: str) -> None:
        """Refuse a field of view and a matrix that are not one number per encoded axis."""
        positive_lengths("fov", self.fov, axes)
        if len(self.matrix) != axes or min(self.matrix) < 2 or max(self.matrix) > 4096:
            count = ("two", "three")[axes - 2]
            raise InputError(f"is {self.matrix}; expected {count} numbers of 2 to 4096, {words}", key="matrix")
        positive("pixel_bandwidth", self.pixel_bandwidth)
        check_share("partial_fourier", self.partial_fourier)
        lines = self.matrix[1]
        if not 1 <= self.acceleration <= lines // 2:
            problem = f"is {self.acceleration}; {lines} lines allow 1 to {lines // 2}: lower it, or raise the matrix"
            raise InputError(problem, key="acceleration")
        if not 0 <= self.calibration_lines <= lines:
            raise InputError(f"is {self.calibration_lines}; use 0 to {lines}", key="calibration_lines")
        _ = self.read_lines  # which refuses more lines in the middle than there are at all


def covered(lines: int, share: float) -> range:
    """Return the last ones of `lines` lines, a share of them, rounded up."""
    return range(lines - math.ceil(share * lines - 1e-9), lines)


def check_share(key: str, share: float) -> None:
    """Refuse a share of k-space without its middle."""
    if not 0.5 < share <= 1.0:
        raise InputError(f"is {share:g}; it must lie above 0.5 and at most 1", key=key)


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
    partition_lobe: Gradient | None
    """The same along z; None in two dimensions."""
    partition_steps: int
    """n//2 along z."""
    crossings: float
    """Cycles per voxel thickness -> area: 1 / (gamma_bar thickness), T s/m."""
    thickness: float
    """Width of what is excited, m."""
    preparation: tuple[Preparation, ...]

    @property
    def phase_time(self) -> int:
        """Length of a phase-encoding lobe, ns."""
        return int(self.phase_lobe.times[-1])

    def phase(self, line: int, sign: int = 1) -> Gradient | None:
        """Return the phase-encoding lobe of a line (or its rewinder, sign -1); None at k = 0 and for dummies."""
        step = (line - self.phase_steps) if line >= 0 else 0
        return scaled(self.phase_lobe, sign * step / max(self.phase_steps, 1)) if step else None

    def partition(self, index: int, sign: int = 1) -> Gradient | None:
        """Return the partition-encoding lobe (or its rewinder); None at k = 0, for dummies and without partitions."""
        step = (index - self.partition_steps) if index >= 0 else 0
        if self.partition_lobe is None or not step:
            return None
        return scaled(self.partition_lobe, sign * step / max(self.partition_steps, 1))

    def prepare(self, position: float, lead: int) -> tuple[Block, ...]:
        """Return the preparation of a slice at `position` m, whose excitation is centred `lead` ns after it."""
        stage = Stage(scanner=self.scanner, limits=self.limits, thickness=self.thickness, position=position, lead=lead)
        return prepared(self.preparation, stage)

    def preparation_time(self, lead: int) -> dict[str, int]:
        """Return how long the preparation takes, ns, for a listing of what a repetition holds."""
        return {"the preparation": sum(block.duration for block in self.prepare(0.0, lead))}


def plan(protocol: Cartesian, scanner: Scanner, readout: Readout | None = None) -> Plan:
    """Return the parts that do not depend on the family; `readout` stands in for the lobe of a line."""
    grid = protocol.grid()
    limits = logical_limits(scanner, grid.axes, protocol.max_slew)
    nx, ny = protocol.matrix[:2]
    gamma_bar = scanner.gamma_bar
    encoded = len(protocol.matrix) == 3
    nz = protocol.matrix[2] if encoded else 1
    return Plan(
        scanner=scanner,
        limits=limits,
        grid=grid,
        readout=readout or read_lobe(scanner, limits, nx, protocol.fov[0], protocol.pixel_bandwidth),
        phase_lobe=trapezoid(limits, max(ny // 2, 1) / (protocol.fov[1] * gamma_bar)),
        phase_steps=ny // 2,
        partition_lobe=trapezoid(limits, max(nz // 2, 1) / (protocol.fov[2] * gamma_bar)) if encoded else None,
        partition_steps=nz // 2,
        crossings=1.0 / (abs(gamma_bar) * grid.thickness),
        thickness=protocol.selected,
        preparation=protocol.preparation,
    )


def spoil_lobe(parts: Plan, cycles: float, already: float = 0.0) -> Gradient | None:
    """Return the slice-axis spoiler that completes `cycles` across a voxel; None if there is nothing to add.

    Parameters
    ----------
    parts : Plan
    cycles : float
        Cycles across the nominal slice or partition.
    already : float
        Area that the repetition collects on this axis anyway, T s/m.
    """
    wanted = cycles * parts.crossings - already
    return trapezoid(parts.limits, wanted) if wanted and cycles else None


def longest(*gradients: Gradient | None) -> int:
    """Return when the last of the gradients ends, ns."""
    return max((int(g.times[-1]) for g in gradients if g is not None), default=0)


def slice_gradient(protocol: Cartesian, parts: Plan, pulse: RfPulse, width: float = 1.0) -> float:
    """Return the slice gradient of a pulse, T/m; zero for hard pulses, which select nothing.

    `width` is the pulse's nominal slice over the slice thickness.
    """
    if protocol.pulse == "hard":
        return 0.0
    return slice_amplitude(parts.scanner, pulse, protocol.selected * width, parts.limits)


def finished(
    protocol: Cartesian,
    parts: Plan,
    blocks: list[Block],
    contrast: dict[str, Any],
    sheet: dict[str, Any],
    facts: dict[str, float | str],
) -> Sequence:
    """Return the sequence of the blocks with its nominal header.

    Parameters
    ----------
    protocol : Cartesian
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
    shared: dict[str, Any] = {
        "family": protocol.name,
        "slice_thickness": protocol.selected,
        "dummies": protocol.dummies,
        "averages": protocol.averages,
    }
    if protocol.acceleration > 1:
        shared["acceleration"] = float(protocol.acceleration)
    if protocol.preparation:
        shared["preparation"] = ", ".join(module.name for module in protocol.preparation)
    header = Encoding(
        grid=parts.grid,
        frequency=abs(parts.scanner.gamma_bar) * parts.scanner.b0,
        dwell=parts.readout.adc.dwell / NS,
        contrast=table,
        kind="3d" if len(protocol.matrix) == 3 else "2d",
        sheet={**shared, **sheet},
    )
    total = sum(block.duration for block in blocks) / NS
    pixel = parts.readout.bandwidth
    known = {**facts, "scan_time": total, "pixel_bandwidth": pixel, "bandwidth": pixel * protocol.matrix[0]}
    return Sequence(name=protocol.name, scanner=parts.scanner, blocks=tuple(blocks), encoding=header, definitions=known)
