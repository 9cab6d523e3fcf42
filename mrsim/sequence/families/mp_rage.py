"""MP-RAGE and MP2RAGE: an inversion, then one or two trains of gradient echoes, one per partition, in every repetition.

The middle partition of each train lies at its inversion time. One train is MP-RAGE (Mugler 1990,
doi:10.1002/mrm.1910150117), two are MP2RAGE, whose images combine to a B1-receive-free value that a table turns into
T1 (Marques 2010, doi:10.1016/j.neuroimage.2009.10.002). The table needs what the sheet tells: trains, spacing, flips.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from ...core.errors import InfeasibleError, InputError
from ...core.units import Angle, Angles, Time, Times
from ..events import NS
from ..preparations.inversion import Inversion
from ..preparations.preparation import Stage
from ..scanner import Scanner, to_ns
from ..sequence import Block, Sequence
from ..timing import TimeOrMinimum, solve, starting, text, wait
from .cartesian import finished
from .protocol import at_least, flip_angle, pulse_name
from .recalled import quadratic_phase
from .slab3d import Slab3D
from .steady_state import SteadyState, steady_state


@dataclass(frozen=True, kw_only=True, slots=True)
class MPRage(Slab3D):
    """One line of every partition per inversion; one image per inversion time."""

    name: ClassVar[str] = "mp-rage"

    excitation_duration: Time = 1e-3
    """Length of the excitation, s."""
    ti: Times = (0.9,)
    """Inversion times, s, one or two: from the centre of the inversion to the excitation of the middle partition."""
    flip: Angles = (9.0 * math.pi / 180.0,)
    """Flip angle of each train, rad."""
    te: TimeOrMinimum = "minimum"
    """Echo time, s."""
    echo_spacing: TimeOrMinimum = "minimum"
    """Time between excitations of a train, s."""
    tr: TimeOrMinimum = 2.3
    """Repetition time, s: from inversion to inversion."""
    inversion_duration: Time = 12.8e-3
    """Length of the adiabatic inversion, s."""
    phase_increment: Angle = 117.0 * math.pi / 180.0
    """Increment of the RF phase's increment, rad."""
    spoiler_cycles: float = 2.0
    """Cycles across a partition from one excitation to the next."""

    def __post_init__(self) -> None:
        """Refuse trains without their own flip, and preparations besides the inversion."""
        Slab3D.__post_init__(self)
        if not self.ti or len(self.ti) != len(self.flip):
            raise InputError(f"has {len(self.flip)} values for {len(self.ti)} inversion times; use as many", key="flip")
        if self.partial_fourier_slab != 1:
            problem = f"is {self.partial_fourier_slab:g}, must be 1: a train reads all partitions; use partial_fourier"
            raise InputError(problem, key="partial_fourier_slab")
        if self.acceleration_slab != 1:
            problem = f"is {self.acceleration_slab}, must be 1: a train reads all partitions; use acceleration"
            raise InputError(problem, key="acceleration_slab")
        if list(self.ti) != sorted(set(self.ti)) or self.ti[0] <= 0:
            raise InputError("must hold ascending positive times", key="ti")
        for angle in self.flip:
            flip_angle("flip", angle)
        at_least("spoiler_cycles", self.spoiler_cycles, 0.0)
        if self.preparation:
            raise InputError("this family plays its own inversion; use none", key="preparation")

    def build(self, scanner: Scanner) -> Sequence:
        """Return the sequence on this scanner."""
        played = [
            steady_state(self, scanner, self.shaped(scanner, flip, self.excitation_duration),
                         slice_cycles=self.spoiler_cycles)
            for flip in self.flip
        ]  # fmt: skip
        first = played[0]
        limits = first.plan.limits
        te, (pause,) = solve("te", self.te, (first.lead(),), limits, "pixel_bandwidth, or shorten the pulse")
        content = {"the echo time": te, **first.tail()}
        spacing, (rest,) = solve("echo_spacing", self.echo_spacing, (content,), limits, "shorten te")
        inversion = self._inversion(first)
        gaps = self._gaps(first, inversion, spacing)
        train = spacing * self.matrix[2]
        held = {
            "the inversion": sum(block.duration for block in inversion),
            "the waits before the trains": sum(gaps),
            "the trains": train * len(played),
        }
        tr, (idle,) = solve("tr", self.tr, (held,), limits, "shorten ti")
        blocks: list[Block] = []
        excitation = 0
        for average, line in self.shots():
            shot = [*inversion]
            for image, (parts, gap) in enumerate(zip(played, gaps, strict=True)):
                labels = {"contrast": image, "average": average, "repetition": 0, "slice": 0}
                shot += wait(gap, "wait ti")
                for partition in range(self.matrix[2]):
                    encoded = (line, partition if line >= 0 else -1)
                    phase = quadratic_phase(self.phase_increment, excitation)
                    shot += [*parts.blocks(encoded, (labels,), pause, phase, self.slab_position), *wait(rest)]
                    excitation += 1
            blocks += starting([*shot, *wait(idle)])
        contrast = {"te": te / NS, "ti": self.ti, "tr": tr / NS, "flip": self.flip}
        sheet = {"excitation_profile": pulse_name(self), "phase_increment": self.phase_increment}
        sheet |= {"echo_spacing": spacing / NS, "train_length": self.matrix[2], "train_centre": self.matrix[2] // 2}
        facts: dict[str, float | str] = {"te": te / NS, "ti": self.ti[0], "tr": tr / NS}
        facts |= {"echo_spacing": spacing / NS}
        return finished(self, first.plan, blocks, contrast, sheet, facts)

    def shots(self) -> list[tuple[int, int]]:
        """Return (average, line) of every repetition; line -1 stands for a dummy."""
        lines = [(average, line) for average in range(self.averages) for line in self.read_lines]
        return [(0, -1)] * self.dummies + lines

    def _inversion(self, played: SteadyState) -> tuple[Block, ...]:
        """Return the inversion and its spoiler, without any wait."""
        parts = played.plan
        stage = Stage(scanner=parts.scanner, limits=parts.limits, thickness=parts.thickness,
                      position=self.slab_position, lead=0)  # fmt: skip
        return Inversion(ti=self.ti[:1], duration=self.inversion_duration).alone(stage)

    def _gaps(self, played: SteadyState, inversion: tuple[Block, ...], spacing: int) -> list[int]:
        """Return the wait before each train, ns."""
        pulse = inversion[0].rf
        clock = sum(block.duration for block in inversion) - (pulse.delay + pulse.centre if pulse else 0)
        gaps, centre, raster = [], self.matrix[2] // 2, played.plan.limits.raster
        for ti in self.ti:
            begins = to_ns(ti) - centre * spacing - played.excitation.before
            gap = begins - clock
            if gap < 0 or gap % raster:
                least = to_ns(ti) - gap if gap < 0 else to_ns(ti) - gap % raster
                raise InfeasibleError(
                    f"ti {text(to_ns(ti))} does not fit: the middle of {self.matrix[2]} echoes {text(spacing)} apart "
                    f"must follow what is played before, on a raster of {raster / 1e3:g} us; use {text(least)}"
                )
            gaps.append(gap)
            clock = begins + self.matrix[2] * spacing
        return gaps
