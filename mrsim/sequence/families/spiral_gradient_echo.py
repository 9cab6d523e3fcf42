"""Spiral gradient echo: Archimedean spirals from k = 0 outwards, one interleaf per excitation, turned in between.

The path k(s) = n_interleaves theta / (2 pi fov) is run through as fast as amplitude and slew allow: with the speed
v = |dk / dt| / gamma_bar and u = v^2 / 2, curvature takes kappa v^2 of the slew and du/ds what is left (Lustig 2008,
doi:10.1109/TMI.2008.922699), two passes along the path. The gradient is what joins the path's points on the raster;
it ends with a rewinder of all that it collected.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InfeasibleError
from ...core.grid import Grid
from ...core.units import Angle, Angles, Length, Time
from ..events import NS, Adc, Gradient
from ..gradients import Limits, bridge, joined, logical_limits, moments, shifted, trapezoid
from ..preparations.preparation import Stage, prepared
from ..preparations.series import prepared_series
from ..scanner import Scanner, to_ns
from ..selection import Selection, excite, slice_amplitude
from ..sequence import Block, Sequence
from ..timing import TimeOrMinimum, solve, starting, wait
from .non_cartesian import finished_trajectory
from .protocol import Placed, at_least, flip_angle, positive, pulse_name
from .radial_gradient_echo import about_z
from .recalled import quadratic_phase, slice_area

MARGINS = (0.97, 0.94, 0.9, 0.85, 0.8, 0.7, 0.6)
"""Shares of amplitude and slew to plan with, tried in order: the steps of the raster take the rest."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SpiralGradientEcho(Placed):
    """An interleaf per excitation, RF and gradient spoiling; one image per flip angle."""

    name: ClassVar[str] = "spiral-gradient-echo"

    fov: Length = 0.22
    """Field of view, a square, m."""
    matrix: int = 96
    """Pixels along each side."""
    slice_thickness: Length = 5e-3
    """Width of the excited slice, m."""
    interleaves: int = 16
    """Spirals of an image."""
    excitation_duration: Time = 2e-3
    """Length of the excitation, s."""
    flip: Angles = (20.0 * math.pi / 180.0,)
    """Flip angles, rad."""
    te: TimeOrMinimum = "minimum"
    """Echo time, s: from the pulse's centre to the start of the spiral."""
    tr: TimeOrMinimum = 30e-3
    """Repetition time, s."""
    phase_increment: Angle = 117.0 * math.pi / 180.0
    """Increment of the RF phase's increment, rad."""
    spoiler_cycles: float = 4.0
    """Cycles across the slice from one excitation to the next."""

    def __post_init__(self) -> None:
        """Refuse what no scanner could encode."""
        Placed.__post_init__(self)
        for key in ("fov", "slice_thickness"):
            positive(key, getattr(self, key))
        at_least("matrix", self.matrix, 4)
        at_least("interleaves", self.interleaves, 1)
        at_least("spoiler_cycles", self.spoiler_cycles, 0.0)
        for angle in self.flip:
            flip_angle("flip", angle)

    def grid(self) -> Grid:
        """Return the grid of the image."""
        pixel = self.fov / self.matrix
        return Grid(
            shape=(1, self.matrix, self.matrix),
            spacing=(pixel, pixel, self.slice_thickness),
            centre=self.origin(),
            axes=self.axes(),
        )

    @prepared_series
    def build(self, scanner: Scanner) -> Sequence:
        """Return the sequence on this scanner."""
        # Interleaves turn about z: what two axes slew together must not pass the limit of one.
        limits = logical_limits(scanner, self.axes(), min(self.max_slew, scanner.max_slew / math.sqrt(2)))
        read = self._spiral(scanner, limits)
        played = [self._parts(scanner, limits, flip, read) for flip in self.flip]
        first = played[0]
        te, (pause,) = solve("te", self.te, (first.lead(),), limits, "shorten the pulse")
        tr, (rest,) = solve("tr", self.tr, ({"the echo time": te, **first.tail()},), limits, "use more interleaves")
        blocks: list[Block] = []
        excitation = 0
        for image, parts in enumerate(played):
            for average, index in self.shots():
                turn = about_z(2 * math.pi * max(index, 0) / self.interleaves)
                phase = quadratic_phase(self.phase_increment, excitation)
                labels = {"line": index, "contrast": image, "average": average, "repetition": 0, "slice": 0}
                module = parts.blocks(turn, labels if index >= 0 else None, pause, phase)
                blocks += starting([*module, *wait(rest)])
                excitation += 1
        contrast = {"te": te / NS, "tr": tr / NS, "flip": self.flip}
        sheet = {"excitation_profile": pulse_name(self), "slice_thickness": self.slice_thickness}
        sheet |= {"interleaves": self.interleaves, "phase_increment": self.phase_increment}
        facts: dict[str, float | str] = {"te": te / NS, "tr": tr / NS}
        return finished_trajectory(self, scanner, self.grid(), blocks, contrast, sheet, facts)

    def shots(self) -> list[tuple[int, int]]:
        """Return (average, interleaf) in the order of acquisition; interleaf -1 stands for a dummy."""
        measured = [(average, index) for average in range(self.averages) for index in range(self.interleaves)]
        return [(0, -1)] * self.dummies + measured

    def _parts(self, scanner: Scanner, limits: Limits, flip: float, read: Block) -> Interleaf:
        pulse = self.shaped(scanner, flip, self.excitation_duration)
        selects = self.pulse != "hard"
        amplitude = slice_amplitude(scanner, pulse, self.slice_thickness, limits) if selects else 0.0
        excitation = excite(scanner, limits, pulse, amplitude)
        wanted = self.spoiler_cycles / (abs(scanner.gamma_bar) * self.slice_thickness) - slice_area(excitation)
        stage = Stage(scanner=scanner, limits=limits, thickness=self.slice_thickness, position=0.0,
                      lead=excitation.before)  # fmt: skip
        return Interleaf(
            excitation=excitation,
            read=read,
            spoil=trapezoid(limits, wanted) if wanted else None,
            preparation=prepared(self.preparation, stage),
        )

    def _spiral(self, scanner: Scanner, limits: Limits) -> Block:
        """Return the block of the first interleaf: gradients, rewinders and window."""
        start = limits.up(to_ns(scanner.adc_dead_time))
        path = spiral_path(self.fov, self.matrix, self.interleaves)
        lobes = _lobes(path, limits, scanner.gamma_bar, start)
        spiral_end = int(lobes[0].times[-1])
        fastest = max(float(np.max(np.hypot(*(lobe.amplitudes for lobe in lobes)))), 1e-9)
        step = to_ns(scanner.rf_raster) * 2
        dwell = int(NS / (abs(scanner.gamma_bar) * fastest * self.fov)) // step * step
        if dwell < step:
            raise InfeasibleError(
                f"a spiral over {self.fov * 1e3:g} mm at {fastest * 1e3:.4g} mT/m needs samples less than {step} ns "
                "apart, the shortest dwell that windows allow; lower max_slew or the field of view"
            )
        samples = (spiral_end - start) // dwell
        ends = _rewinders(limits, lobes)
        gx, gy = (joined(lobe, shifted(end, spiral_end)) for lobe, end in zip(lobes, ends, strict=True))
        length = max(spiral_end + max(int(end.times[-1]) for end in ends),
                     limits.up(start + samples * dwell + to_ns(scanner.adc_dead_time)))  # fmt: skip
        adc = Adc(samples=int(samples), dwell=dwell, delay=start)
        return Block(duration=length, gx=gx, gy=gy, adc=adc, name="read")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Interleaf:
    """The played parts of one repetition; times in ns."""

    excitation: Selection
    read: Block
    spoil: Gradient | None
    preparation: tuple[Block, ...]

    @property
    def start(self) -> int:
        """When the spiral starts in its block."""
        return self.read.adc.delay if self.read.adc else 0

    def lead(self) -> dict[str, int]:
        """Return what lies between the pulse's centre and the start of the spiral."""
        return {"half the pulse and its rephaser": self.excitation.after, "the receiver's dead time": self.start}

    def tail(self) -> dict[str, int]:
        """Return what a repetition holds besides the echo time."""
        return {
            "the spiral and its rewinder": self.read.duration - self.start,
            "the spoiler": int(self.spoil.times[-1]) if self.spoil else 0,
            "the start of the excitation": self.excitation.before,
            "the preparation": sum(block.duration for block in self.preparation),
        }

    def blocks(self, turn: NDArray[np.float64], labels: dict[str, int] | None, pause: int, phase: float) -> list[Block]:
        """Return one repetition; labels are None for a dummy, which does not receive."""
        part = self.excitation
        pulse = replace(part.pulse, phase=math.fmod(part.pulse.phase + phase, 2 * math.pi))
        adc = replace(self.read.adc, phase=phase) if labels is not None and self.read.adc else None
        blocks = [
            *self.preparation,
            Block(duration=part.duration, rf=pulse, gz=part.gradient, name="excite"),
            *wait(pause),
            replace(self.read, adc=adc, labels=labels or {}, rotation=turn),
        ]
        if self.spoil is not None:
            blocks.append(Block(duration=int(self.spoil.times[-1]), gz=self.spoil, name="spoil"))
        return blocks


