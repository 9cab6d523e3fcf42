"""Ultrashort echo time: a short non-selective pulse, then half spokes from k = 0 outwards while the gradient rises.

Directions follow the two golden means, so that any number of consecutive spokes covers the sphere evenly (Chan 2009,
doi:10.1002/mrm.21837). The echo time runs from the pulse's centre to the start of gradient and window; what bounds it
are half the pulse, the transmitter's ringdown and the receiver's dead time. Relaxation during the pulse (Sussman
1998, doi:10.1002/mrm.1910400610) comes with the simulation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InfeasibleError
from ...core.grid import Grid
from ...core.units import Angle, Frequency, Length, Time
from .. import rf
from ..events import NS, Adc, Gradient
from ..gradients import SLACK, Limits, area, logical_limits, trapezoid
from ..preparations.preparation import Stage, prepared
from ..preparations.series import prepared_series
from ..readout import read_dwell
from ..scanner import Scanner, to_ns
from ..sequence import Block, Sequence
from ..timing import TimeOrMinimum, TimesOrMinimum, several, solve, starting, wait
from .cartesian import longest as last_end
from .non_cartesian import finished_trajectory
from .protocol import EXCITATION_PHASE, Placed, at_least, flip_angle, positive
from .recalled import quadratic_phase

MEANS = (0.465571231876768, 0.682327803828019)
"""Two-dimensional golden means."""


@dataclass(frozen=True, kw_only=True, slots=True)
class UteRadial(Placed):
    """Half spokes over a sphere; one image per echo time."""

    name: ClassVar[str] = "ute-radial"

    fov: Length = 0.16
    """Field of view, a cube, m."""
    matrix: int = 128
    """Voxels along each axis."""
    pixel_bandwidth: Frequency = 1000.0
    """Bandwidth per voxel, Hz: a dwell is 1 / (matrix x pixel_bandwidth)."""
    spokes: int = 20000
    """Half spokes of an image."""
    excitation_duration: Time = 60e-6
    """Length of the hard pulse, s."""
    flip: Angle = 8.0 * math.pi / 180.0
    """Flip angle, rad."""
    te: TimesOrMinimum = "minimum"
    """Echo times, s."""
    tr: TimeOrMinimum = "minimum"
    """Repetition time, s."""
    phase_increment: Angle = 117.0 * math.pi / 180.0
    """Increment of the RF phase's increment, rad."""
    spoiler_cycles: float = 2.0
    """Cycles per voxel along z from one excitation to the next."""

    def __post_init__(self) -> None:
        """Refuse what no scanner could encode."""
        Placed.__post_init__(self)
        for key in ("fov", "pixel_bandwidth"):
            positive(key, getattr(self, key))
        at_least("matrix", self.matrix, 2)
        at_least("spokes", self.spokes, 1)
        at_least("spoiler_cycles", self.spoiler_cycles, 0.0)
        flip_angle("flip", self.flip)

    def grid(self) -> Grid:
        """Return the grid of the image: a cube."""
        n = self.matrix
        return Grid(shape=(n, n, n), spacing=(self.fov / n,) * 3, centre=self.origin(), axes=self.axes())

    @prepared_series
    def build(self, scanner: Scanner) -> Sequence:
        """Return the sequence on this scanner."""
        played = self._parts(scanner)
        times = [solve("te", te, (played.lead(),), played.limits, "shorten the pulse") for te in several("te", self.te)]
        longest = max(te for te, _ in times)
        content = {"the echo time": longest, **played.tail()}
        tr, (rest,) = solve("tr", self.tr, (content,), played.limits, "shorten te")
        turns = [rotation_to(direction) for direction in golden_directions(self.spokes)]
        blocks: list[Block] = []
        excitation = 0
        for image, (te, (pause,)) in enumerate(times):
            for average, index in self.half_spokes():
                phase = quadratic_phase(self.phase_increment, excitation)
                labels = {"line": index, "contrast": image, "average": average, "repetition": 0, "slice": 0}
                module = played.blocks(turns[max(index, 0)], labels if index >= 0 else None, pause, phase)
                blocks += starting([*module, *wait(rest + longest - te)])
                excitation += 1
        contrast = {"te": [te / NS for te, _ in times], "tr": tr / NS, "flip": self.flip}
        sheet = {"excitation_profile": "hard", "spokes": self.spokes, "phase_increment": self.phase_increment}
        facts: dict[str, float | str] = {"te": times[0][0] / NS, "tr": tr / NS}
        return finished_trajectory(self, scanner, self.grid(), blocks, contrast, sheet, facts)

    def _parts(self, scanner: Scanner) -> HalfSpoke:
        limits = logical_limits(scanner, self.axes(), self.max_slew)
        excite = self._excite(scanner, limits)
        before = excite.rf.delay + excite.rf.centre if excite.rf else 0
        read, start = self._spoke(scanner, limits)
        cycles = self.spoiler_cycles * self.matrix / (abs(scanner.gamma_bar) * self.fov)
        stage = Stage(scanner=scanner, limits=limits, thickness=self.fov, position=0.0, lead=before)
        return HalfSpoke(
            limits=limits,
            preparation=prepared(self.preparation, stage),
            excite=excite,
            before=before,
            read=read,
            start=start,
            rewind=trapezoid(limits, -area(read.gx)),
            spoil=trapezoid(limits, cycles) if cycles else None,
        )

    def half_spokes(self) -> list[tuple[int, int]]:
        """Return (average, spoke) in the order of acquisition; spoke -1 stands for a dummy."""
        measured = [(average, spoke) for average in range(self.averages) for spoke in range(self.spokes)]
        return [(0, -1)] * self.dummies + measured

    def _excite(self, scanner: Scanner, limits: Limits) -> Block:
        pulse = rf.hard(scanner, self.flip, self.excitation_duration, phase=EXCITATION_PHASE)
        delay = limits.up(to_ns(scanner.rf_dead_time))
        length = delay + pulse.duration + limits.up(to_ns(scanner.rf_ringdown))
        return Block(duration=length, rf=replace(pulse, delay=delay), name="excite")

    def _spoke(self, scanner: Scanner, limits: Limits) -> tuple[Block, int]:
        """Return the block of a half spoke along x, and when its gradient and window start, ns."""
        dwell = read_dwell(scanner, self.matrix, self.pixel_bandwidth)
        amplitude = NS / (scanner.gamma_bar * self.fov * dwell)
        if abs(amplitude) > limits.gradient * SLACK:
            most = self.pixel_bandwidth * limits.gradient / abs(amplitude)
            raise InfeasibleError(
                f"pixel_bandwidth {self.pixel_bandwidth:g} Hz needs {abs(amplitude) * 1e3:.4g} mT/m, above the "
                f"{limits.gradient * 1e3:.4g} mT/m of one axis; lower it to {most:.4g} Hz or widen the field of view"
            )
        start = limits.up(to_ns(scanner.adc_dead_time))
        ramp = limits.ramp(amplitude)
        # gamma_bar amplitude (flat + ramp / 2) reaches matrix / (2 fov), the edge of k-space.
        flat = max(limits.raster, limits.up(self.matrix * dwell / 2 - ramp / 2))
        samples = (ramp + flat) // dwell
        gradient = Gradient(
            times=np.array([start, start + ramp, start + ramp + flat, start + 2 * ramp + flat], dtype=np.int64),
            amplitudes=np.array([0.0, amplitude, amplitude, 0.0]),
        )
        end = start + samples * dwell + to_ns(scanner.adc_dead_time)
        length = limits.up(max(int(gradient.times[-1]), end))
        adc = Adc(samples=int(samples), dwell=dwell, delay=start)
        return Block(duration=length, gx=gradient, adc=adc, name="read"), start


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class HalfSpoke:
    """The played parts of one repetition; times in ns."""

    limits: Limits
    preparation: tuple[Block, ...]
    excite: Block
    before: int
    """From the start of the excitation block to the pulse's centre."""
    read: Block
    start: int
    """When gradient and window start in `read`."""
    rewind: Gradient
    spoil: Gradient | None

    def lead(self) -> dict[str, int]:
        """Return what lies between the pulse's centre and the start of the spoke."""
        return {
            "half the pulse and its ringdown": self.excite.duration - self.before,
            "the receiver's dead time": self.start,
        }

    def tail(self) -> dict[str, int]:
        """Return what a repetition holds besides the echo time."""
        return {
            "the spoke": self.read.duration - self.start,
            "its rewinder": int(self.rewind.times[-1]),
            "the spoiler": last_end(self.spoil),
            "the start of the pulse": self.before,
            "the preparation": sum(block.duration for block in self.preparation),
        }

    def blocks(self, turn: NDArray[np.float64], labels: dict[str, int] | None, pause: int, phase: float) -> list[Block]:
        """Return one repetition; labels are None for a dummy, which does not receive."""
        pulse = self.excite.rf
        turned = replace(pulse, phase=math.fmod(pulse.phase + phase, 2 * math.pi)) if pulse else None
        adc = replace(self.read.adc, phase=phase) if labels is not None and self.read.adc else None
        blocks = [
            *self.preparation,
            replace(self.excite, rf=turned),
            *wait(pause),
            replace(self.read, adc=adc, labels=labels or {}, rotation=turn),
            Block(duration=int(self.rewind.times[-1]), gx=self.rewind, rotation=turn, name="rewind"),
        ]
        if self.spoil is not None:
            blocks.append(Block(duration=int(self.spoil.times[-1]), gz=self.spoil, name="spoil"))
        return blocks


def golden_directions(count: int) -> NDArray[np.float64]:
    """Return (count, 3) unit vectors that cover the sphere: z and azimuth advance by the two golden means."""
    index = np.arange(count)
    z = 2 * np.mod(index * MEANS[0], 1.0) - 1
    azimuth = 2 * np.pi * np.mod(index * MEANS[1], 1.0)
    ring = np.sqrt(1 - z**2)
    return np.stack([ring * np.cos(azimuth), ring * np.sin(azimuth), z], axis=1)


def rotation_to(direction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a (3, 3) rotation whose first column is the direction."""
    other = np.eye(3)[int(np.argmin(np.abs(direction)))]
    second = np.cross(direction, other)
    second /= np.linalg.norm(second)
    return np.stack([direction, second, np.cross(direction, second)], axis=1)