def spiral_path(fov: float, matrix: int, interleaves: int) -> NDArray[np.float64]:
    """Return (n, 2) points of one interleaf, 1/m: turns are interleaves / fov apart, out to matrix / (2 fov)."""
    last = math.pi * matrix / interleaves
    # Finer where the spiral is young and its curvature changes fastest.
    theta = last * np.linspace(0.0, 1.0, max(4000, int(40 * last))) ** 1.5
    radius = interleaves * theta / (2 * math.pi * fov)
    return np.stack([radius * np.cos(theta), radius * np.sin(theta)], axis=1)


def timed(path: NDArray[np.float64], limits: Limits, gamma_bar: float) -> NDArray[np.float64]:
    """Return (step, 2) k on the raster: the path run through at the speed that the limits allow, from rest."""
    tangent = np.gradient(path, axis=0)
    length = np.linalg.norm(tangent, axis=1)
    bend = np.gradient(tangent / length[:, None], axis=0)
    curvature = np.linalg.norm(bend, axis=1) / length * abs(gamma_bar)
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1) / abs(gamma_bar)
    u = np.minimum(limits.gradient, np.sqrt(limits.slew / np.maximum(curvature, 1e-30))) ** 2 / 2
    u[0] = 0.0
    for i in range(1, len(u)):
        across = curvature[i - 1] * 2 * u[i - 1]
        left = math.sqrt(max(limits.slew**2 - across**2, 0.0))
        u[i] = min(u[i], u[i - 1] + left * steps[i - 1])
    speed = np.sqrt(2 * u)
    time = np.concatenate([[0.0], np.cumsum(2 * steps / (speed[1:] + speed[:-1]))])
    at = np.arange(0.0, time[-1], limits.raster / NS)
    return np.stack([np.interp(at, time, path[:, axis]) for axis in (0, 1)], axis=1)


def _lobes(path: NDArray[np.float64], limits: Limits, gamma_bar: float, start: int) -> list[Gradient]:
    """Return the two gradients of a path, as fast as their vector stays within the limits."""
    for share in MARGINS:
        inside = Limits(gradient=limits.gradient * share, slew=limits.slew * share, raster=limits.raster)
        k = timed(path, inside, gamma_bar)
        lobes = [_played(limits, k[:, axis] / gamma_bar, start) for axis in (0, 1)]
        vector = np.stack([lobe.amplitudes for lobe in lobes])
        slew = np.linalg.norm(np.diff(vector, axis=1), axis=0).max() / (limits.raster / NS)
        if slew <= limits.slew and np.linalg.norm(vector, axis=0).max() <= limits.gradient:
            return lobes
    raise InfeasibleError(
        f"the spiral turns too fast for a raster of {limits.raster / 1e3:g} us at {limits.slew:g} T/m/s; lower "
        "max_slew or widen the field of view"
    )


def _played(limits: Limits, area: NDArray[np.float64], start: int) -> Gradient:
    """Return the gradient whose knots are the slopes of an area over time, T s/m, between its points."""
    knots = np.arange(len(area), dtype=np.int64) * limits.raster + start
    amplitudes = np.gradient(area, limits.raster / NS)
    amplitudes[0] = 0.0
    return Gradient(times=knots, amplitudes=amplitudes)


def _rewinders(limits: Limits, lobes: list[Gradient]) -> list[Gradient]:
    """Return equally long lobes that bring both axes from their last amplitude and area to zero."""
    wanted = [(float(lobe.amplitudes[-1]), -float(moments(lobe, lobe.times[-1:])[0])) for lobe in lobes]
    longest = max(int(bridge(limits, start, 0.0, area).times[-1]) for start, area in wanted)
    while True:
        try:
            return [bridge(limits, start, 0.0, area, longest) for start, area in wanted]
        except InfeasibleError:
            longest += limits.raster
